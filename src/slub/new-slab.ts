import { PAGE_SIZE } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { fixSlabGfp, GFP_CONSTRAINT_MASK, GFP_RECLAIM_MASK } from '../mm/slab-gfp.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { slabPadCheckAndObjects } from './debug-check.ts';
import { setupObject, setupSlab } from './debug-object.ts';
import { decSlabsNode } from './node-lists.ts';
import { setNext, virtualHigh, virtualLow, WORDS_PER_PAGE, writePointerWord } from './pointer.ts';
import { shuffledStart } from './random-freelist.ts';
import { FREELIST_END } from './slab-table.ts';
import { ContentMode, type SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

/** What a first try asks for in addition: it may fail quietly and early. */
const FIRST_TRY = Gfp.__GFP_NOWARN | Gfp.__GFP_NORETRY;

/** The mask of the first try, with the usual order. (spec slub 4.10 step 4) */
export function firstTryGfp(cache: CacheState, gfp: number): number {
  const mask = (gfp | FIRST_TRY) & ~Gfp.__GFP_NOFAIL;
  if ((mask & Gfp.__GFP_DIRECT_RECLAIM) === 0 || cache.order <= cache.minOrder) return mask >>> 0;
  return ((mask | Gfp.__GFP_NOMEMALLOC) & ~Gfp.__GFP_RECLAIM) >>> 0;
}

/** The mask of page requests. (spec slub 4.10 step 3) */
export function pageRequestGfp(state: SlubState, cache: CacheState, gfp: number): number {
  const kept = gfp & (GFP_RECLAIM_MASK | GFP_CONSTRAINT_MASK) & state.gfpAllowedMask;
  return (kept | cache.allocflags) >>> 0;
}

/** @throws KmemError `BAD_PAGE` for a block that the allocator cannot use; it has been given back */
function checkBlock(state: SlubState, pfn: number, order: number, cpu: number): void {
  const pages = 2 ** order;
  const { source, map, memory } = state;
  const node = source.nodeOf(pfn);
  const fits =
    pfn > 0 && pfn + pages <= map.endPfn && (pfn + pages) * PAGE_SIZE <= memory.sizeBytes;
  if (fits && pfn % pages === 0 && state.isMemoryNode[node] === 1) return;
  source.freePages(pfn, order, cpu);
  const why = pfn === 0 ? ': address 0 means no object' : '';
  const message = `the page source gave page frame ${pfn} for order ${order}${why}`;
  throw new KmemError('BAD_PAGE', message, { pfn, order, node });
}

/** Makes the table's entry of a new slab; it is not yet a slab of the page map. */
function enterTable(state: SlubState, cache: CacheState, pfn: number, order: number): number {
  const { slabs } = state;
  // A debug cache has a second cell per object: who owns it, whatever its free pointer says.
  const slab = slabs.take(cache.isDebug ? 2 * cache.objects : cache.objects);
  const address = pfn * PAGE_SIZE;
  slabs.pfn[slab] = pfn;
  slabs.order[slab] = order;
  slabs.objects[slab] = order === cache.order ? cache.objects : cache.minObjects;
  slabs.inuse[slab] = 0;
  slabs.frozen[slab] = 0;
  slabs.cache[slab] = cache.id;
  slabs.node[slab] = state.source.nodeOf(pfn);
  slabs.virtLow[slab] = virtualLow(state, address);
  slabs.virtHigh[slab] = virtualHigh(state, address);
  return slab;
}

/** The chain of objects that need no set-up: the same cells and words, without a call for each. */
function chainPlain(state: SlubState, cache: CacheState, slab: number): number {
  const { slabs, contentMode } = state;
  const { links } = slabs;
  const { size, slotWords } = cache;
  const base = slabs.linkBase[slab];
  const last = slabs.objects[slab] - 1;
  for (let index = 0; index < last; index++) links[base + index] = index + 1;
  links[base + last] = FREELIST_END;
  if (contentMode === ContentMode.NONE) return 0;
  const high = slabs.virtHigh[slab];
  let word = slabs.pfn[slab] * WORDS_PER_PAGE + cache.pointerWord;
  let low = slabs.virtLow[slab] + size;
  for (let index = 0; index < last; index++) {
    writePointerWord(state, word, low, high);
    word += slotWords;
    low += size;
  }
  writePointerWord(state, word, 0, 0);
  return 0;
}

/** Sets up all objects and chains them in ascending order, as the kernel does one by one. */
function chainAscending(state: SlubState, cache: CacheState, slab: number): number {
  const isPlain = !cache.isDebug && cache.ctor === null;
  if (isPlain && state.contentMode !== ContentMode.HARDENED) return chainPlain(state, cache, slab);
  const last = state.slabs.objects[slab] - 1;
  setupObject(state, cache, slab, 0);
  for (let index = 0; index < last; index++) {
    setupObject(state, cache, slab, index + 1);
    setNext(state, cache, slab, index, index + 1);
  }
  setNext(state, cache, slab, last, FREELIST_END);
  return 0;
}

/** Sets up all objects and chains them in the shuffled order. @kernel shuffle_freelist (spec slub 4.10) */
function chainShuffled(state: SlubState, cache: CacheState, slab: number, seq: Int32Array): number {
  const { slabs, random } = state;
  const limit = slabs.objects[slab] * cache.size;
  let position = shuffledStart(random, seq.length);
  let first = -1;
  let previous = -1;
  for (let taken = 0; taken < slabs.objects[slab]; ) {
    const from = seq[position];
    position = position + 1 === seq.length ? 0 : position + 1;
    if (from >= limit) continue;
    const index = from / cache.size;
    setupObject(state, cache, slab, index);
    if (previous < 0) first = index;
    else setNext(state, cache, slab, previous, index);
    previous = index;
    taken++;
  }
  setNext(state, cache, slab, previous, FREELIST_END);
  return first;
}

function fillSlab(state: SlubState, cache: CacheState, slab: number): void {
  const { slabs } = state;
  setupSlab(state, cache, slab);
  const seq = cache.randomSeq;
  slabs.freelist[slab] =
    seq === null || slabs.objects[slab] < 2
      ? chainAscending(state, cache, slab)
      : chainShuffled(state, cache, slab, seq);
}

/** Marks the pages of a slab in the page map. */
function markPages(state: SlubState, slab: number, owner: number, isSlab: boolean): void {
  const { slabs, map } = state;
  const pfn = slabs.pfn[slab];
  map.private.fill(owner, pfn, pfn + (1 << slabs.order[slab]));
  if (!isSlab) {
    map.flags[pfn] &= ~(PageFlag.PG_slab | PageFlag.PG_active);
    return;
  }
  const reserves = (map.flags[pfn] & PageMark.PFMEMALLOC) !== 0;
  map.flags[pfn] |= reserves ? PageFlag.PG_slab | PageFlag.PG_active : PageFlag.PG_slab;
}

/** Counts the pages of a slab, or takes them out of the count again. @kernel account_slab */
function account(
  state: SlubState,
  cache: CacheState,
  slab: number,
  cpu: number,
  sign: number,
): void {
  if (state.vmstat === null) return;
  const item = hasFlag(cache, SlabFlag.SLAB_RECLAIM_ACCOUNT)
    ? NodeStatItem.nr_slab_reclaimable
    : NodeStatItem.nr_slab_unreclaimable;
  const pages = sign * 2 ** state.slabs.order[slab];
  modNodeState(state.vmstat, cpu, state.slabs.node[slab], item, pages);
}

/**
 * Makes a slab: pages, marks, patterns, freelist. It is on no list and counted nowhere but in the
 * counters of slab pages.
 * @returns the slab, -1 when there is no memory
 * @kernel new_slab, allocate_slab (spec slub 4.10)
 */
export function newSlab(
  state: SlubState,
  cache: CacheState,
  gfp: number,
  node: number,
  cpu: number,
): number {
  state.trace?.functionEntry?.('new_slab', { s: cache.name, flags: gfp, node });
  const { source } = state;
  const fixed = fixSlabGfp(gfp, state.log);
  if (fixed !== gfp && state.stackDump !== null)
    for (const line of state.stackDump()) state.log?.(line);
  const mask = pageRequestGfp(state, cache, fixed);
  let order = cache.order;
  let pfn = source.allocPages(firstTryGfp(cache, mask), order, node, cpu);
  if (pfn < 0) {
    order = cache.minOrder;
    pfn = source.allocPages(mask, order, node, cpu);
    if (pfn < 0) return -1;
    countStat(cache.stats, cpu, Stat.order_fallback);
  }
  checkBlock(state, pfn, order, cpu);
  const slab = enterTable(state, cache, pfn, order);
  markPages(state, slab, slab, true);
  try {
    fillSlab(state, cache, slab);
  } catch (error) {
    // A backend or a constructor threw: the allocator stays as it was.
    markPages(state, slab, 0, false);
    state.slabs.release(slab);
    source.freePages(pfn, order, cpu);
    throw error;
  }
  account(state, cache, slab, cpu, 1);
  return slab;
}

/**
 * Gives the pages of a slab back, which is on no list and not counted any more.
 * @kernel __free_slab (spec slub 4.20)
 */
export function freeSlabPages(
  state: SlubState,
  cache: CacheState,
  slab: number,
  cpu: number,
): void {
  const { slabs, reclaimState } = state;
  if (reclaimState !== null) reclaimState.reclaimedSlab += 1 << slabs.order[slab];
  try {
    if (hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS))
      slabPadCheckAndObjects(state, cache, slab);
  } finally {
    releasePages(state, cache, slab, cpu);
  }
}

/** Gives the pages of a slab back as they are. */
export function releasePages(state: SlubState, cache: CacheState, slab: number, cpu: number): void {
  const { slabs, source } = state;
  const pfn = slabs.pfn[slab];
  const order = slabs.order[slab];
  account(state, cache, slab, cpu, -1);
  markPages(state, slab, 0, false);
  state.badFreelists.delete(slab);
  slabs.release(slab);
  source.freePages(pfn, order, cpu);
}

/** Gives the pages back, now or after the grace period. @kernel free_slab (spec slub 4.20) */
export function freeSlab(state: SlubState, cache: CacheState, slab: number, cpu: number): void {
  if (hasFlag(cache, SlabFlag.SLAB_TYPESAFE_BY_RCU)) state.rcuPending.push(slab);
  else freeSlabPages(state, cache, slab, cpu);
}

/** Ends a slab: out of the counts, pages back. @kernel discard_slab (spec slub 4.20) */
export function discardSlab(state: SlubState, cache: CacheState, slab: number, cpu: number): void {
  state.trace?.functionEntry?.('discard_slab', { s: cache.name, slab: state.slabs.pfn[slab] });
  decSlabsNode(state, cache, slab);
  freeSlab(state, cache, slab, cpu);
}
