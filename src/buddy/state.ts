import type { RandomSource } from '../lib/random.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import type { FreeAreas } from '../mm/free-area.ts';
import { Gfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { PageMap } from '../mm/page-map.ts';
import type { Pagesets } from '../mm/pageset.ts';
import { defaultTask, type TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Vmstat } from '../mm/vmstat.ts';
import type { MemoryNode, Zone } from '../mm/zone.ts';
import type { AllocContext } from './alloc-context.ts';
import { BadPageReports } from './bad-page.ts';
import { type FreeSlot, makeFreeSlots, type RequestSlot } from './request-slot.ts';
import type { BuddyHooks, BuddyOptions, CaptureControl, Cpusets, SlowPath } from './types.ts';

/** Everything that the functions of the page allocator work on. The arrays belong to the model. */
export class BuddyState {
  /** The machine. */
  readonly model: MemoryModel;
  /** Page frames. */
  readonly map: PageMap;
  /** Free lists. */
  readonly areas: FreeAreas;
  /** Per-CPU lists. */
  readonly pagesets: Pagesets;
  /** Counters. */
  readonly vmstat: Vmstat;
  /** Zones by id. */
  readonly zones: readonly Zone[];
  /** Nodes by id. */
  readonly nodes: readonly MemoryNode[];
  /** Storage for page contents, null for none. */
  readonly memory: PhysicalMemory | null;
  /** Whether all invariants are checked after every call. */
  readonly fullChecks: boolean;
  /** Order of a pageblock, also of the THP per-CPU lists. */
  readonly pageblockOrder: number;
  /** Whether there are per-CPU lists of the THP order. */
  readonly thp: boolean;
  /** Zero every page handed out. */
  readonly initOnAlloc: boolean;
  /** Zero every freed page. */
  readonly initOnFree: boolean;
  /** Poison every freed page. */
  readonly pagePoison: boolean;
  /** Decides ends of order-10 lists, null when shuffling is off. */
  readonly shuffle: RandomSource | null;
  /** Tracepoints, null for none. */
  trace: TraceSink | null;
  /**
   * 1 if the short cuts of `hot-path.ts` apply: nobody watches, no contents, no cpusets. Kept by
   * `updateShortcuts`. (A number: V8 tests it with one comparison.)
   */
  shortcuts = 0;
  /** Requests with these bits go the general way. */
  readonly unusualBits: number;
  /** Slots of requests made before, see `rememberSlot`; none while the short cuts do not apply. */
  readonly requestSlots: (RequestSlot | undefined)[];
  /** Slots of requests of one CPU. */
  readonly requestStride: number;
  /** Slots of frees, see `makeFreeSlots`; empty while the short cuts do not apply. */
  freeSlots: (FreeSlot | undefined)[] = [];
  /** Slots of frees of one CPU. */
  readonly freeSlotStride: number;
  /** `hooks.pcpContended`, null for never. */
  pcpContended: ((cpu: number, zoneId: number) => boolean) | null = null;
  /** The kernel's log, null for none. */
  log: LogSink | null;
  /** The running task. */
  task: TaskContext;
  /** The slow path, null for the short form. */
  slowPath: SlowPath | null;
  /** What is asked of the surroundings. */
  hooks: BuddyHooks;
  /** Cpusets, null when none are in use. */
  readonly cpusets: Cpusets | null;
  /** `vm.dirty_ratio`, percent. */
  dirtyRatio: number;
  /** `vm.dirty_bytes`, 0 for the ratio. */
  dirtyBytes: number;
  /** What direct compaction waits for, null for nothing. */
  captureControl: CaptureControl | null = null;
  /** Movable pages that the last `moveFreepagesBlock` saw. */
  movableInBlock = 0;
  /**
   * Whether the HIGHATOMIC reserves may count other pageblocks than have the type: one was isolated, or
   * lay in a free block of another type that was stolen whole.
   */
  isReserveInexact = false;
  /** Blocks that failed the new-page check so far. */
  refusedBlocks = 0;
  /** Bad pages reported. */
  readonly badPages: BadPageReports = new BadPageReports();
  /** Broken poison reported. */
  readonly poisonReports: BadPageReports = new BadPageReports();
  /** Prepared requests, one per level of nesting; the deeper ones serve allocations of hooks. */
  readonly contexts: AllocContext[] = [];
  /** Whether a request for too large a block was complained about. */
  warnedOrder = false;
  /** Requests under way. */
  depth = 0;
  /** Bits that requests keep; `GFP_BOOT_MASK` before interrupts are on. @kernel gfp_allowed_mask */
  gfpAllowedMask: number = Gfp.__GFP_BITS_MASK;

  constructor(model: MemoryModel, options: BuddyOptions) {
    this.model = model;
    this.map = model.map;
    this.areas = model.areas;
    this.pagesets = model.pagesets;
    this.vmstat = model.vmstat;
    this.zones = model.zones;
    this.nodes = model.nodes;
    this.memory = options.memory ?? null;
    this.pageblockOrder = model.map.pageblockOrder;
    this.thp = options.thp ?? true;
    this.pagePoison = options.pagePoison ?? false;
    // Poisoning switches the other two off, as in the kernel (spec buddy 4.21).
    this.initOnAlloc = !this.pagePoison && (options.initOnAlloc ?? false);
    this.initOnFree = !this.pagePoison && (options.initOnFree ?? false);
    this.shuffle = options.shuffle ?? null;
    this.fullChecks = options.checks === 'full';
    this.trace = options.trace ?? null;
    this.log = options.log ?? null;
    this.task = options.task ?? defaultTask();
    this.slowPath = options.slowPath ?? null;
    this.hooks = options.hooks ?? {};
    this.cpusets = options.cpusets ?? null;
    this.dirtyRatio = options.dirtyRatio ?? 20;
    this.dirtyBytes = options.dirtyBytes ?? 0;
    // What these ask for needs contents, another zonelist, a compound page or the dirty limit.
    this.unusualBits =
      Gfp.__GFP_WRITE |
      Gfp.__GFP_THISNODE |
      Gfp.__GFP_COMP |
      (this.memory === null ? 0 : Gfp.__GFP_ZERO);
    this.requestStride = ((model.nodes.length + 1) * 17) | 1;
    this.requestSlots = new Array<undefined>(model.cpuCount * this.requestStride).fill(undefined);
    this.freeSlotStride = model.zones.length + 1;
    this.updateShortcuts();
  }

  /** To be called after `trace`, `hooks` or `gfpAllowedMask` changed. */
  updateShortcuts(): void {
    const { hooks } = this;
    this.pcpContended = hooks.pcpContended?.bind(hooks) ?? null;
    const watched = this.trace !== null || this.pcpContended !== null || this.cpusets !== null;
    const wiped = this.initOnAlloc || this.initOnFree || this.pagePoison || this.fullChecks;
    this.shortcuts = watched || wiped || this.gfpAllowedMask !== Gfp.__GFP_BITS_MASK ? 0 : 1;
    this.requestSlots.fill(undefined);
    this.freeSlots = this.shortcuts === 0 ? [undefined] : makeFreeSlots(this, this.freeSlotStride);
  }
}
