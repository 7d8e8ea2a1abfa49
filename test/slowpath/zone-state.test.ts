import { describe, expect, it } from 'vitest';
import { compactionFtrace } from '../../src/mm/ftrace-compaction.ts';
import { Zone } from '../../src/mm/zone.ts';
import {
  compactionDeferReset,
  compactionDeferred,
  compactionRestarting,
  deferCompaction,
  ZoneCompaction,
} from '../../src/slowpath/zone-state.ts';

describe('deferral (spec slowpath-compaction 4.12, example 3)', () => {
  it('lets the runs happen at calls 1, 3, 7, 15, ... of a zone that always fails', () => {
    const zone = new Zone(0, 2);
    const state = new ZoneCompaction();
    const runs: number[] = [];
    let restartAt = 0;
    for (let call = 1; call <= 255; call++) {
      if (compactionDeferred(state, zone, 4, null)) continue;
      runs.push(call);
      if (restartAt === 0 && compactionRestarting(state, 4)) restartAt = call;
      deferCompaction(state, zone, 4, null);
    }
    expect(runs).toEqual([1, 3, 7, 15, 31, 63, 127, 191, 255]);
    expect(restartAt).toBe(127);
  });

  it('traces the state after the update', () => {
    const lines: string[] = [];
    const trace = compactionFtrace((event, text) => lines.push(`${event}: ${text}`));
    const zone = new Zone(0, 2);
    const state = new ZoneCompaction();
    deferCompaction(state, zone, 4, trace);
    compactionDeferReset(state, zone, 4, false, trace);
    compactionDeferReset(state, zone, 4, true, trace);
    expect(lines).toEqual([
      'mm_compaction_defer_compaction: node=0 zone=Normal   order=4 order_failed=0 consider=0 limit=2',
      'mm_compaction_defer_reset: node=0 zone=Normal   order=4 order_failed=5 consider=0 limit=2',
      'mm_compaction_defer_reset: node=0 zone=Normal   order=4 order_failed=5 consider=0 limit=1',
    ]);
  });

  it('does not count requests below the order that failed', () => {
    const zone = new Zone(0, 2);
    const state = new ZoneCompaction();
    compactionDeferReset(state, zone, 3, true, null);
    expect(compactionDeferred(state, zone, 3, null)).toBe(false);
    expect(state.considered).toBe(0);
  });
});
