import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { CompactControl, type CompactRequest } from '../../src/slowpath/compact-control.ts';
import { compactFinished, scannersMet } from '../../src/slowpath/compact-finished.ts';
import { CompactResult } from '../../src/slowpath/constants.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

const { COMPACT_COMPLETE, COMPACT_PARTIAL_SKIPPED, COMPACT_CONTINUE } = CompactResult;
const { COMPACT_SUCCESS, COMPACT_CONTENDED } = CompactResult;

function world(more: Partial<WorldOptions> = {}): World {
  return createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [4, 5, 6],
    kind: () => 'fixed',
    ...more,
  });
}

function control(of: World, fields: Partial<CompactRequest> = {}): CompactControl {
  const request: CompactRequest = {
    order: 4,
    gfp: Gfp.GFP_KERNEL,
    allocFlags: 0,
    highestZoneidx: 3,
    mode: 1,
    direct: true,
    cpu: 0,
    ...fields,
  };
  const cc = new CompactControl(request, of.zone, of.ctx.zones[of.zone.id]);
  cc.migratePfn = 0x1200;
  cc.freePfn = 0x1600;
  return cc;
}

describe('compact_finished (spec slowpath-compaction 4.16)', () => {
  it('the scanners meet in one pageblock', () => {
    const of = world();
    const cc = control(of);
    cc.migratePfn = 0x1401;
    cc.freePfn = 0x1400;
    expect(scannersMet(of.ctx, cc)).toBe(true);
    cc.freePfn = 0x1600;
    expect(scannersMet(of.ctx, cc)).toBe(false);
  });

  it('met scanners end the run and start the next from the ends', () => {
    const of = world();
    const cc = control(of);
    cc.freePfn = 0x1200;
    cc.state.cachedMigratePfn[0] = 0x1400;
    expect(compactFinished(of.ctx, cc)).toBe(COMPACT_PARTIAL_SKIPPED);
    expect(cc.state.cachedMigratePfn).toEqual([0x1000, 0x1000]);
    expect(cc.state.cachedFreePfn).toBe(0x1600);
    expect(cc.state.blockskipFlush).toBe(true);
    cc.wholeZone = true;
    expect(compactFinished(of.ctx, cc)).toBe(COMPACT_COMPLETE);
    const kcompactd = control(of, { direct: false });
    kcompactd.freePfn = 0;
    kcompactd.state.blockskipFlush = false;
    compactFinished(of.ctx, kcompactd);
    expect(kcompactd.state.blockskipFlush).toBe(false);
  });

  it('a pageblock is completed even when there is a block already', () => {
    const of = world({ kind: (pfn) => (pfn === 0x1010 ? 'free' : 'fixed'), freeOrder: () => 4 });
    const cc = control(of);
    cc.migratePfn = 0x1210;
    expect(compactFinished(of.ctx, cc)).toBe(COMPACT_CONTINUE);
    cc.migratePfn = 0x1200;
    expect(compactFinished(of.ctx, cc)).toBe(COMPACT_SUCCESS);
  });

  it.each([
    ['its own list', Migratetype.MIGRATE_RECLAIMABLE, Migratetype.MIGRATE_RECLAIMABLE, 2, true],
    ['a stealable list', Migratetype.MIGRATE_UNMOVABLE, Migratetype.MIGRATE_MOVABLE, 2, true],
    ['movable steals large blocks', Migratetype.MIGRATE_MOVABLE, 0, 4, true],
    ['movable does not steal small blocks', Migratetype.MIGRATE_MOVABLE, 0, 3, false],
    ['the HIGHATOMIC list does not count', 0, Migratetype.MIGRATE_HIGHATOMIC, 4, false],
  ])('a block counts: %s', (_name, wanted, type, order, found) => {
    const of = world({
      kind: (pfn) => (pfn === 0x1400 ? 'free' : 'fixed'),
      freeOrder: (pfn) => (pfn === 0x1400 ? order : 0),
      blockType: () => type,
    });
    const cc = control(of, { order: 2 });
    cc.migratetype = wanted;
    expect(compactFinished(of.ctx, cc)).toBe(found ? COMPACT_SUCCESS : COMPACT_CONTINUE);
    expect(of.events.at(-1)).toContain(found ? 'ret=success' : 'ret=no_suitable_page');
  });

  it('a signal or contention ends a run that found nothing', () => {
    const of = world();
    const cc = control(of);
    cc.contended = true;
    expect(compactFinished(of.ctx, cc)).toBe(COMPACT_CONTENDED);
    const other = control(of);
    of.ctx.task.fatalSignalPending = true;
    expect(compactFinished(of.ctx, other)).toBe(COMPACT_CONTENDED);
  });

  it('a run over the whole zone ends when the scanners meet only', () => {
    const of = world({ kind: () => 'free', freeOrder: () => 9 });
    expect(compactFinished(of.ctx, control(of, { order: -1 }))).toBe(COMPACT_CONTINUE);
  });

  it('a proactive run ends when the score is low enough, or kswapd runs', () => {
    const fields = { order: -1, direct: false, proactive: true };
    const bad = world({ kind: (pfn) => (pfn % 2 === 0 ? 'free' : 'fixed') });
    expect(compactFinished(bad.ctx, control(bad, fields))).toBe(COMPACT_CONTINUE);
    const ctx = { ...bad.ctx, kswapdIsRunning: () => true };
    expect(compactFinished(ctx, control(bad, fields))).toBe(COMPACT_PARTIAL_SKIPPED);
    const good = world({ kind: () => 'free', freeOrder: () => 9 });
    expect(compactFinished(good.ctx, control(good, fields))).toBe(COMPACT_SUCCESS);
    good.ctx.task.fatalSignalPending = true;
    expect(compactFinished(good.ctx, control(good, fields))).toBe(COMPACT_CONTENDED);
  });
});
