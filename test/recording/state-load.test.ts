// covers: src/recording/state-load.ts src/recording/state-compare.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BuddyAllocator } from '../../src/buddy/index.ts';
import { listAdd, listDel } from '../../src/lib/list.ts';
import {
  checkInvariants,
  freeListHead,
  freeListToArray,
  VmEvent,
  zoneIdOf,
} from '../../src/mm/index.ts';
import { type KernelState, parseKernelState } from '../../src/recording/kernel-state.ts';
import { compareKernelState, kernelStateOf } from '../../src/recording/state-compare.ts';
import { loadKernelState, pindexOrder, zoneOfRecord } from '../../src/recording/state-load.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => /^(?:buddy|watermark|slow)-.*\.gz$/.test(name));

/** All states of a recording, as JSON. */
function statesOf(name: string): unknown[] {
  const text = gunzipSync(readFileSync(new URL(name, FOLDER))).toString('utf8');
  return text
    .split('\n')
    .filter((line) => /^\{"(?:load|state)":/.test(line))
    .map((line) => Object.values(JSON.parse(line))[0]);
}

function loadOf(
  name: string,
  change: (state: Record<string, never>) => void = () => {},
): KernelState {
  const state = structuredClone(statesOf(name)[0]) as Record<string, never>;
  change(state);
  return parseKernelState(state, 2, 'load');
}

test.each(NAMES)('%s: every state is loaded and comes out again', (name) => {
  for (const value of statesOf(name)) {
    const state = parseKernelState(value, 1);
    const model = loadKernelState(state);
    expect(compareKernelState(model, state, { loaded: state })).toBeNull();
    expect(checkInvariants(model)).toEqual([]);
  }
});

describe('what a state does not say', () => {
  test('pages of a zone that are on no list are in use, with one reference', () => {
    const state = loadOf('buddy-01.ndjson.gz');
    const { map } = loadKernelState(state);
    const [pfn] = state.zones[0].free[0].pfns;
    expect(map.refcount[pfn]).toBe(0);
    expect(map.refcount[1]).toBe(1);
  });

  // Spec memory-model 4.6: "Hole pages belong to the zone ABOVE the hole (their PFN may be below that
  // zone's start), and only the tail hole to the zone below."
  test('pages in no span belong to the zone above, those after the last one to its zone', () => {
    const state = loadOf('buddy-10.ndjson.gz');
    const { map, zones } = loadKernelState(state);
    expect([0, 1].map((pfn) => zoneIdOf(map, pfn))).toEqual([0, 0]);
    const end = zones[2].startPfn + zones[2].spannedPages;
    expect([end, map.endPfn - 1].map((pfn) => zoneIdOf(map, pfn))).toEqual([2, 2]);
    expect(map.refcount[end]).toBe(1);
    const [dma, dma32] = state.zones;
    const apart = { ...dma32, startPfn: 4196, spanned: dma32.spanned - 100 };
    const split = loadKernelState({ ...state, zones: [dma, apart, state.zones[2]] });
    expect([4095, 4096, 4195].map((pfn) => zoneIdOf(split.map, pfn))).toEqual([0, 1, 1]);
  });

  // Spec slowpath-compaction 2.3: "every pageblock of the zone has both ends valid and in the zone".
  test('a zone is contiguous unless pageblocks of it have no page map', () => {
    const contiguous = (name: string): boolean[] => {
      const state = loadOf(name);
      const model = loadKernelState(state);
      return state.zones.map((zone) => zoneOfRecord(model, zone).contiguous);
    };
    expect(contiguous('slow-01.ndjson.gz')).toEqual([true, true]);
    expect(contiguous('buddy-10.ndjson.gz')).toEqual([true, false, true]);
  });

  // Spec buddy 4.3: "P may be our busy buddy's pfn, so at a zone edge that is not aligned, P can lie in
  // another zone or in a hole; the node and zone stored in that page structure decide."
  test('page frame 0 is one of DMA, so block 256 goes to the tail while 512 is free', () => {
    const state = loadOf('buddy-01.ndjson.gz');
    const [dma] = state.zones;
    const free = [
      { order: 8, migratetype: 0, pfns: [256, 3072] },
      { order: 9, migratetype: 1, pfns: [512] },
      { order: 10, migratetype: 1, pfns: [1024, 2048] },
    ];
    const zones = [{ ...dma, free, nrFree: dma.nrFree - 768 }, ...state.zones.slice(1)];
    const buddy = new BuddyAllocator(loadKernelState({ ...state, zones }));
    expect(buddy.allocPages(0x2801, 8)).toBe(256);
    buddy.freePages(256, 8);
    expect(freeListToArray(buddy.state.areas, 0, 8, 0)).toEqual([3072, 256]);
  });

  test('sections without a page map stay absent, and break their zone', () => {
    const model = loadKernelState(loadOf('buddy-07.ndjson.gz'));
    expect(model.sections.node[31]).toBe(0);
    expect(zoneIdOf(model.map, 0xfffff)).toBe(-1);
    expect(model.zones.map((zone) => zone.contiguous)).toEqual([true, false, true, false]);
  });

  test('node thresholds, limits of node reclaim and totals follow from the zones', () => {
    const model = loadKernelState(loadOf('buddy-06.ndjson.gz'));
    expect([...model.vmstat.nodeThreshold].every((value) => value > 0)).toBe(true);
    expect(model.nodes[0].minSlabPages).toBeGreaterThan(0);
    const managed = model.zones.reduce((sum, zone) => sum + zone.managedPages, 0);
    expect(model.totalramPages).toBe(managed);
    expect(model.zones[1].watermark[3] - model.zones[1].watermark[2]).toBe(
      model.zones[1].watermark[1] - model.zones[1].watermark[0],
    );
  });

  test('events are those of CPU 0; what the model does not count must stay', () => {
    const state = loadOf('buddy-01.ndjson.gz');
    const strange = { ...state, events: { ...state.events, thp_fault_alloc: 7 } };
    const model = loadKernelState(strange);
    expect(compareKernelState(model, strange, { loaded: strange })).toBeNull();
    const more = { ...strange, events: { ...strange.events, thp_fault_alloc: 8 } };
    expect(compareKernelState(model, more, { loaded: strange })).toMatchObject({
      path: 'events.thp_fault_alloc',
      expected: '8',
      got: '7',
    });
  });

  test('a page in two spans belongs to the narrower zone', () => {
    const state = loadOf('buddy-06.ndjson.gz');
    const [dma, outer, inner] = state.zones;
    const wide = { ...outer, spanned: inner.startPfn + inner.spanned - outer.startPfn };
    const blocks = [{ count: Math.ceil(wide.spanned / 512), migratetype: 1 }];
    const model = loadKernelState({
      ...state,
      zones: [dma, { ...wide, pageblocks: blocks, free: [], pcp: [] }, inner],
    });
    expect(zoneIdOf(model.map, inner.startPfn)).toBe(5);
    expect(zoneIdOf(model.map, inner.startPfn - 1)).toBe(1);
  });
});

test('lists of a page set have the orders of spec buddy 2.4', () => {
  expect([0, 2, 3, 11, 12, 13].map((pindex) => pindexOrder(pindex, 9))).toEqual([0, 0, 1, 3, 9, 9]);
  expect(pindexOrder(12, 10)).toBe(10);
});

describe('a state that contradicts itself is refused', () => {
  type Loose = { zones: { free: unknown[]; pcp: { cpu: number; lists: unknown[] }[] }[] };
  const zones = (state: unknown) => (state as Loose).zones;
  test.each<[string, (state: unknown) => void]>([
    ['a block outside the zone', (state) => zones(state)[0].free.push([0, 0, [5000]])],
    ['a block that is not aligned', (state) => zones(state)[0].free.push([3, 0, [257]])],
    ['a page free twice', (state) => zones(state)[0].free.push([0, 0, [300, 300]])],
    ['a page set of no CPU', (state) => (zones(state)[0].pcp[0].cpu = 9)],
    ['too many pageblocks', (state) => Object.assign(zones(state)[0], { pageblocks: [[9, 1]] })],
    ['too few pageblocks', (state) => Object.assign(zones(state)[0], { pageblocks: [[7, 1]] })],
    ['a zone of an unknown node', (state) => Object.assign(zones(state)[0], { node: 4 })],
    [
      'a zonelist of an unknown node',
      (state) => {
        (state as { nodes: { zonelists: unknown }[] }).nodes[0].zonelists = [[[4, 'DMA']], []];
      },
    ],
  ])('%s', (_, spoil) => {
    const state = loadOf('buddy-01.ndjson.gz', spoil);
    expect(() => loadKernelState(state)).toThrowError(
      expect.objectContaining({ code: 'BAD_VALUE' }),
    );
  });
});

describe('comparison', () => {
  const state = loadOf('buddy-02.ndjson.gz');

  test.each<[string, (model: ReturnType<typeof loadKernelState>) => void]>([
    ['zones[1].nrFree', (model) => model.vmstat.zone[10]++],
    ['zones[0].managed', (model) => model.zones[0].managedPages++],
    ['zones[1].pcp[1].high', (model) => model.pagesets.high[5]++],
    ['zones[1].pcp[1].nrFreeDiff', (model) => model.vmstat.zoneDiff[50]++],
    ['nodes[0].kswapdOrder', (model) => (model.nodes[0].kswapdOrder = 3)],
    ['minFreeKbytes', (model) => model.tunables.minFreeKbytes++],
    ['mobilityDisabled', (model) => (model.mobilityDisabled = true)],
    ['zones[1].pageblocks[0].count', (model) => (model.map.pageblockFlags[8] ^= 2)],
  ])('finds a difference in %s', (path, change) => {
    const model = loadKernelState(state);
    change(model);
    expect(compareKernelState(model, state, { loaded: state })?.path).toBe(path);
  });

  test('finds the order of a list, and shows both lists', () => {
    const model = loadKernelState(state);
    const zone = zoneOfRecord(model, state.zones[1]);
    const list = state.zones[1].free.find(({ pfns }) => pfns.length > 2);
    if (list === undefined) throw new Error('no list');
    const head = freeListHead(model.areas, zone.id, list.order, list.migratetype);
    const last = model.map.prev[head];
    listDel(model.map, last);
    listAdd(model.map, head, last);
    const difference = compareKernelState(model, state, { loaded: state });
    expect(difference?.path).toMatch(/^zones\[1\]\.free\[\d+\]\.pfns\[0\]$/);
    expect(difference?.context).toHaveLength(2);
  });

  test('without recorded events none are compared', () => {
    const model = loadKernelState(state);
    model.vmstat.events[VmEvent.pgfree] += 5;
    expect(compareKernelState(model, { ...state, events: null })).toBeNull();
    expect(compareKernelState(model, state)?.path).toBe('events.pgfree');
    expect(kernelStateOf(model).events?.pgfree).toBe((state.events?.pgfree ?? 0) + 5);
  });
});
