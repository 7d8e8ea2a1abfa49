import type { RandomSource } from '../lib/random.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { PageSource } from '../mm/page-source.ts';
import type { SlabTopology } from '../mm/slab-topology.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';

/** Which memory policy a task has, as far as slab pages go (spec slab 4.10). */
export type SlabPolicyMode = 'local' | 'preferred' | 'interleave' | 'bind' | 'preferred-many';

/** Memory policy and cpuset of the running task; the host sets it before a call. */
export interface SlabTaskPolicy {
  /** The policy. `local` is as good as none. */
  mode: SlabPolicyMode;
  /** Nodes of the policy, ascending. */
  nodes: readonly number[];
  /** Interleaving: the node used last (`il_prev`); moves on with every allocation. */
  ilPrev: number;
  /** Whether slab pages of SLAB_MEM_SPREAD caches are spread (`cpuset.memory_spread_slab`). */
  spreadSlab: boolean;
  /** Spreading: the node used last (`cpuset_slab_spread_rotor`); the kernel starts at a random one. */
  spreadRotor: number;
  /** Nodes that the cpuset allows, ascending; null for all. */
  memsAllowed: readonly number[] | null;
}

/** Where debug caches note who made a call. */
export interface CallSite {
  /** Return address that is stored as the last user of an object. */
  address: bigint;
  /** What reports print for an address. */
  symbolOf: (address: bigint) => string;
}

/**
 * Follows the function calls of the allocator, for studying it. (spec slab 4.27)
 */
export interface CallTrace {
  /**
   * A function of the kernel is entered.
   * @param name its name
   * @param depth number of functions around it
   */
  call(name: string, depth: number): void;
}

/** How the kernel was built. Every member has the default of the distribution's SLAB kernel. */
export interface SlabConfig {
  /** DEBUG_SLAB: red zones, poison, last users, statistics, reports. Default false. */
  readonly debug: boolean;
  /** NUMA. Default true. */
  readonly numa: boolean;
  /** SLAB_FREELIST_RANDOM: new slabs hand out their objects in random order. Default false. */
  readonly freelistRandom: boolean;
  /** SLAB_FREELIST_HARDENED: frees are checked for the right cache. Default false. */
  readonly freelistHardened: boolean;
  /** MEMCG_KMEM: `kmalloc-cg-*` caches and SLAB_ACCOUNT. Default false. */
  readonly memcg: boolean;
  /** ZONE_DMA: `dma-kmalloc-*` caches. Default true. */
  readonly zoneDma: boolean;
}

/** Boot parameters. */
export interface SlabParameters {
  /** `slab_max_order=`, clamped to 0 to 10; -1: by the size of the machine. Default -1. */
  readonly maxOrder: number;
  /** `slab_nomerge`. Default false. */
  readonly nomerge: boolean;
  /** `noaliencache`: objects of other nodes go straight back to their slabs. Default false. */
  readonly noAlienCache: boolean;
  /** `init_on_alloc=`. Default false. */
  readonly initOnAlloc: boolean;
  /** `init_on_free=`. Default false. */
  readonly initOnFree: boolean;
}

/** What a SLAB allocator is made of; only `source` must be given. */
export interface SlabOptions {
  /** Where page frames come from. */
  readonly source: PageSource;
  /**
   * Content of the pages: index arrays, zeroing, poison, red zones. Default: none (`noMemory`); index
   * arrays are then kept aside, with the same results. Must be given if the source has no page map.
   */
  readonly memory?: PhysicalMemory;
  /** CPUs, nodes, zonelists. Default: one CPU, one node. */
  readonly topology?: SlabTopology;
  /**
   * `kernel`: the boot of the kernel, whose own structures (cache descriptors, node structures,
   * shared and alien arrays, index arrays off the slab) are objects of caches themselves. `bare`:
   * they cost nothing, as for an allocator of its own. Default `kernel`.
   */
  readonly boot?: 'kernel' | 'bare';
  /**
   * `all`: all CPUs are up when the constructor returns. `none`: only `kmem_cache_init` has run; go on
   * with `kmemCacheInitLate`, `prepareCpu`, `onlineCpu`. Default `all`.
   */
  readonly bringUp?: 'all' | 'none';
  /** How the kernel was built. */
  readonly config?: Partial<SlabConfig>;
  /** Boot parameters. */
  readonly parameters?: Partial<SlabParameters>;
  /**
   * CPUs in the mask of each node id; with `numa=fake=` a CPU is in several. They decide how many
   * free objects a node may keep. Default: each CPU in the mask of its node.
   */
  readonly nodeCpus?: readonly (readonly number[])[];
  /** Node ids that are online, ascending. Default: those with memory or CPUs. */
  readonly onlineNodes?: readonly number[];
  /** Pages handed to the page allocator when SLAB starts. Default: all page frames of the map. */
  readonly totalRamPages?: number;
  /** Cache line of the boot CPU, bytes. Default 64. */
  readonly cacheLineSize?: number;
  /** Whether array hits and other events are counted. Default as `config.debug`, as in the kernel. */
  readonly statistics?: boolean;
  /** Counters of slab pages per node. */
  readonly vmstat?: Vmstat;
  /** The kernel's log: reports, one line per call. */
  readonly log?: LogSink;
  /** Tracepoints; may be set later. */
  readonly trace?: TraceSink;
  /** The running task: who may use emergency reserves. */
  readonly task?: TaskContext;
  /** The clock, in jiffies. Default: always 0. */
  readonly jiffies?: () => number;
  /** Clock ticks per second. Default 100. */
  readonly hz?: number;
  /** Randomness of freelist shuffling. Default: seeded with 0. */
  readonly random?: RandomSource;
  /** Virtual address of physical address 0. Default 0xffff888000000000. */
  readonly pageOffset?: bigint;
  /** Lines of a stack dump, printed where the kernel dumps one. Default: none. */
  readonly stackDump?: () => readonly string[];
  /** Taint bits of the kernel at the start. Default 0. */
  readonly taint?: number;
  /** `full` checks all invariants after each call. Default `basic`. */
  readonly checks?: 'basic' | 'full';
}

/** Sizes and places of a cache, as `/proc/slabinfo` and recordings of a kernel show them. */
export interface SlabCacheGeometry {
  /** Display name. */
  readonly name: string;
  /** Usable bytes of an object. */
  readonly objectSize: number;
  /** Bytes from one object to the next. */
  readonly size: number;
  /** Alignment in bytes. */
  readonly align: number;
  /** Objects in a slab. */
  readonly num: number;
  /** log2 of the pages of a slab. */
  readonly gfporder: number;
  /** Number of different start offsets. */
  readonly colour: number;
  /** Bytes per colour step. */
  readonly colourOff: number;
  /** Bytes of the index array. */
  readonly freelistSize: number;
  /** Entries moved at once. */
  readonly batchcount: number;
  /** Entries of a CPU's array. */
  readonly limit: number;
  /** Capacity of the shared array in batches. */
  readonly shared: number;
  /** Flags, with those of `FreelistFlag`. */
  readonly flags: number;
  /** Bits forced on every page request. */
  readonly allocflags: number;
  /** 1 + number of merged caches; -1 for the first cache of boot. */
  readonly refcount: number;
}

/** Events that a cache counts with `statistics`. @kernel struct kmem_cache, STATS (spec slab 4.21) */
export interface SlabStatistics {
  /** Objects moved from a slab into an array (`listallocs`). */
  numAllocations: number;
  /** Objects out of their slabs, as the kernel counts them: not all are counted up. */
  numActive: number;
  /** Largest `numActive` (`maxobjs`). */
  highMark: number;
  /** Slabs made. */
  grown: number;
  /** Slabs given back by reaping. */
  reaped: number;
  /** Never counted. */
  errors: number;
  /** Longest list of free slabs seen at a flush (`maxfreeable`). */
  maxFreeable: number;
  /** Objects taken for a given node. */
  nodeAllocs: number;
  /** Objects of another node freed (`remotefrees`). */
  nodeFrees: number;
  /** Full arrays of another node met by a free (`alienoverflow`). */
  nodeOverflow: number;
  /** Allocations from a CPU's array. */
  allochit: number;
  /** Allocations that found the array empty. */
  allocmiss: number;
  /** Frees into a CPU's array. */
  freehit: number;
  /** Frees that found the array full. */
  freemiss: number;
}
