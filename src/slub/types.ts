import type { RandomSource } from '../lib/random.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { PageSource } from '../mm/page-source.ts';
import type { SlabTopology } from '../mm/slab-topology.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';

/** How the kernel was built (spec slub 3.5). Every member has the default of the distribution. */
export interface SlubConfig {
  /** SLUB_CPU_PARTIAL: CPUs keep lists of partial slabs. Default true. */
  readonly cpuPartial: boolean;
  /** SLUB_DEBUG: debug caches, counters of slabs, `/proc/slabinfo`. Default true. */
  readonly debug: boolean;
  /** SLUB_DEBUG_ON: as if booted with `slub_debug`. Default false. */
  readonly debugOn: boolean;
  /** SLUB_STATS: event counters. Default false. */
  readonly stats: boolean;
  /** SLAB_FREELIST_RANDOM: new slabs have shuffled freelists. Default false. */
  readonly freelistRandom: boolean;
  /** SLAB_FREELIST_HARDENED: free pointers are stored obfuscated. Default false. */
  readonly freelistHardened: boolean;
  /** MEMCG_KMEM: `kmalloc-cg-*` caches and SLAB_ACCOUNT. Default false. */
  readonly memcg: boolean;
  /** ZONE_DMA: `dma-kmalloc-*` caches. Default true. */
  readonly zoneDma: boolean;
  /** NUMA. Default true. */
  readonly numa: boolean;
  /** STACKDEPOT: tracks hold a stack handle and take 32 bytes instead of 24. Default true. */
  readonly stackDepot: boolean;
}

/** Boot parameters (spec slub 3.4). */
export interface SlubParameters {
  /** `slub_min_order=`. Default 0. */
  readonly minOrder: number;
  /** `slub_max_order=`. Default 3. */
  readonly maxOrder: number;
  /** `slub_min_objects=`. Default 0: from the number of CPUs. */
  readonly minObjects: number;
  /** `slab_nomerge`, `slub_nomerge`. Default false. */
  readonly nomerge: boolean;
  /** What follows `slub_debug`, e.g. `=FZ,dentry`; null without the parameter. Default null. */
  readonly slubDebug: string | null;
  /** `init_on_alloc=`. Default false. */
  readonly initOnAlloc: boolean;
  /** `init_on_free=`. Default false. */
  readonly initOnFree: boolean;
}

/** Who makes a call, as user tracking records it. Addresses are two 32-bit halves. */
export interface TrackCaller {
  /** High half of the return address. */
  readonly addressHigh: number;
  /** Low half of the return address. */
  readonly addressLow: number;
  /** Handle of the stack in the depot, 0 for none. */
  readonly handle: number;
  /** Process id. */
  readonly pid: number;
}

/** Where user tracking (SLAB_STORE_USER) learns who calls, and how to print it. */
export interface TrackSource {
  /** The caller of the call that runs now. */
  current(): TrackCaller;
  /** Name of an address as `%pS` prints it, e.g. `demo_alloc+0x21/0x60`. */
  symbol(addressHigh: number, addressLow: number): string;
  /** Names of the frames of a stack of the depot; null for a handle without a stack. */
  stack(handle: number): readonly string[] | null;
}

/** What SLUB found wrong or repaired, beside the text in the log. */
export interface SlubReport {
  /** `object` and `slab` reports are errors, `fix` is a repair, `count` a counter that was off. */
  readonly kind: 'object' | 'slab' | 'fix' | 'count';
  /** Name of the cache. */
  readonly cache: string;
  /** The kernel's words, e.g. `Right Redzone overwritten` or `Restoring Poison 0x..-0x..=0x6b`. */
  readonly text: string;
  /** First page frame of the slab, -1 if none is concerned. */
  readonly pfn: number;
  /** Physical address of the object, -1 if none is concerned. */
  readonly address: number;
}

/** Everything that a SLUB allocator can be made of; only `source` must be given. */
export interface SlubOptions {
  /**
   * Where page frames come from. A request with `__GFP_ZERO` (large kmalloc only) must come cleared.
   */
  readonly source: PageSource;
  /**
   * Content of the pages; free pointers live in it. Default: none (`noMemory`), the free pointers are
   * then kept aside, with the same results. Must be given if the source has no page map.
   */
  readonly memory?: PhysicalMemory;
  /** CPUs, nodes, zonelists. Default: one CPU, one node. */
  readonly topology?: SlabTopology;
  /**
   * `kernel`: the boot of the kernel, whose cache descriptors are objects of caches themselves.
   * `bare`: descriptors cost nothing, as for an allocator of its own. Default `kernel`.
   */
  readonly boot?: 'kernel' | 'bare';
  /** How the kernel was built. */
  readonly config?: Partial<SlubConfig>;
  /** Boot parameters; `parseSlubParameters` reads them from a command line. */
  readonly parameters?: Partial<SlubParameters>;
  /** Counters of slab pages per node. */
  readonly vmstat?: Vmstat;
  /** The kernel's log: reports, one line per call. */
  readonly log?: LogSink;
  /** Called for each report and each repair. */
  readonly onReport?: (report: SlubReport) => void;
  /** Tracepoints; may be set later. */
  readonly trace?: TraceSink;
  /** The running task: who may use emergency reserves. */
  readonly task?: TaskContext;
  /** Who calls, for SLAB_STORE_USER. */
  readonly tracks?: TrackSource;
  /** Lines of a stack dump, printed where the kernel dumps one. Default: none. */
  readonly stackDump?: () => readonly string[];
  /** The clock, in jiffies. Default: always 0. */
  readonly jiffies?: () => number;
  /** Clock ticks per second. Default 100. */
  readonly hz?: number;
  /** The cycle counter that decides about remote node lists. Default: always 0. */
  readonly cycles?: () => number;
  /** Randomness of freelist shuffling and hardening. Default: seeded with 0. */
  readonly random?: RandomSource;
  /** Virtual address of physical address 0, a multiple of 4 MiB. Default 0xffff888000000000. */
  readonly pageOffset?: bigint;
  /** Virtual address of the page descriptor of pfn 0. Default 0xffffea0000000000. */
  readonly vmemmap?: bigint;
  /** Taint bits of the kernel at the start. Default 0. */
  readonly taint?: number;
  /** `full` checks all invariants after each call. Default `basic`. */
  readonly checks?: 'basic' | 'full';
}
