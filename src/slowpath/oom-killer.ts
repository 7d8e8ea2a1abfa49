import { Gfp, gfpZone } from '../mm/gfp.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { CompactionContext } from './compaction-context.ts';
import { KernelPanicError } from './errors.ts';
import { memsAllowed, nodemaskOf } from './nodemask.ts';
import {
  firstMmThread,
  isEligible,
  isUnkillable,
  OOM_SCORE_ADJ_MIN,
  selectBadProcess,
  taskWillFreeMem,
} from './oom-badness.ts';
import { OomReaper } from './oom-reaper.ts';
import {
  formatCpuset,
  formatInvoked,
  formatKilled,
  formatSlabInfo,
  formatSummary,
  formatTasks,
  slabIsMostOfMemory,
} from './oom-report.ts';
import { OomConstraint, type OomHost, type OomTask, type OomTunables } from './oom-types.ts';
import { RateLimit } from './rate-limit.ts';
import type { OomRequest, ReportOutput } from './types.ts';

/** Why memory is short, and how much the request could use. */
interface Shortage {
  readonly constraint: OomConstraint;
  /** Nodes of the policy that limits the request, null for none. */
  readonly nodemask: Uint8Array | null;
  /** RAM and swap, pages. */
  readonly totalPages: number;
}

/**
 * Chooses a process and ends it when nothing else gives memory.
 * @kernel out_of_memory (spec slowpath-compaction 4.28 to 4.31)
 */
export class OomKiller {
  /** Tunables, changeable at any time. */
  readonly tunables: OomTunables;
  /** Frees the memory of victims that do not get around to exiting. */
  readonly reaper: OomReaper;
  /** At most ten reports in five seconds. */
  readonly reportLimit: RateLimit = new RateLimit(5000, 10);
  private readonly ctx: CompactionContext;
  private readonly host: OomHost;
  private readonly output: ReportOutput;

  constructor(ctx: CompactionContext, host: OomHost, output: ReportOutput, tunables: OomTunables) {
    this.ctx = ctx;
    this.host = host;
    this.output = output;
    this.tunables = tunables;
    this.reaper = new OomReaper(host, output);
  }

  /**
   * Ends a process, unless memory will come without.
   * @returns whether waiting for memory makes sense
   * @throws KernelPanicError `KERNEL_PANIC` when nobody can be killed, or a tunable says so
   */
  outOfMemory(request: OomRequest): boolean {
    this.output.trace?.functionEntry?.('out_of_memory', {
      gfp_mask: request.gfp,
      order: request.order,
    });
    const { host, tunables } = this;
    const byHand = request.order === -1;
    if (!tunables.enabled) return false;
    if ((host.notify?.() ?? 0) > 0 && !byHand) return true;
    const { current } = host;
    if (current !== null && taskWillFreeMem(current, host.tasks)) {
      this.markVictim(current);
      this.reaper.queue(current);
      return true;
    }
    // Reclaim without file systems proves little: let the caller go round.
    if (request.gfp !== 0 && (request.gfp & Gfp.__GFP_FS) === 0) return true;
    const shortage = this.constrainedAlloc(request);
    this.checkPanic(request, shortage, byHand);
    if (tunables.oomKillAllocatingTask !== 0 && current !== null) {
      if (this.callerIsKillable(current, shortage)) {
        this.killProcess(request, current, shortage, 'Out of memory (oom_kill_allocating_task)');
        return true;
      }
    }
    const { constraint, nodemask, totalPages } = shortage;
    const found = selectBadProcess(host.tasks, current, totalPages, constraint, nodemask, byHand);
    if (found.aborted) return true;
    if (found.task !== null) {
      this.killProcess(request, found.task, shortage, 'Out of memory');
      return true;
    }
    this.dumpHeader(request, shortage, null);
    this.log('Out of memory and no killable processes...');
    if (!byHand) throw this.panic('System is deadlocked on memory');
    return false;
  }

  /** RAM and swap of the machine, pages. */
  totalPages(): number {
    return this.ctx.model.totalramPages + (this.output.swap?.totalPages ?? 0);
  }

  /** @kernel constrained_alloc */
  private constrainedAlloc(request: OomRequest): Shortage {
    const { model, cpusets } = this.ctx;
    const swap = this.output.swap?.totalPages ?? 0;
    const none: Shortage = {
      constraint: OomConstraint.CONSTRAINT_NONE,
      nodemask: null,
      totalPages: this.totalPages(),
    };
    if ((request.gfp & Gfp.__GFP_THISNODE) !== 0 || request.zonelist.length === 0) return none;
    const { nodemask } = request;
    const withMemory = model.nodes.filter((node) => node.presentPages > 0);
    if (nodemask !== null && withMemory.some((node) => nodemask[node.id] === 0)) {
      const constraint = OomConstraint.CONSTRAINT_MEMORY_POLICY;
      return { constraint, nodemask, totalPages: swap + this.presentPages(nodemask) };
    }
    const highest = gfpZone(request.gfp);
    const isForbidden = request.zonelist.some((zone) => {
      if (zone.index > highest || (nodemask !== null && nodemask[zone.node] === 0)) return false;
      return !(cpusets?.nodeAllowed(zone.node, request.gfp) ?? true);
    });
    if (!isForbidden) return none;
    const constraint = OomConstraint.CONSTRAINT_CPUSET;
    const allowed = nodemaskOf(model, memsAllowed(this.ctx));
    return { constraint, nodemask: null, totalPages: swap + this.presentPages(allowed) };
  }

  private presentPages(nodemask: Uint8Array): number {
    let pages = 0;
    for (const node of this.ctx.model.nodes) {
      if (nodemask[node.id] !== 0) pages += node.presentPages;
    }
    return pages;
  }

  /** @kernel check_panic_on_oom */
  private checkPanic(request: OomRequest, shortage: Shortage, byHand: boolean): void {
    const { panicOnOom } = this.tunables;
    if (panicOnOom === 0 || byHand) return;
    if (panicOnOom === 1 && shortage.constraint !== OomConstraint.CONSTRAINT_NONE) return;
    this.dumpHeader(request, shortage, null);
    const kind = panicOnOom === 2 ? 'compulsory' : 'system-wide';
    throw this.panic(`Out of memory: ${kind} panic_on_oom is enabled`);
  }

  private panic(text: string): KernelPanicError {
    const error = new KernelPanicError(text);
    this.log(error.message);
    return error;
  }

  private callerIsKillable(current: OomTask, { constraint, nodemask }: Shortage): boolean {
    if (current.mm === null || isUnkillable(current)) return false;
    if (current.oomScoreAdj === OOM_SCORE_ADJ_MIN) return false;
    return isEligible(current, current, constraint, nodemask);
  }

  /** @kernel oom_kill_process */
  private killProcess(
    request: OomRequest,
    victim: OomTask,
    shortage: Shortage,
    message: string,
  ): void {
    this.output.trace?.functionEntry?.('oom_kill_process', {
      victim: victim.comm,
      pid: victim.pid,
    });
    if (taskWillFreeMem(victim, this.host.tasks)) {
      this.markVictim(victim);
      this.reaper.queue(victim);
      return;
    }
    const suppressed = (count: number): void => {
      this.log(`oom_kill_process: ${count} callbacks suppressed`);
    };
    if (this.reportLimit.allows(this.output.now(), suppressed)) {
      this.dumpHeader(request, shortage, victim);
    }
    this.kill(victim, message, request.cpu);
  }

  /** @kernel __oom_kill_process */
  private kill(victim: OomTask, message: string, cpu: number): void {
    const { mm } = victim;
    if (mm === null) {
      const who = `${victim.pid} (${victim.comm})`;
      this.log(`${message}: OOM victim ${who} is already exiting. Skip killing the task`);
      return;
    }
    const { host } = this;
    const thread = firstMmThread(victim);
    countVmEvents(this.ctx.model.vmstat, cpu, VmEvent.oom_kill, 1);
    this.markVictim(victim);
    this.log(formatKilled(message, victim));
    let mayReap = true;
    const others = host.tasks.filter((task) => task !== victim && task.mm === mm);
    for (const other of others) {
      if (other.tgid !== 1) continue;
      mayReap = false;
      mm.oomSkip = true;
      const shares = `has mm pinned by ${other.pid} (${other.comm})`;
      this.log(`oom killer ${thread.pid} (${thread.comm}) ${shares}`);
    }
    if (mayReap) this.reaper.queue(victim);
    // Killing comes last: the host may take the tasks off its list at once.
    const condemned = [victim, ...others.filter((other) => !isUnkillable(other))];
    if (host.current !== null && condemned.includes(host.current)) {
      this.ctx.task.fatalSignalPending = true;
    }
    for (const task of condemned) host.kill(task);
  }

  /** @kernel mark_oom_victim */
  private markVictim(victim: OomTask): void {
    if (victim === this.host.current) this.ctx.task.oomVictim = true;
    if (victim.memdie) return;
    victim.memdie = true;
    const { mm } = victim;
    if (mm === null) return;
    victim.oomMm ??= mm;
    const thread = firstMmThread(victim);
    this.output.trace?.markVictim?.({
      pid: thread.pid,
      comm: thread.comm,
      totalVm: mm.totalVm * 4,
      anonRss: mm.rssAnon * 4,
      fileRss: mm.rssFile * 4,
      shmemRss: mm.rssShmem * 4,
      uid: victim.uid,
      pgtables: Math.floor(mm.pgtablesBytes / 1024),
      oomScoreAdj: victim.oomScoreAdj,
    });
  }

  /** @kernel dump_header (spec slowpath-compaction 5.3) */
  private dumpHeader(request: OomRequest, shortage: Shortage, victim: OomTask | null): void {
    const { ctx, host, output } = this;
    if (output.log === null) return;
    const { model, task } = ctx;
    const { current } = host;
    const { constraint, nodemask } = shortage;
    const { gfp, order, cpu } = request;
    this.log(formatInvoked(current?.comm ?? task.comm, gfp, order, current?.oomScoreAdj ?? 0));
    if (!output.config.compaction && order > 0) this.log('COMPACTION is disabled!!!');
    this.logAll(output.dumpStack(cpu));
    const allowed = nodemaskOf(model, memsAllowed(ctx));
    this.logAll(output.showMem(nodemask ?? allowed, gfpZone(gfp), cpu));
    if (slabIsMostOfMemory(model)) this.logAll(formatSlabInfo(host.slabCaches?.() ?? []));
    if (this.tunables.oomDumpTasks !== 0) {
      const eligible = host.tasks.filter(
        (each) => !isUnkillable(each) && isEligible(each, current, constraint, nodemask),
      );
      this.logAll(formatTasks(eligible));
    }
    if (victim === null) return;
    this.log(formatSummary(constraint, nodemask, formatCpuset(ctx, output), output.config, victim));
  }

  private log(line: string): void {
    this.output.log?.(line);
  }

  private logAll(lines: readonly string[]): void {
    for (const line of lines) this.log(line);
  }
}
