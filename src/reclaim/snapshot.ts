import { listAddTail, listInit, listToArray } from '../lib/list.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { IN_ADD_BATCH } from './batch.ts';
import { EVICTABLE_LRU_LISTS, LruBatch, NR_LRU_BATCHES, PAGEVEC_SIZE } from './constants.ts';
import type { KswapdPhase } from './kswapd-thread.ts';
import { MlockEntry, mlockCount, setMlockCount } from './mlock-batch.ts';
import { lruHead, type ReclaimState } from './state.ts';
import type { SwapSnapshot } from './swap.ts';

/** Plain copy of a kswapd thread. */
export interface KswapdSnapshot {
  /** Where it is. */
  readonly phase: KswapdPhase;
  /** Whether it is on the wait queue. */
  readonly queued: boolean;
  /** Whether it was woken. */
  readonly woken: boolean;
  /** Whether the short sleep lasted its whole time. */
  readonly elapsed: boolean;
  /** Whether it was woken out of the short sleep. */
  readonly wokenEarly: boolean;
  /** Short sleeps begun so far. */
  readonly naps: number;
  /** The order asked for. */
  readonly allocOrder: number;
  /** The order that balancing ended with. */
  readonly reclaimOrder: number;
  /** The highest zone index asked for. */
  readonly highestZoneidx: number;
}

/** The numbers that are kept by node. */
const NODE_ARRAYS = [
  'anonCost',
  'fileCost',
  'nonresidentAge',
  'refaults',
  'lruvecFlags',
  'pgdatFlags',
  'nrReclaimStart',
] as const;

/** Plain copy of everything that the reclaim module keeps beside the memory model. */
export interface ReclaimSnapshot {
  /** Pages of the LRU lists from the head, `node * 4 + lru`. */
  readonly lists: readonly (readonly number[])[];
  /** Locks of each unevictable page, [pfn, count]. */
  readonly mlockCounts: readonly (readonly [number, number])[];
  /** Entries of the per-CPU batches. */
  readonly batchPages: Int32Array;
  /** Entries in use of each batch. */
  readonly batchCount: Uint8Array;
  /** What the entries of the mlock batches are. */
  readonly mlockKind: Uint8Array;
  /** Numbers by node, by name. */
  readonly byNode: Readonly<Record<string, readonly number[]>>;
  /** kswapd of each node. */
  readonly kswapd: readonly KswapdSnapshot[];
  /** Mapped pages of the default host, [pfn, young mappings, marks]. */
  readonly rmap: readonly (readonly [number, number, number])[];
  /** Swap space. */
  readonly swap: SwapSnapshot;
  /** What each shrinker put off, in the order of their registration. */
  readonly nrDeferred: readonly (readonly number[])[];
  /** Users who disabled batching. */
  readonly lruDisableCount: number;
  /** `vm.laptop_mode`. */
  readonly laptopMode: number;
}

/** Copies the state. */
export function snapshotState(state: ReclaimState): ReclaimSnapshot {
  const byNode = NODE_ARRAYS.map((name) => [name, [...state[name]]] as const);
  return {
    lists: lruHeads(state).map((head) => listToArray(state.map, head)),
    mlockCounts: unevictablePages(state).map((pfn) => [pfn, mlockCount(state, pfn)]),
    batchPages: state.batchPages.slice(),
    batchCount: state.batchCount.slice(),
    mlockKind: state.mlockKind.slice(),
    byNode: Object.fromEntries(byNode),
    kswapd: state.kswapd.map(({ active: _, ...thread }) => thread),
    rmap: mappedPages(state).map((pfn) => [pfn, state.rmap.young[pfn], state.rmap.marks[pfn]]),
    swap: state.swap.snapshot(),
    nrDeferred: state.shrinkers.map(({ nrDeferred }) => [...nrDeferred]),
    lruDisableCount: state.lruDisableCount,
    laptopMode: state.laptopMode,
  };
}

/**
 * Takes a copy back. Page flags, reference and map counts, and counters are the memory model's and
 * must be back already; shrinkers must be registered as they were.
 */
export function restoreState(state: ReclaimState, from: ReclaimSnapshot): void {
  lruHeads(state).forEach((head, i) => {
    listInit(state.map, head);
    for (const pfn of from.lists[i]) listAddTail(state.map, head, pfn);
  });
  for (const [pfn, count] of from.mlockCounts) setMlockCount(state, pfn, count);
  state.batchPages.set(from.batchPages);
  state.batchCount.set(from.batchCount);
  state.mlockKind.set(from.mlockKind);
  markBatchedPages(state);
  for (const name of NODE_ARRAYS) state[name].set(from.byNode[name]);
  from.kswapd.forEach((thread, node) => {
    Object.assign(state.kswapd[node], thread);
  });
  state.rmap.young.fill(0);
  state.rmap.marks.fill(0);
  for (const [pfn, young, marks] of from.rmap) {
    state.rmap.young[pfn] = young;
    state.rmap.marks[pfn] = marks;
  }
  state.swap.restore(from.swap);
  from.nrDeferred.forEach((deferred, i) => {
    state.shrinkers[i]?.nrDeferred.set(deferred);
  });
  state.lruDisableCount = from.lruDisableCount;
  state.laptopMode = from.laptopMode;
}

/** Heads of all LRU lists with an order. */
function lruHeads(state: ReclaimState): number[] {
  const count = state.model.nodes.length * EVICTABLE_LRU_LISTS;
  return Array.from({ length: count }, (_, i) => lruHead(state, 0, 0) + i);
}

function unevictablePages({ map }: ReclaimState): number[] {
  const listed = PageFlag.PG_lru | PageFlag.PG_unevictable;
  const pages: number[] = [];
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    if ((map.flags[pfn] & listed) === listed) pages.push(pfn);
  }
  return pages;
}

function mappedPages({ map, rmap }: ReclaimState): number[] {
  const pages: number[] = [];
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    if (rmap.young[pfn] !== 0 || rmap.marks[pfn] !== 0) pages.push(pfn);
  }
  return pages;
}

/** Pages that wait in an add batch say so in their link cell. */
function markBatchedPages(state: ReclaimState): void {
  for (let cpu = 0; cpu < state.model.cpuCount; cpu++) {
    const first = cpu * NR_LRU_BATCHES;
    const add = first + LruBatch.LRU_ADD;
    for (let i = 0; i < state.batchCount[add]; i++) {
      state.map.next[state.batchPages[add * PAGEVEC_SIZE + i]] = IN_ADD_BATCH;
    }
    const mlock = first + LruBatch.MLOCK;
    for (let i = 0; i < state.batchCount[mlock]; i++) {
      if (state.mlockKind[cpu * PAGEVEC_SIZE + i] !== MlockEntry.NEW_FOLIO) continue;
      state.map.next[state.batchPages[mlock * PAGEVEC_SIZE + i]] = IN_ADD_BATCH;
    }
  }
}
