// covers: src/boot/release.ts src/boot/memory-line.ts src/boot/log.ts
import { expect, test } from 'vitest';
import { BootLog } from '../../src/boot/log.ts';
import { formatMemoryLine } from '../../src/boot/memory-line.ts';
import { freePageSink } from '../../src/boot/release.ts';
import { defaultReservations } from '../../src/boot/reservations.ts';
import { ZoneStatItem } from '../../src/mm/vm-items.ts';
import { modZoneState } from '../../src/mm/vmstat.ts';
import { initialised } from '../mm/support.ts';
import { memblockOf } from './support.ts';

test('blocks come ascending, as large as alignment and gap allow (spec memory-model 4.9)', () => {
  const { model } = initialised('1-9f 100-4000');
  const memblock = memblockOf(
    '1000-9f000 100000-4000000',
    '0-100000 1000000-1c05000 3a00000-3c00000 3ffa840-3fff000 3fff640-4000000',
  );
  const blocks: string[] = [];
  const sink = freePageSink(model, (pfn, order) => blocks.push(`${pfn.toString(16)}/${order}`));
  expect(memblock.freeAll(sink, 0x4000)).toBe(12533);
  expect(model.totalramPages).toBe(12533);
  expect(blocks.slice(0, 8)).toEqual([
    '100/8',
    '200/9',
    '400/10',
    '800/10',
    'c00/10',
    '1c05/0',
    '1c06/1',
    '1c08/3',
  ]);
  expect(blocks.at(-1)).toBe('3ff8/1');
  expect([model.map.refcount[0x9f000 / 4096], model.map.refcount[0x3fff]]).toEqual([1, 1]);
  expect(model.map.refcount[0x3ffa]).toBe(1);
  expect(model.map.refcount[0x3ff9]).toBe(0);
});

test('deferred pages are counted but not freed', () => {
  const { model } = initialised('100000-140000', { deferred: true });
  const memblock = memblockOf('100000000-140000000', '120000000-120c30000');
  let freed = 0;
  const pages = memblock.freeAll(
    freePageSink(model, (_, order) => {
      freed += 1 << order;
    }),
    0x140000,
  );
  expect(freed).toBe(32768);
  expect(pages).toBe(0x40000 - 0xc30);
  expect(model.totalramPages).toBe(pages);
});

test('the Memory line (spec memory-model 7.1)', () => {
  const { model } = initialised('1-9f 100-4000');
  modZoneState(model.vmstat, 0, 1, ZoneStatItem.NR_FREE_PAGES, 12533);
  model.totalramPages = 12533;
  const { imageSizes } = defaultReservations();
  expect(formatMemoryLine(model, imageSizes, 64)).toBe(
    'Memory: 49876K/65144K available (6146K kernel code, 954K rwdata, 932K rodata, 804K init, ' +
      '11180K bss, 15012K reserved, 0K cma-reserved)',
  );
});

test('the log keeps lines with their levels and passes them on', () => {
  const seen: string[] = [];
  const log = new BootLog(({ text }) => seen.push(text));
  log.info('a');
  log.warning('b');
  log.add({ level: 7, text: 'c' });
  expect(log.lines.map(({ level, text }) => `${level} ${text}`)).toEqual(['6 a', '4 b', '7 c']);
  expect(seen).toEqual(['a', 'b', 'c']);
});
