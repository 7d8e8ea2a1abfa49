import { checkInteger } from '../lib/errors.ts';
import { Gfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { setExtfragThreshold } from '../mm/sysctl.ts';
import type { TaskContext } from '../mm/task.ts';
import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { Zone } from '../mm/zone.ts';
import { SlowPathError } from './errors.ts';
import { assertInvariants } from './invariants.ts';
import { compactMemory, compactNode } from './kcompactd.ts';
import { oomScore } from './oom-badness.ts';
import type { OomTask } from './oom-types.ts';
import { resetIsolationSuitable } from './skip-hints.ts';
import { restoreState, type SlowPathSnapshot, snapshotState } from './snapshot.ts';
import { SlowPathState } from './state.ts';
import { compactionSuitable } from './suitable.ts';
import type { KcompactdActivity, SlowPathOptions, SlowPathRequest } from './types.ts';

/** Largest value of an `int`. */
const INT_MAX = 0x7fffffff;

/**
 * What an allocation of Linux 6.1 does when the first attempt fails: kswapd, reserves, direct
 * reclaim, direct compaction, retries, the OOM killer, the failure report; and compaction by itself,
 * kcompactd, proactive compaction, `compact_memory`.
 *
 * It fits the page allocator's `slowPath`. Its `compactionSuitable`, `wakeupKcompactd` and
 * `resetIsolationSuitable` fit the host of reclaim. kcompactd runs only when the host says so.
 *
 * @kernel __alloc_pages_slowpath, mm/compaction, mm/oom_kill (spec slowpath-compaction 4)
 */
export class SlowPath {
  /** What the module works on; read it, but change it through the methods. */
  readonly state: SlowPathState;

  /** Whether all invariants are checked after every call. */
  private readonly fullChecks: boolean;

  /** @param options machine, page allocator, LRU lists, reclaim and surroundings */
  constructor(options: SlowPathOptions) {
    this.state = new SlowPathState(options);
    this.fullChecks = options.checks === 'full';
  }

  /** The machine. */
  get model(): MemoryModel {
    return this.state.compaction.model;
  }

  /** The running task. */
  get task(): TaskContext {
    return this.state.compaction.task;
  }

  /** Tracepoints, null for none. */
  get trace(): TraceSink | null {
    return this.state.compaction.trace;
  }
  /** From now on they go there. */
  set trace(trace: TraceSink | null) {
    this.state.compaction.trace = trace;
  }

  /** The kernel's log, null for none. */
  get log(): LogSink | null {
    return this.state.log;
  }
  /** From now on lines go there. */
  set log(log: LogSink | null) {
    this.state.log = log;
  }

  /**
   * Finds a block for a request that the fast path refused.
   * @param gfp the request's mask, the task's scope flags applied
   * @param order log2 of the number of pages
   * @param request the prepared request
   * @param cpu the CPU that asks
   * @returns first page frame of a prepared block, -1 for none
   * @throws StallError when the kernel would loop for ever; KernelPanicError when it would stop; what
   * a host callback throws
   * @kernel __alloc_pages_slowpath (spec slowpath-compaction 4.5)
   */
  allocPagesSlowpath(gfp: number, order: number, request: SlowPathRequest, cpu: number): number {
    const pfn = this.state.slowPath.allocPagesSlowpath(gfp, order, request, cpu);
    this.verify();
    return pfn;
  }

  /**
   * Whether a zone should be compacted for an order; fits reclaim's host.
   * @param zone the zone, or its id
   * @param highestZoneidx highest zone index that the request could use
   * @returns a value of `CompactResult`: SUCCESS, SKIPPED or CONTINUE
   * @kernel compaction_suitable (spec slowpath-compaction 4.14)
   */
  compactionSuitable(zone: number | Zone, order: number, highestZoneidx: number): number {
    const of = this.model.zones[typeof zone === 'number' ? zone : zone?.id];
    if (of === undefined || (of !== zone && of.id !== zone)) {
      throw new SlowPathError('BAD_REQUEST', `there is no zone ${String(zone)}`, { zone });
    }
    return compactionSuitable(this.state.compaction, of, order, 0, highestZoneidx);
  }

  /**
   * Asks a node's kcompactd for blocks; fits reclaim's host. It works when `runKcompactd` is called.
   * @kernel wakeup_kcompactd (spec slowpath-compaction 4.24)
   */
  wakeupKcompactd(node: number, order: number, highestZoneidx: number): void {
    this.checkNode(node);
    this.state.kcompactd.wakeup(node, order, highestZoneidx);
  }

  /** What a node's kcompactd is doing: `running` from its wake-up to the end of its work. */
  kcompactdState(node: number): KcompactdActivity {
    this.checkNode(node);
    return this.state.kcompactd.activity(node);
  }

  /**
   * Lets a node's kcompactd do the work it was woken for; without any, it looks at the fragmentation
   * score as it does after its timeout.
   * @param cpu CPU on which it runs. Default: the node's first
   * @returns whether it compacted anything
   * @kernel kcompactd (spec slowpath-compaction 4.24, 4.25)
   */
  runKcompactd(node: number, cpu?: number): boolean {
    this.checkNode(node);
    const runsOn = cpu ?? this.model.nodes[node].cpus[0] ?? 0;
    this.checkCpu(runsOn);
    const worked = this.state.kcompactd.run(node, runsOn);
    this.verify();
    return worked;
  }

  /**
   * Lets compaction look at every block of a node again; fits reclaim's host.
   * @kernel reset_isolation_suitable (spec slowpath-compaction 4.23)
   */
  resetIsolationSuitable(node: number): void {
    this.checkNode(node);
    resetIsolationSuitable(this.state.compaction, node);
  }

  /** Compacts all memory, as a write to `/proc/sys/vm/compact_memory` does. @kernel compact_nodes (spec slowpath-compaction 4.26) */
  compactMemory(cpu = 0): void {
    this.checkCpu(cpu);
    compactMemory(this.state.compaction, cpu);
    this.verify();
  }

  /** Compacts a node, as a write to its `compact` file in sysfs does. @kernel compact_store (spec slowpath-compaction 3) */
  compactNode(node: number, cpu = 0): void {
    this.checkNode(node);
    this.checkCpu(cpu);
    const { compaction } = this.state;
    compaction.lru.lruAddDrainAll();
    compactNode(compaction, node, cpu, false);
    this.verify();
  }

  /** Lets due timers run: kcompactd's timeouts and the OOM reaper. Call it as time passes. */
  tick(): void {
    this.state.oom.reaper.tick();
    this.state.kcompactd.tick();
    this.verify();
  }

  /**
   * Asks for a victim by hand, as the `f` key of SysRq does.
   * @returns whether there was something to kill, or memory will come without
   * @kernel moom_callback (spec slowpath-compaction 4.28, 5.3)
   */
  oomKill(cpu = 0): boolean {
    this.checkCpu(cpu);
    const { nodes } = this.model;
    const node = nodes.find(({ presentPages }) => presentPages > 0) ?? nodes[0];
    const [zonelist] = node.zonelists;
    const request = { zonelist, nodemask: null, gfp: Gfp.GFP_KERNEL, order: -1, cpu };
    const found = this.state.oom.outOfMemory(request);
    if (!found) this.log?.('OOM request ignored. No task eligible');
    return found;
  }

  /** What `/proc/PID/oom_score` shows of a process. @kernel proc_oom_score (spec slowpath-compaction 4.29) */
  oomScore(task: OomTask): number {
    return oomScore(task, this.state.oom.totalPages());
  }

  /** Plain data to `restore` later: everything that is neither in the memory model nor the host's. */
  snapshot(): SlowPathSnapshot {
    return snapshotState(this.state);
  }

  /** Takes back what `snapshot` gave, after the memory model was restored to the same moment. */
  restore(snapshot: SlowPathSnapshot): void {
    restoreState(this.state, snapshot);
    this.verify();
  }

  /** `extfrag_threshold`, 0 to 1000: costly orders are not compacted at or below it. */
  get extfragThreshold(): number {
    return this.model.tunables.extfragThreshold;
  }
  /** Writes `/proc/sys/vm/extfrag_threshold`. */
  set extfragThreshold(threshold: number) {
    setExtfragThreshold(this.model, threshold);
  }

  /** `compaction_proactiveness`, 0 to 100; 0 is off. A write above 0 makes every kcompactd look at once. */
  get compactionProactiveness(): number {
    return this.state.compaction.proactiveness;
  }
  /** Writes `/proc/sys/vm/compaction_proactiveness`. */
  set compactionProactiveness(percent: number) {
    checkInteger('compaction_proactiveness', percent, 0, 100);
    this.state.compaction.proactiveness = percent;
    if (percent > 0) this.state.kcompactd.triggerAll();
  }

  /** `compact_unevictable_allowed`, 0 or 1. */
  get compactUnevictableAllowed(): number {
    return this.state.compaction.unevictableAllowed ? 1 : 0;
  }
  /** Writes `/proc/sys/vm/compact_unevictable_allowed`. */
  set compactUnevictableAllowed(allowed: number) {
    checkInteger('compact_unevictable_allowed', allowed, 0, 1);
    this.state.compaction.unevictableAllowed = allowed === 1;
  }

  /** `panic_on_oom`: 0 never, 1 when memory is short everywhere, 2 always. */
  get panicOnOom(): number {
    return this.state.oom.tunables.panicOnOom;
  }
  /** Writes `/proc/sys/vm/panic_on_oom`. */
  set panicOnOom(value: number) {
    checkInteger('panic_on_oom', value, 0, 2);
    this.state.oom.tunables.panicOnOom = value;
  }

  /** `oom_kill_allocating_task`: not 0 to kill the caller if it can be killed. */
  get oomKillAllocatingTask(): number {
    return this.state.oom.tunables.oomKillAllocatingTask;
  }
  /** Writes `/proc/sys/vm/oom_kill_allocating_task`. */
  set oomKillAllocatingTask(value: number) {
    checkInteger('oom_kill_allocating_task', value, -INT_MAX - 1, INT_MAX);
    this.state.oom.tunables.oomKillAllocatingTask = value;
  }

  /** `oom_dump_tasks`: not 0 for a table of tasks in the report. */
  get oomDumpTasks(): number {
    return this.state.oom.tunables.oomDumpTasks;
  }
  /** Writes `/proc/sys/vm/oom_dump_tasks`. */
  set oomDumpTasks(value: number) {
    checkInteger('oom_dump_tasks', value, -INT_MAX - 1, INT_MAX);
    this.state.oom.tunables.oomDumpTasks = value;
  }
  /** Whether the OOM killer is switched off, as it is during suspend. @kernel oom_killer_disable */
  get oomKillerDisabled(): boolean {
    return !this.state.oom.tunables.enabled;
  }
  /** Switches the OOM killer off or on. */
  set oomKillerDisabled(disabled: boolean) {
    this.state.oom.tunables.enabled = !disabled;
  }

  /** Checks all invariants if the module was made for it. */
  private verify(): void {
    if (this.fullChecks) assertInvariants(this.state);
  }

  private checkCpu(cpu: number): void {
    if (typeof cpu === 'number' && this.model.cpuNode[cpu] !== undefined) return;
    throw new SlowPathError('BAD_REQUEST', `there is no CPU ${cpu}`, { cpu });
  }

  private checkNode(node: number): void {
    if (this.model.nodes[node]?.online) return;
    throw new SlowPathError('BAD_REQUEST', `there is no node ${node}`, { node });
  }
}
