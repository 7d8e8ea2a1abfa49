import type { MemoryModel } from '../mm/memory-model.ts';
import { showMem } from '../mm/show-mem.ts';
import { defaultTask } from '../mm/task.ts';
import type { LogSink } from '../mm/trace.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneStateSnapshot } from '../mm/vmstat.ts';
import { AllocPagesSlowpath } from './alloc-pages-slowpath.ts';
import type { CompactionContext } from './compaction-context.ts';
import { InstantLru } from './instant-lru.ts';
import { Kcompactd } from './kcompactd.ts';
import { OomKiller } from './oom-killer.ts';
import { defaultOomTunables, type OomHost } from './oom-types.ts';
import { StallDetector } from './stall.ts';
import type {
  ReportOutput,
  SlowPathConfig,
  SlowPathOptions,
  SlowPathPages,
  SlowPathReclaim,
} from './types.ts';
import { AllocationFailureReport } from './warn-alloc.ts';
import { createZoneCompaction } from './zone-state.ts';

/** Everything that the slow path module works on, its parts introduced to each other. */
export class SlowPathState {
  /** What compaction works with. @internal */
  readonly compaction: CompactionContext;
  /** The state machine of allocations. @internal */
  readonly slowPath: AllocPagesSlowpath;
  /** kcompactd of all nodes. @internal */
  readonly kcompactd: Kcompactd;
  /** The OOM killer. @internal */
  readonly oom: OomKiller;
  /** Tasks and what ends them. */
  readonly oomHost: OomHost;
  /** Reports of failed allocations. @internal */
  readonly failureReport: AllocationFailureReport;
  /** Complaints made so far; each is made once. */
  readonly warned: Set<string> = new Set();
  /** The kernel's log, null for none. */
  log: LogSink | null;

  /** @param options the parts */
  constructor(options: SlowPathOptions) {
    const { model, pages, hooks = {} } = options;
    const now = options.now ?? (() => 0);
    const config = completeConfig(model, options.config);
    const reclaim = options.reclaim ?? nothingToReclaim(model, pages);
    this.log = options.log ?? null;
    this.compaction = makeContext(options, config, reclaim);
    const { compaction: ctx } = this;
    this.kcompactd = new Kcompactd(ctx, now);
    this.oomHost = options.oom ?? { tasks: [], current: null, kill() {} };
    const output = this.makeOutput(options, config, now);
    this.oom = new OomKiller(ctx, this.oomHost, output, defaultOomTunables());
    this.failureReport = new AllocationFailureReport(ctx, output);
    const stall = new StallDetector(model, this.oomHost, ctx.zones);
    this.slowPath = new AllocPagesSlowpath(ctx, pages, reclaim, this.oom, {
      warnAlloc: (...request) => this.failureReport.warnAlloc(...request),
      warnOnce: (text) => this.warnOnce(text),
      onStall: hooks.onStall?.bind(hooks) ?? ((round) => stall.check(round)),
      storageSuspended: () => hooks.storageSuspended?.() ?? false,
    });
  }

  private makeOutput(
    options: SlowPathOptions,
    config: SlowPathConfig,
    now: () => number,
  ): ReportOutput {
    const { model, hooks = {} } = options;
    const swap = options.swap ?? null;
    const { compaction: ctx } = this;
    const state = this;
    return {
      get log() {
        return state.log;
      },
      get trace() {
        return ctx.trace;
      },
      config,
      swap,
      now,
      dumpStack: (cpu) =>
        hooks.dumpStack?.(cpu) ?? [`CPU: ${cpu} PID: ${ctx.task.pid} Comm: ${ctx.task.comm}`],
      showMem: (nodemask, highest, cpu) => showMem({ model, config, swap }, nodemask, highest, cpu),
    };
  }

  private warnOnce(text: string): void {
    if (this.warned.has(text)) return;
    this.warned.add(text);
    this.log?.(`WARNING: ${text}`);
  }
}

/** Fills the gaps of a configuration with defaults. */
export function completeConfig(
  { map }: MemoryModel,
  config: Partial<SlowPathConfig> = {},
): SlowPathConfig {
  return {
    compaction: true,
    cpusets: true,
    memcg: true,
    numa: true,
    thp: true,
    hugetlb: map.pageblockOrder === 9,
    cma: false,
    memoryFailure: false,
    ...config,
  };
}

function makeContext(
  options: SlowPathOptions,
  { compaction }: SlowPathConfig,
  reclaim: SlowPathReclaim,
): CompactionContext {
  const { model, hooks = {} } = options;
  return {
    model,
    pages: options.pages,
    lru: options.lru ?? new InstantLru(model),
    host: options.host ?? {},
    memory: options.memory ?? null,
    task: options.task ?? defaultTask(),
    cpusets: options.cpusets ?? null,
    compaction,
    trace: options.trace ?? null,
    zones: createZoneCompaction(model),
    unevictableAllowed: true,
    proactiveness: 20,
    runs: 0,
    kswapdIsRunning: (node) => reclaim.kswapdState?.(node) === 'running',
    zonelistCookie: () => hooks.zonelistCookie?.() ?? 0,
  };
}

/** Reclaim of a machine without any: nothing to reclaim, and kswapd only notes what is wanted. */
function nothingToReclaim({ vmstat }: MemoryModel, pages: SlowPathPages): SlowPathReclaim {
  return {
    tryToFreePages: () => 0,
    zoneReclaimablePages: (zone) => zoneStateSnapshot(vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES),
    wakeupKswapd: (...wanted) => pages.wakeupKswapd?.(...wanted),
  };
}
