import { ArgumentError, checkInteger } from '../lib/errors.ts';
import { type RandomSource, seededRandom } from '../lib/random.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import { noMemory } from '../memory/none.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { Gfp } from '../mm/gfp.ts';
import type { Kmalloc } from '../mm/kmalloc.ts';
import type { ReclaimState } from '../mm/kmem-cache.ts';
import { PageMap } from '../mm/page-map.ts';
import type { PageSource } from '../mm/page-source.ts';
import { CACHE_LINE_SIZE } from '../mm/slab-create.ts';
import {
  checkTopology,
  memoryNodeOf,
  type SlabTopology,
  singleNodeTopology,
} from '../mm/slab-topology.ts';
import { defaultTask, type TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';
import type { CacheState } from './cache-state.ts';
import type { CallTracer } from './call-trace.ts';
import { defaultSlabMaxOrder, KMALLOC_MAX_ORDER } from './geometry.ts';
import { defaultConfig, defaultParameters, SLAB_MAX_ORDER_AUTO } from './parameters.ts';
import { SlabTable } from './slab-table.ts';
import type { CallSite, SlabConfig, SlabOptions, SlabParameters, SlabTaskPolicy } from './types.ts';

/** How far the allocator has come up. @kernel enum slab_state (spec slab 4.22) */
export const BootState = {
  /** Nothing works yet. */
  DOWN: 0,
  /** The cache `kmem_cache` exists. */
  PARTIAL: 1,
  /** The cache for node structures exists. */
  PARTIAL_NODE: 2,
  /** All kmalloc caches exist. */
  UP: 3,
  /** Arrays have their final sizes. */
  FULL: 4,
} as const;

/** Kernel virtual address of physical address 0 without KASLR. */
const PAGE_OFFSET_BASE = 0xffff888000000000n;

/** Pages of a TYPESAFE_BY_RCU slab that wait for the end of a grace period. */
export interface RcuSlab {
  /** The cache that gave it up. */
  readonly cache: CacheState;
  /** Its slot. */
  readonly slot: number;
  /** The CPU that gave it up, and that frees it. */
  readonly cpu: number;
}

/**
 * Everything that a SLAB allocator consists of: options with their defaults, the table of slabs, the
 * caches. Nothing of it is global.
 */
export class SlabState {
  /** Where pages come from. */
  readonly source: PageSource;
  /** Page frames: those of the source, or the allocator's own. */
  readonly map: PageMap;
  /** Contents. */
  readonly memory: PhysicalMemory;
  /** Whether contents are dropped. */
  readonly contentless: boolean;
  /** CPUs, nodes, zonelists. */
  readonly topology: SlabTopology;
  /** Number of possible CPUs. */
  readonly cpuCount: number;
  /** Node whose memory each CPU uses first. */
  readonly cpuNode: Int32Array;
  /** 1 for CPUs that are online. */
  readonly cpuOnline: Uint8Array;
  /** CPU masks that the machine will have, by node id. */
  readonly finalNodeCpus: readonly (readonly number[])[];
  /** CPUs in the mask of each node id now, ascending. */
  nodeCpus: number[][];
  /** Number of node ids. */
  readonly nodeIds: number;
  /** Node ids that are online, ascending. */
  onlineNodes: number[];
  /** The slabs. */
  readonly slabs: SlabTable;
  /** All caches, newest first. @kernel slab_caches */
  caches: CacheState[] = [];
  /** Caches by their number; null for numbers not in use. */
  cacheById: (CacheState | null)[] = [];
  /** kmalloc and its caches; null only while the allocator is being put together. */
  kmalloc: Kmalloc<CacheState> | null = null;
  /** The cache of cache descriptors. */
  kmemCache: CacheState | null = null;
  /** How far boot has come. */
  bootState: number = BootState.DOWN;
  /** Bits that requests may have at this stage of boot. @kernel gfp_allowed_mask */
  gfpAllowedMask: number = Gfp.GFP_BOOT_MASK;
  /** Triples of list heads that no cache uses now. */
  freeHeads: number[] = [];
  /** Slabs waiting for RCU, oldest first. */
  rcuSlabs: RcuSlab[] = [];
  /** Destroyed TYPESAFE_BY_RCU caches whose release waits for their slabs. */
  rcuCaches: CacheState[] = [];
  /** Bytes of slabs, `node * 2 + reclaimable`. @kernel NR_SLAB_*_B */
  readonly slabBytes: Float64Array;
  /** Counters of the machine. */
  readonly vmstat: Vmstat | null;
  /** Per CPU the node whose array `cache_reap` empties next. @kernel slab_reap_node */
  readonly reapNode: Int32Array;
  /** Per CPU when `cache_reap` runs next, jiffies; -1 for never. */
  readonly reapDue: Float64Array;
  /** Former hosts of index arrays that must be poisoned again. */
  poisonHosts: number[] = [];
  /** Warnings that are given only once and were. */
  readonly warnedOnce: Set<string> = new Set();
  /** Start of the current interval of rate-limited reports, jiffies, and reports since. */
  readonly oomReports = {
    /** When the interval began, jiffies. */
    begin: 0,
    /** Reports since. */
    printed: 0,
  };

  /** How the kernel was built. */
  readonly config: SlabConfig;
  /** Boot parameters. */
  readonly parameters: SlabParameters;
  /** CONFIG_NUMA. */
  readonly numa: boolean;
  /** Whether arrays for other nodes' objects are made. */
  readonly useAlienCaches: boolean;
  /** Order at which the search for less waste ends. */
  readonly slabMaxOrder: number;
  /** Cache line, bytes. */
  readonly cacheLineSize: number;
  /** CONFIG_DEBUG_SLAB. */
  readonly debug: boolean;
  /** Whether events are counted. */
  readonly statistics: boolean;
  /** Randomness. */
  readonly random: RandomSource;
  /** Whether the allocator's own structures are kmalloc objects. */
  readonly ownKmalloc: boolean;
  /** Clock ticks per second. */
  readonly hz: number;
  /** Time in jiffies. */
  readonly jiffies: () => number;
  /** Kernel virtual address of physical address 0. */
  readonly pageOffset: bigint;
  /** Lines of a stack dump. */
  readonly stackDump: (() => readonly string[]) | null;
  /** Taint bits of the kernel. */
  taint: number;
  /** Whether all invariants are checked after every public call. */
  readonly checksFull: boolean;
  /** The running task. */
  readonly task: TaskContext;
  /** The kernel's log. */
  readonly log: LogSink | null;

  /** Tracepoints. */
  trace: TraceSink | null;
  /** Function calls. */
  calls: CallTracer | null = null;
  /** Memory policy and cpuset of the task, null for none. */
  policy: SlabTaskPolicy | null = null;
  /** Whether sockets that swap over the network are active. @kernel sk_memalloc_socks */
  memallocSocks = false;
  /** Pages that the task's reclaim got out of slabs, null outside of reclaim. @kernel reclaim_state */
  reclaimState: ReclaimState | null = null;
  /** Who calls, for debug caches. */
  callSite: CallSite = { address: 0n, symbolOf: (address) => `0x${address.toString(16)}` };
  /** Whether the shortest paths are closed, because something watches or checks every call. */
  hooked = false;
  /** Whether objects may be of another node than the CPU. */
  multiNode = false;

  constructor(options: SlabOptions) {
    const topology = options.topology ?? singleNodeTopology();
    checkTopology(topology);
    this.topology = topology;
    this.source = options.source;
    this.memory = memoryOf(options);
    this.contentless = this.memory.contentless === true;
    this.map = options.source.map ?? privateMap(this.memory);
    this.config = { ...defaultConfig(), ...options.config };
    this.parameters = { ...defaultParameters(), ...options.parameters };
    const { config, parameters } = this;
    this.cpuCount = topology.cpuNode.length;
    this.cpuNode = Int32Array.from(topology.cpuNode, (_, cpu) => memoryNodeOf(topology, cpu));
    this.cpuOnline = new Uint8Array(this.cpuCount);
    this.nodeIds = topology.nodeIds;
    this.finalNodeCpus = options.nodeCpus ?? masksOf(topology);
    this.nodeCpus = Array.from({ length: this.nodeIds }, () => []);
    this.onlineNodes = [...(options.onlineNodes ?? nodesOf(topology))];
    this.numa = config.numa;
    this.useAlienCaches = config.numa && this.nodeIds > 1 && !parameters.noAlienCache;
    this.slabMaxOrder = slabMaxOrderOf(parameters, options.totalRamPages ?? this.map.endPfn);
    this.cacheLineSize = options.cacheLineSize ?? CACHE_LINE_SIZE;
    this.debug = config.debug;
    this.statistics = options.statistics ?? config.debug;
    this.random = options.random ?? seededRandom(0);
    this.ownKmalloc = (options.boot ?? 'kernel') === 'kernel';
    this.hz = options.hz ?? 100;
    this.jiffies = options.jiffies ?? (() => 0);
    this.pageOffset = options.pageOffset ?? PAGE_OFFSET_BASE;
    this.stackDump = options.stackDump ?? null;
    this.taint = options.taint ?? 0;
    this.checksFull = options.checks === 'full';
    this.task = options.task ?? defaultTask();
    this.log = options.log ?? null;
    this.trace = options.trace ?? null;
    this.vmstat = options.vmstat ?? null;
    this.slabs = new SlabTable(this.contentless || !this.ownKmalloc);
    this.slabBytes = new Float64Array(this.nodeIds * 2);
    this.reapNode = new Int32Array(this.cpuCount);
    this.reapDue = new Float64Array(this.cpuCount).fill(-1);
    this.checkOptions();
    this.updateHooks();
  }

  /** Recomputes `hooked` and `multiNode` after one of their reasons changed. */
  updateHooks(): void {
    this.hooked =
      this.trace !== null ||
      this.calls !== null ||
      this.policy !== null ||
      this.memallocSocks ||
      this.checksFull ||
      this.debug ||
      this.statistics ||
      this.cpuOnline.includes(0) ||
      this.parameters.initOnAlloc ||
      this.parameters.initOnFree;
    this.multiNode = this.numa && this.onlineNodes.length > 1;
  }

  private checkOptions(): void {
    checkInteger('hz', this.hz, 1, 1_000_000);
    checkInteger('cacheLineSize', this.cacheLineSize, 8, 4096);
    const { nodeIds, cpuCount } = this;
    const nodesOk = this.onlineNodes.every(
      (node, i, all) =>
        Number.isInteger(node) && node >= 0 && node < nodeIds && (i === 0 || all[i - 1] < node),
    );
    const hasMemory = this.topology.memoryNodes.every((node) => this.onlineNodes.includes(node));
    const masksOk =
      this.finalNodeCpus.length === nodeIds &&
      this.finalNodeCpus.every((cpus) =>
        cpus.every((cpu) => Number.isInteger(cpu) && cpu >= 0 && cpu < cpuCount),
      );
    if (nodesOk && hasMemory && masksOk) return;
    throw new ArgumentError('onlineNodes or nodeCpus contradict the topology', {
      onlineNodes: this.onlineNodes,
      nodeCpus: this.finalNodeCpus,
    });
  }
}

function memoryOf({ memory, source }: SlabOptions): PhysicalMemory {
  if (memory !== undefined) return memory;
  if (source.map !== undefined) return noMemory(source.map.endPfn * PAGE_SIZE);
  throw new ArgumentError('a page source without a page map needs a memory, for its size', {});
}

/** A map for a source without one: only the links, `private` and PG_slab of slabs are used. */
function privateMap(memory: PhysicalMemory): PageMap {
  return new PageMap({ endPfn: Math.max(1, Math.floor(memory.sizeBytes / PAGE_SIZE)) });
}

function masksOf({ cpuNode, nodeIds }: SlabTopology): number[][] {
  return Array.from({ length: nodeIds }, (_, node) =>
    cpuNode.flatMap((of, cpu) => (of === node ? [cpu] : [])),
  );
}

function nodesOf({ memoryNodes, cpuNode }: SlabTopology): number[] {
  return [...new Set([...memoryNodes, ...cpuNode])].sort((a, b) => a - b);
}

function slabMaxOrderOf({ maxOrder }: SlabParameters, totalRamPages: number): number {
  if (maxOrder === SLAB_MAX_ORDER_AUTO) return defaultSlabMaxOrder(totalRamPages);
  return Math.min(Math.max(maxOrder, 0), KMALLOC_MAX_ORDER);
}

/** The kernel virtual address of a physical one. */
export function virtualAddress(state: SlabState, address: number): bigint {
  return BigInt.asUintN(64, state.pageOffset + BigInt(address));
}

/** @throws ArgumentError `BAD_ARGUMENT` for a CPU that does not exist or is offline */
export function checkCpu(state: SlabState, cpu: number): void {
  checkInteger('cpu', cpu, 0, state.cpuCount - 1);
  if (state.cpuOnline[cpu] === 0) throw new ArgumentError('the CPU is offline', { cpu });
}
