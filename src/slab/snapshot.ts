import type { ErrorData } from '../lib/errors.ts';
import { listAddTail, listInit, listToArray } from '../lib/list.ts';
import { pickNumbers, putNumbers } from '../lib/numbers.ts';
import { KmemError, type ObjectConstructor } from '../mm/kmem-cache.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { ArrayCache } from './array-cache.ts';
import { SlabCache } from './cache.ts';
import type { CacheNode, CacheState } from './cache-state.ts';
import { SlotState } from './slab-table.ts';
import type { SlabState } from './state.ts';
import { newCacheNode } from './tune.ts';
import type { SlabStatistics } from './types.ts';

/** Constructors of caches by name: functions are no data. */
export type Constructors = Readonly<Record<string, ObjectConstructor>>;

/** An array of objects, as plain data. */
export interface ArrayCacheSnapshot {
  /** Capacity. */
  readonly limit: number;
  /** Entries moved at once. */
  readonly batchcount: number;
  /** 1 if it was used since the last reap. */
  readonly touched: number;
  /** Object numbers, the oldest first. */
  readonly entries: readonly number[];
  /** Address of the structure, 0 without such. */
  readonly address: number;
}

/** A node of a cache, as plain data. */
export interface CacheNodeSnapshot {
  /** Numbers by their name in `CacheNode`. */
  readonly numbers: Readonly<Record<string, number>>;
  /** First page frames of partial slabs, from the head. */
  readonly partial: readonly number[];
  /** First page frames of full slabs, from the head. */
  readonly full: readonly number[];
  /** First page frames of free slabs, from the head. */
  readonly free: readonly number[];
  /** The shared array. */
  readonly shared: ArrayCacheSnapshot | null;
  /** Arrays for other nodes. */
  readonly alien: {
    /** Where the table of pointers lies. */
    readonly address: number;
    /** One array per other node. */
    readonly caches: readonly (ArrayCacheSnapshot | null)[];
  } | null;
}

/** A cache, as plain data. */
export interface CacheSnapshot {
  /** Number of the cache. */
  readonly id: number;
  /** Display name. */
  readonly name: string;
  /** Whether it has a constructor: a function is no data. */
  readonly hasCtor: boolean;
  /** Numbers by their name in `CacheState`. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Arrays of the CPUs. */
  readonly cpuCache: readonly ArrayCacheSnapshot[];
  /** Nodes. */
  readonly nodes: readonly (CacheNodeSnapshot | null)[];
  /** Order of objects in new slabs. */
  readonly randomSeq: Int32Array | null;
  /** Events. */
  readonly statistics: SlabStatistics;
}

/** A whole allocator, as plain data that can be cloned and stored. */
export interface SlabSnapshot {
  /** Numbers by their name in `SlabState`. */
  readonly numbers: Readonly<Record<string, number>>;
  /** Caches with slabs or users, by number. */
  readonly caches: readonly CacheSnapshot[];
  /** Numbers of the listed caches, newest first. */
  readonly listed: readonly number[];
  /** Length of the table of caches. */
  readonly cacheCount: number;
  /** Numbers of the kmalloc caches, -1 for none. */
  readonly kmalloc: readonly number[];
  /** Number of the cache `kmem_cache`. */
  readonly kmemCache: number;
  /** Columns of the slab table up to the highest slot. */
  readonly slabs: Readonly<Record<string, Int32Array | Float64Array | Uint8Array>>;
  /** First page frames of slabs that were made of emergency reserves. */
  readonly reserved: readonly number[];
  /** Slots to use again. */
  readonly freeSlots: readonly number[];
  /** Slabs waiting for RCU: cache, slot, CPU. */
  readonly rcuSlabs: readonly (readonly [number, number, number])[];
  /** Caches waiting for RCU. */
  readonly rcuCaches: readonly number[];
  /** CPUs that are online. */
  readonly cpuOnline: Uint8Array;
  /** CPU masks. */
  readonly nodeCpus: readonly (readonly number[])[];
  /** Online nodes. */
  readonly onlineNodes: readonly number[];
  /** Reaping: node by CPU. */
  readonly reapNode: Int32Array;
  /** Reaping: time by CPU. */
  readonly reapDue: Float64Array;
  /** Bytes of slabs. */
  readonly slabBytes: Float64Array;
  /** Warnings that were given. */
  readonly warnedOnce: readonly string[];
  /** Rate limit of out-of-memory reports. */
  readonly oomReports: {
    /** When the interval began, jiffies. */
    readonly begin: number;
    /** Reports since. */
    readonly printed: number;
  };
}

const CACHE_NUMBERS = [
  'objectSize',
  'size',
  'sizeInverse',
  'align',
  'flags',
  'num',
  'gfporder',
  'allocflags',
  'colour',
  'colourOff',
  'freelistSize',
  'objOffset',
  'batchcount',
  'limit',
  'shared',
  'refcount',
  'useroffset',
  'usersize',
  'randomSeqAddress',
  'address',
] as const;
const NODE_NUMBERS = [
  'totalSlabs',
  'freeSlabs',
  'freeObjects',
  'freeLimit',
  'colourNext',
  'nextReap',
  'freeTouched',
  'address',
] as const;
const STATE_NUMBERS = ['bootState', 'gfpAllowedMask', 'taint'] as const;

function snapshotArray(ac: ArrayCache): ArrayCacheSnapshot {
  const { limit, batchcount, touched, address } = ac;
  return { limit, batchcount, touched, entries: [...ac.entries.subarray(0, ac.avail)], address };
}

function restoreArray(from: ArrayCacheSnapshot): ArrayCache {
  const ac = new ArrayCache(from.limit, from.batchcount);
  ac.entries.set(from.entries);
  ac.avail = from.entries.length;
  ac.touched = from.touched;
  ac.address = from.address;
  return ac;
}

function snapshotNode(state: SlabState, n: CacheNode): CacheNodeSnapshot {
  const { alien } = n;
  return {
    numbers: pickNumbers(n, NODE_NUMBERS),
    partial: listToArray(state.map, n.slabsPartial),
    full: listToArray(state.map, n.slabsFull),
    free: listToArray(state.map, n.slabsFree),
    shared: n.shared === null ? null : snapshotArray(n.shared),
    alien:
      alien === null
        ? null
        : {
            address: alien.address,
            caches: alien.caches.map((ac) => (ac === null ? null : snapshotArray(ac))),
          },
  };
}

function snapshotCache(cache: CacheState): CacheSnapshot {
  return {
    id: cache.id,
    name: cache.name,
    hasCtor: cache.ctor !== null,
    numbers: pickNumbers(cache, CACHE_NUMBERS),
    cpuCache: cache.cpuCache.map(snapshotArray),
    nodes: cache.nodes.map((n) => (n === null ? null : snapshotNode(cache.state, n))),
    randomSeq: cache.randomSeq === null ? null : cache.randomSeq.slice(),
    statistics: { ...cache.statistics },
  };
}

function reservedSlabs({ slabs, map }: SlabState): number[] {
  const reserved: number[] = [];
  for (let slot = 1; slot < slabs.count; slot++) {
    const pfn = slabs.pfn[slot];
    const isLive = slabs.cache[slot] !== SlotState.FREE;
    if (isLive && (map.flags[pfn] & PageFlag.PG_active) !== 0) reserved.push(pfn);
  }
  return reserved;
}

/** Everything that the allocator knows, but for the content of memory, as plain data. */
export function snapshotState(state: SlabState): SlabSnapshot {
  const { slabs, kmalloc } = state;
  const { count } = slabs;
  return {
    numbers: pickNumbers(state, STATE_NUMBERS),
    caches: state.cacheById.flatMap((cache) => (cache === null ? [] : [snapshotCache(cache)])),
    listed: state.caches.map(({ id }) => id),
    cacheCount: state.cacheById.length,
    kmalloc: (kmalloc?.caches ?? []).map((cache) => cache?.id ?? -1),
    kmemCache: state.kmemCache?.id ?? -1,
    slabs: {
      cache: slabs.cache.slice(0, count),
      pfn: slabs.pfn.slice(0, count),
      node: slabs.node.slice(0, count),
      sMem: slabs.sMem.slice(0, count),
      active: slabs.active.slice(0, count),
      freelist: slabs.freelist.slice(0, count),
      held: slabs.held.slice(0, count * 8),
      index: slabs.index.slice(0, count * 256),
    },
    reserved: reservedSlabs(state),
    freeSlots: [...slabs.freeSlots],
    rcuSlabs: state.rcuSlabs.map(({ cache, slot, cpu }) => [cache.id, slot, cpu] as const),
    rcuCaches: state.rcuCaches.map(({ id }) => id),
    cpuOnline: state.cpuOnline.slice(),
    nodeCpus: state.nodeCpus.map((cpus) => [...cpus]),
    onlineNodes: [...state.onlineNodes],
    reapNode: state.reapNode.slice(),
    reapDue: state.reapDue.slice(),
    slabBytes: state.slabBytes.slice(),
    warnedOnce: [...state.warnedOnce],
    oomReports: { ...state.oomReports },
  };
}

function refuse(message: string, data: ErrorData): never {
  throw new KmemError('BAD_SNAPSHOT', message, data);
}

/**
 * Takes back what `snapshotState` gave, of an allocator with the same options. Handles of caches that
 * the snapshot knows stay valid; others are as if destroyed.
 * @param constructors constructors of caches that this allocator does not have now, by cache name
 * @throws KmemError `BAD_SNAPSHOT` for a snapshot of another machine, or without a constructor
 */
export function restoreState(
  state: SlabState,
  from: SlabSnapshot,
  constructors: Constructors,
): void {
  const { cpuOnline, slabBytes } = from;
  if (cpuOnline.length !== state.cpuCount || slabBytes.length !== state.slabBytes.length) {
    refuse('the snapshot is of a machine with other CPUs or nodes', { cpus: cpuOnline.length });
  }
  if (from.slabs.index.length > 0 !== state.slabs.sideIndex) {
    refuse('the snapshot is of an allocator that keeps its index arrays elsewhere', {});
  }
  const caches = from.caches.map((plain) => cacheFor(state, plain, constructors));
  unmarkPages(state);
  putNumbers(state, STATE_NUMBERS, from.numbers);
  state.cpuOnline.set(cpuOnline);
  state.nodeCpus = from.nodeCpus.map((cpus) => [...cpus]);
  state.onlineNodes = [...from.onlineNodes];
  state.reapNode.set(from.reapNode);
  state.reapDue.set(from.reapDue);
  state.slabBytes.set(slabBytes);
  state.warnedOnce.clear();
  for (const warning of from.warnedOnce) state.warnedOnce.add(warning);
  Object.assign(state.oomReports, from.oomReports);
  restoreSlabs(state, from);
  restoreCaches(state, from, caches);
  state.updateHooks();
}

/** The handle of a cache of a snapshot: the one that is there, or a new one. */
function cacheFor(state: SlabState, plain: CacheSnapshot, constructors: Constructors): CacheState {
  const known = state.cacheById[plain.id] ?? null;
  if (known !== null && known.name === plain.name && (known.ctor !== null) === plain.hasCtor) {
    return known;
  }
  const ctor = plain.hasCtor ? constructors[plain.name] : null;
  if (ctor === undefined) {
    refuse(`the constructor of ${plain.name} must be given`, { cache: plain.name });
  }
  return new SlabCache(state, plain.id, plain.name, ctor);
}

/** Takes the marks off the pages of all slabs that are there now. */
function unmarkPages({ map, slabs, cacheById, rcuSlabs }: SlabState): void {
  const orders = new Map(rcuSlabs.map(({ cache, slot }) => [slot, cache.gfporder]));
  for (let slot = 1; slot < slabs.count; slot++) {
    const order = orders.get(slot) ?? cacheById[slabs.cache[slot]]?.gfporder;
    const pfn = slabs.pfn[slot];
    if (order === undefined || map.private[pfn] !== slot) continue;
    map.flags[pfn] &= ~(PageFlag.PG_slab | PageFlag.PG_active);
    map.private.fill(0, pfn, pfn + 2 ** order);
  }
}

function restoreSlabs({ slabs }: SlabState, from: SlabSnapshot): void {
  const { cache, pfn, node, sMem, active, freelist, held, index } = from.slabs;
  const count = cache.length;
  let capacity = slabs.cache.length;
  while (capacity < count) capacity *= 2;
  if (capacity > slabs.cache.length) slabs.reserve(capacity);
  slabs.cache.fill(SlotState.FREE).set(cache);
  slabs.pfn.set(pfn);
  slabs.node.set(node);
  slabs.sMem.set(sMem);
  slabs.active.set(active);
  slabs.freelist.set(freelist);
  slabs.held.set(held);
  if (slabs.sideIndex) slabs.index.set(index);
  slabs.count = count;
  slabs.freeSlots = [...from.freeSlots];
}

function restoreCaches(state: SlabState, from: SlabSnapshot, caches: readonly CacheState[]): void {
  for (const cache of state.cacheById) if (cache !== null) forgetCache(cache);
  state.cacheById = new Array(from.cacheCount).fill(null);
  caches.forEach((cache, i) => {
    state.cacheById[cache.id] = cache;
    restoreCache(cache, from.caches[i]);
  });
  const byId = (id: number): CacheState => {
    const cache = state.cacheById[id] ?? null;
    return cache ?? refuse('the snapshot names a cache that it does not have', { id });
  };
  state.caches = from.listed.map(byId);
  state.kmemCache = from.kmemCache < 0 ? null : byId(from.kmemCache);
  from.kmalloc.forEach((id, i) => {
    if (state.kmalloc !== null) state.kmalloc.caches[i] = id < 0 ? null : byId(id);
  });
  state.rcuSlabs = from.rcuSlabs.map(([id, slot, cpu]) => ({ cache: byId(id), slot, cpu }));
  state.rcuCaches = from.rcuCaches.map(byId);
  for (const { cache, slot } of state.rcuSlabs) markPages(cache, slot);
  for (let slot = 1; slot < state.slabs.count; slot++) {
    const cache = state.cacheById[state.slabs.cache[slot]] ?? null;
    if (cache !== null) markPages(cache, slot);
  }
  for (const pfn of from.reserved) state.map.flags[pfn] |= PageFlag.PG_active;
}

/** What a handle is that no snapshot knows: a destroyed cache. */
function forgetCache(cache: CacheState): void {
  for (const n of cache.nodes) if (n !== null) cache.state.freeHeads.push(n.slabsPartial);
  cache.nodes = [];
  cache.cpuCache = [];
  cache.refcount = 0;
}

function restoreCache(cache: CacheState, from: CacheSnapshot): void {
  putNumbers(cache, CACHE_NUMBERS, from.numbers);
  cache.cpuCache = from.cpuCache.map(restoreArray);
  cache.nodes = from.nodes.map((n, node) => (n === null ? null : restoreNode(cache, node, n)));
  cache.randomSeq = from.randomSeq === null ? null : from.randomSeq.slice();
  cache.statistics = { ...from.statistics };
}

function restoreNode(cache: CacheState, node: number, from: CacheNodeSnapshot): CacheNode {
  const [n, { alien, shared }] = [newCacheNode(cache, node), from];
  putNumbers(n, NODE_NUMBERS, from.numbers);
  relist(cache, n.slabsPartial, from.partial);
  relist(cache, n.slabsFull, from.full);
  relist(cache, n.slabsFree, from.free);
  n.shared = shared && restoreArray(shared);
  n.alien = alien && { ...alien, caches: alien.caches.map((ac) => ac && restoreArray(ac)) };
  return n;
}

function relist({ state: { map } }: CacheState, head: number, pfns: readonly number[]): void {
  listInit(map, head);
  for (const pfn of pfns) listAddTail(map, head, pfn);
}

function markPages(cache: CacheState, slot: number): void {
  const { map, slabs } = cache.state;
  const pfn = slabs.pfn[slot];
  map.flags[pfn] |= PageFlag.PG_slab;
  map.private.fill(slot, pfn, pfn + 2 ** cache.gfporder);
}
