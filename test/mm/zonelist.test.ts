import { describe, expect, test } from 'vitest';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { ZONE_NAMES } from '../../src/mm/zone-types.ts';
import {
  buildAllZonelists,
  changePageblockMigratetype,
  nodeFallbackOrder,
  policyZone,
} from '../../src/mm/zonelist.ts';
import { initialised, machineOf } from './support.ts';

const FOUR = '0:100-8000 1:8000-10000 2:10000-18000 3:18000-20000';
const MATRIX = [
  [10, 20, 20, 30],
  [20, 10, 30, 20],
  [20, 30, 10, 20],
  [30, 20, 20, 10],
];

function orders(
  text: string,
  distance: number[][] | undefined,
  cpuNode: number[],
  cpusKnown: boolean,
): string[] {
  const { model } = initialised(text, {}, { cpuNode, ...(distance && { distance }) });
  const load = new Int32Array(model.nodes.length);
  return model.nodes.map(({ id }) => nodeFallbackOrder(model, id, load, cpusKnown).join(''));
}

describe('order of nodes (spec memory-model 7.3)', () => {
  test('at boot CPUs do not count', () => {
    expect(orders(FOUR, MATRIX, [0, 1], false)).toEqual(['0123', '1302', '2301', '3210']);
  });

  test('at run time nodes with CPUs are avoided', () => {
    expect(orders(FOUR, MATRIX, [0, 1], true)).toEqual(['0213', '1302', '2301', '3210']);
  });

  test('equal distances', () => {
    expect(orders(FOUR, undefined, [0], false)).toEqual(['0123', '1230', '2301', '3012']);
  });

  test('a node without memory comes first in its own order only', () => {
    expect(orders('0:100-8000 2:8000-10000', undefined, [1], false)).toEqual(['02', '120', '20']);
  });
});

describe('zonelists', () => {
  test('hold populated zones from the top, node by node', () => {
    const { model } = initialised('0:100-bffe0 0:100000-108000 1:108000-110000');
    const lines: string[] = [];
    const total = buildAllZonelists(model, {}, (line) => lines.push(line));
    const names = model.nodes.map(({ zonelists }) =>
      zonelists.map((list) =>
        list.map((zone) => `${zone.node}${ZONE_NAMES[zone.index]}`).join(' '),
      ),
    );
    expect(names).toEqual([
      ['0Normal 0DMA32 0DMA 1Normal', '0Normal 0DMA32 0DMA'],
      ['1Normal 0Normal 0DMA32 0DMA', '1Normal'],
    ]);
    expect(lines).toEqual([
      'Fallback order for Node 0: 0 1 ',
      'Fallback order for Node 1: 1 0 ',
      `Built 2 zonelists, mobility grouping on.  Total pages: ${total}`,
      'Policy zone: Normal',
    ]);
    expect(total).toBe(model.zones.reduce((sum, zone) => sum + zone.managedPages, 0));
  });

  test('are logged with mminit_loglevel=1 (spec memory-model 5.1)', () => {
    const { model } = initialised('0:100-2000 1:2000-3000');
    const lines: string[] = [];
    buildAllZonelists(model, { mminitLoglevel: 1 }, (line) => lines.push(line));
    expect(lines.filter((line) => line.startsWith('mminit'))).toEqual([
      'mminit::zonelist general 0:DMA = 0:DMA ',
      'mminit::zonelist general 0:DMA32 = 0:DMA32 0:DMA 1:DMA32 ',
      'mminit::zonelist thisnode 0:DMA = 0:DMA ',
      'mminit::zonelist thisnode 0:DMA32 = 0:DMA32 0:DMA ',
      'mminit::zonelist general 1:DMA32 = 1:DMA32 0:DMA32 0:DMA ',
      'mminit::zonelist thisnode 1:DMA32 = 1:DMA32 ',
    ]);
  });

  test('memoryless nodes with CPUs are counted and start with another node', () => {
    const { model } = initialised('0:100-8000 2:8000-10000', {}, { cpuNode: [0, 1] });
    for (const node of model.nodes) node.online = true;
    const lines: string[] = [];
    buildAllZonelists(model, {}, (line) => lines.push(line));
    expect(lines).toContain('Fallback order for Node 1: 1 2 0 ');
    expect(lines.at(-2)).toMatch(/^Built 3 zonelists/);
    expect(model.nodes[1].zonelists[1]).toEqual([]);
  });

  test('the policy zone leaves ZONE_MOVABLE out', () => {
    const { model } = initialised('100-40000', { kernelcore: { pages: 65536, percent: 0 } });
    expect(model.zones[3].presentPages).toBeGreaterThan(0);
    expect(policyZone(model)).toBe(1);
  });
});

describe('grouping by mobility (spec memory-model 4.8)', () => {
  const line = (text: string, options: Parameters<typeof machineOf>[2]) => {
    const lines: string[] = [];
    const model = machineOf(text, {}, options, (entry) => lines.push(entry));
    return { model, text: lines.find((entry) => entry.startsWith('Built')) };
  };

  test.each([
    [true, 9, 2560],
    [false, 9, 2048],
    [true, 10, 5120],
  ])(
    'isolation %s, pageblock order %d: off below %d pages',
    (memoryIsolation, pageblockOrder, limit) => {
      // A zone of n pages loses ceil(n / 64) to its page map: n = limit * 64 / 63 leaves the limit.
      const pages = Math.ceil((limit * 64) / 63);
      const at = (end: number) =>
        line(`1000-${(0x1000 + end).toString(16)}`, { memoryIsolation, pageblockOrder });
      expect(at(pages).model.mobilityDisabled).toBe(false);
      expect(at(pages).text).toContain('mobility grouping on');
      expect(at(pages - 1).model.mobilityDisabled).toBe(true);
      expect(at(pages - 1).text).toContain('mobility grouping off');
    },
  );

  test('only pages above the high watermark count', () => {
    const { model } = initialised('1000-3000');
    model.zones[1].watermark[2] = 8000;
    buildAllZonelists(model);
    expect(model.mobilityDisabled).toBe(true);
  });

  test('off: mergeable types become UNMOVABLE, others stay', () => {
    const { model } = initialised('1000-1800');
    buildAllZonelists(model);
    expect(model.mobilityDisabled).toBe(true);
    changePageblockMigratetype(model, 0x1000, 1);
    changePageblockMigratetype(model, 0x1200, 3);
    expect(pageblockMigratetype(model.map, 0x1000)).toBe(0);
    expect(pageblockMigratetype(model.map, 0x1200)).toBe(3);
    model.mobilityDisabled = false;
    changePageblockMigratetype(model, 0x1000, 1);
    expect(pageblockMigratetype(model.map, 0x1000)).toBe(1);
  });
});
