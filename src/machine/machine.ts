import type { JoinOptions } from '../boot/join-options.ts';
import type { BuddyAllocator } from '../buddy/allocator.ts';
import { checkInvariants as checkBuddyInvariants } from '../buddy/invariants.ts';
import type { E820Finish, E820Setup } from '../e820/setup.ts';
import { LogLevel, type LogLine } from '../e820/types.ts';
import { assertNoViolations, checkInteger, type InvariantViolation } from '../lib/errors.ts';
import type { Pfn, PhysAddr } from '../lib/units.ts';
import type { Memblock } from '../memblock/memblock.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { Gfp } from '../mm/gfp.ts';
import { checkInvariants as checkModelInvariants } from '../mm/invariants.ts';
import type { KmemCache } from '../mm/kmem-cache.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { TaskContext } from '../mm/task.ts';
import type { TraceSink } from '../mm/trace.ts';
import { checkInvariants as checkReclaimInvariants } from '../reclaim/invariants.ts';
import type { PageCache } from '../reclaim/page-cache.ts';
import type { Reclaim } from '../reclaim/reclaim.ts';
import type { KswapdState } from '../reclaim/types.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import { checkInvariants as checkSlabInvariants } from '../slab/invariants.ts';
import { checkInvariants as checkSlowPathInvariants } from '../slowpath/invariants.ts';
import type { SlabUsage } from '../slowpath/oom-types.ts';
import type { SlowPath } from '../slowpath/slowpath.ts';
import type { SlubAllocator } from '../slub/allocator.ts';
import { MachineError } from './errors.ts';
import { joinPressure, type Pressure, type SharedParts } from './join.ts';
import { ObjectLru, type ObjectLruOptions } from './object-lru.ts';
import { type Owners, ownersOf } from './owners.ts';
import type { ProcessTable } from './processes.ts';
import { bootSlab, type SlabSurroundings } from './slab.ts';
import { Timers } from './timers.ts';

/** What the firmware map became: tables, resources, ranges that hibernation leaves out. */
export interface MachineE820 {
  /** The three tables and the ends of RAM, with the log of their set-up. */
  readonly setup: E820Setup;
  /** Resources, firmware map, nosave regions and the gap for PCI devices. */
  readonly finish: E820Finish;
}

/** What boot leaves behind. @internal */
export interface MachineParts extends SharedParts {
  readonly memblock: Memblock;
  readonly e820: MachineE820 | null;
  readonly lines: readonly LogLine[];
  readonly totalPages: number;
  readonly options: JoinOptions;
  readonly cmdline: string;
  readonly random: SlabSurroundings['random'];
  /** Whether the page allocator runs: there are per-CPU lists and watermarks. */
  readonly running: boolean;
}

/**
 * A booted machine: one memory model and the allocators that work on it, introduced to each other.
 * Two machines share nothing.
 *
 * Nothing runs by itself: `tick` lets time pass, and with it write-back, kswapd, kcompactd and timers;
 * a host with a scheduler of its own calls `runKswapd` and `runKcompactd` when it likes.
 */
export class Machine {
  /** Page map, nodes, zones, free lists, per-CPU lists, counters, tunables. */
  readonly model: MemoryModel;
  /** The page allocator. */
  readonly buddy: BuddyAllocator;
  /** Boot memory, as it was handed over. */
  readonly memblock: Memblock;
  /** The firmware map; null for a machine that was booted from regions. */
  readonly e820: MachineE820 | null;
  /** Storage for the contents of pages, null when they are not modelled. */
  readonly memory: PhysicalMemory | null;
  /** The running task, shared by all allocators; the host changes it between calls. */
  readonly task: TaskContext;
  /** The kernel log since boot, in order. */
  readonly log: readonly LogLine[];
  /** Pages that requests could have, by the estimate that the `Built ... zonelists` line shows. */
  readonly totalPages: number;
  readonly #parts: MachineParts;
  readonly #pressure: Pressure | null;
  readonly #timers: Timers;
  #trace: TraceSink | null;
  #slab: SlubAllocator | SlabAllocator | null = null;

  /** @internal Machines come from `boot` and `bootFromMemblock`. */
  constructor(parts: MachineParts) {
    this.model = parts.buddy.model;
    this.buddy = parts.buddy;
    this.memblock = parts.memblock;
    this.e820 = parts.e820;
    this.memory = parts.memory;
    this.task = parts.task;
    this.log = parts.lines;
    this.totalPages = parts.totalPages;
    this.#parts = parts;
    this.#trace = parts.trace;
    const { options, running } = parts;
    const isFull = running && options.slowPath !== 'short';
    this.#pressure = isFull ? joinPressure(parts, options, () => this.#slabUsage()) : null;
    this.#timers = new Timers(this.buddy, this.#pressure);
    // Who names the object allocator wants it now; by default it waits until it is needed.
    if (running && options.slab) this.#slab = this.#bootSlab(options.slab);
  }

  /** LRU lists, kswapd, direct reclaim, shrinkers. @throws MachineError `LEFT_OUT` */
  get reclaim(): Reclaim {
    return this.#joined('reclaim');
  }

  /** Files, and anonymous memory. @throws MachineError `LEFT_OUT` */
  get pageCache(): PageCache {
    return this.#joined('pageCache');
  }

  /** Retries, compaction, OOM killer. @throws MachineError `LEFT_OUT` */
  get slowPath(): SlowPath {
    return this.#joined('slowPath');
  }

  /** Processes with anonymous memory, for the OOM killer. @throws MachineError `LEFT_OUT` */
  get processes(): ProcessTable {
    return this.#joined('processes');
  }

  /**
   * The object allocator. If the options do not name one, it boots when it is asked for the first time,
   * and takes its first pages then.
   * @throws MachineError `LEFT_OUT`; KmemError `PANIC` when there is no memory for its first caches
   */
  get slab(): SlubAllocator | SlabAllocator {
    if (this.#slab !== null) return this.#slab;
    const { options, running } = this.#parts;
    if (options.slab === null || !running) throw leftOut('slab');
    this.#slab = this.#bootSlab('slub');
    return this.#slab;
  }

  /** Tracepoints of all allocators, null for none. */
  get trace(): TraceSink | null {
    return this.#trace;
  }
  set trace(trace: TraceSink | null) {
    this.#trace = trace;
    this.buddy.trace = trace;
    if (this.#pressure !== null) {
      this.#pressure.reclaim.trace = trace;
      this.#pressure.slowPath.trace = trace;
    }
    if (this.#slab !== null) this.#slab.trace = trace;
  }

  /** Clock ticks since the start; `model.hz` of them are a second. */
  get jiffies(): number {
    return this.#timers.jiffies;
  }

  /**
   * Allocates a block of 2^order pages. Whether the request may wait is said by its mask; whether it
   * comes from an interrupt, by `task`.
   * @param gfp the request's mask, bits of `Gfp`
   * @param order log2 of the number of pages
   * @param node preferred node, -1 for that of the CPU
   * @param cpu the CPU that asks
   * @returns first page frame, null when there is none
   * @throws BuddyError `BAD_REQUEST`; StallError where the kernel would loop for ever;
   * KernelPanicError where it would stop
   * @kernel alloc_pages_node
   */
  allocPages(gfp: number, order: number, node = -1, cpu = 0): Pfn | null {
    return this.buddy.allocPages(gfp, order, node, cpu);
  }

  /**
   * Frees a block of pages.
   * @throws BuddyError `DOUBLE_FREE`, `WRONG_ORDER`, `FOREIGN_PAGE`, `PAGE_ON_LIST`
   * @kernel __free_pages
   */
  freePages(pfn: number, order: number, cpu = 0): void {
    this.buddy.freePages(pfn, order, cpu);
  }

  /**
   * Allocates memory of any size from the object allocator.
   * @param size bytes
   * @returns physical address, null when there is no memory
   * @throws MachineError `LEFT_OUT`
   * @kernel kmalloc
   */
  kmalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.slab.kmalloc(size, gfp, cpu);
  }

  /** Frees what `kmalloc` gave. @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE` @kernel kfree */
  kfree(address: number | null, cpu = 0): void {
    this.slab.kfree(address, cpu);
  }

  /**
   * Lets kswapd of a node work until it sleeps; does nothing if it was not woken.
   * @returns what it is doing then
   * @kernel kswapd
   */
  runKswapd(node: number): KswapdState {
    return this.reclaim.runKswapd(node);
  }

  /**
   * Lets kcompactd of a node do what it was woken for.
   * @returns whether it compacted anything
   * @kernel kcompactd
   */
  runKcompactd(node: number): boolean {
    checkInteger('node', node, 0, this.model.nodes.length - 1);
    return this.slowPath.runKcompactd(node);
  }

  /**
   * Lets time pass: writes end, old dirty pages are written, kswapd and kcompactd work if they are
   * awake, counters are folded once a second, SLAB reaps, victims of the OOM killer are reaped.
   * @param jiffies how long
   */
  tick(jiffies = 1): void {
    checkInteger('jiffies', jiffies, 0, Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < jiffies; i++) this.#timers.tick(this.#slab);
  }

  /**
   * Lets reclaim free objects of a slab cache when memory is short.
   * @param cache a cache of `slab`
   * @returns where to put the objects that may be freed
   * @throws MachineError `LEFT_OUT`
   * @kernel register_shrinker
   */
  objectLru(cache: KmemCache, options: ObjectLruOptions = {}): ObjectLru {
    return new ObjectLru(this.reclaim, cache, options);
  }

  /** Who has each page frame. It looks at every page frame. */
  owners(): Owners {
    return ownersOf(this.model, this.#pressure);
  }

  /**
   * All broken rules of all allocators, and of their common page frames (`MACHINE-1`: a frame has one
   * owner at most; `MACHINE-2`: none is lost). Between two calls there are none.
   * @param owners what `owners` says now, if the caller has it already
   */
  checkInvariants(owners: Owners = this.owners()): InvariantViolation[] {
    const violations = [
      ...checkModelInvariants(this.model),
      ...checkBuddyInvariants(this.buddy.state),
      ...owners.violations,
    ];
    if (this.#pressure !== null) {
      violations.push(...checkReclaimInvariants(this.#pressure.reclaim.state));
      violations.push(...checkSlowPathInvariants(this.#pressure.slowPath.state));
    }
    const slab = this.#slab;
    if (slab instanceof SlabAllocator) violations.push(...checkSlabInvariants(slab.state));
    else if (slab !== null) violations.push(...slab.checkInvariants());
    return violations;
  }

  /** Throws an `InvariantError` that lists all broken rules, if there is any. */
  assertInvariants(): void {
    assertNoViolations(this.checkInvariants());
  }

  /**
   * The kernel log as text.
   * @param maxLevel highest level shown: 6 without debug lines (default), 7 with them
   */
  dmesg(maxLevel: number = LogLevel.INFO): string[] {
    return this.log.filter(({ level }) => level <= maxLevel).map(({ text }) => text);
  }

  #bootSlab(kind: NonNullable<JoinOptions['slab']>): SlubAllocator | SlabAllocator {
    const shared = { ...this.#parts, trace: this.#trace };
    const { cmdline, random } = this.#parts;
    return bootSlab(kind, shared, {
      cmdline,
      random,
      jiffies: () => this.jiffies,
      reclaimState: this.#pressure?.reclaim.state.reclaimState ?? null,
    });
  }

  /** Slab caches as the OOM killer reports them. */
  #slabUsage(): SlabUsage[] {
    const caches: readonly KmemCache[] = this.#slab?.caches ?? [];
    return caches.map((cache) => {
      const { activeObjects, totalObjects, size } = cache.stats();
      const isReclaimable = (cache.flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0;
      return { name: cache.name, activeObjects, totalObjects, sizeBytes: size, isReclaimable };
    });
  }

  #joined<K extends keyof Pressure>(part: K): Pressure[K] {
    if (this.#pressure === null) throw leftOut(part);
    return this.#pressure[part];
  }
}

function leftOut(part: string): MachineError {
  return new MachineError('LEFT_OUT', `this machine has no ${part}: it was booted without`, {
    part,
  });
}
