import { ArgumentError, checkInteger } from '../lib/errors.ts';
import { type RandomSource, seededRandom } from '../lib/random.ts';
import { addrToPfn, PAGE_SIZE } from '../lib/units.ts';
import { noMemory } from '../memory/none.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { Kmalloc } from '../mm/kmalloc.ts';
import type { ReclaimState } from '../mm/kmem-cache.ts';
import { PageMap } from '../mm/page-map.ts';
import type { PageSource } from '../mm/page-source.ts';
import {
  checkTopology,
  memoryNodeOf,
  type SlabTopology,
  singleNodeTopology,
} from '../mm/slab-topology.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';
import type { CacheState } from './cache-state.ts';
import { noSlubDebug, parseSlubDebug, type SlubDebug } from './debug-flags.ts';
import { defaultConfig, defaultParameters } from './parameters.ts';
import { SlabTable } from './slab-table.ts';
import { defaultTracks } from './track.ts';
import type { SlubConfig, SlubOptions, SlubParameters, SlubReport, TrackSource } from './types.ts';

/** How far the boot of the allocator is. @kernel enum slab_state */
export const SlabStage = {
  /** Nothing works yet. */
  DOWN: 0,
  /** `kmem_cache_node` works. */
  PARTIAL: 1,
  /** All but sysfs works. */
  UP: 3,
  /** Everything works. */
  FULL: 4,
} as const;

/** How free pointers are kept. */
export const ContentMode = {
  /** In the table only: the memory has no content. */
  NONE: 0,
  /** In the objects, as they are. */
  PLAIN: 1,
  /** In the objects, obfuscated. */
  HARDENED: 2,
} as const;

const PAGE_OFFSET = 0xffff888000000000n;
const VMEMMAP = 0xffffea0000000000n;
/** Slabs of up to this size lie in one 4 GiB piece of the virtual addresses, bytes. */
const SLAB_BYTES_MAX = 4194304n;
/** List heads of a page map of our own: thousands of caches. */
const PRIVATE_LIST_HEADS = 0x10000;

/**
 * Everything that one allocator holds. Mechanisms are functions over it.
 */
export class SlubState {
  /** Where pages come from. */
  readonly source: PageSource;
  /** The page map of the source, or one of our own. */
  readonly map: PageMap;
  /** Content of pages. */
  readonly memory: PhysicalMemory;
  /** CPUs and nodes. */
  readonly topology: SlabTopology;
  /** Build options. */
  readonly config: SlubConfig;
  /** Boot parameters. */
  readonly parameters: SlubParameters;
  /** What `slub_debug` asks for. */
  readonly debug: SlubDebug;
  /** Counters, null for none. */
  readonly vmstat: Vmstat | null;
  /** The log, null for none. */
  readonly log: LogSink | null;
  /** Where reports go, null for nowhere. */
  readonly onReport: ((report: SlubReport) => void) | null;
  /** The running task, null if it never matters. */
  readonly task: TaskContext | null;
  /** Who calls. */
  readonly tracks: TrackSource;
  /** Lines of a stack dump. */
  readonly stackDump: (() => readonly string[]) | null;
  /** The clock. */
  readonly jiffies: () => number;
  /** Clock ticks per second. */
  readonly hz: number;
  /** The cycle counter. */
  readonly cycles: () => number;
  /** Randomness. */
  readonly random: RandomSource;
  /** High half of the virtual address of physical address 0. */
  readonly pageOffsetHigh: number;
  /** Low half of it. */
  readonly pageOffsetLow: number;
  /** Virtual address of the page descriptor of pfn 0. */
  readonly vmemmap: bigint;
  /** How free pointers are kept. */
  readonly contentMode: number;
  /** The content as words, null if the memory does not have them. */
  readonly words: Uint32Array | null;
  /** All slabs. */
  readonly slabs: SlabTable = new SlabTable();
  /** All caches, newest first. @kernel slab_caches */
  readonly caches: CacheState[] = [];
  /** All caches that still have slabs or users, by id; null for those that are gone. */
  readonly cacheById: (CacheState | null)[] = [];
  /** Cache of `struct kmem_cache`, null while descriptors cost nothing. */
  kmemCache: CacheState | null = null;
  /** Cache of `struct kmem_cache_node`, null while descriptors cost nothing. */
  kmemCacheNode: CacheState | null = null;
  /** kmalloc on top of this allocator, null before it is there. */
  kmalloc: Kmalloc<CacheState> | null = null;
  /** Id of the next cache. */
  nextCacheId = 0;
  /** Nodes with memory, ascending. @kernel slab_nodes */
  memoryNodes: readonly number[];
  /** 1 for node ids in `memoryNodes`. */
  readonly isMemoryNode: Uint8Array;
  /** Per CPU the node whose memory it uses first. */
  readonly cpuMemoryNode: Int32Array;
  /** How far the boot is. */
  stage: number = SlabStage.DOWN;
  /** Bits that page requests may have now. */
  gfpAllowedMask = 0xffffffff;
  /** Slots of slabs that wait for the end of an RCU grace period, oldest first. */
  readonly rcuPending: number[] = [];
  /** Caches that are released after the pending slabs, oldest first. */
  readonly rcuReleases: CacheState[] = [];
  /** List heads that no cache uses any more. */
  readonly freeListHeads: number[] = [];
  /** Freelist heads that are no objects, by slot: [high, low]. */
  readonly badFreelists: Map<number, readonly [number, number]> = new Map();
  /** High half of the free pointer read last (an output of `readFreePointer`). */
  pointerHigh = 0;
  /** Low half of it. */
  pointerLow = 0;
  /** Taint bits of the kernel. */
  taint: number;
  /** Said once: a taint turned lock debugging off. */
  lockDebuggingOff = false;
  /** Whether anything is done after each call: tracepoints, full checks. */
  watched = false;
  /** Whether all invariants are checked after each call. */
  readonly fullChecks: boolean;
  /** Where tracepoints go, null for nowhere. */
  trace: TraceSink | null = null;
  /** Reports since texts were suppressed, -1 while they are not. */
  quietReports = -1;
  /** Start of the time window of the out-of-memory report, jiffies; -1 before the first. */
  oomWindowStart = -1;
  /** Reports in that window. */
  oomReports = 0;
  /** Said once: an object to be freed is in no slab. */
  warnedNotSlab = false;
  /** The task's reclaim counter, null outside of reclaim. */
  reclaimState: ReclaimState | null = null;

  constructor(options: SlubOptions) {
    const { source, topology = singleNodeTopology(), pageOffset = PAGE_OFFSET } = options;
    checkTopology(topology);
    this.source = source;
    this.memory = options.memory ?? memoryOf(source.map);
    this.map = source.map ?? privateMap(this.memory);
    this.topology = topology;
    this.config = { ...defaultConfig(), ...options.config };
    this.parameters = checkedParameters({ ...defaultParameters(), ...options.parameters });
    this.log = options.log ?? null;
    this.debug = slubDebugOf(this.config, this.parameters, this.log);
    this.vmstat = options.vmstat ?? null;
    this.onReport = options.onReport ?? null;
    this.task = options.task ?? null;
    this.tracks = options.tracks ?? defaultTracks();
    this.stackDump = options.stackDump ?? null;
    this.jiffies = options.jiffies ?? (() => 0);
    this.hz = options.hz ?? 100;
    this.cycles = options.cycles ?? (() => 0);
    this.random = options.random ?? seededRandom(0);
    if (pageOffset % SLAB_BYTES_MAX !== 0n) {
      throw new ArgumentError('pageOffset must be a multiple of 4 MiB', { pageOffset });
    }
    this.pageOffsetHigh = Number(pageOffset >> 32n);
    this.pageOffsetLow = Number(pageOffset & 0xffffffffn);
    this.vmemmap = options.vmemmap ?? VMEMMAP;
    this.contentMode = contentModeOf(this.memory, this.config);
    this.words = this.memory.words ?? null;
    this.memoryNodes = topology.memoryNodes;
    this.isMemoryNode = new Uint8Array(topology.nodeIds);
    for (const node of topology.memoryNodes) this.isMemoryNode[node] = 1;
    this.cpuMemoryNode = Int32Array.from(topology.cpuNode, (_, cpu) => memoryNodeOf(topology, cpu));
    this.taint = options.taint ?? 0;
    this.fullChecks = options.checks === 'full';
    this.watched = this.fullChecks;
  }

  /** Number of CPUs. */
  get cpus(): number {
    return this.topology.cpuNode.length;
  }
}

function memoryOf(map: PageMap | undefined): PhysicalMemory {
  if (map !== undefined) return noMemory(map.endPfn * PAGE_SIZE);
  throw new ArgumentError('a page source without a page map needs a memory', {});
}

function privateMap(memory: PhysicalMemory): PageMap {
  const endPfn = Math.max(1, addrToPfn(memory.sizeBytes));
  return new PageMap({ endPfn, listHeads: PRIVATE_LIST_HEADS });
}

function checkedParameters(parameters: SlubParameters): SlubParameters {
  checkInteger('minOrder', parameters.minOrder, 0, 10);
  checkInteger('maxOrder', parameters.maxOrder, 0, 10);
  checkInteger('minObjects', parameters.minObjects, 0, 0x7fffffff);
  return parameters;
}

function slubDebugOf(
  config: SlubConfig,
  parameters: SlubParameters,
  log: LogSink | null,
): SlubDebug {
  if (!config.debug) return noSlubDebug();
  if (parameters.slubDebug === null) return noSlubDebug(config.debugOn);
  return parseSlubDebug(parameters.slubDebug, log, config.debugOn);
}

function contentModeOf(memory: PhysicalMemory, config: SlubConfig): number {
  if (memory.contentless === true) return ContentMode.NONE;
  return config.freelistHardened ? ContentMode.HARDENED : ContentMode.PLAIN;
}

/** @throws ArgumentError `BAD_ARGUMENT` for a CPU that does not exist */
export function checkCpu(state: SlubState, cpu: number): void {
  checkInteger('cpu', cpu, 0, state.cpus - 1);
}
