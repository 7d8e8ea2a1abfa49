import { Gfp, gfpZone } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { KernelPanicError } from './errors.ts';
import {
  isEligible,
  isUnkillable,
  OOM_SCORE_ADJ_MIN,
  selectBadProcess,
  taskWillFreeMem,
} from './oom-badness.ts';
import { OomReaper } from './oom-reaper.ts';
import {
  formatAllNodes,
  formatInvoked,
  formatKilled,
  formatNodemask,
  formatSummary,
  formatTasks,
} from './oom-report.ts';
import { OomConstraint, type OomHost, type OomTask, type OomTunables } from './oom-types.ts';
import { RateLimit } from './rate-limit.ts';
import type { OomRequest } from './types.ts';

/** What the OOM killer reports through. */
export interface OomOutput {
  /** The kernel's log. */
  readonly log: LogSink | null;
  /** Tracepoints. */
  readonly trace: TraceSink | null;
  /** Milliseconds since start. */
  now(): number;
  /** Lines of the memory report; nodes and zones above the index are left out. @kernel show_mem */
  showMem?(nodemask: Uint8Array | null, highestZoneidx: number, cpu: number): readonly string[];
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
  private readonly model: MemoryModel;
  private readonly host: OomHost;
  private readonly output: OomOutput;
  private readonly reportLimit = new RateLimit(5000, 10);

  constructor(model: MemoryModel, host: OomHost, output: OomOutput, tunables: OomTunables) {
    this.model = model;
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
    const { constraint, totalPages } = this.constrainedAlloc(request);
    const policy = constraint === OomConstraint.CONSTRAINT_MEMORY_POLICY;
    const nodemask = policy ? request.nodemask : null;
    this.checkPanic(request, constraint, nodemask, byHand);
    if (tunables.oomKillAllocatingTask !== 0 && current !== null) {
      if (this.callerIsKillable(current, constraint, nodemask)) {
        const message = 'Out of memory (oom_kill_allocating_task)';
        this.killProcess(request, current, constraint, nodemask, message);
        return true;
      }
    }
    const { tasks } = host;
    const found = selectBadProcess(tasks, current, totalPages, constraint, nodemask, byHand);
    if (found.aborted) return true;
    if (found.task !== null) {
      this.killProcess(request, found.task, constraint, nodemask, 'Out of memory');
      return true;
    }
    this.dumpHeader(request, constraint, nodemask, null);
    this.log('Out of memory and no killable processes...');
    if (!byHand) throw new KernelPanicError('System is deadlocked on memory');
    return false;
  }

  /** @kernel constrained_alloc */
  private constrainedAlloc(request: OomRequest): {
    constraint: OomConstraint;
    totalPages: number;
  } {
    const { model, host } = this;
    const swap = host.totalSwapPages ?? 0;
    const all = model.totalramPages + swap;
    const none = { constraint: OomConstraint.CONSTRAINT_NONE, totalPages: all };
    if ((request.gfp & Gfp.__GFP_THISNODE) !== 0 || request.order === -1) return none;
    const { nodemask } = request;
    const withMemory = model.nodes.filter((node) => node.presentPages > 0);
    if (nodemask !== null && withMemory.some((node) => nodemask[node.id] === 0)) {
      const constraint = OomConstraint.CONSTRAINT_MEMORY_POLICY;
      return { constraint, totalPages: swap + this.presentPages(nodemask) };
    }
    const allowed = host.current?.memsAllowed ?? null;
    const highest = gfpZone(request.gfp);
    const forbidden = (node: number): boolean => allowed !== null && allowed[node] === 0;
    if (request.zonelist.some((zone) => zone.index <= highest && forbidden(zone.node))) {
      const totalPages = swap + this.presentPages(allowed);
      return { constraint: OomConstraint.CONSTRAINT_CPUSET, totalPages };
    }
    return none;
  }

  private presentPages(nodemask: Uint8Array | null): number {
    let pages = 0;
    for (const node of this.model.nodes) {
      if (nodemask === null || nodemask[node.id] !== 0) pages += node.presentPages;
    }
    return pages;
  }

  /** @kernel check_panic_on_oom */
  private checkPanic(
    request: OomRequest,
    constraint: OomConstraint,
    nodemask: Uint8Array | null,
    byHand: boolean,
  ): void {
    const { panicOnOom } = this.tunables;
    if (panicOnOom === 0 || byHand) return;
    if (panicOnOom === 1 && constraint !== OomConstraint.CONSTRAINT_NONE) return;
    this.dumpHeader(request, constraint, nodemask, null);
    const kind = panicOnOom === 2 ? 'compulsory' : 'system-wide';
    throw new KernelPanicError(`Out of memory: ${kind} panic_on_oom is enabled`);
  }

  private callerIsKillable(
    current: OomTask,
    constraint: OomConstraint,
    nodemask: Uint8Array | null,
  ): boolean {
    if (current.mm === null || isUnkillable(current)) return false;
    if (current.oomScoreAdj === OOM_SCORE_ADJ_MIN) return false;
    return isEligible(current, current, constraint, nodemask);
  }

  /** @kernel oom_kill_process */
  private killProcess(
    request: OomRequest,
    victim: OomTask,
    constraint: OomConstraint,
    nodemask: Uint8Array | null,
    message: string,
  ): void {
    if (taskWillFreeMem(victim, this.host.tasks)) {
      this.markVictim(victim);
      this.reaper.queue(victim);
      return;
    }
    const suppressed = (count: number): void => {
      this.log(`oom_kill_process: ${count} callbacks suppressed`);
    };
    if (this.reportLimit.allows(this.output.now(), suppressed)) {
      this.dumpHeader(request, constraint, nodemask, victim);
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
    countVmEvents(this.model.vmstat, cpu, VmEvent.oom_kill, 1);
    this.markVictim(victim);
    this.log(formatKilled(message, victim));
    let mayReap = true;
    const others = this.host.tasks.filter((task) => task !== victim && task.mm === mm);
    for (const other of others) {
      if (other.tgid !== 1) continue;
      mayReap = false;
      mm.oomSkip = true;
      const shares = `has mm pinned by ${other.pid} (${other.comm})`;
      this.log(`oom killer ${victim.pid} (${victim.comm}) ${shares}`);
    }
    if (mayReap) this.reaper.queue(victim);
    // Killing comes last: the host may take the tasks off its list at once.
    this.host.kill(victim);
    for (const other of others) if (!isUnkillable(other)) this.host.kill(other);
  }

  /** @kernel mark_oom_victim */
  private markVictim(victim: OomTask): void {
    if (victim.memdie) return;
    victim.memdie = true;
    const { mm } = victim;
    if (mm === null) return;
    victim.oomMm ??= mm;
    this.output.trace?.markVictim?.({
      pid: victim.pid,
      comm: victim.comm,
      totalVm: mm.totalVm * 4,
      anonRss: mm.rssAnon * 4,
      fileRss: mm.rssFile * 4,
      shmemRss: mm.rssShmem * 4,
      uid: victim.uid,
      pgtables: Math.floor(mm.pgtablesBytes / 1024),
      oomScoreAdj: victim.oomScoreAdj,
    });
  }

  /** @kernel dump_header */
  private dumpHeader(
    request: OomRequest,
    constraint: OomConstraint,
    nodemask: Uint8Array | null,
    victim: OomTask | null,
  ): void {
    const { host, output } = this;
    if (output.log === null) return;
    const { current } = host;
    const comm = current?.comm ?? 'swapper/0';
    this.log(formatInvoked(comm, request.gfp, request.order, current?.oomScoreAdj ?? 0));
    this.logAll(host.dumpStack?.(request.cpu) ?? [`CPU: ${request.cpu} Comm: ${comm}`]);
    const shown = nodemask ?? current?.memsAllowed ?? null;
    this.logAll(output.showMem?.(shown, gfpZone(request.gfp), request.cpu) ?? []);
    this.logAll(host.unreclaimableSlabInfo?.() ?? []);
    if (this.tunables.oomDumpTasks !== 0) {
      const eligible = host.tasks.filter(
        (task) => !isUnkillable(task) && isEligible(task, current, constraint, nodemask),
      );
      this.logAll(formatTasks(eligible));
    }
    if (victim === null) return;
    const allowed = current?.memsAllowed ?? null;
    const nodes =
      allowed === null ? formatAllNodes(this.model.nodes.length) : formatNodemask(allowed);
    this.log(formatSummary(constraint, nodemask, host.cpusetName ?? '/', nodes, victim));
  }

  private log(line: string): void {
    this.output.log?.(line);
  }

  private logAll(lines: readonly string[]): void {
    for (const line of lines) this.log(line);
  }
}
