import { PAGE_SIZE } from '../lib/units.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { TaintFlag } from '../mm/taint.ts';
import { type CacheState, cpuOf, hasFlag } from './cache-state.ts';
import { putCpuPartial } from './cpu-slab.ts';
import { freeDebug, untake } from './debug-alloc.ts';
import { isMarkedInUse, setFreePointer } from './debug-object.ts';
import { printTracking } from './debug-report.ts';
import { discardSlab } from './new-slab.ts';
import { addPartial, removePartial } from './node-lists.ts';
import {
  indexOfAddress,
  setNext,
  slabOfAddress,
  WORDS_PER_PAGE,
  writePointerWord,
} from './pointer.ts';
import { FREELIST_END, LINK_ALLOCATED } from './slab-table.ts';
import { ContentMode, checkCpu, type SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

function refuse(code: string, message: string, cache: CacheState | null, address: number): never {
  throw new KmemError(code, message, { cache: cache?.name ?? null, address });
}

/** Whether the kernel itself looks up the cache of an object that is freed. (spec slub 4.18 step 1) */
export function looksUpCache(state: SlubState, cache: CacheState): boolean {
  return state.config.freelistHardened || hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS);
}

/**
 * The cache that an object is really freed to.
 * @param cache the one that the caller names
 * @returns null when nothing is to be freed
 * @throws KmemError `FOREIGN_POINTER`, `WRONG_CACHE` where the kernel would trust the caller blindly
 * @kernel cache_from_obj (spec slub 4.18 step 1)
 */
export function cacheFromObject(
  state: SlubState,
  cache: CacheState,
  address: number,
): CacheState | null {
  const slab = slabOfAddress(state, address);
  if (!looksUpCache(state, cache)) {
    if (slab < 0) refuse('FOREIGN_POINTER', 'the address is in no slab', cache, address);
    if (state.slabs.cache[slab] === cache.id) return cache;
    refuse('WRONG_CACHE', 'the object belongs to another cache', cache, address);
  }
  if (slab < 0) {
    if (!state.warnedNotSlab) {
      state.warnedNotSlab = true;
      state.log?.('virt_to_cache: Object is not a Slab page!');
      state.taint |= TaintFlag.TAINT_WARN;
    }
    return null;
  }
  const real = cacheOfSlab(state, slab);
  if (real.id !== cache.id) {
    state.log?.(`cache_from_obj: Wrong slab cache. ${cache.name} but object is from ${real.name}`);
    state.taint |= TaintFlag.TAINT_WARN;
    printTracking(state, real, address);
  }
  return real;
}

/** The cache that owns a slab. */
export function cacheOfSlab(state: SlubState, slab: number): CacheState {
  const cache = state.cacheById[state.slabs.cache[slab]] ?? null;
  if (cache !== null) return cache;
  throw new KmemError('CRASH', 'a slab without a cache', { pfn: state.slabs.pfn[slab] });
}

/**
 * Checks that a caller owns an object, as far as the kernel does not check it itself.
 * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
 */
export function checkOwned(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
): void {
  if (hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS)) return;
  const index = indexOfAddress(state, cache, slab, address);
  if (index < 0) refuse('FOREIGN_POINTER', 'no object starts at the address', cache, address);
  const owned = cache.isDebug
    ? isMarkedInUse(state, cache, slab, index)
    : state.slabs.links[state.slabs.linkBase[slab] + index] === LINK_ALLOCATED;
  if (!owned) refuse('DOUBLE_FREE', 'the object is free already', cache, address);
}

/** Clears what a free clears. @kernel slab_free_hook (spec slub 4.18 step 3) */
export function clearOnFree(state: SlubState, cache: CacheState, address: number): void {
  if (!cache.zeroOnFree || state.contentMode === ContentMode.NONE) return;
  state.memory.fill(address, cache.objectSize, 0);
  state.memory.fill(address + cache.inuse, cache.size - cache.inuse - cache.pad, 0);
}

/**
 * Frees a chain of objects of a normal slab that is not this CPU's.
 * @param head index of the first object; the chain is linked, up to the slab's freelist behind it
 * @param count objects in the chain
 * @kernel __slab_free (spec slub 4.19)
 */
export function freeSlow(
  state: SlubState,
  cache: CacheState,
  slab: number,
  head: number,
  count: number,
  cpu: number,
): void {
  state.trace?.functionEntry?.('__slab_free', {
    s: cache.name,
    slab: state.slabs.pfn[slab],
    cnt: count,
  });
  const { slabs } = state;
  const { stats } = cache;
  const prior = slabs.freelist[slab];
  slabs.freelist[slab] = head;
  const inuse = slabs.inuse[slab] - count;
  slabs.inuse[slab] = inuse;
  if (slabs.frozen[slab] === 1) {
    countStat(stats, cpu, Stat.free_frozen);
    return;
  }
  if (prior === FREELIST_END && state.config.cpuPartial) {
    slabs.frozen[slab] = 1;
    putCpuPartial(state, cache, slab, true, cpu);
    countStat(stats, cpu, Stat.cpu_partial_free);
    return;
  }
  if (inuse > 0 || cache.nrPartial[slabs.node[slab]] < cache.minPartial) {
    if (prior !== FREELIST_END) return;
    addPartial(state, cache, slab, true);
    countStat(stats, cpu, Stat.free_add_partial);
    return;
  }
  if (prior !== FREELIST_END) {
    removePartial(state, cache, slab);
    countStat(stats, cpu, Stat.free_remove_partial);
  }
  countStat(stats, cpu, Stat.free_slab);
  discardSlab(state, cache, slab, cpu);
}

/**
 * Frees a linked chain of a normal cache: to the CPU freelist if the slab is this CPU's.
 * @param tail index of the last object, which is linked to what comes after it here
 */
export function freeLinked(
  state: SlubState,
  cache: CacheState,
  slab: number,
  head: number,
  tail: number,
  count: number,
  cpu: number,
): void {
  const c = cpuOf(cache, cpu);
  if (c.slab === slab) {
    setNext(state, cache, slab, tail, c.freelist);
    c.freelist = head;
    countStat(cache.stats, cpu, Stat.free_fastpath);
    return;
  }
  setNext(state, cache, slab, tail, state.slabs.freelist[slab]);
  countStat(cache.stats, cpu, Stat.free_slowpath);
  freeSlow(state, cache, slab, head, count, cpu);
}

/** Frees an object of a debug cache. */
function giveDebug(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
  cpu: number,
): void {
  checkCpu(state, cpu);
  checkOwned(state, cache, slab, address);
  clearOnFree(state, cache, address);
  // The hook stores NULL before any check looks at the object.
  setFreePointer(state, cache, slab, address, 0);
  countStat(cache.stats, cpu, Stat.free_slowpath);
  freeDebug(state, cache, slab, address, address, 1, cpu);
}

/**
 * Gives an object back: to the CPU freelist if its slab is this CPU's, else the long way.
 * @param slab the slab that the address is in
 * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
 * @kernel do_slab_free (spec slub 4.18)
 */
export function giveObject(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
  cpu: number,
): void {
  if (cache.isDebug) {
    giveDebug(state, cache, slab, address, cpu);
    return;
  }
  if (giveToCpuSlab(state, cache, address, cpu)) return;
  giveToOtherSlab(state, cache, slab, address, cpu);
}

/** Frees an object of a normal cache whose slab is not this CPU's. */
export function giveToOtherSlab(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
  cpu: number,
): void {
  const { slabs } = state;
  const { links } = slabs;
  const pfn = slabs.pfn[slab];
  const from = address - pfn * PAGE_SIZE;
  const index = (from * cache.sizeInverse + 0.5) | 0;
  if (index * cache.size !== from || index >= slabs.objects[slab]) {
    refuse('FOREIGN_POINTER', 'no object starts at the address', cache, address);
  }
  const cell = slabs.linkBase[slab] + index;
  if (links[cell] !== LINK_ALLOCATED) {
    refuse('DOUBLE_FREE', 'the object is free already', cache, address);
  }
  const next = slabs.freelist[slab];
  if (cache.zeroOnFree) clearOnFree(state, cache, address);
  if (state.contentMode === ContentMode.NONE) {
    links[cell] = next;
  } else if (state.contentMode === ContentMode.PLAIN) {
    const low = next === FREELIST_END ? 0 : slabs.virtLow[slab] + next * cache.size;
    const high = next === FREELIST_END ? 0 : slabs.virtHigh[slab];
    const word = pfn * WORDS_PER_PAGE + index * cache.slotWords + cache.pointerWord;
    writePointerWord(state, word, low, high);
    links[cell] = next;
  } else {
    setNext(state, cache, slab, index, next);
  }
  countStat(cache.stats, cpu, Stat.free_slowpath);
  freeSlow(state, cache, slab, index, 1, cpu);
}

/**
 * Takes an object back that was just taken and never handed out, because the memory threw. The
 * memory may throw again: the freelist is what the model holds to be true.
 */
export function takeBack(state: SlubState, cache: CacheState, address: number, cpu: number): void {
  const slab = slabOfAddress(state, address);
  try {
    giveObject(state, cache, slab, address, cpu);
  } catch {
    if (cache.isDebug) untake(state, cache, slab, address);
    else relink(state, cache, slab, address, cpu);
  }
}

/** Puts an object of a normal slab back where it was taken, in the table only. */
function relink(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
  cpu: number,
): void {
  const { slabs } = state;
  const c = cpuOf(cache, cpu);
  const isCpuSlab = c.slab === slab;
  const index = indexOfAddress(state, cache, slab, address);
  slabs.links[slabs.linkBase[slab] + index] = isCpuSlab ? c.freelist : slabs.freelist[slab];
  if (isCpuSlab) c.freelist = index;
  else freeSlow(state, cache, slab, index, 1, cpu);
}

/**
 * Frees an object whose slab is this CPU's: the short way.
 * @returns false when it is not, and nothing was done
 * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
 */
export function giveToCpuSlab(
  state: SlubState,
  cache: CacheState,
  address: number,
  cpu: number,
): boolean {
  const c = cpuOf(cache, cpu);
  const from = address - c.base;
  if (!(from >= 0 && from < c.span)) return false;
  const index = (from * cache.sizeInverse + 0.5) | 0;
  if (index * cache.size !== from) {
    refuse('FOREIGN_POINTER', 'no object starts at the address', cache, address);
  }
  const { links } = state.slabs;
  const cell = c.links + index;
  if (links[cell] !== LINK_ALLOCATED) {
    refuse('DOUBLE_FREE', 'the object is free already', cache, address);
  }
  const next = c.freelist;
  if (state.contentMode === ContentMode.PLAIN && !cache.zeroOnFree) {
    const low = next === FREELIST_END ? 0 : c.virtLow + next * cache.size;
    const high = next === FREELIST_END ? 0 : c.virtHigh;
    writePointerWord(state, c.word + index * cache.slotWords + cache.pointerWord, low, high);
  } else if (state.contentMode !== ContentMode.NONE) {
    clearOnFree(state, cache, address);
    setNext(state, cache, c.slab, index, next);
  }
  links[cell] = next;
  c.freelist = index;
  if (cache.stats !== null) countStat(cache.stats, cpu, Stat.free_fastpath);
  return true;
}

/**
 * Frees an object to the cache that the caller names.
 * @kernel kmem_cache_free (spec slub 4.18)
 */
export function freeToCache(
  state: SlubState,
  cache: CacheState,
  address: number,
  cpu: number,
): void {
  if (giveToCpuSlab(state, cache, address, cpu)) return;
  const slab = slabOfAddress(state, address);
  if (slab >= 0 && state.slabs.cache[slab] === cache.id) {
    giveObject(state, cache, slab, address, cpu);
    return;
  }
  const real = cacheFromObject(state, cache, address);
  if (real !== null) giveObject(state, real, slab, address, cpu);
}
