import { Gfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { TaskContext } from '../mm/task.ts';
import { inTask } from '../mm/task.ts';
import type { LogSink } from '../mm/trace.ts';
import { isManaged } from '../mm/zone.ts';
import { ZoneType } from '../mm/zone-types.ts';
import { formatAllNodes, formatGfpReport, formatNodemask } from './oom-report.ts';
import { RateLimit } from './rate-limit.ts';
import type { SlowPathRequest } from './types.ts';

/** What a failure report is made of. */
export interface WarnAllocSources {
  /** The machine. */
  readonly model: MemoryModel;
  /** The running task. */
  readonly task: TaskContext;
  /** The kernel's log. */
  readonly log: LogSink;
  /** Milliseconds since start. */
  now(): number;
  /** Lines of the memory report. @kernel show_mem */
  showMem(nodemask: Uint8Array | null, highestZoneidx: number, cpu: number): readonly string[];
  /** Lines of a stack dump. Default: one line that names the CPU and the task. */
  dumpStack?(cpu: number): readonly string[];
}

/**
 * Reports failed allocations, one in ten seconds.
 * @kernel warn_alloc (spec slowpath-compaction 4.32, 5.1)
 */
export class AllocationFailureReport {
  private readonly sources: WarnAllocSources;
  private readonly limit = new RateLimit(10_000, 1);

  constructor(sources: WarnAllocSources) {
    this.sources = sources;
  }

  /** Prints the report of a request that failed, if it wants one and none was printed just now. */
  warnAlloc(gfp: number, order: number, request: SlowPathRequest, cpu: number): void {
    const { model, task, log } = this.sources;
    if ((gfp & Gfp.__GFP_NOWARN) !== 0) return;
    const suppressed = (count: number): void => {
      log(`warn_alloc: ${count} callbacks suppressed`);
    };
    if (!this.limit.allows(this.sources.now(), suppressed)) return;
    if ((gfp & Gfp.__GFP_DMA) !== 0 && !hasManagedDma(model)) return;
    const nodes = formatAllNodes(model.nodes.length);
    const text = `page allocation failure: order:${order}, mode:${formatGfpReport(gfp)}`;
    const mask = `nodemask=${formatNodemask(request.nodemask)},cpuset=/,mems_allowed=${nodes}`;
    log(`${task.comm}: ${text}, ${mask}`);
    const stack = this.sources.dumpStack?.(cpu) ?? [
      `CPU: ${cpu} PID: ${task.pid} Comm: ${task.comm}`,
    ];
    for (const line of stack) log(line);
    const shown = this.showsAllNodes(gfp) ? null : request.nodemask;
    for (const line of this.sources.showMem(shown, request.highestZoneidx, cpu)) log(line);
  }

  /** Callers that may use other nodes' reserves get all nodes reported. */
  private showsAllNodes(gfp: number): boolean {
    const { task } = this.sources;
    const mayUseReserves = task.oomVictim || task.pfMemalloc || task.pfExiting;
    if ((gfp & Gfp.__GFP_NOMEMALLOC) === 0 && mayUseReserves) return true;
    return !inTask(task) || (gfp & Gfp.__GFP_DIRECT_RECLAIM) === 0;
  }
}

function hasManagedDma(model: MemoryModel): boolean {
  return model.zones.some((zone) => zone.index === ZoneType.ZONE_DMA && isManaged(zone));
}
