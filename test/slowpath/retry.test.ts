import { describe, expect, it } from 'vitest';
import { CompactPriority, CompactResult } from '../../src/slowpath/constants.ts';
import {
  type RetryState,
  shouldCompactRetry,
  shouldReclaimRetry,
} from '../../src/slowpath/retry.ts';
import type { SlowPathReclaim, SlowPathRequest } from '../../src/slowpath/types.ts';
import { createWorld, type World } from './world.ts';

/** One zone with 50 free single pages and a minimum watermark of 200. */
function world(): World {
  return createWorld({
    startPfn: 0x1000,
    endPfn: 0x1400,
    watermark: [200, 250, 300],
    kind: (pfn) => (pfn % 20 === 0 && pfn < 0x1000 + 1000 ? 'free' : 'fixed'),
  });
}

function request({ zone }: World): SlowPathRequest {
  return {
    zonelist: [zone],
    nodemask: null,
    preferredZoneref: 0,
    migratetype: 0,
    highestZoneidx: 2,
    spreadDirtyPages: false,
  };
}

function reclaimable(pages: number): SlowPathReclaim {
  return {
    tryToFreePages: () => 0,
    zoneReclaimablePages: () => pages,
    wakeupKswapd() {},
  };
}

function fresh(): RetryState {
  return {
    noProgressLoops: 0,
    compactResult: CompactResult.COMPACT_SKIPPED,
    compactPriority: CompactPriority.COMPACT_PRIO_SYNC_LIGHT,
    compactRetries: 0,
  };
}

describe('should_reclaim_retry (spec slowpath-compaction 4.8, example 2a)', () => {
  const rounds = (pages: number): number => {
    const here = world();
    const state = fresh();
    let round = 1;
    const { ctx, buddy } = here;
    const reclaim = reclaimable(pages);
    while (shouldReclaimRetry(ctx, buddy, reclaim, request(here), 0, 0x840, false, state, 0)) {
      round++;
    }
    const traced = here.events.filter((line) => line.startsWith('reclaim_retry_zone'));
    expect(traced.length).toBe(Math.min(round, 16));
    return round;
  };

  it('gives up in round 17 when the zone could pass', () => {
    expect(rounds(300)).toBe(17);
  });

  it('gives up at once when it could not', () => {
    expect(rounds(100)).toBe(1);
  });

  it('traces what it looked at', () => {
    const here = world();
    shouldReclaimRetry(
      here.ctx,
      here.buddy,
      reclaimable(300),
      request(here),
      0,
      0x840,
      true,
      fresh(),
      0,
    );
    expect(here.events).toEqual([
      'reclaim_retry_zone: node=0 zone=DMA32    order=0 reclaimable=300 available=350 min_wmark=200 no_progress_loops=0 wmark_check=1',
    ]);
  });
});

describe('should_compact_retry (spec slowpath-compaction 4.9)', () => {
  const decide = (here: World, state: RetryState, order: number): boolean =>
    shouldCompactRetry(here.ctx, reclaimable(0), request(here), order, 0x840, state);

  it('example 2b: withdrawn, then failed', () => {
    const here = world();
    const state = fresh();
    state.compactResult = CompactResult.COMPACT_PARTIAL_SKIPPED;
    expect(decide(here, state, 2)).toBe(true);
    state.compactResult = CompactResult.COMPACT_COMPLETE;
    expect(decide(here, state, 2)).toBe(false);
    expect(here.events).toEqual([
      'compact_retry: order=2 priority=COMPACT_PRIO_SYNC_LIGHT compaction_result=withdrawn retries=0 max_retries=16 should_retry=1',
      'compact_retry: order=2 priority=COMPACT_PRIO_SYNC_FULL compaction_result=failed retries=0 max_retries=16 should_retry=0',
    ]);
  });

  it('example 2c: success every time, but the page is always lost', () => {
    const here = world();
    const state = { ...fresh(), compactResult: CompactResult.COMPACT_SUCCESS };
    let evaluations = 1;
    while (decide(here, state, 2)) evaluations++;
    expect(evaluations).toBe(34);
    expect(state.compactPriority).toBe(CompactPriority.COMPACT_PRIO_SYNC_FULL);
  });

  it('example 2c: a costly order has four retries', () => {
    const here = world();
    const state = { ...fresh(), compactResult: CompactResult.COMPACT_SUCCESS };
    let evaluations = 1;
    while (decide(here, state, 5)) evaluations++;
    expect(evaluations).toBe(5);
  });

  it('counts reclaimable pages by the order, not by the block', () => {
    // More than 250 (low) + 32 (gap) of 50 free pages and a quarter of the reclaimable ones.
    const here = world();
    const suitable = (pages: number): boolean =>
      shouldCompactRetry(here.ctx, reclaimable(pages), request(here), 4, 0x840, fresh());
    expect([suitable(931), suitable(932)]).toEqual([false, true]);
  });

  it('asks the zones when compaction was skipped, and never for order 0', () => {
    const here = world();
    expect(decide(here, fresh(), 2)).toBe(false);
    const plenty = reclaimable(3000);
    expect(shouldCompactRetry(here.ctx, plenty, request(here), 2, 0x840, fresh())).toBe(true);
    expect(shouldCompactRetry(here.ctx, plenty, request(here), 0, 0x840, fresh())).toBe(false);
  });
});
