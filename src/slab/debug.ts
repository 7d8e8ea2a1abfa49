import { NIL } from '../lib/units.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { CacheState } from './cache-state.ts';
import {
  POISON_END,
  POISON_FREE,
  POISON_INUSE,
  redzone1Address,
  redzone2Address,
  userwordAddress,
} from './debug-layout.ts';
import { checkPoison, reportAddress, reportRedzones, slabError } from './debug-report.ts';
import { getFreeObj, hostObject, isObjfreelist, objectAddress, slotAddress } from './freelist.ts';
import { INDEX_MASK, SLOT_SHIFT } from './slab-table.ts';

/** A 64-bit pattern, as two halves. */
interface Word {
  readonly low: number;
  readonly high: number;
}

/** What both red zones of a free object hold: 0x09F911029D74E35B. */
const RED_INACTIVE: Word = { low: 0x9d74e35b, high: 0x09f91102 };
/** What both red zones of an object in use hold: 0xD84156C5635688C0. */
const RED_ACTIVE: Word = { low: 0x635688c0, high: 0xd84156c5 };
const MINALIGN = 8;

function has(cache: CacheState, flag: number): boolean {
  return (cache.flags & flag) !== 0;
}

function isWord({ state }: CacheState, at: number, word: Word): boolean {
  const { memory } = state;
  return memory.readU32(at) === word.low && memory.readU32(at + 4) === word.high;
}

function writeWord({ state }: CacheState, at: number, word: Word): void {
  state.memory.writeU32(at, word.low);
  state.memory.writeU32(at + 4, word.high);
}

function setRedzones(cache: CacheState, object: number, word: Word): void {
  writeWord(cache, redzone1Address(cache, object), word);
  writeWord(cache, redzone2Address(cache, object), word);
}

function setUser(cache: CacheState, object: number, address: bigint): void {
  writeWord(cache, userwordAddress(cache, object), {
    low: Number(BigInt.asUintN(32, address)),
    high: Number(BigInt.asUintN(32, address >> 32n)),
  });
}

/** Fills an object with a pattern. @kernel poison_obj */
function poison(cache: CacheState, object: number, byte: number): void {
  const { memory } = cache.state;
  const at = objectAddress(cache, object);
  memory.fill(at, cache.objectSize - 1, byte);
  memory.writeU8(at + cache.objectSize - 1, POISON_END);
}

/**
 * Writes the debug words of all objects of a new slab, and constructs them.
 * @kernel cache_init_objs_debug (spec slab 4.26)
 */
export function initObjectsDebug(cache: CacheState, slot: number): void {
  const { state, ctor } = cache;
  const poisons = has(cache, SlabFlag.SLAB_POISON);
  for (let index = 0; index < cache.num; index++) {
    const object = (slot << SLOT_SHIFT) | index;
    if (state.contentless) {
      if (ctor !== null && !poisons) ctor(objectAddress(cache, object));
      continue;
    }
    if (has(cache, SlabFlag.SLAB_STORE_USER)) setUser(cache, object, 0n);
    if (has(cache, SlabFlag.SLAB_RED_ZONE)) setRedzones(cache, object, RED_INACTIVE);
    if (ctor !== null && !poisons) ctor(objectAddress(cache, object));
    if (has(cache, SlabFlag.SLAB_RED_ZONE)) checkConstructor(cache, object);
    if (poisons) poison(cache, object, POISON_FREE);
  }
}

function checkConstructor(cache: CacheState, object: number): void {
  const name = 'cache_init_objs_debug';
  if (!isWord(cache, redzone2Address(cache, object), RED_INACTIVE)) {
    slabError(cache, name, 'constructor overwrote the end of an object');
  }
  if (!isWord(cache, redzone1Address(cache, object), RED_INACTIVE)) {
    slabError(cache, name, 'constructor overwrote the start of an object');
  }
}

/**
 * Poisons the objects again that held the index array of a slab that is full now.
 * @kernel fixup_objfreelist_debug (spec slab 4.26)
 */
export function poisonFormerHosts(cache: CacheState): void {
  const hosts = cache.state.poisonHosts;
  cache.state.poisonHosts = [];
  if (cache.state.contentless) return;
  for (const object of hosts) poison(cache, object, POISON_FREE);
}

/**
 * Checks an object that is about to be handed out, and marks it as in use.
 * @kernel cache_alloc_debugcheck_after (spec slab 4.26)
 */
export function debugAfterAlloc(cache: CacheState, object: number): void {
  const { state, ctor } = cache;
  const address = objectAddress(cache, object);
  const poisons = has(cache, SlabFlag.SLAB_POISON);
  if (!state.contentless) {
    if (poisons) {
      checkPoison(cache, object);
      poison(cache, object, POISON_INUSE);
    }
    if (has(cache, SlabFlag.SLAB_STORE_USER)) setUser(cache, object, state.callSite.address);
    if (has(cache, SlabFlag.SLAB_RED_ZONE)) checkRedzonesFree(cache, object);
  }
  if (ctor !== null && poisons) ctor(address);
  if (address % MINALIGN !== 0) {
    state.log?.(
      `0x${reportAddress(state, address)}: not aligned to arch_slab_minalign()=${MINALIGN}`,
    );
  }
}

function checkRedzonesFree(cache: CacheState, object: number): void {
  const intact =
    isWord(cache, redzone1Address(cache, object), RED_INACTIVE) &&
    isWord(cache, redzone2Address(cache, object), RED_INACTIVE);
  if (!intact) {
    const message = 'double free, or memory outside object was overwritten';
    slabError(cache, 'cache_alloc_debugcheck_after', message);
    reportRedzones(cache, object);
  }
  setRedzones(cache, object, RED_ACTIVE);
}

/**
 * Checks an object that is given back, and marks it as free.
 * @kernel cache_free_debugcheck (spec slab 4.26)
 */
export function debugBeforeFree(cache: CacheState, object: number): void {
  if (cache.state.contentless) return;
  if (has(cache, SlabFlag.SLAB_RED_ZONE)) {
    verifyRedzoneFree(cache, object);
    setRedzones(cache, object, RED_INACTIVE);
  }
  if (has(cache, SlabFlag.SLAB_STORE_USER)) setUser(cache, object, cache.state.callSite.address);
  if (has(cache, SlabFlag.SLAB_POISON)) poison(cache, object, POISON_FREE);
}

/**
 * Reports red zones that are not those of an object in use.
 * @kernel verify_redzone_free (spec slab 5.4)
 */
export function verifyRedzoneFree(cache: CacheState, object: number): void {
  if (cache.state.contentless || !has(cache, SlabFlag.SLAB_RED_ZONE)) return;
  const first = redzone1Address(cache, object);
  const second = redzone2Address(cache, object);
  if (isWord(cache, first, RED_ACTIVE) && isWord(cache, second, RED_ACTIVE)) return;
  const twice = isWord(cache, first, RED_INACTIVE) && isWord(cache, second, RED_INACTIVE);
  const message = twice ? 'double free detected' : 'memory outside object was overwritten';
  slabError(cache, 'verify_redzone_free', message);
  reportRedzones(cache, object);
}

/**
 * Checks all objects of a slab that is about to be destroyed.
 * @kernel slab_destroy_debugcheck (spec slab 4.26)
 */
export function debugBeforeDestroy(cache: CacheState, slot: number): void {
  if (cache.state.contentless) return;
  const poisons = has(cache, SlabFlag.SLAB_POISON);
  if (isObjfreelist(cache) && poisons) poison(cache, hostObject(cache, slot), POISON_FREE);
  for (let index = 0; index < cache.num; index++) {
    const object = (slot << SLOT_SHIFT) | index;
    if (poisons) checkPoison(cache, object);
    if (!has(cache, SlabFlag.SLAB_RED_ZONE)) continue;
    if (!isWord(cache, redzone1Address(cache, object), RED_INACTIVE)) {
      slabError(cache, 'slab_destroy_debugcheck', 'start of a freed object was overwritten');
    }
    if (!isWord(cache, redzone2Address(cache, object), RED_INACTIVE)) {
      slabError(cache, 'slab_destroy_debugcheck', 'end of a freed object was overwritten');
    }
  }
}

/**
 * Stops when an object that is given back to its slab is in the free part of the index array.
 * @throws KmemError `FREELIST_CORRUPT` where the kernel stops with a BUG
 * @kernel slab_put_obj (spec slab 4.26)
 */
export function checkNotInFreelist(cache: CacheState, object: number): void {
  const { state, slabs } = cache;
  const slot = object >> SLOT_SHIFT;
  if (slabs.freelist[slot] === NIL) return;
  for (let position = slabs.active[slot]; position < cache.num; position++) {
    if (getFreeObj(cache, slot, position) !== (object & INDEX_MASK)) continue;
    const at = reportAddress(state, slotAddress(cache, object));
    const message = `slab: double free detected in cache '${cache.name}', objp ${at}`;
    state.log?.(message);
    throw new KmemError('FREELIST_CORRUPT', message, { cache: cache.name, object });
  }
}
