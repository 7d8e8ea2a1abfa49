import { listInit } from '../lib/list.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { PageMap } from '../mm/page-map.ts';
import { defaultTask, type TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';
import { EVICTABLE_LRU_LISTS, NR_LRU_BATCHES, PAGEVEC_SIZE } from './constants.ts';
import { ReclaimError } from './errors.ts';
import { KswapdThread } from './kswapd-thread.ts';
import { Rmap } from './rmap.ts';
import { Swap } from './swap.ts';
import type {
  Host,
  Isolation,
  PageAllocatorForReclaim,
  ReclaimOptions,
  ReclaimStat,
  ReferencedResult,
  Shrinker,
} from './types.ts';

/** Private lists that pages are on between isolation and put-back, by number. */
export const ScratchList = {
  /** Isolated pages, oldest at the tail. */
  ISOLATED: 0,
  /** Pages of zones that the reclaimer may not use. */
  SKIPPED: 1,
  /** Pages that reclaim decided to keep. */
  RETURN: 2,
  /** Pages that are about to be freed. */
  FREE: 3,
  /** Pages that stay active. */
  ACTIVE: 4,
  /** Pages that become inactive. */
  INACTIVE: 5,
} as const;

const NR_SCRATCH_LISTS = 6;

/** A zeroed `ReclaimStat`. */
export function emptyReclaimStat(): ReclaimStat {
  return {
    nrDirty: 0,
    nrUnqueuedDirty: 0,
    nrCongested: 0,
    nrWriteback: 0,
    nrImmediate: 0,
    nrPageout: 0,
    nrActivateAnon: 0,
    nrActivateFile: 0,
    nrRefKeep: 0,
    nrUnmapFail: 0,
    nrLazyfreeFail: 0,
  };
}

/** Everything that the functions of the reclaim module work on. Page arrays belong to the model. */
export class ReclaimState {
  /** The machine. */
  readonly model: MemoryModel;
  /** Page frames. */
  readonly map: PageMap;
  /** Counters. */
  readonly vm: Vmstat;
  /** Who gets the freed pages. */
  readonly allocator: PageAllocatorForReclaim;
  /** What reclaim cannot know, complete with defaults. */
  host: Host;
  /** Mappings of pages, as far as the default host models them. */
  readonly rmap: Rmap;
  /** Swap space. */
  readonly swap: Swap;
  /** The running task. */
  task: TaskContext;
  /** Tracepoints, null for none. */
  trace: TraceSink | null;
  /** The kernel's log, null for none. */
  log: LogSink | null;
  /** Whether COMPACTION is built in. */
  readonly compaction: boolean;
  /** `vm.laptop_mode`. */
  laptopMode: number;
  /** Whether swap space lies on a file system. */
  readonly swapOnFileSystem: boolean;
  /** Users who disabled batching on all CPUs. @kernel lru_disable_count */
  lruDisableCount = 0;

  /** Head of LRU list 0 of node 0; lists fastest. */
  readonly firstLruHead: number;
  /** Head of the first `ScratchList`. */
  readonly firstScratchHead: number;
  /** Whether the scratch lists hold pages now. */
  isolating = false;
  /** Counts of the batch being looked at. */
  readonly stat: ReclaimStat = emptyReclaimStat();
  /** What `referenced` reported. */
  readonly referencedResult: ReferencedResult = { vmFlags: 0 };
  /** What the last isolation did. */
  readonly isolation: Isolation = { scanned: 0, taken: 0, freed: 0 };
  /** Pages on their way from a batch or a list to the allocator. */
  freeing: Int32Array = new Int32Array(256);
  /** Pages that the batch being judged frees, in the order of judgement. */
  reclaimed: Int32Array = new Int32Array(256);
  /** Pages that left a file's cache and are not off NR_FILE_PAGES yet. */
  evicted = 0;
  /** Pages of one isolation by zone index. */
  readonly takenByZone: Int32Array = new Int32Array(8);

  /** Cost of reclaiming anonymous pages, by node. */
  readonly anonCost: Float64Array;
  /** Cost of reclaiming file pages, by node. */
  readonly fileCost: Float64Array;
  /** Clock of the shadow entries, by node. */
  readonly nonresidentAge: Float64Array;
  /** Activations by refault when reclaim last looked, `node * 2 + kind`. */
  readonly refaults: Float64Array;
  /** `LruvecFlag` bits, by node. */
  readonly lruvecFlags: Uint8Array;
  /** `PgdatFlag` bits, by node. */
  readonly pgdatFlags: Uint8Array;
  /** Tasks sleeping until write-back makes progress, by node. */
  readonly nrWritebackThrottled: Int32Array;
  /** NR_THROTTLED_WRITTEN when the first of them went to sleep, by node. */
  readonly nrReclaimStart: Float64Array;
  /** 1 when enough was written to wake them, by node. */
  readonly writebackWoken: Uint8Array;
  /** Tasks waiting until kswapd has made room, by node. */
  readonly pfmemallocWaiters: Int32Array;
  /** kswapd of each node. */
  readonly kswapd: readonly KswapdThread[];

  /** Entries of the batches, `(cpu * NR_LRU_BATCHES + batch) * PAGEVEC_SIZE + position`. */
  readonly batchPages: Int32Array;
  /** Entries in use, `cpu * NR_LRU_BATCHES + batch`. */
  readonly batchCount: Uint8Array;
  /** What each entry of the mlock batch is, `cpu * PAGEVEC_SIZE + position`: see `MlockEntry`. */
  readonly mlockKind: Uint8Array;

  /** Registered shrinkers, in the order in which they are asked. */
  readonly shrinkers: Shrinker[] = [];
  /**
   * Slab pages freed by shrinkers of the running reclaim. Give this object to the slab allocator,
   * which adds to it. @kernel current->reclaim_state
   */
  readonly reclaimState: {
    /** Pages. */
    reclaimedSlab: number;
  } = { reclaimedSlab: 0 };

  /**
   * @param options the parts
   * @param makeHost makes the complete host; gets the state, all other fields of which are set
   */
  constructor(options: ReclaimOptions, makeHost: (state: ReclaimState) => Host) {
    const { model } = options;
    const nodes = model.nodes.length;
    const cpus = model.cpuCount;
    this.model = model;
    this.map = model.map;
    this.vm = model.vmstat;
    this.allocator = options.allocator;
    this.rmap = new Rmap(model.map.endPfn);
    this.swap = options.swap ?? new Swap();
    this.task = options.task ?? defaultTask();
    this.trace = options.trace ?? null;
    this.log = options.log ?? null;
    this.compaction = options.compaction ?? true;
    this.laptopMode = options.laptopMode ?? 0;
    this.swapOnFileSystem = options.swapOnFileSystem ?? false;
    this.firstLruHead = model.map.addListHeads(nodes * EVICTABLE_LRU_LISTS);
    this.firstScratchHead = model.map.addListHeads(NR_SCRATCH_LISTS);
    this.anonCost = new Float64Array(nodes);
    this.fileCost = new Float64Array(nodes);
    this.nonresidentAge = new Float64Array(nodes);
    this.refaults = new Float64Array(nodes * 2);
    this.lruvecFlags = new Uint8Array(nodes);
    this.pgdatFlags = new Uint8Array(nodes);
    this.nrWritebackThrottled = new Int32Array(nodes);
    this.nrReclaimStart = new Float64Array(nodes);
    this.writebackWoken = new Uint8Array(nodes);
    this.pfmemallocWaiters = new Int32Array(nodes);
    this.kswapd = model.nodes.map(() => new KswapdThread());
    this.batchPages = new Int32Array(cpus * NR_LRU_BATCHES * PAGEVEC_SIZE);
    this.batchCount = new Uint8Array(cpus * NR_LRU_BATCHES);
    this.mlockKind = new Uint8Array(cpus * PAGEVEC_SIZE);
    this.host = makeHost(this);
  }
}

/** Head of an LRU list of a node; not of the unevictable one, which has no order. */
export function lruHead(state: ReclaimState, node: number, lru: number): number {
  return state.firstLruHead + node * EVICTABLE_LRU_LISTS + lru;
}

/** Head of a private list. */
export function scratchHead(state: ReclaimState, list: number): number {
  return state.firstScratchHead + list;
}

/**
 * Marks the private lists as in use and empties them.
 * @throws ReclaimError `REENTERED` when they are in use already: a host callback called reclaim
 */
export function beginIsolation(state: ReclaimState): void {
  if (state.isolating) {
    throw new ReclaimError('REENTERED', 'reclaim was called from one of its own host callbacks');
  }
  state.isolating = true;
  for (let list = 0; list < NR_SCRATCH_LISTS; list++) listInit(state.map, scratchHead(state, list));
}

/** The private lists are empty again. */
export function endIsolation(state: ReclaimState): void {
  state.isolating = false;
}
