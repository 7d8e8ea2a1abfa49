import { describe, expect, test } from 'vitest';
import { PageframeError } from '../../src/lib/errors.ts';
import { listIsEmpty } from '../../src/lib/list.ts';
import * as pages from '../../src/mm/page-map.ts';

const { PageMap } = pages;

const small = () => new PageMap({ endPfn: 4096, listHeads: 4 });

describe('arrays', () => {
  test('take at most 24 bytes per frame', () => {
    const map = new PageMap({ endPfn: 1 << 20, listHeads: 0 });
    const bytes = Object.values(map).reduce(
      (sum: number, value) => sum + (ArrayBuffer.isView(value) ? value.byteLength : 0),
      0,
    );
    expect(bytes / map.endPfn).toBeLessThan(24.02);
  });

  test('of a fresh map are zero, which means never initialised', () => {
    const map = small();
    expect(pages.pageIsInitialised(map, 7)).toBe(false);
    expect(pages.zoneIdOf(map, 7)).toBe(-1);
    expect(pages.buddyOrder(map, 7)).toBe(-1);
    expect(pages.isCompound(map, 7)).toBe(false);
    expect(pages.pageblockMigratetype(map, 7)).toBe(0);
  });

  test('nothing outside the map is initialised', () => {
    const map = small();
    map.zone[4095] = 1;
    expect(pages.pageIsInitialised(map, 4095)).toBe(true);
    expect(pages.pageIsInitialised(map, 4096)).toBe(false);
    expect(pages.pageIsInitialised(map, -1)).toBe(false);
  });

  test.each([
    { endPfn: 0 },
    { endPfn: 2 ** 30 + 1 },
    { endPfn: 1.5 },
    { endPfn: Number.NaN },
    { endPfn: 16, pageblockOrder: 11 },
    { endPfn: 16, listHeads: -1 },
  ])('refuses %o', (options) => {
    expect(() => new PageMap(options)).toThrowError(PageframeError);
  });
});

describe('list heads', () => {
  test('are handed out past the last page, empty', () => {
    const map = small();
    expect(map.addListHeads(3)).toBe(4096);
    expect(map.addListHeads(1)).toBe(4099);
    expect([4096, 4097, 4098, 4099].every((head) => listIsEmpty(map, head))).toBe(true);
  });

  test('run out with an error that changes nothing', () => {
    const map = small();
    expect(() => map.addListHeads(5)).toThrowError(
      expect.objectContaining({ code: 'LIST_HEADS_EXHAUSTED' }),
    );
    expect(map.listHeadCount).toBe(0);
  });
});

describe('what starts at a page', () => {
  test('a free block has its order', () => {
    const map = small();
    for (let order = 0; order <= 10; order++) {
      pages.setBuddyOrder(map, 1024, order);
      expect(pages.buddyOrder(map, 1024)).toBe(order);
      expect(pages.isBuddyOfOrder(map, 1024, order)).toBe(true);
      expect(pages.isBuddyOfOrder(map, 1024, order ^ 1)).toBe(false);
    }
  });

  test('a block off the lists has a cached type and is no free block', () => {
    const map = small();
    for (let type = 0; type <= 4; type++) {
      pages.setCachedMigratetype(map, 8, type);
      expect(pages.cachedMigratetype(map, 8)).toBe(type);
      expect(pages.buddyOrder(map, 8)).toBe(-1);
    }
  });

  test('a compound page has its head and order at every page', () => {
    const map = small();
    pages.setCompound(map, 64, 4);
    expect([64, 79].map((pfn) => pages.compoundHead(map, pfn))).toEqual([64, 64]);
    expect([64, 79].map((pfn) => pages.compoundOrder(map, pfn))).toEqual([4, 4]);
    expect([63, 80].map((pfn) => pages.isCompound(map, pfn))).toEqual([false, false]);
    expect(pages.compoundHead(map, 80)).toBe(80);
    pages.clearCompound(map, 64, 4);
    expect(pages.isCompound(map, 70)).toBe(false);
  });
});

describe('pageblocks', () => {
  test.each([9, 10])('of order %d hold type and skip hint side by side', (pageblockOrder) => {
    const map = new PageMap({ endPfn: 8192, pageblockOrder, listHeads: 0 });
    pages.setPageblockSkip(map, 1500, true);
    pages.setPageblockMigratetype(map, 1500, 2);
    const block = 1 << pageblockOrder;
    const first = 1500 - (1500 % block);
    expect(pages.pageblockMigratetype(map, first)).toBe(2);
    expect(pages.pageblockMigratetype(map, first + block - 1)).toBe(2);
    expect(pages.pageblockMigratetype(map, first + block)).toBe(0);
    expect(pages.pageblockSkip(map, first)).toBe(true);
    pages.setPageblockSkip(map, first, false);
    expect(pages.pageblockSkip(map, first)).toBe(false);
    expect(pages.pageblockMigratetype(map, first)).toBe(2);
  });

  test('take no unknown type', () => {
    const map = small();
    expect(() => pages.setPageblockMigratetype(map, 0, 5)).toThrowError(PageframeError);
    expect(() => pages.setPageblockMigratetype(map, 0, -1)).toThrowError(PageframeError);
  });
});
