import { checkInteger } from '../lib/errors.ts';
import { Gfp } from '../mm/gfp.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { type CacheState, type CpuState, cpuOf, ZeroRule } from './cache-state.ts';
import { clearCpuSlab, deactivateCpuSlab, deactivateSlab, setCpuSlab } from './cpu-slab.ts';
import { allocFromDebugNew, markTaken } from './debug-alloc.ts';
import { takeBack } from './free.ts';
import { newSlab } from './new-slab.ts';
import { incSlabsNode } from './node-lists.ts';
import { getPartial, reservesMatch } from './node-partial.ts';
import { outOfMemoryReport } from './oom-report.ts';
import { checkStoredNext, hasPointerWord, objectAddress } from './pointer.ts';
import { FREELIST_END, LINK_ALLOCATED } from './slab-table.ts';
import { ContentMode, type SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

/** Bytes of a free pointer. */
const POINTER_BYTES = 8;

/**
 * Takes the first object of a CPU freelist.
 * @param index that object; the freelist is not empty
 * @returns its address
 * @throws KmemError `FREELIST_CORRUPT`
 */
export function popCpuFreelist(
  state: SlubState,
  cache: CacheState,
  c: CpuState,
  index: number,
): number {
  const { links } = state.slabs;
  const cell = c.links + index;
  const next = links[cell];
  if (state.contentMode !== ContentMode.NONE) {
    const low = next === FREELIST_END ? 0 : c.virtLow + next * cache.size;
    const high = next === FREELIST_END ? 0 : c.virtHigh;
    const word = c.word + index * cache.slotWords + cache.pointerWord;
    // What is not as expected is hardened, or corrupt.
    if (!hasPointerWord(state, word, low, high)) {
      checkStoredNext(state, cache, c.slab, index, next);
    }
  }
  links[cell] = LINK_ALLOCATED;
  c.freelist = next;
  return c.base + index * cache.size;
}

/**
 * Takes an object: from the CPU freelist, or the long way.
 * @param node wanted node, -1 for any
 * @param origSize bytes asked for
 * @returns its address, -1 when there is no memory
 * @kernel slab_alloc_node (spec slub 4.11)
 */
export function takeObject(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
  origSize: number,
  cpu: number,
): number {
  const c = cpuOf(cache, cpu);
  const index = c.freelist;
  let address: number;
  if (index >= 0 && (node < 0 || state.slabs.node[c.slab] === node)) {
    address = popCpuFreelist(state, cache, c, index);
    if (cache.stats !== null) countStat(cache.stats, cpu, Stat.alloc_fastpath);
  } else {
    address = allocSlow(state, cache, gfp, node, origSize, cpu);
    if (address < 0) return -1;
  }
  if ((gfp & Gfp.__GFP_ZERO) !== 0 || cache.zeroRule !== ZeroRule.ON_REQUEST || cache.zeroOnFree) {
    clearTaken(state, cache, gfp, address, cpu);
  }
  return address;
}

/** Clears an object that was just taken; if the memory throws, nobody has taken it. */
function clearTaken(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  address: number,
  cpu: number,
): void {
  try {
    clearObject(state, cache, gfp, address);
  } catch (error) {
    takeBack(state, cache, address, cpu);
    throw error;
  }
}

/** Clears what an allocation clears. (spec slub 4.11 steps 3 and 4, 4.26) */
export function clearObject(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  address: number,
): void {
  if (state.contentMode === ContentMode.NONE) return;
  if (cache.zeroOnFree) state.memory.fill(address + cache.offset, POINTER_BYTES, 0);
  if (cache.zeroRule === ZeroRule.NEVER) return;
  if (cache.zeroRule === ZeroRule.ON_REQUEST && (gfp & Gfp.__GFP_ZERO) === 0) return;
  state.memory.fill(address, cache.objectSize, 0);
}

/** @throws KmemError `CACHE_DESTROYED`, ArgumentError for a node that does not exist */
function checkCall(state: SlubState, cache: CacheState, node: number): void {
  if (node !== -1) checkInteger('node', node, -1, state.topology.nodeIds - 1);
  if (cache.refcount !== 0) return;
  throw new KmemError('CACHE_DESTROYED', 'the cache was destroyed', { cache: cache.name });
}

/** The head of the CPU's partial list becomes the CPU slab; -1 if it is empty. (spec slub 4.12 S5) */
function cpuSlabFromChain(state: SlubState, cache: CacheState, c: CpuState, cpu: number): number {
  const slab = c.chain;
  if (slab < 0) return -1;
  c.chain = state.slabs.next[slab];
  setCpuSlab(state, cache, c, slab);
  countStat(cache.stats, cpu, Stat.cpu_partial_alloc);
  return slab;
}

/** Takes the whole regular freelist of a slab. @kernel get_freelist */
function takeFreelist(state: SlubState, slab: number): number {
  const { slabs } = state;
  const freelist = slabs.freelist[slab];
  slabs.freelist[slab] = FREELIST_END;
  slabs.inuse[slab] = slabs.objects[slab];
  return freelist;
}

/**
 * Steps S1 to S5: the CPU slab and the CPU's partial list.
 * @returns the address of an object, -1 if neither has one for this request
 */
function allocFromCpu(
  state: SlubState,
  cache: CacheState,
  c: CpuState,
  gfp: number,
  node: number,
  cpu: number,
): number {
  const { slabs } = state;
  let slab = c.slab;
  if (slab < 0) slab = cpuSlabFromChain(state, cache, c, cpu);
  for (; slab >= 0; slab = cpuSlabFromChain(state, cache, c, cpu)) {
    if (node >= 0 && slabs.node[slab] !== node) {
      countStat(cache.stats, cpu, Stat.alloc_node_mismatch);
      deactivateCpuSlab(state, cache, c, cpu);
      continue;
    }
    if (!reservesMatch(state, slab, gfp)) {
      deactivateCpuSlab(state, cache, c, cpu);
      continue;
    }
    let freelist = c.freelist;
    if (freelist === FREELIST_END && slabs.freelist[slab] !== FREELIST_END) {
      freelist = takeFreelist(state, slab);
      c.freelist = freelist;
      countStat(cache.stats, cpu, Stat.alloc_refill);
    }
    if (freelist !== FREELIST_END) return popCpuFreelist(state, cache, c, freelist);
    slabs.inuse[slab] = slabs.objects[slab];
    slabs.frozen[slab] = 0;
    clearCpuSlab(c);
    countStat(cache.stats, cpu, Stat.deactivate_bypass);
  }
  return -1;
}

/** Steps S8 and LOAD: a frozen slab becomes the CPU slab, its first object is the result. */
function loadSlab(
  state: SlubState,
  cache: CacheState,
  slab: number,
  freelist: number,
  cpu: number,
): number {
  const c = cache.cpus[cpu];
  // While we waited for a page the allocator may have been entered again on this CPU.
  while (c.slab >= 0) {
    deactivateCpuSlab(state, cache, c, cpu);
    countStat(cache.stats, cpu, Stat.cpuslab_flush);
  }
  setCpuSlab(state, cache, c, slab);
  c.freelist = freelist;
  return popCpuFreelist(state, cache, c, freelist);
}

/** The first object of a reserve slab for a request that gets no more; the rest goes to the node. */
function takeOneOfReserve(
  state: SlubState,
  cache: CacheState,
  slab: number,
  freelist: number,
  cpu: number,
): number {
  const { slabs } = state;
  const cell = slabs.linkBase[slab] + freelist;
  const next = slabs.links[cell];
  slabs.links[cell] = LINK_ALLOCATED;
  deactivateSlab(state, cache, slab, next, cpu);
  return objectAddress(state, cache, slab, freelist);
}

/** Step S7 of a normal cache. */
function allocFromNewSlab(
  state: SlubState,
  cache: CacheState,
  slab: number,
  gfp: number,
  cpu: number,
): number {
  const freelist = takeFreelist(state, slab);
  state.slabs.frozen[slab] = 1;
  incSlabsNode(state, cache, slab);
  return reservesMatch(state, slab, gfp)
    ? loadSlab(state, cache, slab, freelist, cpu)
    : takeOneOfReserve(state, cache, slab, freelist, cpu);
}

/** Steps S6 and S7 of a debug cache. */
function allocDebug(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
  origSize: number,
  cpu: number,
): number {
  for (;;) {
    let object = getPartial(state, cache, gfp, node, origSize, cpu);
    if (object < 0) {
      const slab = newSlab(state, cache, gfp, node, cpu);
      if (slab < 0) {
        outOfMemoryReport(state, cache, gfp, node);
        return -1;
      }
      countStat(cache.stats, cpu, Stat.alloc_slab);
      object = allocFromDebugNew(state, cache, slab, origSize, cpu);
      if (object === 0) continue;
    }
    markTaken(state, cache, object);
    return object;
  }
}

/**
 * Takes an object when the CPU freelist cannot give it.
 * @returns its address, -1 when there is no memory
 * @kernel ___slab_alloc (spec slub 4.12)
 */
export function allocSlow(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
  origSize: number,
  cpu: number,
): number {
  state.trace?.functionEntry?.('___slab_alloc', { s: cache.name, gfpflags: gfp, node, cpu });
  checkCall(state, cache, node);
  const c = cpuOf(cache, cpu);
  countStat(cache.stats, cpu, Stat.alloc_slowpath);
  const wanted = node >= 0 && state.isMemoryNode[node] === 0 ? -1 : node;
  if (cache.isDebug) return allocDebug(state, cache, gfp, wanted, origSize, cpu);
  const address = allocFromCpu(state, cache, c, gfp, wanted, cpu);
  if (address >= 0) return address;
  const partial = getPartial(state, cache, gfp, wanted, origSize, cpu);
  if (partial >= 0) return loadSlab(state, cache, partial, takeFreelist(state, partial), cpu);
  const slab = newSlab(state, cache, gfp, wanted, cpu);
  if (slab < 0) {
    outOfMemoryReport(state, cache, gfp, wanted);
    return -1;
  }
  countStat(cache.stats, cpu, Stat.alloc_slab);
  return allocFromNewSlab(state, cache, slab, gfp, cpu);
}
