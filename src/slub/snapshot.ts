import { pickNumbers } from '../lib/numbers.ts';
import type { CacheInput, CacheState } from './cache-state.ts';
import { slabsOfList } from './node-lists.ts';
import type { SlubState } from './state.ts';

/** One slab. */
export interface SlabSnapshot {
  /** First page frame. */
  readonly pfn: number;
  /** log2 of the pages. */
  readonly order: number;
  /** Slots of objects. */
  readonly objects: number;
  /** Objects that are not on the regular freelist. */
  readonly inuse: number;
  /** Owned by a CPU, or found corrupt. */
  readonly frozen: number;
  /** First object of the regular freelist. */
  readonly freelist: number;
  /** Node of the pages. */
  readonly node: number;
  /** The freelist pointer, when it is no object: its two halves. */
  readonly badFreelist: readonly [number, number] | null;
  /** The slab's cells of the table's `links`. */
  readonly links: Int16Array;
}

/** The fields of a cache that change or that its creation decided. */
export interface CacheSnapshot {
  /** What the cache was made of, without its constructor. */
  readonly input: CacheInput;
  /** Whether it has a constructor. */
  readonly hasCtor: boolean;
  /** Fields with one number. */
  readonly numbers: Readonly<Record<CacheScalarName, number>>;
  /** Whether something was reported about it. */
  readonly damaged: boolean;
  /** Whether objects are cleared at free. */
  readonly zeroOnFree: boolean;
  /** Shuffled object offsets. */
  readonly randomSeq: Int32Array | null;
  /** Names that joined it. */
  readonly aliases: readonly string[];
  /** Event counters. */
  readonly stats: Float64Array | null;
  /** Its slabs. */
  readonly slabs: readonly SlabSnapshot[];
  /** Per CPU: [pfn of the CPU slab or -1, CPU freelist, pfns of the partial list]. */
  readonly cpus: readonly (readonly [number, number, readonly number[]])[];
  /** Per node with structures: [node, address of the structure, counters, lists]. */
  readonly nodes: readonly CacheNodeSnapshot[];
}

/** A cache's part of a node. */
export interface CacheNodeSnapshot {
  /** Node id. */
  readonly node: number;
  /** Address of the structure, -1 if it costs nothing. */
  readonly object: number;
  /** Counter of partial slabs. */
  readonly nrPartial: number;
  /** Counter of slabs. */
  readonly nrSlabs: number;
  /** Counter of objects. */
  readonly totalObjects: number;
  /** Page frames of the partial list, from the head. */
  readonly partial: readonly number[];
  /** Page frames of the full list, from the head. */
  readonly full: readonly number[];
}

/** Name of a field of a cache that is one number. */
export type CacheScalarName =
  | 'objectSize'
  | 'inuse'
  | 'minPartial'
  | 'cpuPartial'
  | 'cpuPartialSlabs'
  | 'refcount'
  | 'remoteNodeDefragRatio'
  | 'randomLow'
  | 'randomHigh'
  | 'randomSeqAddress'
  | 'descriptor'
  | 'zeroRule';

/** All of them. */
export const SCALARS: readonly CacheScalarName[] = [
  'objectSize',
  'inuse',
  'minPartial',
  'cpuPartial',
  'cpuPartialSlabs',
  'refcount',
  'remoteNodeDefragRatio',
  'randomLow',
  'randomHigh',
  'randomSeqAddress',
  'descriptor',
  'zeroRule',
];

/** Everything that an allocator holds, as plain data; the content of the memory is not part of it. */
export interface SlubSnapshot {
  /** Format of this object. */
  readonly version: 1;
  /** All caches by age. */
  readonly caches: readonly CacheSnapshot[];
  /** Ids of the caches on the list, newest first. */
  readonly order: readonly number[];
  /** Id of the next cache. */
  readonly nextCacheId: number;
  /** Ids of the caches of descriptors, -1 if there are none. */
  readonly descriptorCaches: readonly [number, number];
  /** Ids of the kmalloc caches, -1 where there is none. */
  readonly kmalloc: readonly number[];
  /** Page frames of slabs that wait for a grace period, oldest first. */
  readonly rcuPending: readonly number[];
  /** Ids of the caches that are released after them. */
  readonly rcuReleases: readonly number[];
  /** Nodes with memory. */
  readonly memoryNodes: readonly number[];
  /** Requests may have these bits now. */
  readonly gfpAllowedMask: number;
  /** Taint bits. */
  readonly taint: number;
  /** What was said once, and the window of the out-of-memory report. */
  readonly said: readonly [boolean, boolean, number, number];
}

function slabSnapshot(state: SlubState, slab: number): SlabSnapshot {
  const { slabs } = state;
  const base = slabs.linkBase[slab];
  return {
    pfn: slabs.pfn[slab],
    order: slabs.order[slab],
    objects: slabs.objects[slab],
    inuse: slabs.inuse[slab],
    frozen: slabs.frozen[slab],
    freelist: slabs.freelist[slab],
    node: slabs.node[slab],
    badFreelist: state.badFreelists.get(slab) ?? null,
    links: slabs.links.slice(base, base + slabs.linkCount[slab]),
  };
}

function nodeSnapshot(state: SlubState, cache: CacheState, node: number): CacheNodeSnapshot {
  const pfns = (head: number): number[] =>
    slabsOfList(state, head).map((slab) => state.slabs.pfn[slab]);
  return {
    node,
    object: cache.nodeObject[node],
    nrPartial: cache.nrPartial[node],
    nrSlabs: cache.nrSlabs[node],
    totalObjects: cache.totalObjects[node],
    partial: pfns(cache.partialHead[node]),
    full: pfns(cache.fullHead[node]),
  };
}

function cpuSnapshot(
  state: SlubState,
  cache: CacheState,
  cpu: number,
): readonly [number, number, readonly number[]] {
  const { slabs } = state;
  const slab = cache.cpus[cpu].slab;
  const chain: number[] = [];
  for (let at = cache.cpus[cpu].chain; at >= 0; at = slabs.next[at]) chain.push(slabs.pfn[at]);
  return [slab < 0 ? -1 : slabs.pfn[slab], cache.cpus[cpu].freelist, chain];
}

function cacheSnapshot(
  state: SlubState,
  cache: CacheState,
  slabs: readonly SlabSnapshot[],
): CacheSnapshot {
  const nodes = [...cache.hasNode.keys()].filter((node) => cache.hasNode[node] === 1);
  return {
    input: { ...cache.input, ctor: null },
    hasCtor: cache.ctor !== null,
    numbers: pickNumbers(cache, SCALARS),
    damaged: cache.damaged,
    zeroOnFree: cache.zeroOnFree,
    randomSeq: cache.randomSeq?.slice() ?? null,
    aliases: [...cache.aliases],
    stats: cache.stats?.slice() ?? null,
    slabs,
    cpus: [...cache.cpus.keys()].map((cpu) => cpuSnapshot(state, cache, cpu)),
    nodes: nodes.map((node) => nodeSnapshot(state, cache, node)),
  };
}

/** Copies everything that an allocator holds. */
export function takeSnapshot(state: SlubState): SlubSnapshot {
  const { slabs } = state;
  const byCache = new Map<number, SlabSnapshot[]>();
  for (let slab = 0; slab < slabs.count; slab++) {
    const id = slabs.cache[slab];
    if (id < 0) continue;
    const known = byCache.get(id) ?? [];
    known.push(slabSnapshot(state, slab));
    byCache.set(id, known);
  }
  const caches = state.cacheById.filter((cache) => cache !== null);
  const idOf = (cache: CacheState | null | undefined): number => cache?.id ?? -1;
  return {
    version: 1,
    caches: caches.map((cache) => cacheSnapshot(state, cache, byCache.get(cache.id) ?? [])),
    order: state.caches.map(idOf),
    nextCacheId: state.nextCacheId,
    descriptorCaches: [idOf(state.kmemCache), idOf(state.kmemCacheNode)],
    kmalloc: (state.kmalloc?.caches ?? []).map(idOf),
    rcuPending: state.rcuPending.map((slab) => slabs.pfn[slab]),
    rcuReleases: state.rcuReleases.map(idOf),
    memoryNodes: [...state.memoryNodes],
    gfpAllowedMask: state.gfpAllowedMask,
    taint: state.taint,
    said: [state.warnedNotSlab, state.lockDebuggingOff, state.oomWindowStart, state.oomReports],
  };
}
