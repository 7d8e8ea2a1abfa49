import { hex, NIL, PAGE_SIZE } from '../lib/units.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { verifyRedzoneFree } from './debug.ts';
import { cacheFree } from './free.ts';
import { objectAt, slotOfAddress } from './freelist.ts';
import { isHeld, SLOT_SHIFT } from './slab-table.ts';
import { type SlabState, virtualAddress } from './state.ts';

/** The cache that owns an object. */
export function cacheOfObject({ slabs, cacheById }: SlabState, object: number): CacheState {
  const cache = cacheById[slabs.cache[object >> SLOT_SHIFT]];
  if (cache === null || cache === undefined) throw new TypeError(`object ${object} has no cache`);
  return cache;
}

/**
 * The object that begins at an address, owned by a caller.
 * @returns object number, NIL when the address is in no slab
 * @throws KmemError `FOREIGN_POINTER` when no object begins there, `DOUBLE_FREE` when it is free
 */
export function ownedObject(state: SlabState, address: number): number {
  const slot = slotOfAddress(state, address);
  if (slot === NIL) return NIL;
  const cache = cacheOfObject(state, slot << SLOT_SHIFT);
  const object = objectAt(cache, slot, address);
  if (object === NIL) {
    throw new KmemError('FOREIGN_POINTER', `no object of ${cache.name} begins at ${hex(address)}`, {
      cache: cache.name,
      address,
    });
  }
  if (isHeld(state.slabs, object)) return object;
  verifyRedzoneFree(cache, object);
  throw new KmemError('DOUBLE_FREE', `the object of ${cache.name} at ${hex(address)} is free`, {
    cache: cache.name,
    address,
  });
}

/**
 * The object that a caller wants to give back to a cache.
 * @returns object number, NIL when the kernel warns and does nothing (FREELIST_HARDENED)
 * @throws KmemError `FOREIGN_POINTER`, `WRONG_CACHE`, `DOUBLE_FREE`
 * @kernel cache_from_obj (spec slab 4.1, 4.25)
 */
export function objectToFree(cache: CacheState, address: number, cpu: number): number {
  const { state } = cache;
  state.calls?.enter('cache_from_obj');
  if (isFreedTwiceInRow(state, address, cpu)) return NIL;
  const object = ownedObject(state, address);
  const hardened = state.config.freelistHardened;
  if (object === NIL) {
    if (hardened) {
      warnOnce(state, 'virt_to_cache', 'virt_to_cache: Object is not a Slab page!');
      return NIL;
    }
    reportOutOfRange(state, address);
    throw foreignPointer(cache.name, address);
  }
  const owner = cacheOfObject(state, object);
  if (owner === cache) return object;
  const message = `cache_from_obj: Wrong slab cache. ${cache.name} but object is from ${owner.name}`;
  if (hardened) {
    state.log?.(message);
    return object;
  }
  throw new KmemError('WRONG_CACHE', message, { cache: cache.name, owner: owner.name, address });
}

/**
 * With FREELIST_HARDENED, whether an object is freed that is on top of the array where it would go:
 * that is warned about once, and ignored.
 * @kernel __free_one (spec slab 4.25)
 */
function isFreedTwiceInRow(state: SlabState, address: number, cpu: number): boolean {
  if (!state.config.freelistHardened) return false;
  const slot = slotOfAddress(state, address);
  if (slot === NIL) return false;
  const cache = cacheOfObject(state, slot << SLOT_SHIFT);
  const object = objectAt(cache, slot, address);
  const node = state.slabs.node[slot];
  const local = state.cpuNode[cpu];
  const alien = cache.nodes[local]?.alien?.caches[node] ?? null;
  const ac = state.multiNode && node !== local ? alien : cache.cpuCache[cpu];
  if (object === NIL || ac === null || ac.avail === 0) return false;
  if (ac.entries[ac.avail - 1] !== object) return false;
  warnOnce(
    state,
    'free one',
    `WARNING: ${cache.name}: object ${hex(address)} is freed twice in a row`,
  );
  return true;
}

function warnOnce(state: SlabState, reason: string, message: string): void {
  if (state.warnedOnce.has(reason)) return;
  state.warnedOnce.add(reason);
  state.log?.(message);
}

function foreignPointer(name: string, address: number): KmemError {
  const shown = Number.isFinite(address) ? hex(address) : String(address);
  return new KmemError('FOREIGN_POINTER', `${shown} is in no slab`, { cache: name, address });
}

/** What a debug build prints before it stops at an address outside of memory. @kernel kfree_debugcheck */
export function reportOutOfRange(state: SlabState, address: number): void {
  if (!state.debug || (address >= 0 && address < state.map.endPfn * PAGE_SIZE)) return;
  const at = virtualAddress(state, address).toString(16);
  state.log?.(`kfree_debugcheck: out of range ptr ${at}h`);
}

/**
 * Gives the object at an address back to its cache; without a tracepoint.
 * @returns false when the address is in no slab
 * @throws KmemError as `ownedObject`
 */
export function freeByAddress(state: SlabState, address: number, cpu: number): boolean {
  if (isFreedTwiceInRow(state, address, cpu)) return true;
  const object = ownedObject(state, address);
  if (object === NIL) return false;
  cacheFree(cacheOfObject(state, object), object, cpu);
  return true;
}

/**
 * Bytes that the owner of an object may use.
 * @returns NIL when the address is in no slab
 * @throws KmemError as `ownedObject`
 * @kernel __ksize (spec slab 4.1)
 */
export function usableSize(state: SlabState, address: number): number {
  const object = ownedObject(state, address);
  return object === NIL ? NIL : cacheOfObject(state, object).objectSize;
}
