import type { MemoryModel } from '../mm/memory-model.ts';
import type { TraceSink } from '../mm/trace.ts';
import { type Zone, zoneEndPfn } from '../mm/zone.ts';
import { COMPACT_MAX_DEFER_SHIFT } from './constants.ts';
import { pageblockStartPfn } from './pageblock.ts';

/**
 * What compaction remembers of a zone between runs. All zero at boot; nothing initialises the
 * positions to the zone's bounds.
 * @kernel struct zone, compaction fields (spec slowpath-compaction 2.3)
 */
export class ZoneCompaction {
  /** Restart position of the migration scanner, [0] async, [1] sync. */
  readonly cachedMigratePfn: [number, number] = [0, 0];
  /** Restart position of the free scanner. */
  cachedFreePfn = 0;
  /** Lowest suitable source found by the last reset of skip hints; 0 before the first. */
  initMigratePfn = 0;
  /** Highest suitable target found by the last reset of skip hints; 0 before the first. */
  initFreePfn = 0;
  /** Requests since the last failure. */
  considered = 0;
  /** 2^shift requests are let pass before the next run. */
  deferShift = 0;
  /** Lowest order that failed. */
  orderFailed = 0;
  /** Skip hints should be cleared at the next opportunity. */
  blockskipFlush = false;
}

/** A state for each zone of a model, by zone id. */
export function createZoneCompaction(model: MemoryModel): ZoneCompaction[] {
  return model.zones.map(() => new ZoneCompaction());
}

/** Whether compaction of a zone is to be skipped because it failed lately. @kernel compaction_deferred (spec 4.12) */
export function compactionDeferred(
  state: ZoneCompaction,
  zone: Zone,
  order: number,
  trace: TraceSink | null,
): boolean {
  if (order < state.orderFailed) return false;
  const limit = 1 << state.deferShift;
  state.considered += 1;
  if (state.considered >= limit) {
    state.considered = limit;
    return false;
  }
  trace?.mmCompactionDeferred?.(
    zone.node,
    zone.index,
    order,
    state.orderFailed,
    state.considered,
    1 << state.deferShift,
  );
  return true;
}

/** Notes that a run failed: the next ones are skipped. @kernel defer_compaction (spec 4.12) */
export function deferCompaction(
  state: ZoneCompaction,
  zone: Zone,
  order: number,
  trace: TraceSink | null,
): void {
  state.considered = 0;
  state.deferShift = Math.min(state.deferShift + 1, COMPACT_MAX_DEFER_SHIFT);
  if (order < state.orderFailed) state.orderFailed = order;
  trace?.mmCompactionDeferCompaction?.(
    zone.node,
    zone.index,
    order,
    state.orderFailed,
    state.considered,
    1 << state.deferShift,
  );
}

/**
 * Notes that a block of the order exists again.
 * @param allocSuccess whether the allocation itself succeeded
 * @kernel compaction_defer_reset (spec 4.12)
 */
export function compactionDeferReset(
  state: ZoneCompaction,
  zone: Zone,
  order: number,
  allocSuccess: boolean,
  trace: TraceSink | null,
): void {
  if (allocSuccess) {
    state.considered = 0;
    state.deferShift = 0;
  }
  if (order >= state.orderFailed) state.orderFailed = order + 1;
  trace?.mmCompactionDeferReset?.(
    zone.node,
    zone.index,
    order,
    state.orderFailed,
    state.considered,
    1 << state.deferShift,
  );
}

/** Whether deferral has just run its full length. @kernel compaction_restarting (spec 4.12) */
export function compactionRestarting(state: ZoneCompaction, order: number): boolean {
  return (
    order >= state.orderFailed &&
    state.deferShift === COMPACT_MAX_DEFER_SHIFT &&
    state.considered >= 1 << COMPACT_MAX_DEFER_SHIFT
  );
}

/** Puts both scanners back to the zone's ends. @kernel reset_cached_positions */
export function resetCachedPositions(model: MemoryModel, zone: Zone, state: ZoneCompaction): void {
  state.cachedMigratePfn[0] = zone.startPfn;
  state.cachedMigratePfn[1] = zone.startPfn;
  state.cachedFreePfn = pageblockStartPfn(model.map, zoneEndPfn(zone) - 1);
}
