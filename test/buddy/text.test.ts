// covers: src/buddy/buddyinfo.ts src/buddy/pagetypeinfo.ts src/buddy/zoneinfo.ts src/buddy/show-mem.ts src/buddy/extfrag.ts
import { expect, test } from 'vitest';
import {
  createBuddy,
  formatBuddyinfo,
  formatExtfragIndex,
  formatPagetypeinfo,
  formatShowMem,
  formatUnusableIndex,
  formatZoneinfo,
  parseBuddyinfo,
  parseExtfrag,
  parsePagetypeinfo,
  parseShowMem,
  parseZoneinfo,
} from '../../src/buddy/index.ts';
import { freePagesInAreas } from '../../src/mm/free-area.ts';
import { zoneId } from '../../src/mm/zone-types.ts';

/** Two zones after some traffic. */
function machine() {
  const buddy = createBuddy({
    zones: [
      { zone: 'DMA32', startPfn: 0x10000, pages: 4096 },
      { zone: 'Normal', startPfn: 0x100000, pages: 8192 },
    ],
  });
  for (let i = 0; i < 40; i++) buddy.allocPages(i % 3 === 0 ? 0xcc0 : 0x100cca, i % 4);
  return buddy.model;
}

test('/proc/buddyinfo is written as the kernel does and read back (5.1)', () => {
  const model = machine();
  const text = formatBuddyinfo(model);
  expect(text.split('\n')[0]).toMatch(/^Node 0, zone {4}DMA32( +\d+){11} $/);
  for (const { node, zone, nrFree } of parseBuddyinfo(text)) {
    const id = zoneId(node, ['DMA', 'DMA32', 'Normal', 'Movable'].indexOf(zone));
    const pages = nrFree.reduce((sum, count, order) => sum + count * 2 ** order, 0);
    expect(pages).toBe(freePagesInAreas(model.areas, id));
  }
});

test('/proc/pagetypeinfo counts the same blocks by type (5.2)', () => {
  const model = machine();
  const text = formatPagetypeinfo(model);
  expect(text).toContain(
    'Page block order: 9\nPages per block:  512\n\nFree pages count per migrate type at order       0 ',
  );
  expect(text).toMatch(/^Node {4}0, zone {3}Normal, type {4}Unmovable( +\d+){11} $/m);
  const again = parsePagetypeinfo(text);
  expect(JSON.stringify(again)).toContain('Normal');
});

test('/proc/zoneinfo names every zone, populated or not (5.3)', () => {
  const model = machine();
  const text = formatZoneinfo(model);
  expect(text).toContain('Node 0, zone      DMA\n');
  expect(text).toContain('\n        managed  8192\n');
  const zones = parseZoneinfo(text);
  expect(zones.map(({ zone }) => zone)).toEqual(['DMA', 'DMA32', 'Normal', 'Movable']);
});

test('the indices of external fragmentation (5.5)', () => {
  const model = machine();
  for (const text of [formatExtfragIndex(model), formatUnusableIndex(model)]) {
    const lines = parseExtfrag(text);
    expect(lines.map(({ zone }) => zone)).toEqual(['DMA32', 'Normal']);
    expect(lines[0].index.length).toBe(11);
  }
  expect(formatExtfragIndex(model)).toMatch(/^Node 0, zone {4}DMA32 -1\.000 /);
});

test('show_mem writes the order lines of each zone (5.6)', () => {
  const model = machine();
  const lines = formatShowMem(model);
  const text = Array.isArray(lines) ? lines.join('\n') : String(lines);
  expect(text.startsWith('Mem-Info:')).toBe(true);
  expect(text).toMatch(/^Node 0 Normal: \d+\*4kB /m);
  expect(JSON.stringify(parseShowMem(text))).toContain('Normal');
});
