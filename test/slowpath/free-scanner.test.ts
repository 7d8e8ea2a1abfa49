// covers: src/slowpath/free-block.ts src/slowpath/pageblock.ts
import { describe, expect, it } from 'vitest';
import { BuddyAllocator } from '../../src/buddy/index.ts';
import { sparseMemory } from '../../src/memory/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { pageblockSkip, setPageblockSkip } from '../../src/mm/page-map.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { CompactControl, type CompactRequest } from '../../src/slowpath/compact-control.ts';
import { isolateFreepagesBlock, isolateTarget } from '../../src/slowpath/free-block.ts';
import { isolateFreepages } from '../../src/slowpath/free-scanner.ts';
import {
  blockEndPfn,
  blockIsInZone,
  blockStartPfn,
  pageblockEndPfn,
} from '../../src/slowpath/pageblock.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

const START = 0x1000;
const LAST = 0x1600;
/** Watermarks that let the last free page go. */
const NO_MARK = [-100, -90, -80] as const;

/** Four pageblocks; only those from `LAST` on have free pages, at even frames unless said otherwise. */
function world(more: Partial<WorldOptions> = {}): World {
  return createWorld({
    startPfn: START,
    endPfn: 0x1800,
    watermark: [4, 5, 6],
    kind: (pfn) => (pfn >= LAST && pfn % 2 === 0 ? 'free' : 'fixed'),
    ...more,
  });
}

/** A whole-zone run that wants `wanted` targets. */
function control(of: World, wanted: number, fields: Partial<CompactRequest> = {}): CompactControl {
  const request: CompactRequest = {
    order: -1,
    gfp: Gfp.GFP_KERNEL,
    allocFlags: 0,
    highestZoneidx: 3,
    mode: 1,
    direct: false,
    cpu: 0,
    ...fields,
  };
  const cc = new CompactControl(request, of.zone, of.ctx.zones[of.zone.id]);
  cc.migratePfn = START;
  cc.freePfn = LAST;
  for (let i = 0; i < wanted; i++) cc.migratepages.push(START + i);
  return cc;
}

const targets = (cc: CompactControl): number[] => cc.freepages.toReversed();

describe('split_map_pages (spec slowpath-compaction 4.20)', () => {
  it('example 9: the last block first, frames descending within each', () => {
    const of = world({
      kind: (pfn) => (pfn === 0x1600 || pfn === 0x17ff || pfn === 0x1640 ? 'free' : 'fixed'),
      freeOrder: (pfn) => (pfn === 0x1600 ? 2 : pfn === 0x1640 ? 5 : 0),
    });
    const cc = control(of, 40);
    isolateTarget(of.ctx, cc, 0x17ff, 0);
    isolateTarget(of.ctx, cc, 0x1600, 2);
    cc.nrFreepages = 0;
    cc.freePfn = START;
    isolateFreepages(of.ctx, cc);
    expect(targets(cc)).toEqual([0x1603, 0x1602, 0x1601, 0x1600, 0x17ff]);
    expect([...of.model.map.refcount.subarray(0x1600, 0x1604)]).toEqual([1, 1, 1, 1]);
  });

  it('targets are zeroed where every allocation is', () => {
    const of = world();
    const memory = sparseMemory(0x1800 * 4096);
    memory.writeU8(LAST * 4096, 7);
    const pages = new BuddyAllocator(of.model, { memory, initOnAlloc: true });
    isolateFreepages({ ...of.ctx, pages }, control(of, 1));
    expect(memory.readU8(LAST * 4096)).toBe(0);
  });
});

describe('isolate_freepages (spec slowpath-compaction 4.21)', () => {
  it('stops as soon as there is a target for every source', () => {
    const of = world();
    const cc = control(of, 3);
    isolateFreepages(of.ctx, cc);
    expect(targets(cc)).toEqual([LAST + 4, LAST + 2, LAST]);
    expect(cc.freePfn).toBe(LAST + 5);
    expect(of.events).toEqual([
      'mm_compaction_isolate_freepages: range=(0x1600 ~ 0x1605) nr_scanned=5 nr_taken=3',
    ]);
  });

  it('an exhausted block gets its hint, and the scanner moves down', () => {
    const of = world({ watermark: NO_MARK });
    const cc = control(of, 300);
    cc.state.cachedFreePfn = 0x17ff;
    isolateFreepages(of.ctx, cc);
    expect(cc.nrFreepages).toBe(256);
    expect(pageblockSkip(of.model.map, LAST)).toBe(true);
    expect(cc.state.cachedFreePfn).toBe(0x1200);
    expect(cc.freePfn).toBe(0x1000);
    expect(vmEvent(of.model.vmstat, VmEvent.compact_isolated)).toBe(256);
    expect(cc.totalFreeScanned).toBe(512 + 512 + 256);
  });

  it('a block that gives just enough at its last page ends below itself', () => {
    const of = world({ watermark: NO_MARK, kind: (pfn) => (pfn >= LAST ? 'free' : 'fixed') });
    const cc = control(of, 512);
    isolateFreepages(of.ctx, cc);
    expect(cc.nrFreepages).toBe(512);
    expect(cc.freePfn).toBe(LAST - 512);
  });

  it('passes over blocks of other types, with hints, and free as a whole', () => {
    const UNMOVABLE = Migratetype.MIGRATE_UNMOVABLE;
    const blockType = (pfn: number) => (pfn === LAST ? UNMOVABLE : 1);
    const of = world({ blockType });
    const cc = control(of, 1);
    isolateFreepages(of.ctx, cc);
    expect(cc.nrFreepages).toBe(0);
    const all = control(of, 1, { ignoreBlockSuitable: true });
    isolateFreepages(of.ctx, all);
    expect(targets(all)).toEqual([LAST]);

    const hinted = world();
    setPageblockSkip(hinted.model.map, LAST, true);
    const respects = control(hinted, 1);
    isolateFreepages(hinted.ctx, respects);
    expect(respects.nrFreepages).toBe(0);
    const ignores = control(hinted, 1, { ignoreSkipHint: true });
    isolateFreepages(hinted.ctx, ignores);
    expect(ignores.nrFreepages).toBe(1);

    const whole = world({ kind: (pfn) => (pfn >= LAST ? 'free' : 'fixed'), freeOrder: () => 9 });
    const none = control(whole, 1);
    isolateFreepages(whole.ctx, none);
    expect(none.nrFreepages).toBe(0);
  });

  it('an async run looks at every 32nd page, then at each after a find', () => {
    const of = world({ kind: (pfn) => (pfn % 32 === 1 && pfn >= 0x1400 ? 'free' : 'fixed') });
    const cc = control(of, 100, { mode: 0 });
    isolateFreepages(of.ctx, cc);
    expect(cc.nrFreepages).toBe(0);
    expect(cc.totalFreeScanned).toBe(3 * 16);
    const sync = control(of, 100);
    sync.freePfn = LAST;
    setPageblockSkip(of.model.map, LAST, false);
    isolateFreepages(of.ctx, sync);
    expect(sync.nrFreepages).toBeGreaterThan(0);
  });

  it('the stride doubles from block to block without a find', () => {
    const of = world({ kind: () => 'fixed' });
    const cc = control(of, 1);
    isolateFreepages(of.ctx, cc);
    const scans = of.events.map((event) => Number(/nr_scanned=(\d+)/.exec(event)?.[1]));
    expect(scans).toEqual([512, 256, 128]);
  });

  it('the minimum watermark stops it where it stands', () => {
    const of = world({ watermark: [253, 254, 255] });
    const cc = control(of, 100);
    isolateFreepages(of.ctx, cc);
    // 256 free pages; the last one that may go leaves 254, which is above 253.
    expect(targets(cc)).toEqual([LAST + 2, LAST]);
    expect(cc.freePfn).toBe(LAST + 4);
  });
});

describe('isolate_freepages_block', () => {
  it('steps over compound pages and counts the pages of a free block', () => {
    const of = world({
      kind: (pfn) => (pfn === LAST ? 'huge' : pfn === LAST + 8 ? 'free' : 'fixed'),
      freeOrder: (pfn) => (pfn === LAST || pfn === LAST + 8 ? 3 : 0),
      watermark: NO_MARK,
    });
    const cc = control(of, 100);
    expect(isolateFreepagesBlock(of.ctx, cc, LAST, LAST + 0x20, 1)).toBe(LAST + 0x20);
    expect(of.events).toEqual([
      'mm_compaction_isolate_freepages: range=(0x1600 ~ 0x1620) nr_scanned=25 nr_taken=8',
    ]);
  });

  it('a fatal signal stops it at a multiple of 32', () => {
    const of = world();
    of.ctx.task.fatalSignalPending = true;
    const cc = control(of, 100);
    expect(isolateFreepagesBlock(of.ctx, cc, LAST + 2, LAST + 100, 1)).toBe(LAST + 32);
    expect(cc.contended).toBe(true);
    expect(cc.nrFreepages).toBe(15);
  });
});

describe('blocks', () => {
  it('begin and end at multiples of their size', () => {
    expect(blockStartPfn(0x1234, 4)).toBe(0x1230);
    expect(blockEndPfn(0x1230, 4)).toBe(0x1240);
    expect(pageblockEndPfn(world().model.map, 0x1200)).toBe(0x1400);
  });

  it('of a zone with holes are tested at both ends', () => {
    const { model, zone } = world();
    zone.contiguous = false;
    expect(blockIsInZone(model.map, zone, 0x1600, 0x1800)).toBe(true);
    expect(blockIsInZone(model.map, zone, 0x1800, 0x1a00)).toBe(false);
    model.map.zone[0x17ff] = 0;
    expect(blockIsInZone(model.map, zone, 0x1600, 0x1800)).toBe(false);
    zone.contiguous = true;
    expect(blockIsInZone(model.map, zone, 0x1600, 0x1800)).toBe(true);
  });
});
