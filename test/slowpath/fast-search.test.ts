// covers: src/slowpath/fast-migrate-search.ts src/slowpath/fast-free-search.ts
import { describe, expect, it } from 'vitest';
import { listAddTail, listDel } from '../../src/lib/list.ts';
import { freeListHead, freeListToArray } from '../../src/mm/free-area.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { pageblockSkip, setPageblockSkip } from '../../src/mm/page-map.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { CompactControl, type CompactRequest } from '../../src/slowpath/compact-control.ts';
import { compactZone } from '../../src/slowpath/compact-zone.ts';
import { fastIsolateFreepages } from '../../src/slowpath/fast-free-search.ts';
import {
  fastFindMigrateblock,
  freelistScanLimit,
  makeFirst,
  makeLast,
} from '../../src/slowpath/fast-migrate-search.ts';
import { checkInvariants } from '../../src/slowpath/invariants.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

const START = 0x1000;
const END = 0x2000;

/** Eight pageblocks with free blocks of `order` at the frames given, in list order. */
function world(free: readonly number[], order = 3, more: Partial<WorldOptions> = {}): World {
  const at = new Set(free);
  const of = createWorld({
    startPfn: START,
    endPfn: END,
    watermark: [-1000, -900, -800],
    kind: (pfn) => (at.has(pfn) ? 'free' : 'fixed'),
    freeOrder: (pfn) => (at.has(pfn) ? order : 0),
    ...more,
  });
  // The list in the order given, not in that of the frames.
  const head = freeListHead(of.model.areas, of.zone.id, order, 1);
  for (const pfn of free) {
    listDel(of.model.map, pfn);
    listAddTail(of.model.map, head, pfn);
  }
  return of;
}

function control(of: World, fields: Partial<CompactRequest> = {}): CompactControl {
  const request: CompactRequest = {
    order: 9,
    gfp: Gfp.GFP_HIGHUSER_MOVABLE,
    allocFlags: 0,
    highestZoneidx: 3,
    mode: 1,
    direct: true,
    cpu: 0,
    ...fields,
  };
  const cc = new CompactControl(request, of.zone, of.ctx.zones[of.zone.id]);
  cc.migratetype = 1;
  cc.migratePfn = START;
  cc.freePfn = 0x1e00;
  return cc;
}

const list = (of: World, order = 3): number[] =>
  freeListToArray(of.model.areas, of.zone.id, order, 1);

describe('rotation of free lists', () => {
  it('makes an entry the last or the first, the others in order behind', () => {
    const of = world([0x1000, 0x1010, 0x1020, 0x1030]);
    const head = freeListHead(of.model.areas, of.zone.id, 3, 1);
    makeLast(of.model, head, 0x1010);
    expect(list(of)).toEqual([0x1020, 0x1030, 0x1000, 0x1010]);
    makeLast(of.model, head, 0x1010);
    expect(list(of)).toEqual([0x1020, 0x1030, 0x1000, 0x1010]);
    makeFirst(of.model, head, 0x1000);
    expect(list(of)).toEqual([0x1000, 0x1010, 0x1020, 0x1030]);
    makeFirst(of.model, head, 0x1000);
    expect(list(of)).toEqual([0x1000, 0x1010, 0x1020, 0x1030]);
  });

  it('the limit halves with every failure', () => {
    const cc = control(world([]));
    const limits = [0, 1, 2, 3, 4, 5, 6, 7, 40, 100].map((fails) => {
      cc.fastSearchFail = fails;
      return freelistScanLimit(cc);
    });
    expect(limits).toEqual([33, 17, 9, 5, 3, 2, 1, 1, 1, 1]);
  });

  // Spec 2.4: "fast_search_fail (u16)".
  it('after 65536 failures in a row it looks as far as at first', () => {
    const cc = control(world([]));
    cc.fastSearchFail = 0xffff;
    fastFindMigrateblock(world([]).model, cc);
    expect(freelistScanLimit(cc)).toBe(33);
  });
});

describe('fast_find_migrateblock (spec slowpath-compaction 4.17)', () => {
  it('finds the first entry in the lower half, marks its block and rotates', () => {
    const of = world([0x1c00, 0x1208, 0x1010]);
    const cc = control(of);
    expect(fastFindMigrateblock(of.model, cc)).toBe(0x1200);
    expect(pageblockSkip(of.model.map, 0x1200)).toBe(true);
    expect(list(of)).toEqual([0x1010, 0x1c00, 0x1208]);
    expect(cc.totalMigrateScanned).toBe(2);
    expect(cc.fastStartPfn).toBe(0x1208);
    expect(cc.fastSearchFail).toBe(0);
  });

  it('looks less far when the scanner has left the start of the zone', () => {
    // distance (0x1e00 - 0x1200) / 8 = 0x180: only below 0x1200 + 0x180, rounded down to a block.
    const of = world([0x1400, 0x1200]);
    const cc = control(of);
    cc.migratePfn = 0x1200;
    expect(fastFindMigrateblock(of.model, cc)).toBe(0x1200);
    expect(cc.fastSearchFail).toBe(1);
  });

  it('passes by blocks with a hint, and goes back to the lowest one when nothing is left', () => {
    const of = world([0x1010]);
    const cc = control(of);
    setPageblockSkip(of.model.map, 0x1010, true);
    cc.fastStartPfn = 0x1008;
    expect(fastFindMigrateblock(of.model, cc)).toBe(0x1008);
    expect(cc.migratePfn).toBe(0x1008);
    cc.migratePfn = START;
    expect(fastFindMigrateblock(of.model, cc)).toBe(START);
    expect(cc.fastSearchFail).toBe(2);
  });

  it('remembers the lowest frame found, until it is used up', () => {
    const of = world([0x1208, 0x1008, 0x1408]);
    const cc = control(of);
    fastFindMigrateblock(of.model, cc);
    fastFindMigrateblock(of.model, cc);
    expect(cc.fastStartPfn).toBe(0x1008);
    fastFindMigrateblock(of.model, cc);
    expect(cc.fastStartPfn).toBe(0x1008);
  });

  it('stops at its limit and rotates there', () => {
    const frames = Array.from({ length: 40 }, (_, i) => 0x1c00 + i * 8);
    const of = world(frames);
    const cc = control(of);
    expect(fastFindMigrateblock(of.model, cc)).toBe(START);
    expect(cc.totalMigrateScanned).toBe(34);
    expect(list(of)[0]).toBe(frames[34]);
  });

  it.each<[string, Partial<CompactRequest>, (cc: CompactControl) => void]>([
    ['hints are ignored', { ignoreSkipHint: true }, () => {}],
    ['the order is not costly', { order: 3 }, () => {}],
    ['the whole zone is scanned', { order: -1 }, () => {}],
    [
      'the request is not movable',
      {},
      (cc) => {
        cc.migratetype = 0;
      },
    ],
    [
      'the scanner is inside a block',
      {},
      (cc) => {
        cc.migratePfn = 0x1010;
      },
    ],
  ])('is not tried when %s', (_name, fields, prepare) => {
    const of = world([0x1208]);
    const cc = control(of, fields);
    prepare(cc);
    expect(fastFindMigrateblock(of.model, cc)).toBe(cc.migratePfn);
    expect(cc.fastSearchFail).toBe(0);
    expect(cc.totalMigrateScanned).toBe(0);
  });

  it('kcompactd searches for any type', () => {
    const of = world([0x1208]);
    const cc = control(of, { direct: false });
    cc.migratetype = 0;
    expect(fastFindMigrateblock(of.model, cc)).toBe(0x1200);
  });

  it('searches orders from the largest down to 3', () => {
    const of = world([0x1208], 2);
    expect(fastFindMigrateblock(of.model, control(of))).toBe(START);
    const large = world([0x1280], 7);
    expect(fastFindMigrateblock(large.model, control(large))).toBe(0x1200);
  });
});

describe('fast_isolate_freepages (spec slowpath-compaction 4.22)', () => {
  it('takes the entry nearest the tail that is high enough', () => {
    // d = 0xe00: low = pbs(0x1e00 - 0x380) = 0x1a00, min = pbs(0x1e00 - 0x700) = 0x1600.
    const of = world([0x1c00, 0x1a10, 0x1608, 0x1008]);
    const cc = control(of, { order: 4 });
    cc.migratepages.push(START);
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.isolatedPfns).toEqual([0x1a10]);
    expect(cc.nrFreepages).toBe(8);
    expect(cc.totalFreeScanned).toBe(3 + 7);
    expect(vmEvent(of.model.vmstat, VmEvent.compact_isolated)).toBe(8);
    // The entry found became the first before it was taken.
    expect(list(of)).toEqual([0x1608, 0x1008, 0x1c00]);
    expect(cc.searchOrder).toBe(3);
    expect(cc.freePfn).toBe(0x1e00);
  });

  it('is content with one above the middle when there is nothing better', () => {
    const of = world([0x1608, 0x1708, 0x1008]);
    const cc = control(of, { order: 4 });
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.isolatedPfns).toEqual([0x1708]);
    expect(list(of)).toEqual([0x1008, 0x1608]);
  });

  it('visits orders downwards, wraps once, and starts one lower the next time', () => {
    const of = world([]);
    const cc = control(of, { order: 4 });
    const starts: number[] = [];
    for (let i = 0; i < 5; i++) {
      fastIsolateFreepages(of.ctx, cc);
      starts.push(cc.searchOrder);
    }
    expect(starts).toEqual([2, 1, 0, 3, 2]);
    expect(cc.fastSearchFail).toBe(5);
  });

  it('without a find the scanner is set to the highest block seen, or halfway', () => {
    const halfway = world([0x1008]);
    const cc = control(halfway, { order: 4 });
    fastIsolateFreepages(halfway.ctx, cc);
    expect(cc.freePfn).toBe(0x1600);
    expect(cc.isolatedPfns).toEqual([]);

    // The watermark refuses the block; the highest block seen is then the guess.
    const refused = world([0x1c08], 3, { watermark: [1000, 1100, 1200] });
    const other = control(refused, { order: 4 });
    other.state.cachedFreePfn = 0x1a00;
    fastIsolateFreepages(refused.ctx, other);
    expect(other.freePfn).toBe(0x1c00);
    expect(other.state.cachedFreePfn).toBe(0x1a00);
    expect(other.fastSearchFail).toBe(1);
  });

  it('not directly, the scanner stays', () => {
    const of = world([0x1008]);
    const cc = control(of, { order: 4, direct: false });
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.freePfn).toBe(0x1e00);
  });

  it('a scanner below its first position guesses nothing', () => {
    const of = world([0x1008]);
    const cc = control(of, { order: 4 });
    cc.state.initFreePfn = 0x1fff;
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.freePfn).toBe(0x1e00);
  });

  it('crossed scanners find nothing', () => {
    const of = world([0x1c08]);
    const cc = control(of, { order: 4 });
    cc.migratePfn = 0x1f00;
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.isolatedPfns).toEqual([]);
    expect(cc.freePfn).toBe(0x1e00);
  });

  it('lowers the cached position to below the highest block seen', () => {
    const of = world([0x1c08]);
    const cc = control(of, { order: 4 });
    cc.state.cachedFreePfn = 0x1c00;
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.state.cachedFreePfn).toBe(0x1a00);
  });

  // Spec 4.22: "5. If highest != 0 and highest >= cached_free: highest -= PB; cached_free = highest."
  // Spec 1: "pfns and distances are unsigned 64-bit".
  it('a cached position below page frame 0 wraps: the next run starts from the last block', () => {
    const of = world([8], 3, { startPfn: 1, endPfn: 0x1000 });
    const cc = control(of, { order: 4 });
    cc.migratePfn = 1;
    cc.freePfn = 0x200;
    cc.state.cachedFreePfn = 0;
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.state.cachedFreePfn).toBe(2 ** 64);
    expect(checkInvariants(of.slowPath.state)).toEqual([]);
    // Nothing lies above it, so it stays until a run starts there.
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.state.cachedFreePfn).toBe(2 ** 64);
    compactZone(of.ctx, control(of, { order: 3 }), null);
    expect(cc.state.cachedFreePfn).toBe(0xe00);
  });

  it('takes more around what it found, unless async, and marks a block that has too little', () => {
    const near = [0x1c08, 0x1c20];
    const of = world(near);
    const cc = control(of, { order: 4 });
    for (let i = 0; i < 32; i++) cc.migratepages.push(START + i);
    fastIsolateFreepages(of.ctx, cc);
    expect(cc.isolatedPfns).toEqual([0x1c20, 0x1c08]);
    expect(pageblockSkip(of.model.map, 0x1c00)).toBe(true);
    expect(of.events).toEqual([
      'mm_compaction_isolate_freepages: range=(0x1c00 ~ 0x1e00) nr_scanned=512 nr_taken=8',
    ]);

    const async = world(near);
    const run = control(async, { order: 4, mode: 0 });
    for (let i = 0; i < 32; i++) run.migratepages.push(START + i);
    fastIsolateFreepages(async.ctx, run);
    expect(run.isolatedPfns).toEqual([0x1c20]);
    expect(async.events).toEqual([]);
  });

  it('order 0 and whole zones are not searched', () => {
    for (const order of [0, -1]) {
      const of = world([0x1c08]);
      const cc = control(of, { order });
      fastIsolateFreepages(of.ctx, cc);
      expect(cc.totalFreeScanned).toBe(0);
      expect(cc.fastSearchFail).toBe(0);
    }
  });
});
