import { KmemError } from '../mm/kmem-cache.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { checkObject, checkSlab, isSlabPage, isValidPointer, onFreelist } from './debug-check.ts';
import {
  DebugByte,
  freelistOf,
  freePointerOf,
  initObject,
  markInUse,
  setFreelist,
  setFreePointer,
  setOrigSize,
  setTrack,
} from './debug-object.ts';
import {
  dumpStack,
  pointerText,
  print,
  printSection,
  reportFix,
  reportObject,
  reportSlab,
} from './debug-report.ts';
import { freeSlab, releasePages } from './new-slab.ts';
import {
  addFull,
  addPartial,
  decSlabsNode,
  incSlabsNode,
  removeFull,
  removePartial,
} from './node-lists.ts';
import { indexOfAddress, slabOfAddress } from './pointer.ts';
import { FREELIST_END } from './slab-table.ts';
import type { SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';
import { TrackItem } from './track.ts';

const { SLUB_RED_ACTIVE, SLUB_RED_INACTIVE } = DebugByte;

/** The line of a traced call, and on free the bytes of the object. @kernel trace (spec slub 5.8) */
function traceCall(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  allocates: boolean,
): void {
  if (!hasFlag(cache, SlabFlag.SLAB_TRACE)) return;
  const what = allocates ? 'alloc' : 'free';
  const fp = pointerText(state, Math.max(0, freelistOf(state, cache, slab)));
  const inuse = state.slabs.inuse[slab];
  print(
    state,
    `TRACE ${cache.name} ${what} 0x${pointerText(state, object)} inuse=${inuse} fp=0x${fp}`,
  );
  if (!allocates) printSection(state, 'Object ', object, cache.objectSize);
  dumpStack(state);
}

function allocConsistencyChecks(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
): boolean {
  if (!checkSlab(state, cache, slab)) return false;
  if (!isValidPointer(state, cache, slab, object)) {
    reportObject(state, cache, slab, object, 'Freelist Pointer check fails');
    return false;
  }
  return checkObject(state, cache, slab, object, SLUB_RED_INACTIVE);
}

/** Checks an object that is to be handed out and gives it its active pattern. @kernel alloc_debug_processing (spec slub 4.22) */
function allocChecks(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  origSize: number,
): boolean {
  const { slabs } = state;
  if (hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS)) {
    if (!allocConsistencyChecks(state, cache, slab, object)) {
      if (isSlabPage(state, slab)) {
        reportFix(state, cache, slab, -1, 'Marking all objects used');
        slabs.inuse[slab] = slabs.objects[slab];
        slabs.freelist[slab] = FREELIST_END;
        state.badFreelists.delete(slab);
        slabs.frozen[slab] = 1;
      }
      return false;
    }
  }
  traceCall(state, cache, slab, object, true);
  setOrigSize(state, cache, object, origSize);
  initObject(state, cache, object, SLUB_RED_ACTIVE);
  return true;
}

/** Notes that an object of a debug cache has an owner. */
export function markTaken(state: SlubState, cache: CacheState, object: number): void {
  const slab = slabOfAddress(state, object);
  markInUse(state, cache, slab, indexOfAddress(state, cache, slab, object), true);
}

/** First object of a debug slab. @throws KmemError where the kernel would crash */
function firstObject(state: SlubState, cache: CacheState, slab: number): number {
  const object = freelistOf(state, cache, slab);
  if (object > 0) return object;
  const code = object === 0 ? 'CRASH' : 'FREELIST_CORRUPT';
  const data = { cache: cache.name, pfn: state.slabs.pfn[slab] };
  throw new KmemError(code, 'the freelist of a partial slab does not lead to an object', data);
}

/**
 * Takes the first object off the freelist of a slab, checks it, and writes into it whose it is. A memory
 * that throws leaves the slab as it was.
 * @returns its address, 0 when the checks failed
 */
function takeFirst(
  state: SlubState,
  cache: CacheState,
  slab: number,
  origSize: number,
  cpu: number,
): number {
  const { slabs } = state;
  const inuse = slabs.inuse[slab];
  const object = firstObject(state, cache, slab);
  try {
    setFreelist(state, cache, slab, freePointerOf(state, cache, slab, object));
    slabs.inuse[slab] = inuse + 1;
    if (!allocChecks(state, cache, slab, object, origSize)) return 0;
    if (hasFlag(cache, SlabFlag.SLAB_STORE_USER)) {
      setTrack(state, cache, object, TrackItem.ALLOC, cpu);
    }
  } catch (error) {
    setFreelist(state, cache, slab, object);
    slabs.inuse[slab] = inuse;
    throw error;
  }
  return object;
}

/**
 * Takes one object from a slab of a node's partial list.
 * @returns its address, 0 when the checks failed
 * @kernel alloc_single_from_partial (spec slub 4.22)
 */
export function allocFromDebugPartial(
  state: SlubState,
  cache: CacheState,
  slab: number,
  origSize: number,
  cpu: number,
): number {
  const { slabs } = state;
  const object = takeFirst(state, cache, slab, origSize, cpu);
  if (object === 0) {
    if (isSlabPage(state, slab)) removePartial(state, cache, slab);
    return 0;
  }
  if (slabs.inuse[slab] === slabs.objects[slab]) {
    removePartial(state, cache, slab);
    addFull(state, cache, slab);
  }
  return object;
}

/** `takeFirst` of a slab that nobody knows yet: a memory that throws costs the slab. */
function takeFromNew(
  state: SlubState,
  cache: CacheState,
  slab: number,
  origSize: number,
  cpu: number,
): number {
  try {
    return takeFirst(state, cache, slab, origSize, cpu);
  } catch (error) {
    releasePages(state, cache, slab, cpu);
    throw error;
  }
}

/**
 * Takes one object from a new slab and lists the slab.
 * @returns its address, 0 when the checks failed: the slab is then lost
 * @kernel alloc_single_from_new_slab (spec slub 4.22)
 */
export function allocFromDebugNew(
  state: SlubState,
  cache: CacheState,
  slab: number,
  origSize: number,
  cpu: number,
): number {
  const { slabs } = state;
  const object = takeFromNew(state, cache, slab, origSize, cpu);
  if (object === 0) return 0;
  if (slabs.inuse[slab] === slabs.objects[slab]) addFull(state, cache, slab);
  else addPartial(state, cache, slab, false);
  incSlabsNode(state, cache, slab);
  return object;
}

/**
 * Takes an allocation back without a word to the memory, in which the object still leads to the rest of
 * the freelist.
 */
export function untake(state: SlubState, cache: CacheState, slab: number, object: number): void {
  const { slabs } = state;
  markInUse(state, cache, slab, indexOfAddress(state, cache, slab, object), false);
  if (slabs.inuse[slab] === slabs.objects[slab]) {
    removeFull(state, cache, slab);
    // It was taken from the head.
    addPartial(state, cache, slab, false);
  }
  slabs.inuse[slab]--;
  setFreelist(state, cache, slab, object);
}

/** Checks one object that is to be freed. @kernel free_consistency_checks (spec slub 4.23) */
function freeChecks(state: SlubState, cache: CacheState, slab: number, object: number): boolean {
  if (!isValidPointer(state, cache, slab, object)) {
    reportSlab(state, cache, slab, `Invalid object pointer 0x${pointerText(state, object)}`);
    return false;
  }
  if (onFreelist(state, cache, slab, object)) {
    reportObject(state, cache, slab, object, 'Object already free');
    return false;
  }
  return checkObject(state, cache, slab, object, SLUB_RED_ACTIVE);
}

/** What the walk over the objects to be freed found. */
interface FreeWalk {
  /** Whether all are in order. */
  readonly passed: boolean;
  /** The object looked at last. */
  readonly object: number;
}

/** Steps 1 and 2 of 4.23, and the report of step 3. @kernel free_debug_processing */
function checkChain(
  state: SlubState,
  cache: CacheState,
  slab: number,
  head: number,
  tail: number,
  count: number,
  cpu: number,
): FreeWalk {
  const checks = hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS);
  let object = head;
  if (checks) {
    if (!checkSlab(state, cache, slab)) return { passed: false, object };
    const inuse = state.slabs.inuse[slab];
    if (inuse < count) {
      const text = `Slab has ${inuse} allocated objects but ${count} are to be freed\n`;
      reportSlab(state, cache, slab, text);
      return { passed: false, object };
    }
  }
  let passed = false;
  let found = 1;
  for (; found <= count; found++) {
    if (checks && !freeChecks(state, cache, slab, object)) return { passed: false, object };
    if (hasFlag(cache, SlabFlag.SLAB_STORE_USER)) {
      setTrack(state, cache, object, TrackItem.FREE, cpu);
    }
    traceCall(state, cache, slab, object, false);
    initObject(state, cache, object, SLUB_RED_INACTIVE);
    if (object === tail) {
      passed = true;
      break;
    }
    object = freePointerOf(state, cache, slab, object);
  }
  if (found !== count) {
    const text = `Bulk free expected ${count} objects but found ${found}\n`;
    reportSlab(state, cache, slab, text);
  }
  return { passed, object };
}

/**
 * Frees a chain of objects of a debug slab: all of it or nothing.
 * @param head address of the first object
 * @param tail address of the last one
 * @param count objects in the chain
 * @kernel free_to_partial_list, free_debug_processing (spec slub 4.23)
 */
export function freeDebug(
  state: SlubState,
  cache: CacheState,
  slab: number,
  head: number,
  tail: number,
  count: number,
  cpu: number,
): void {
  const { slabs } = state;
  const { passed, object } = checkChain(state, cache, slab, head, tail, count, cpu);
  if (!passed) {
    reportFix(
      state,
      cache,
      slab,
      object,
      `Object at 0x${pointerText(state, Math.max(0, object))} not freed`,
    );
    return;
  }
  // Last word to the memory; if it throws, nothing was freed.
  const objects = chainOf(state, cache, slab, head, tail);
  const prior = freelistOf(state, cache, slab);
  setFreePointer(state, cache, slab, tail, Math.max(0, prior));
  for (const index of objects) markInUse(state, cache, slab, index, false);
  slabs.inuse[slab] -= objects.length;
  setFreelist(state, cache, slab, head);
  const node = slabs.node[slab];
  const empty = slabs.inuse[slab] === 0 && cache.nrPartial[node] >= cache.minPartial;
  if (prior === 0) {
    removeFull(state, cache, slab);
    if (!empty) {
      addPartial(state, cache, slab, true);
      countStat(cache.stats, cpu, Stat.free_add_partial);
    }
  } else if (empty) {
    removePartial(state, cache, slab);
    countStat(cache.stats, cpu, Stat.free_remove_partial);
  }
  if (!empty) return;
  decSlabsNode(state, cache, slab);
  countStat(cache.stats, cpu, Stat.free_slab);
  freeSlab(state, cache, slab, cpu);
}

/** Indices of the objects of a chain. */
function chainOf(
  state: SlubState,
  cache: CacheState,
  slab: number,
  head: number,
  tail: number,
): number[] {
  const indices: number[] = [];
  for (let object = head; ; object = freePointerOf(state, cache, slab, object)) {
    indices.push(indexOfAddress(state, cache, slab, object));
    if (object === tail) return indices;
  }
}
