import { Gfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { inTask } from '../mm/task.ts';
import { isManaged } from '../mm/zone.ts';
import { ZoneType } from '../mm/zone-types.ts';
import type { CompactionContext } from './compaction-context.ts';
import { memsAllowed, nodemaskOf } from './nodemask.ts';
import { formatCpuset, formatGfpReport, formatNodemask } from './oom-report.ts';
import { RateLimit } from './rate-limit.ts';
import type { ReportOutput, SlowPathRequest } from './types.ts';

/**
 * Reports failed allocations, one in ten seconds.
 * @kernel warn_alloc (spec slowpath-compaction 4.32, 5.1)
 */
export class AllocationFailureReport {
  /** At most one report in ten seconds. */
  readonly limit: RateLimit = new RateLimit(10_000, 1);
  private readonly ctx: CompactionContext;
  private readonly output: ReportOutput;

  constructor(ctx: CompactionContext, output: ReportOutput) {
    this.ctx = ctx;
    this.output = output;
  }

  /** Prints the report of a request that failed, if it wants one and none was printed just now. */
  warnAlloc(gfp: number, order: number, request: SlowPathRequest, cpu: number): void {
    const { ctx, output } = this;
    const { model, task } = ctx;
    if ((gfp & Gfp.__GFP_NOWARN) !== 0) return;
    const log = (line: string): void => output.log?.(line);
    const suppressed = (count: number): void => log(`warn_alloc: ${count} callbacks suppressed`);
    if (!this.limit.allows(output.now(), suppressed)) return;
    if ((gfp & Gfp.__GFP_DMA) !== 0 && !hasManagedDma(model)) return;
    const text = `page allocation failure: order:${order}, mode:${formatGfpReport(gfp)}`;
    const where = `nodemask=${formatNodemask(request.nodemask)}${formatCpuset(ctx, output)}`;
    log(`${task.comm}: ${text}, ${where}`);
    for (const line of output.dumpStack(cpu)) log(line);
    const allowed = request.nodemask ?? nodemaskOf(model, memsAllowed(ctx));
    const shown = this.showsAllNodes(gfp) ? null : allowed;
    for (const line of output.showMem(shown, request.highestZoneidx, cpu)) log(line);
  }

  /** Callers that may use other nodes' reserves get all nodes reported. */
  private showsAllNodes(gfp: number): boolean {
    const { task } = this.ctx;
    const mayUseReserves = task.oomVictim || task.pfMemalloc || task.pfExiting;
    if ((gfp & Gfp.__GFP_NOMEMALLOC) === 0 && mayUseReserves) return true;
    return !inTask(task) || (gfp & Gfp.__GFP_DIRECT_RECLAIM) === 0;
  }
}

function hasManagedDma(model: MemoryModel): boolean {
  return model.zones.some((zone) => zone.index === ZoneType.ZONE_DMA && isManaged(zone));
}
