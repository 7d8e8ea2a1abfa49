import { Gfp } from '../mm/gfp.ts';
import { defaultTask, type TaskContext } from '../mm/task.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { isPopulated } from '../mm/zone.ts';
import { CompactControl } from './compact-control.ts';
import { compactZone } from './compact-zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import { CompactResult, MigrateMode } from './constants.ts';
import { fragmentationScoreNode, shouldProactiveCompactNode } from './proactive.ts';
import { compactionSuitable } from './suitable.ts';
import type { KcompactdActivity } from './types.ts';
import { compactionDeferReset, compactionDeferred, deferCompaction } from './zone-state.ts';

/** Milliseconds between looks at the fragmentation score. */
const KCOMPACTD_PERIOD_MS = 500;
/** The period grows by 2^6 after a proactive run without effect. */
const FRUITLESS_SHIFT = 6;

/** What a node's kcompactd was asked for. */
export interface KcompactdState {
  /** Highest order asked for; 0 is no work. */
  maxOrder: number;
  /** Lowest highest zone index asked for. */
  highestZoneidx: number;
  /** A user asked for a proactive run. */
  proactiveTrigger: boolean;
  /** Whether it was woken, or is at work. */
  running: boolean;
  /** Milliseconds until the next look without being woken; Infinity when proactive runs are off. */
  timeoutMs: number;
  /** When it went to sleep, milliseconds since start. */
  sleptAtMs: number;
}

/**
 * One kcompactd per node, as step functions that the host runs.
 * @kernel kcompactd (spec slowpath-compaction 4.24, 4.25)
 */
export class Kcompactd {
  private readonly ctx: CompactionContext;
  private readonly now: () => number;
  /** State by node id. */
  readonly nodes: readonly KcompactdState[];

  /**
   * @param ctx what compaction works with
   * @param now milliseconds since start
   */
  constructor(ctx: CompactionContext, now: () => number = () => 0) {
    this.ctx = ctx;
    this.now = now;
    this.nodes = ctx.model.nodes.map((node) => ({
      maxOrder: 0,
      highestZoneidx: Math.max(0, node.nrZones - 1),
      proactiveTrigger: false,
      running: false,
      timeoutMs: this.period(),
      sleptAtMs: now(),
    }));
  }

  /** What a node's kcompactd is doing. */
  activity(nodeId: number): KcompactdActivity {
    return this.nodes[nodeId].running ? 'running' : 'asleep';
  }

  /** Lets every node's kcompactd look at the fragmentation score at once. */
  triggerAll(): void {
    for (const state of this.nodes) {
      state.proactiveTrigger = true;
      state.running = true;
    }
  }

  /** Lets those run that were woken or whose timeout is over. */
  tick(): void {
    const now = this.now();
    for (const { id, online, cpus } of this.ctx.model.nodes) {
      const { running, sleptAtMs, timeoutMs } = this.nodes[id];
      if (online && (running || now >= sleptAtMs + timeoutMs)) this.run(id, cpus[0] ?? 0);
    }
  }

  /**
   * Asks a node's kcompactd for blocks.
   * @returns whether this woke it; the host should run it
   * @kernel wakeup_kcompactd (spec slowpath-compaction 4.24)
   */
  wakeup(nodeId: number, order: number, highestZoneidx: number): boolean {
    if (order === 0) return false;
    const state = this.nodes[nodeId];
    if (state.maxOrder < order) state.maxOrder = order;
    if (state.highestZoneidx > highestZoneidx) state.highestZoneidx = highestZoneidx;
    if (state.running || !this.isSuitable(nodeId)) return false;
    this.ctx.trace?.mmCompactionWakeupKcompactd?.(nodeId, order, highestZoneidx);
    state.running = true;
    return true;
  }

  /**
   * Does the work a node's kcompactd was woken for, or looks at the fragmentation score.
   * @param nodeId the node
   * @param cpu the CPU on which it runs
   * @returns whether it did anything
   */
  run(nodeId: number, cpu = 0): boolean {
    const state = this.nodes[nodeId];
    const { task } = this.ctx;
    const caller: TaskContext = { ...task };
    Object.assign(task, defaultTask(), { comm: `kcompactd${nodeId}`, pfKthread: true });
    state.running = true;
    let worked = false;
    try {
      worked = this.work(nodeId, cpu);
    } finally {
      Object.assign(task, caller);
      state.running = false;
      state.sleptAtMs = this.now();
      this.ctx.trace?.mmCompactionKcompactdSleep?.(nodeId);
    }
    return worked;
  }

  /** Plain data to `restore` later. */
  snapshot(): KcompactdState[] {
    return this.nodes.map((state) => ({ ...state }));
  }

  /** Takes back what `snapshot` gave. */
  restore(from: readonly KcompactdState[]): void {
    this.nodes.forEach((state, node) => {
      Object.assign(state, from[node]);
    });
  }

  /** The thread's loop, from waking up to the next sleep. */
  private work(nodeId: number, cpu: number): boolean {
    const state = this.nodes[nodeId];
    let worked = false;
    do {
      state.timeoutMs = this.period();
      if (state.maxOrder > 0 && !state.proactiveTrigger) {
        this.doWork(nodeId, cpu);
        worked = true;
        continue;
      }
      if (shouldProactiveCompactNode(this.ctx, nodeId)) {
        this.proactiveRun(nodeId, cpu);
        worked = true;
      }
      state.proactiveTrigger = false;
    } while (state.maxOrder > 0 || state.proactiveTrigger);
    return worked;
  }

  private period(): number {
    return this.ctx.proactiveness === 0 ? Number.POSITIVE_INFINITY : KCOMPACTD_PERIOD_MS;
  }

  private isSuitable(nodeId: number): boolean {
    const { ctx } = this;
    const { maxOrder, highestZoneidx } = this.nodes[nodeId];
    for (const zone of ctx.model.nodes[nodeId].zones) {
      if (zone.index > highestZoneidx || !isPopulated(zone)) continue;
      const result = compactionSuitable(ctx, zone, maxOrder, 0, highestZoneidx);
      if (result === CompactResult.COMPACT_CONTINUE) return true;
    }
    return false;
  }

  /** @kernel kcompactd_do_work */
  private doWork(nodeId: number, cpu: number): void {
    this.ctx.trace?.functionEntry?.('kcompactd_do_work', { pgdat: nodeId });
    const { ctx } = this;
    const { trace } = ctx;
    const { vmstat } = ctx.model;
    const state = this.nodes[nodeId];
    const node = ctx.model.nodes[nodeId];
    const order = state.maxOrder;
    const { highestZoneidx } = state;
    const request = {
      order,
      gfp: Gfp.GFP_KERNEL,
      allocFlags: 0,
      highestZoneidx,
      mode: MigrateMode.MIGRATE_SYNC_LIGHT,
      direct: false,
      cpu,
    };
    const control = new CompactControl(request, node.zones[0], ctx.zones[node.zones[0].id]);
    trace?.mmCompactionKcompactdWake?.(nodeId, order, highestZoneidx);
    countVmEvents(vmstat, cpu, VmEvent.compact_daemon_wake, 1);
    for (const zone of node.zones) {
      if (zone.index > highestZoneidx || !isPopulated(zone)) continue;
      const zoneState = ctx.zones[zone.id];
      if (compactionDeferred(zoneState, zone, order, trace)) continue;
      const suitable = compactionSuitable(ctx, zone, order, 0, zone.index);
      if (suitable !== CompactResult.COMPACT_CONTINUE) continue;
      control.zone = zone;
      control.state = zoneState;
      const result = compactZone(ctx, control, null);
      if (result === CompactResult.COMPACT_SUCCESS) {
        compactionDeferReset(zoneState, zone, order, false, trace);
      } else if (
        result === CompactResult.COMPACT_PARTIAL_SKIPPED ||
        result === CompactResult.COMPACT_COMPLETE
      ) {
        ctx.pages.drainAllPages(cpu, zone.id);
        deferCompaction(zoneState, zone, order, trace);
      }
      const { totalMigrateScanned, totalFreeScanned } = control;
      countVmEvents(vmstat, cpu, VmEvent.compact_daemon_migrate_scanned, totalMigrateScanned);
      countVmEvents(vmstat, cpu, VmEvent.compact_daemon_free_scanned, totalFreeScanned);
    }
    if (state.maxOrder <= order) state.maxOrder = 0;
    if (state.highestZoneidx >= highestZoneidx) {
      state.highestZoneidx = Math.max(0, node.nrZones - 1);
    }
  }

  /** @kernel proactive_compact_node */
  private proactiveRun(nodeId: number, cpu: number): void {
    const { ctx } = this;
    const before = fragmentationScoreNode(ctx, nodeId);
    compactNode(ctx, nodeId, cpu, true);
    if (fragmentationScoreNode(ctx, nodeId) >= before) {
      this.nodes[nodeId].timeoutMs = KCOMPACTD_PERIOD_MS << FRUITLESS_SHIFT;
    }
  }
}

/**
 * Compacts all zones of a node from end to end.
 * @param proactive for the fragmentation score; otherwise on request of a user
 * @kernel compact_node, proactive_compact_node (spec slowpath-compaction 4.25, 4.26)
 */
export function compactNode(
  ctx: CompactionContext,
  nodeId: number,
  cpu: number,
  proactive: boolean,
): void {
  const { zones } = ctx.model.nodes[nodeId];
  const request = {
    order: -1,
    gfp: Gfp.GFP_KERNEL,
    allocFlags: 0,
    highestZoneidx: 0,
    mode: proactive ? MigrateMode.MIGRATE_SYNC_LIGHT : MigrateMode.MIGRATE_SYNC,
    direct: false,
    proactive,
    wholeZone: true,
    ignoreSkipHint: true,
    cpu,
  };
  const control = new CompactControl(request, zones[0], ctx.zones[zones[0].id]);
  for (const zone of zones) {
    if (!isPopulated(zone)) continue;
    control.zone = zone;
    control.state = ctx.zones[zone.id];
    compactZone(ctx, control, null);
  }
}

/**
 * Compacts all memory, as a write to `/proc/sys/vm/compact_memory` does.
 * @kernel compact_nodes (spec slowpath-compaction 4.26)
 */
export function compactMemory(ctx: CompactionContext, cpu: number): void {
  ctx.lru.lruAddDrainAll();
  for (const node of ctx.model.nodes) {
    if (node.online) compactNode(ctx, node.id, cpu, false);
  }
}
