import { type BuddyAllocator, createBuddy } from '../../src/buddy/index.ts';
import { checkInvariants as checkBuddy } from '../../src/buddy/invariants.ts';
import type { InvariantViolation } from '../../src/lib/errors.ts';
import { type PhysicalMemory, sparseMemory } from '../../src/memory/index.ts';
import { checkInvariants as checkModel } from '../../src/mm/invariants.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { allocatedOrder } from '../../src/mm/page-map.ts';
import type { CachedFile } from '../../src/reclaim/cached-file.ts';
import { checkInvariants as checkReclaim } from '../../src/reclaim/invariants.ts';
import { PageCache } from '../../src/reclaim/page-cache.ts';
import { Reclaim } from '../../src/reclaim/reclaim.ts';
import {
  checkInvariants,
  KernelPanicError,
  type MigrationHost,
  type OomMm,
  type OomTask,
  SlowPath,
  StallError,
  TaskTable,
} from '../../src/slowpath/index.ts';
import { wrongOwners } from './world.ts';

/** How the host misbehaves when a page is to be moved. */
export type Fault = 'none' | 'again' | 'busy' | 'throw';

/** Thrown by a faulty host. */
export class HostFault extends Error {}

/** Bytes of a page. */
const PAGE = 4096;

/**
 * A whole machine under test: two nodes, two CPUs, files, drivers that move their pages, processes
 * that hold blocks and die, contents. It keeps its own account of who owns what.
 */
export class TestMachine {
  readonly buddy: BuddyAllocator;
  readonly reclaim: Reclaim;
  readonly cache: PageCache;
  readonly slowPath: SlowPath;
  readonly processes: TaskTable;
  readonly memory: PhysicalMemory;
  readonly files: readonly CachedFile[];
  /** Blocks by memory of the process that has them, pfn to order. */
  readonly blocks: Map<OomMm, Map<number, number>> = new Map();
  /** Pages of drivers, pfn to mark. */
  readonly drivers: Map<number, number> = new Map();
  fault: Fault = 'none';
  panics = 0;
  stalls = 0;
  faults = 0;
  #marks = 1;
  #pid = 100;

  constructor(seedPages = 0) {
    const memory = sparseMemory(8192 * PAGE);
    this.memory = memory;
    this.buddy = createBuddy({
      zones: [
        { node: 0, zone: 'DMA32', startPfn: 0x200, pages: 1024 },
        { node: 0, zone: 'Normal', startPfn: 0x600, pages: 1536 },
        { node: 1, zone: 'Normal', startPfn: 0x1000, pages: 1024 },
      ],
      cpuNode: [0, 1],
      minFreeKbytes: 400,
      groupByMobility: true,
      memory,
    });
    const { model, task } = this.buddy;
    const reclaim = new Reclaim({ model, allocator: this.buddy, task });
    this.reclaim = reclaim;
    this.cache = new PageCache(reclaim, {
      pages: this.buddy,
      directReclaim: false,
      kswapd: 'deferred',
      dirtyExpireJiffies: 20,
    });
    this.processes = new TaskTable({ task, release: (mm) => this.#release(mm) });
    this.slowPath = new SlowPath({
      model,
      pages: this.buddy,
      lru: reclaim,
      reclaim,
      host: this.#host(),
      oom: this.processes,
      task,
      memory,
      now: () => this.cache.jiffies * 10,
    });
    const { slowPath } = this;
    this.buddy.slowPath = slowPath;
    this.buddy.hooks = {
      wakeupKswapd: (...wanted) => reclaim.wakeupKswapd(...wanted),
      nodeReclaim: (...wanted) => reclaim.nodeReclaim(...wanted),
    };
    reclaim.extendHost({
      compactionSuitable: (zone, order, index) => slowPath.compactionSuitable(zone, order, index),
      wakeupKcompactd: (node, order, index) => slowPath.wakeupKcompactd(node, order, index),
      resetIsolationSuitable: (node) => slowPath.resetIsolationSuitable(node),
    });
    reclaim.startKswapd();
    this.files = [this.cache.createFile(), this.cache.createFile({ writepage: false })];
    this.spawn();
    for (let index = 0; index < seedPages; index++) this.read(index % 2, index >> 1, 0);
  }

  /** Who moves a page: the cache, or the driver that has it. */
  #host(): MigrationHost {
    return {
      migrate: (from, to, mode) => {
        if (this.fault !== 'none' && (from & 3) === 1) {
          this.faults++;
          if (this.fault === 'throw') throw new HostFault('the host is gone');
          return this.fault === 'again' ? 1 : -5;
        }
        const mark = this.drivers.get(from);
        if (mark === undefined) return this.cache.migrate(from, to, mode);
        this.drivers.delete(from);
        this.drivers.set(to, mark);
        return 0;
      },
      isolatePage: (pfn) => this.drivers.has(pfn),
    };
  }

  #release(mm: OomMm): void {
    for (const [pfn, order] of [...(this.blocks.get(mm) ?? [])].sort(([a], [b]) => a - b)) {
      this.buddy.freePages(pfn, order);
    }
    this.blocks.delete(mm);
  }

  /** A new process, which runs from now on. */
  spawn(): OomTask {
    const task = this.processes.create({ pid: this.#pid++, comm: 'worker' });
    this.processes.run(task);
    return task;
  }

  /** Lets another process run. */
  switchTo(index: number): void {
    const { tasks } = this.processes;
    if (tasks.length === 0) this.spawn();
    else this.processes.run(tasks[index % tasks.length]);
  }

  /** Runs something that may panic, stall, or meet a faulty host. */
  attempt<T>(run: () => T): T | null {
    let result: T | null = null;
    try {
      result = run();
    } catch (error) {
      if (error instanceof KernelPanicError) this.panics++;
      else if (error instanceof StallError) this.stalls++;
      else if (!(error instanceof HostFault)) throw error;
    }
    this.processes.exitIfKilled();
    if (this.processes.current === null) this.switchTo(0);
    return result;
  }

  /** Allocates a block for the running process. */
  alloc(gfp: number, order: number, node: number, cpu: number): number | null {
    const mm = this.processes.current?.mm ?? null;
    return this.attempt(() => {
      const pfn = this.buddy.allocPages(gfp, order, node, cpu);
      if (pfn === null) return null;
      if (mm === null) {
        this.buddy.freePages(pfn, order, cpu);
        return null;
      }
      const own = this.blocks.get(mm) ?? new Map<number, number>();
      this.blocks.set(mm, own.set(pfn, order));
      mm.rssAnon += 1 << order;
      return pfn;
    });
  }

  /** Frees one of the running process's blocks. */
  free(index: number, cpu: number): void {
    const mm = this.processes.current?.mm ?? null;
    const own = mm === null ? undefined : this.blocks.get(mm);
    if (mm === null || own === undefined || own.size === 0) return;
    const [pfn, order] = [...own][index % own.size];
    own.delete(pfn);
    mm.rssAnon -= 1 << order;
    this.buddy.freePages(pfn, order, cpu);
  }

  /** Reads a page of a file; a new one gets its content. */
  read(file: number, index: number, cpu: number, write = false): void {
    this.attempt(() => {
      const of = this.files[file];
      const isNew = of.page(index) < 0;
      const pfn = write ? this.cache.write(of, index, cpu) : this.cache.read(of, index, cpu);
      if (pfn >= 0 && isNew) this.memory.writeU32(pfn * PAGE, file * 100_000 + index + 1);
    });
  }

  /** Makes a page of a driver that can be moved. */
  makeDriverPage(gfp: number, cpu: number): void {
    const pfn = this.attempt(() => this.buddy.allocPages(gfp, 0, -1, cpu));
    if (pfn === null) return;
    const mark = this.#marks++;
    this.buddy.model.map.flags[pfn] |= PageMark.MAPPING | PageMark.MAPPING_MOVABLE;
    this.memory.writeU32(pfn * PAGE + 8, mark);
    this.drivers.set(pfn, mark);
  }

  /** Frees a page of a driver. */
  freeDriverPage(index: number, cpu: number): void {
    if (this.drivers.size === 0) return;
    const [pfn] = [...this.drivers.keys()].slice(index % this.drivers.size);
    this.drivers.delete(pfn);
    const marks = PageMark.MAPPING | PageMark.MAPPING_MOVABLE;
    this.buddy.model.map.flags[pfn] &= ~marks;
    this.buddy.freePages(pfn, 0, cpu);
  }

  /** Everything that is wrong: rules of all modules, owners of page frames, contents. */
  problems(): string[] {
    const { model } = this.buddy;
    const violations: InvariantViolation[] = [
      ...checkModel(model),
      ...checkBuddy(this.buddy.state),
      ...checkReclaim(this.reclaim.state),
      ...checkInvariants(this.slowPath.state),
    ];
    const wrong = violations.map(({ rule, message }) => `${rule}: ${message}`);
    return [...wrong, ...wrongOwners(model, this.#claimed()), ...this.#wrongContents()];
  }

  *#claimed(): Generator<readonly [number, number]> {
    for (const own of this.blocks.values()) yield* own;
    for (const pfn of this.drivers.keys()) yield [pfn, 0];
    for (const file of this.files) {
      for (const index of file.entries()) if (file.page(index) >= 0) yield [file.page(index), 0];
    }
  }

  #wrongContents(): string[] {
    const { map } = this.buddy.model;
    const wrong: string[] = [];
    this.files.forEach((file, id) => {
      for (const index of file.entries()) {
        const pfn = file.page(index);
        if (pfn < 0) continue;
        const content = this.memory.readU32(pfn * PAGE);
        if (content !== id * 100_000 + index + 1)
          wrong.push(`content of ${id}:${index}: ${content}`);
        if (map.private[pfn] !== index) wrong.push(`index of page ${pfn}: ${map.private[pfn]}`);
      }
    });
    for (const [pfn, mark] of this.drivers) {
      const content = this.memory.readU32(pfn * PAGE + 8);
      if (content !== mark) wrong.push(`content of driver page ${pfn}: ${content}, not ${mark}`);
      if (map.refcount[pfn] !== 1)
        wrong.push(`driver page ${pfn}: ${map.refcount[pfn]} references`);
    }
    for (const own of this.blocks.values()) {
      for (const [pfn, order] of own) {
        if (allocatedOrder(map, pfn) !== order) wrong.push(`block ${pfn} is of another order`);
        if ((map.flags[pfn] & PageFlag.PG_lru) !== 0) wrong.push(`block ${pfn} is on an LRU list`);
      }
    }
    return wrong;
  }

  /** Gives everything back; what is not free then has leaked. */
  leaks(): string[] {
    this.fault = 'none';
    for (const task of [...this.processes.tasks]) this.processes.exit(task);
    this.processes.run(null);
    while (this.drivers.size > 0) this.freeDriverPage(0, 0);
    for (const file of this.files) this.cache.truncate(file);
    this.cache.advance(100);
    this.reclaim.lruAddDrainAll();
    return wrongOwners(this.buddy.model, []);
  }
}
