import type { E820Entry, E820Firmware, LogLine, SetupDataNode } from '../e820/types.ts';
import type { RandomSource } from '../lib/random.ts';
import type { MemblockRegion } from '../memblock/types.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { TaskContext } from '../mm/task.ts';
import type { TraceSink } from '../mm/trace.ts';
import type { ThpEnabled } from '../mm/watermark-setup.ts';
import type { JoinOptions } from './join-options.ts';
import type { ReservationProfile } from './reservations.ts';

/** A range of physical memory of a node, as firmware tells it (SRAT). */
export interface NodeMemory {
  /** First byte. */
  readonly start: bigint;
  /** First byte behind it. */
  readonly end: bigint;
  /** The memory can be unplugged. Default false. */
  readonly hotplug?: boolean;
}

/** A NUMA node of the firmware. Its id is its place in the list. */
export interface BootNode {
  /** Memory of the node; may reach over holes and beyond RAM. Empty for a node without memory. */
  readonly memory: readonly NodeMemory[];
  /** CPUs of the node. Default: CPUs that no node names go round the nodes with memory. */
  readonly cpus?: readonly number[];
}

/** What every machine can be told, however its memory is described. */
export interface MachineOptions extends JoinOptions {
  /** Number of CPUs, all of them online. Default 1. */
  readonly cpus?: number;
  /** Distances between nodes (SLIT). Default: 10 to itself, 20 to others. */
  readonly distance?: readonly (readonly number[])[];
  /** Storage for the contents of pages. Default: none, contents are not modelled. */
  readonly memory?: PhysicalMemory;
  /** HUGETLB_PAGE is built in: pageblocks of 2 MiB, else of 4 MiB. Default true. */
  readonly hugetlb?: boolean;
  /**
   * MEMORY_ISOLATION is built in: a fifth migratetype. Without it there is no MEMORY_HOTPLUG either,
   * and `movable_node` does nothing. Default true.
   */
  readonly memoryIsolation?: boolean;
  /** Clock ticks per second. Default 100. */
  readonly hz?: number;
  /**
   * THP `enabled` setting, which lets khugepaged raise `min_free_kbytes` on machines of 512 MiB and
   * more; null without TRANSPARENT_HUGEPAGE. Default `madvise`; `transparent_hugepage=` wins.
   */
  readonly thp?: ThpEnabled | null;
  /** DEFERRED_STRUCT_PAGE_INIT is built in. Default false. */
  readonly deferredInit?: boolean;
  /**
   * Numbers for `page_alloc.shuffle=1`, which has no effect without them, and for shuffled freelists
   * of the object allocator.
   */
  readonly random?: RandomSource;
  /**
   * Take the 64 pages of page tables that the kernel allocates for vmalloc right after the release,
   * its first ordinary allocations. Default false: the free lists are those of the release.
   */
  readonly vmallocPages?: boolean;
  /**
   * How far to boot: `release` stops when memblock has handed over, before per-CPU lists and
   * watermarks exist. Default `running`.
   */
  readonly until?: 'release' | 'running';
  /** Tracepoints. Default: none. */
  readonly trace?: TraceSink;
  /** The running task. Default: a user task without flags. */
  readonly task?: TaskContext;
  /** Receives each line of the kernel log as it is printed, boot lines included. */
  readonly log?: (line: LogLine) => void;
  /** `full` checks all invariants after every public call; slow. Default `basic`. */
  readonly checks?: 'basic' | 'full';
}

/** A firmware map in any form that is understood. */
export type E820Input =
  /** A kernel log, a listing of `/sys/firmware/memmap`, or JSON. */
  | string
  /** Entries in the order in which firmware gave them. */
  | readonly E820Entry[]
  /** Entries and what else the boot loader says. */
  | E820Firmware;

/** How to boot a machine from its firmware map. */
export interface BootOptions extends MachineOptions {
  /** The firmware map. */
  readonly e820: E820Input;
  /**
   * Kernel command line. Heeded are `mem=`, `memmap=`, `kernelcore=`, `movablecore=`,
   * `movable_node`, `numa=off`, `numa=fake=`, `memblock=debug`, `mminit_loglevel=`, `swiotlb=`,
   * `transparent_hugepage=`, `page_alloc.shuffle=`, `page_poison=`, `init_on_alloc=`,
   * `init_on_free=` and `early_page_ext`. Default: empty.
   */
  readonly cmdline?: string;
  /** NUMA nodes of the firmware. Default: one node with all memory and all CPUs. */
  readonly nodes?: readonly BootNode[];
  /** The boot loader's setup_data list. Default: empty. */
  readonly setupData?: readonly SetupDataNode[];
  /** What the kernel reserves for itself; parts not given have the defaults of 6.1. */
  readonly reservations?: Partial<ReservationProfile>;
}

/** A memory or reserved region to boot from. */
export type BootRegion = Pick<MemblockRegion, 'base' | 'size'> &
  Partial<Pick<MemblockRegion, 'flags' | 'nid'>>;

/** How to boot a machine from its memblock regions, as they are just before the release. */
export interface MemblockBootOptions extends MachineOptions {
  /** RAM; the node is 0 unless given. */
  readonly memblockMemory: readonly BootRegion[];
  /** What is in use. */
  readonly memblockReserved: readonly BootRegion[];
  /** Node of each CPU. Default: `cpus` CPUs on node 0. */
  readonly cpuNode?: readonly number[];
  /** Node ids of which the kernel knows. Default: those up to the highest in the regions. */
  readonly nodeCount?: number;
  /** CPUs in the mask of each node, where it differs from `cpuNode` (`numa=fake=`). */
  readonly nodeCpus?: readonly (readonly number[])[];
  /** Kernel command line, as for `boot`; what edits the map has no effect. Default: empty. */
  readonly cmdline?: string;
  /** One past the highest page frame of RAM. Default: the end of the last region. */
  readonly maxLowPfn?: number;
  /** Pages below 16 MiB that cannot be given out. Default: computed from the regions. */
  readonly dmaReserve?: number;
  /** Sizes in KiB that the `Memory:` line shows. Default: those of the profile. */
  readonly imageSizes?: ReservationProfile['imageSizes'];
}
