import { setPgdatPercpuThreshold } from '../mm/stat-threshold.ts';
import type { TaskContext } from '../mm/task.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import type { MemoryNode } from '../mm/zone.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { balancePgdat } from './balance-pgdat.ts';
import { pgdatBalanced } from './balanced.ts';
import { LruvecFlag, MAX_RECLAIM_RETRIES, PgdatFlag } from './constants.ts';
import type { KswapdThread } from './kswapd-thread.ts';
import { wakePfmemallocWaiters } from './kswapd-wake.ts';
import type { ReclaimState } from './state.ts';
import type { KswapdState } from './types.ts';

/** CPU on which kswapd of a node runs: the lowest of the node, CPU 0 if it has none. */
export function kswapdCpu(state: ReclaimState, node: number): number {
  return state.model.nodes[node]?.cpus[0] ?? 0;
}

/** What kswapd of a node is doing. */
export function kswapdState(state: ReclaimState, node: number): KswapdState {
  const { phase, woken } = state.kswapd[node];
  if (phase === 'stopped') return 'stopped';
  if ((phase === 'short-sleep' || phase === 'long-sleep') && !woken) return phase;
  return 'running';
}

/** Starts kswapd of a node: it is about to run for the first time. @kernel kswapd_run (spec reclaim 4.15) */
export function kswapdRun(state: ReclaimState, node: number): void {
  const thread = state.kswapd[node];
  if (thread.phase !== 'stopped') return;
  const { nodes } = state.model;
  nodes[node].kswapdOrder = 0;
  nodes[node].kswapdHighestZoneidx = MAX_NR_ZONES;
  thread.highestZoneidx = MAX_NR_ZONES - 1;
  thread.phase = 'idle';
}

/** Stops kswapd of a node: wake-ups only note what is wanted. @kernel kswapd_stop */
export function kswapdStop(state: ReclaimState, node: number): void {
  const thread = state.kswapd[node];
  thread.phase = 'stopped';
  thread.queued = false;
  thread.woken = false;
}

/**
 * Lets kswapd of a node run until it sleeps.
 * @param maxRounds rounds of `balancePgdat` after which it is interrupted; it goes on next time
 * @returns what it is doing then; `running` when it was interrupted, or called from within its own run
 * @kernel kswapd (spec reclaim 4.15)
 */
export function runKswapd(
  state: ReclaimState,
  node: number,
  maxRounds: number = Number.POSITIVE_INFINITY,
): KswapdState {
  state.trace?.functionEntry?.('kswapd', { pgdat: node });
  const thread = state.kswapd[node];
  if (thread.active) return 'running';
  let rounds = 0;
  thread.active = true;
  try {
    while (rounds < maxRounds) {
      if (thread.phase === 'run') rounds++;
      if (!step(state, node, thread)) break;
    }
  } finally {
    thread.active = false;
  }
  return kswapdState(state, node);
}

/** The short sleep of a node's kswapd is over without a wake-up; it runs on until it sleeps again. */
export function kswapdShortSleepElapsed(state: ReclaimState, node: number): KswapdState {
  const thread = state.kswapd[node];
  if (thread.phase === 'short-sleep') thread.elapsed = true;
  return runKswapd(state, node);
}

/** One transition of the thread. @returns false when it sleeps or does not exist */
function step(state: ReclaimState, nodeId: number, thread: KswapdThread): boolean {
  const node = state.model.nodes[nodeId];
  switch (thread.phase) {
    case 'stopped':
      return false;
    case 'idle':
      thread.allocOrder = node.kswapdOrder;
      thread.reclaimOrder = node.kswapdOrder;
      refreshHighestZoneidx(node, thread);
      thread.phase = 'try-to-sleep';
      return true;
    case 'try-to-sleep':
      tryShortSleep(state, node, thread);
      return true;
    case 'short-sleep':
      if (!thread.woken && !thread.elapsed) return false;
      endShortSleep(node, thread);
      return true;
    case 'second-look':
      secondLook(state, node, thread);
      return true;
    case 'long-sleep':
      if (!thread.woken) return false;
      setPgdatPercpuThreshold(state.model, nodeId, true);
      thread.phase = 'run';
      return true;
    default:
      run(state, node, thread);
      return true;
  }
}

/** First half of the attempt to sleep: a nap if the node is balanced. @kernel kswapd_try_to_sleep (spec reclaim 4.15) */
function tryShortSleep(state: ReclaimState, node: MemoryNode, thread: KswapdThread): void {
  const { allocOrder, highestZoneidx, reclaimOrder } = thread;
  thread.wokenEarly = false;
  queue(thread);
  if (!prepareKswapdSleep(state, node, reclaimOrder, highestZoneidx)) {
    thread.phase = 'second-look';
    return;
  }
  state.host.resetIsolationSuitable(node.id);
  if (allocOrder > 0) state.host.wakeupKcompactd(node.id, allocOrder, highestZoneidx);
  thread.elapsed = false;
  thread.naps++;
  thread.phase = 'short-sleep';
}

function endShortSleep(node: MemoryNode, thread: KswapdThread): void {
  thread.wokenEarly = thread.woken;
  if (thread.wokenEarly) {
    if (node.kswapdHighestZoneidx === MAX_NR_ZONES) {
      node.kswapdHighestZoneidx = thread.highestZoneidx;
    }
    node.kswapdOrder = Math.max(node.kswapdOrder, thread.reclaimOrder);
  }
  queue(thread);
  thread.phase = 'second-look';
}

/** Second half: the long sleep, unless the nap was cut short or the node lost its balance. */
function secondLook(state: ReclaimState, node: MemoryNode, thread: KswapdThread): void {
  const { highestZoneidx, reclaimOrder, wokenEarly } = thread;
  if (!wokenEarly && prepareKswapdSleep(state, node, reclaimOrder, highestZoneidx)) {
    state.trace?.mmVmscanKswapdSleep?.(node.id);
    setPgdatPercpuThreshold(state.model, node.id, false);
    thread.phase = 'long-sleep';
    return;
  }
  const event = wokenEarly
    ? VmEvent.kswapd_low_wmark_hit_quickly
    : VmEvent.kswapd_high_wmark_hit_quickly;
  countVmEvents(state.vm, kswapdCpu(state, node.id), event, 1);
  thread.phase = 'run';
}

/** One round of work. */
function run(state: ReclaimState, node: MemoryNode, thread: KswapdThread): void {
  thread.queued = false;
  thread.woken = false;
  thread.allocOrder = node.kswapdOrder;
  refreshHighestZoneidx(node, thread);
  node.kswapdOrder = 0;
  node.kswapdHighestZoneidx = MAX_NR_ZONES;
  const { allocOrder, highestZoneidx } = thread;
  state.trace?.mmVmscanKswapdWake?.(node.id, highestZoneidx, allocOrder);
  // If a host callback throws, kswapd comes to itself in the idle loop.
  thread.phase = 'idle';
  const cpu = kswapdCpu(state, node.id);
  thread.reclaimOrder = asKswapd(state, node.id, () =>
    balancePgdat(state, node.id, allocOrder, highestZoneidx, cpu),
  );
  if (thread.reclaimOrder < allocOrder) thread.phase = 'try-to-sleep';
}

/** Whether kswapd may sleep: nothing to do, or no hope. @kernel prepare_kswapd_sleep (spec reclaim 4.15) */
function prepareKswapdSleep(
  state: ReclaimState,
  node: MemoryNode,
  order: number,
  highestZoneidx: number,
): boolean {
  state.trace?.functionEntry?.('prepare_kswapd_sleep', { pgdat: node.id, reclaim_order: order });
  wakePfmemallocWaiters(state, node.id);
  if (node.kswapdFailures >= MAX_RECLAIM_RETRIES) return true;
  if (!pgdatBalanced(state, node.id, order, highestZoneidx)) return false;
  state.lruvecFlags[node.id] &= ~LruvecFlag.LRUVEC_CONGESTED;
  state.pgdatFlags[node.id] &= ~(PgdatFlag.PGDAT_DIRTY | PgdatFlag.PGDAT_WRITEBACK);
  return true;
}

function queue(thread: KswapdThread): void {
  thread.queued = true;
  thread.woken = false;
}

function refreshHighestZoneidx(node: MemoryNode, thread: KswapdThread): void {
  if (node.kswapdHighestZoneidx !== MAX_NR_ZONES) {
    thread.highestZoneidx = node.kswapdHighestZoneidx;
  }
}

/**
 * Runs something as kswapd of a node: the task object is kswapd's for that time.
 */
export function asKswapd<T>(state: ReclaimState, node: number, work: () => T): T {
  const { task } = state;
  const caller: TaskContext = { ...task };
  Object.assign(task, KSWAPD_TASK, { comm: `kswapd${node}` });
  try {
    return work();
  } finally {
    Object.assign(task, caller);
  }
}

/** Flags of kswapd's task (spec reclaim 2.6). */
const KSWAPD_TASK: Partial<TaskContext> = {
  pfMemalloc: true,
  pfKthread: true,
  pfKswapd: true,
  pfExiting: false,
  pfDumpcore: false,
  pfWqWorker: false,
  pfIoWorker: false,
  pfLocalThrottle: false,
  pfMemallocNoio: false,
  pfMemallocNofs: false,
  pfMemallocPin: false,
  inInterrupt: false,
  inServingSoftirq: false,
  rtTask: false,
  fatalSignalPending: false,
  oomVictim: false,
};
