import { expect, test } from 'vitest';
import { memoryReport, vmEvents, vmEventsSince } from '../../src/machine/report.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { bootTwoNodes } from './support.ts';

test('the report shows each zone once, with its lists', () => {
  const machine = bootTwoNodes(32);
  const file = machine.pageCache.createFile();
  for (let i = 0; i < 20; i++) machine.pageCache.read(file, i);
  machine.reclaim.lruAddDrainAll();
  const lines = memoryReport(machine);
  expect(lines.filter((line) => /^Node \d, zone +DMA32 /.test(line))).toHaveLength(4);
  expect(lines[0]).toMatch(/^Node 0, zone {4}DMA32 {2}free \d+ {2}min \d+ {2}low \d+ {2}high \d+$/);
  expect(lines[1].trim()).toBe(
    'inactive_anon 0  active_anon 0  inactive_file 20  active_file 0  unevictable 0',
  );
  expect(lines.at(-1)).toMatch(/^Node 1, zone +DMA32( +\d+){11} ?$/);
});

test('events are counted from a moment on', () => {
  const machine = bootTwoNodes(32);
  machine.allocPages(Gfp.GFP_KERNEL, 0);
  const before = vmEvents(machine);
  expect(vmEventsSince(machine, before)).toEqual([]);
  const pfn = machine.allocPages(Gfp.GFP_KERNEL, 2) ?? -1;
  machine.freePages(pfn, 2);
  expect(vmEventsSince(machine, before)).toEqual(['pgalloc_dma32 +4', 'pgfree +4']);
});
