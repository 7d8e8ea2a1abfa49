import { expect, test } from 'vitest';
import {
  adjustManagedPageCount,
  discardMemblock,
  freeMemblockLate,
  freeReservedArea,
} from '../../src/boot/late-free.ts';
import { boot, bootFromMemblock } from '../../src/machine.ts';
import { sparseMemory } from '../../src/memory/index.ts';
import {
  checkInvariants,
  freeListToArray,
  listToArray,
  PageFlag,
  pagesetIndex,
  pcpListHead,
} from '../../src/mm/index.ts';
import { regions } from './support.ts';

const INITRD = 0x2000000;

/** 64 MiB whose range from 32 MiB on, 1 MiB and a bit long, is kept. */
function machine() {
  const memory = sparseMemory(1 << 26);
  const { model, buddy, memblock } = bootFromMemblock({
    memblockMemory: regions('1000-9f000 100000-4000000'),
    memblockReserved: regions('0-100000 2000000-2100800'),
    memory,
  });
  return { model, buddy, memblock, memory };
}

test('a reserved area goes page by page through the per-CPU list', () => {
  const { model, buddy, memory } = machine();
  const before = model.totalramPages;
  const lines: string[] = [];
  const pages = freeReservedArea(model, buddy, INITRD, INITRD + 0x2800, {
    label: 'initrd',
    poison: 0xcc,
    memory,
    log: (line) => lines.push(line),
  });
  expect(pages).toBe(2);
  expect(lines).toEqual(['Freeing initrd memory: 8K']);
  expect(memory.readU8(INITRD + 0x1fff)).toBe(0xcc);
  expect(memory.readU8(INITRD + 0x2000)).toBe(0);
  const cell = pagesetIndex(model.pagesets, 0, 1);
  // Pageblock 0x2000 begins with RAM: type MOVABLE, the last page freed comes first.
  expect(listToArray(model.map, pcpListHead(model.pagesets, cell, 1))).toEqual([0x2001, 0x2000]);
  expect(model.totalramPages).toBe(before + 2);
  expect(model.map.flags[0x2000] & PageFlag.PG_reserved).toBe(0);
  expect(checkInvariants(model)).toEqual([]);
});

test('a range without a whole page frees nothing and says nothing', () => {
  const { model, buddy } = machine();
  const lines: string[] = [];
  const options = { label: 'initrd', log: (line: string) => lines.push(line) };
  expect(freeReservedArea(model, buddy, INITRD + 1, INITRD + 0x1fff, options)).toBe(0);
  expect(lines).toEqual([]);
});

test('memblock frees late past the per-CPU lists, in ascending order, and blocks merge', () => {
  const { model, buddy, memblock } = machine();
  const before = model.totalramPages;
  expect(freeMemblockLate(model, memblock, buddy, 0x2000000n, 0x100000n)).toBe(256);
  expect(freeListToArray(model.areas, 1, 8, 1)).toContain(0x2000);
  expect(model.totalramPages).toBe(before + 256);
  expect(model.map.refcount[0x2001]).toBe(0);
  expect(checkInvariants(model)).toEqual([]);
});

test('discarding frees grown arrays only', () => {
  const plain = machine();
  const before = plain.model.totalramPages;
  discardMemblock(plain.model, plain.memblock, plain.buddy);
  expect(plain.model.totalramPages).toBe(before);
  const reserve = Array.from({ length: 200 }, (_, i) => ({
    start: 0x3000000n + BigInt(i) * 0x2000n,
    end: 0x3000800n + BigInt(i) * 0x2000n,
  }));
  const { model, memblock, buddy } = boot({
    e820: [
      { addr: 0x1000n, size: 0x9e000n, type: 1 },
      { addr: 0x100000n, size: 0x3f00000n, type: 1 },
    ],
    reservations: { firmware: reserve },
  });
  const grown = model.totalramPages;
  discardMemblock(model, memblock, buddy);
  // 256 entries of 24 bytes take two pages.
  expect(model.totalramPages).toBe(grown + 2);
});

test('balloons change the counts only', () => {
  const { model } = machine();
  const [managed, total] = [model.zones[1].managedPages, model.totalramPages];
  adjustManagedPageCount(model, 0x3000, -5);
  expect([model.zones[1].managedPages, model.totalramPages]).toEqual([managed - 5, total - 5]);
});
