import { defaultTask } from '../mm/task.ts';
import type { LogSink } from '../mm/trace.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneStateSnapshot } from '../mm/vmstat.ts';
import { AllocPagesSlowpath } from './alloc-pages-slowpath.ts';
import type { CompactionContext } from './compaction-context.ts';
import { StallError } from './errors.ts';
import { InstantLru } from './instant-lru.ts';
import { compactMemory, compactNode, Kcompactd } from './kcompactd.ts';
import { OomKiller } from './oom-killer.ts';
import { defaultOomTunables, type OomHost } from './oom-types.ts';
import { progressMarks, sameMarks } from './stall.ts';
import type { SlowPathOptions, SlowPathReclaim, StallRound } from './types.ts';
import { AllocationFailureReport } from './warn-alloc.ts';
import { createZoneCompaction } from './zone-state.ts';

/** Everything that the slow path module works on, its parts introduced to each other. */
export class SlowPathState {
  /** What compaction works with. */
  readonly compaction: CompactionContext;
  /** The state machine of allocations. */
  readonly slowPath: AllocPagesSlowpath;
  /** kcompactd of all nodes. */
  readonly kcompactd: Kcompactd;
  /** The OOM killer. */
  readonly oom: OomKiller;
  /** The kernel's log, null for none. */
  log: LogSink | null;
  /** Marks at the last stall. */
  private marks: readonly number[] = [];

  /** @param options the parts */
  constructor(options: SlowPathOptions) {
    const { model, pages, hooks = {} } = options;
    const now = options.now ?? (() => 0);
    const reclaim = options.reclaim ?? nothingToReclaim(options);
    const task = options.task ?? defaultTask();
    const oomHost = options.oom ?? { tasks: [], current: null, kill() {} };
    this.log = options.log ?? null;
    this.compaction = {
      model,
      pages,
      lru: options.lru ?? new InstantLru(model),
      host: options.host ?? {},
      memory: options.memory ?? null,
      task,
      trace: options.trace ?? null,
      zones: createZoneCompaction(model),
      unevictableAllowed: true,
      proactiveness: 20,
      kswapdIsRunning: (node) => reclaim.kswapdState?.(node) === 'running',
    };
    this.kcompactd = new Kcompactd(this.compaction, now);
    const log = (line: string): void => this.log?.(line);
    const trace = (): CompactionContext['trace'] => this.compaction.trace;
    const output = {
      log,
      get trace() {
        return trace();
      },
      now,
    };
    this.oom = new OomKiller(model, oomHost, output, defaultOomTunables());
    const report = new AllocationFailureReport({ model, task, log, now, showMem: () => [] });
    const onStall = hooks.onStall?.bind(hooks);
    this.slowPath = new AllocPagesSlowpath(this.compaction, pages, reclaim, this.oom, {
      warnAlloc: (gfp, order, request, cpu) => report.warnAlloc(gfp, order, request, cpu),
      warnOnce: log,
      onStall: onStall ?? ((round) => this.stalled(round, oomHost)),
    });
  }

  /** @kernel compact_nodes */
  compactMemory(cpu: number): void {
    compactMemory(this.compaction, cpu);
  }

  /** @kernel compact_node */
  compactNode(node: number, cpu: number): void {
    this.compaction.lru.lruAddDrainAll();
    compactNode(this.compaction, node, cpu, false);
  }

  /** Lets due timers run. */
  tick(): void {
    this.oom.reaper.tick();
    this.kcompactd.tick();
  }

  /** The default of `onStall`. */
  private stalled(round: StallRound, { tasks }: OomHost): void {
    const marks = progressMarks(this.compaction.model, tasks);
    if (round.rounds > 1 && sameMarks(marks, this.marks)) throw new StallError({ ...round });
    this.marks = marks;
  }
}

/** Reclaim of a machine without any: nothing to reclaim, kswapd is not there. */
function nothingToReclaim({ model }: SlowPathOptions): SlowPathReclaim {
  return {
    tryToFreePages: () => 0,
    zoneReclaimablePages: (zone) =>
      zoneStateSnapshot(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES),
    wakeupKswapd() {},
  };
}
