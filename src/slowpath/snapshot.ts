import { checkInteger } from '../lib/errors.ts';
import type { KcompactdState } from './kcompactd.ts';
import type { ReaperSnapshot } from './oom-reaper.ts';
import type { OomTunables } from './oom-types.ts';
import type { RateLimitSnapshot } from './rate-limit.ts';
import type { SlowPathState } from './state.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** What compaction remembers of a zone, as plain data. */
export interface ZoneCompactionSnapshot {
  /** Restart positions of the migration scanner, async and sync. */
  readonly cachedMigratePfn: readonly number[];
  /** Restart position of the free scanner. */
  readonly cachedFreePfn: number;
  /** Lowest source at the last reset. */
  readonly initMigratePfn: number;
  /** Highest target at the last reset. */
  readonly initFreePfn: number;
  /** Requests since the last failure. */
  readonly considered: number;
  /** log2 of the requests let pass. */
  readonly deferShift: number;
  /** Lowest order that failed. */
  readonly orderFailed: number;
  /** Whether skip hints are to be cleared. */
  readonly blockskipFlush: boolean;
}

/** Plain copy of everything that the slow path module keeps beside the memory model. */
export interface SlowPathSnapshot {
  /** By zone id. */
  readonly zones: readonly ZoneCompactionSnapshot[];
  /** kcompactd of each node. */
  readonly kcompactd: readonly KcompactdState[];
  /** `compact_unevictable_allowed`. */
  readonly unevictableAllowed: boolean;
  /** `compaction_proactiveness`. */
  readonly proactiveness: number;
  /** Tunables of the OOM killer. */
  readonly oomTunables: OomTunables;
  /** Victims in the reaper's hands. */
  readonly reaper: ReaperSnapshot;
  /** Limits of reports: failed allocations, OOM kills. */
  readonly limits: readonly [RateLimitSnapshot, RateLimitSnapshot];
  /** Complaints made. */
  readonly warned: readonly string[];
}

/** Copies the state. Skip hints are in the memory model, tasks are the host's. */
export function snapshotState(state: SlowPathState): SlowPathSnapshot {
  const { compaction, failureReport, kcompactd, oom } = state;
  return {
    zones: compaction.zones.map((zone) => ({
      ...zone,
      cachedMigratePfn: [...zone.cachedMigratePfn],
    })),
    kcompactd: kcompactd.snapshot(),
    unevictableAllowed: compaction.unevictableAllowed,
    proactiveness: compaction.proactiveness,
    oomTunables: { ...oom.tunables },
    reaper: oom.reaper.snapshot(),
    limits: [failureReport.limit.snapshot(), oom.reportLimit.snapshot()],
    warned: [...state.warned],
  };
}

/** Takes back what `snapshotState` gave, of a machine with as many zones. */
export function restoreState(state: SlowPathState, from: SlowPathSnapshot): void {
  const { compaction, failureReport, kcompactd, oom } = state;
  checkInteger('zones', from.zones.length, compaction.zones.length, compaction.zones.length);
  compaction.zones.forEach((zone, id) => {
    restoreZone(zone, from.zones[id]);
  });
  kcompactd.restore(from.kcompactd);
  compaction.unevictableAllowed = from.unevictableAllowed;
  compaction.proactiveness = from.proactiveness;
  Object.assign(oom.tunables, from.oomTunables);
  oom.reaper.restore(from.reaper);
  failureReport.limit.restore(from.limits[0]);
  oom.reportLimit.restore(from.limits[1]);
  state.warned.clear();
  for (const text of from.warned) state.warned.add(text);
}

function restoreZone(zone: ZoneCompaction, from: ZoneCompactionSnapshot): void {
  const { cachedMigratePfn, ...rest } = from;
  Object.assign(zone, rest);
  zone.cachedMigratePfn[0] = cachedMigratePfn[0];
  zone.cachedMigratePfn[1] = cachedMigratePfn[1];
}
