// covers: src/slab/statistics.ts src/slab/slabinfo-write.ts src/slab/format.ts src/slab/checks.ts
import { describe, expect, test } from 'vitest';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { cacheNodeOf } from '../../src/slab/cache-state.ts';
import { formatStatistics, slabinfoHeader } from '../../src/slab/format.ts';
import { newStatistics } from '../../src/slab/statistics.ts';
import { defaultTunables } from '../../src/slab/tune.ts';
import { made, take, testSlab, testTopology } from './support.ts';

test('tunables follow the stride (spec slab 4.4)', () => {
  const rows = [
    [131073, 1, 1, 0],
    [131072, 8, 4, 0],
    [4097, 8, 4, 0],
    [4096, 24, 12, 8],
    [1025, 24, 12, 8],
    [1024, 54, 27, 8],
    [257, 54, 27, 8],
    [256, 120, 60, 8],
    [16, 120, 60, 8],
  ];
  for (const [size, limit, batchcount, shared] of rows) {
    expect(defaultTunables(size, 2, false)).toEqual({ limit, batchcount, shared });
  }
  expect(defaultTunables(64, 1, false).shared).toBe(0);
  expect(defaultTunables(64, 2, true)).toEqual({ limit: 32, batchcount: 16, shared: 8 });
  expect(defaultTunables(2048, 2, true)).toEqual({ limit: 24, batchcount: 12, shared: 8 });
});

describe('writing to /proc/slabinfo (spec slab 4.20)', () => {
  const setUp = () => {
    const set = testSlab({ topology: testTopology([0, 0], 1) });
    return { ...set, cache: made(set.slab.createCache('demo', { size: 200 })) };
  };

  test.each([
    ['demo 10 5 2\n', 12, [10, 5, 2]],
    ['demo 10 5 2', 11, [10, 5, 2]],
    ['demo \t 10\n5  2 and more\n', 24, [10, 5, 2]],
    ['demo +10 5 0\n', 13, [10, 5, 0]],
    ['demo 1 1 0\n', 11, [1, 1, 0]],
    ['demo 4294967306 5 2\n', 20, [10, 5, 2]],
    // Numbers out of range: nothing happens, and nobody is told.
    ['demo 0 0 0\n', 11, [120, 60, 8]],
    ['demo 5 0 0\n', 11, [120, 60, 8]],
    ['demo 5 6 0\n', 11, [120, 60, 8]],
    ['demo 5 5 -1\n', 12, [120, 60, 8]],
    // Texts that are not understood.
    ['demo\n', -22, [120, 60, 8]],
    ['demo 10 5\n', -22, [120, 60, 8]],
    ['demo 10 five 2\n', -22, [120, 60, 8]],
    ['other 10 5 2\n', -22, [120, 60, 8]],
    ['dem 10 5 2\n', -22, [120, 60, 8]],
    [`demo 10 5 2${' '.repeat(118)}`, -22, [120, 60, 8]],
    [`demo 10 5 2${' '.repeat(117)}`, 128, [10, 5, 2]],
    // More than the per-CPU allocator gives.
    ['demo 4095 5 2\n', -12, [120, 60, 8]],
    ['demo 4094 5 0\n', 14, [4094, 5, 0]],
  ])('%j', (text, result, tunables) => {
    const { slab, cache } = setUp();
    expect(slab.slabinfoWrite(text)).toBe(result);
    expect([cache.limit, cache.batchcount, cache.shared]).toEqual(tunables);
    expect(cache.cpuCache.map((ac) => [ac.limit, ac.batchcount])).toEqual([
      tunables.slice(0, 2),
      tunables.slice(0, 2),
    ]);
  });

  test('says how large an array may be', () => {
    const lines: string[] = [];
    const { slab } = testSlab({ log: (line) => lines.push(line) });
    slab.createCache('demo', { size: 200 });
    slab.slabinfoWrite('demo 4095 1 0\n');
    expect(lines).toEqual(['illegal size (32776) or align (8) for percpu allocation']);
  });

  test('empties arrays with the old limit, and the shared array with the new one', () => {
    const { slab, cache, pages } = setUp();
    const objects = take(cache, 400);
    for (const address of objects) cache.free(address, 1);
    const n = cacheNodeOf(cache, 0);
    expect(n.shared?.avail).toBeGreaterThan(200);
    expect(slab.slabinfoWrite('demo 2 1 1\n', 1)).toBe(11);
    expect([n.freeLimit, n.shared?.limit, n.shared?.avail]).toEqual([23, 1, 0]);
    expect(n.freeObjects).toBeLessThanOrEqual(23);
    expect(pages.freed.every(({ cpu }) => cpu === 1)).toBe(true);
    expect(cache.cpuCache.map(({ avail }) => avail)).toEqual([0, 0]);
  });

  test('alien arrays keep their size', () => {
    const { slab } = testSlab({ topology: testTopology([0, 1], 2) });
    const cache = made(slab.createCache('demo', { size: 200 }));
    slab.slabinfoWrite('demo 1 1 0\n');
    expect(cacheNodeOf(cache, 0).alien?.caches[1]?.limit).toBe(12);
    expect(cacheNodeOf(cache, 0).shared).toBeNull();
    const large = made(slab.createCache('large', { size: 200_000 }));
    expect(cacheNodeOf(large, 0).alien?.caches[1]?.limit).toBe(1);
  });

  test('without memory for the new arrays the tunables have changed all the same', () => {
    const { slab, pages } = testSlab({ boot: 'kernel', topology: testTopology([0, 0], 1) });
    const cache = made(slab.createCache('demo', { size: 200 }));
    pages.budget = 0;
    while (slab.kmalloc(8192) !== null);
    expect(slab.slabinfoWrite('demo 120 60 16\n')).toBe(-12);
    expect(cache.shared).toBe(16);
    expect(cacheNodeOf(cache, 0).shared?.limit).toBe(480);
    expect(cache.tune({ limit: 10, batchcount: 5, shared: 300 })).toBe(false);
    expect(slab.checkInvariants()).toEqual([]);
  });

  test('the method refuses what the file ignores', () => {
    const { cache } = setUp();
    for (const [limit, batchcount, shared] of [
      [0, 1, 0],
      [4, 5, 0],
      [4, 0, 0],
      [4, 4, -1],
    ]) {
      expect(() => cache.tune({ limit, batchcount, shared })).toThrow(
        expect.objectContaining({ code: 'BAD_ARGUMENT' }),
      );
    }
  });
});

describe('the text of /proc/slabinfo (spec slab 5.1)', () => {
  test('is that of the example', () => {
    const { slab } = testSlab({ topology: testTopology([0, 0], 1) });
    const objects = Array.from({ length: 171 }, () => slab.kmalloc(192));
    // 24 entries in the shared array count as in use.
    const n = cacheNodeOf(made(slab.cache('kmalloc-192')), 0);
    expect(objects).toHaveLength(171);
    const line = slab
      .slabinfo()
      .split('\n')
      .find((text) => text.startsWith('kmalloc-192 '));
    const active = 9 * 21 - n.freeObjects;
    expect(line).toBe(
      `kmalloc-192          ${active}    189    192   21    1 : tunables  120   60    8 : slabdata      9      9      0`,
    );
    const text = slab.slabinfo();
    expect(text.startsWith('slabinfo - version: 2.1\n# name            <active_objs>')).toBe(true);
    expect(text.endsWith('\n')).toBe(true);
    expect(text.split('\n')).toHaveLength(2 + 34 + 1);
  });

  test('has statistics in a debug build', () => {
    const { slab } = testSlab({ config: { debug: true } });
    const cache = made(slab.createCache('demo', { size: 100 }));
    const objects = take(cache, 20);
    for (const address of objects) cache.free(address);
    const [version, head, line] = slab.slabinfo().split('\n');
    expect(version).toBe('slabinfo - version: 2.1 (statistics)');
    expect(
      head.endsWith(
        '<sharedavail> : globalstat <listallocs> <maxobjs> <grown> <reaped> <error> <maxfreeable> <nodeallocs> <remotefrees> <alienoverflow> : cpustat <allochit> <allocmiss> <freehit> <freemiss>',
      ),
    ).toBe(true);
    expect(line).toBe(
      'demo                  32     32    128   32    1 : tunables   32   16    0 : slabdata      1      1      0' +
        ' : globalstat      32     32     1    0    0    0    0    0    0 : cpustat     18      2     20      0',
    );
    expect(slabinfoHeader(false)).toHaveLength(2);
  });

  test('shows counts below zero as the kernel does', () => {
    const text = formatStatistics({ ...newStatistics(), highMark: -1 });
    expect(text).toContain(' 18446744073709551615 ');
  });

  test('the report of unreclaimable memory leaves reclaimable caches out', () => {
    const { slab } = testSlab();
    const flags = SlabFlag.SLAB_RECLAIM_ACCOUNT;
    take(made(slab.createCache('inode', { size: 1000, flags })), 1);
    take(made(slab.createCache('demo', { size: 1000 })), 1);
    expect(slab.unreclaimableSlab()).toEqual([
      'Unreclaimable slab info:',
      'Name                      Used          Total',
      'demo                       3KB          3KB',
    ]);
  });
});

describe('statistics (spec slab 4.21)', () => {
  test('are counted on request in any build', () => {
    const { slab } = testSlab({ statistics: true, topology: testTopology([0, 1], 2) });
    const cache = made(slab.createCache('demo', { size: 2048 }));
    cache.tune({ limit: 2, batchcount: 1, shared: 0 });
    const objects = take(cache, 15);
    expect(cache.events()).toMatchObject({
      allocmiss: 15,
      allochit: 0,
      numAllocations: 15,
      grown: 8,
    });
    for (const address of objects.slice(0, 2)) cache.free(address);
    cache.free(objects[2]);
    expect(cache.events()).toMatchObject({ freehit: 2, freemiss: 1, numActive: 14, highMark: 15 });
    for (const address of objects.slice(3)) cache.free(address, 1);
    cache.allocNode(0xcc0, 1, 0);
    expect(cache.events()).toMatchObject({ nodeFrees: 12, nodeOverflow: 0 });
    cache.allocNode(0xcc0, 1, 0);
    expect(cache.events().nodeAllocs).toBe(1);
    expect(slab.slabinfo()).not.toContain('globalstat');
  });

  test('full alien arrays, reaped slabs and long free lists', () => {
    const { slab } = testSlab({ statistics: true, topology: testTopology([0, 1], 2) });
    const cache = made(slab.createCache('demo', { size: 2048 }));
    cache.tune({ limit: 2, batchcount: 1, shared: 0 });
    const objects = take(cache, 20);
    for (const address of objects.slice(0, 13)) cache.free(address, 1);
    expect(cache.events()).toMatchObject({ nodeFrees: 13, nodeOverflow: 1 });
    for (const address of objects.slice(13)) cache.free(address, 0);
    expect(cache.events().maxFreeable).toBe(1);
    slab.cacheReap(0, 100_000);
    slab.cacheReap(0, 200_000);
    expect(cache.events().reaped).toBeGreaterThan(0);
  });

  test('numActive may fall below zero, and then counts as huge', () => {
    const { slab } = testSlab({ statistics: true, topology: testTopology([0, 1], 2) });
    const cache = made(slab.createCache('demo', { size: 4096 }));
    cache.tune({ limit: 1, batchcount: 1, shared: 0 });
    const away = cache.allocNode(0xcc0, 1, 0) as number;
    const other = cache.allocNode(0xcc0, 1, 0) as number;
    // Objects of new slabs are not counted up, but counted down.
    cache.free(away, 1);
    cache.free(other, 1);
    expect(cache.events().numActive).toBe(-1);
    cache.alloc(0xcc0, 0);
    expect(cache.events()).toMatchObject({ numActive: 0, highMark: 0 });
  });
});
