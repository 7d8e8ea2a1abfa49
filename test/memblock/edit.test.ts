// covers: src/memblock/edit.ts src/memblock/region-array.ts
import { describe, expect, test } from 'vitest';
import { Memblock, type MemblockSlab } from '../../src/memblock/index.ts';
import { ALL_ONES, HOTPLUG, show, watched, withRanges } from './show.ts';

describe('adding (spec memblock 7.1)', () => {
  test('the worked example', () => {
    const { memblock: m, warnings } = watched();
    m.add(0x10000n, 0x10000n);
    m.add(0x40000n, 0x20000n);
    m.add(0x30000n, 0x4000n);
    expect(show(m, 'memory')).toBe('[10000,20000) [30000,34000) [40000,60000)');
    expect(m.physMemSize()).toBe(0x34000n);
    m.add(0x18000n, 0x38000n);
    expect(show(m, 'memory')).toBe('[10000,60000)');
    expect(m.physMemSize()).toBe(0x50000n);
    m.addNode(0x60000n, 0x8000n, 1, 0);
    expect(show(m, 'memory')).toBe('[10000,60000) [60000,68000) nid 1');
    m.addNode(0x68000n, 0x8000n, 1, HOTPLUG);
    m.addNode(0x70000n, 0x8000n, 1, HOTPLUG);
    expect(show(m, 'memory')).toBe('[10000,60000) [60000,68000) nid 1 [68000,78000) nid 1 flags 1');
    expect(m.physMemSize()).toBe(0x68000n);
    expect(warnings).toEqual([]);
    m.addNode(0x8000n, 0x10000n, 0, 0);
    expect(warnings).toEqual(['NID_MISMATCH']);
    m.addNode(0x74000n, 0x8000n, 1, 0);
    expect(warnings).toEqual(['NID_MISMATCH']);
    const after =
      '[8000,10000) nid 0 [10000,60000) [60000,68000) nid 1 [68000,78000) nid 1 flags 1 [78000,7c000) nid 1';
    expect(show(m, 'memory')).toBe(after);
    expect(m.physMemSize()).toBe(0x74000n);
    expect(m.add(0x5000n, 0n)).toBe(0);
    expect(m.add(ALL_ONES, 0x10n)).toBe(0);
    expect(show(m, 'memory')).toBe(after);
  });

  test('a range that passes the top of the address space is capped', () => {
    const m = new Memblock({ checks: 'full' });
    m.add(2n ** 64n - 0x2000n, 0x10000n);
    expect(show(m, 'memory')).toBe('[ffffffffffffe000,ffffffffffffffff)');
    expect(m.physMemSize()).toBe(0x1fffn);
    m.remove(2n ** 64n - 0x1000n, 0x5000n);
    expect(show(m, 'memory')).toBe('[ffffffffffffe000,fffffffffffff000)');
    expect(m.physMemSize()).toBe(0x1000n);
  });

  test('warnings come twice once the array is half full, and from flags too', () => {
    const { memblock: m, warnings } = watched({ initMemoryRegions: 3 });
    m.addNode(0x10000n, 0x10000n, 0, HOTPLUG);
    m.addNode(0x8000n, 0x10000n, 1, 0);
    expect(warnings).toEqual(['NID_MISMATCH', 'FLAGS_MISMATCH', 'NID_MISMATCH', 'FLAGS_MISMATCH']);
  });

  test('direct mode is used up to 63 entries of 128', () => {
    const { memblock: m, warnings } = watched();
    for (let k = 0n; k < 63n; k++) m.addNode(0x10000n + k * 0x2000n, 0x1000n, 1, 0);
    m.addNode(0xf000n, 0x1800n, 0, 0);
    expect(warnings).toHaveLength(1);
    m.addNode(0xd000n, 0x1800n, 0, 0);
    m.addNode(0xe800n, 0x1000n, 1, 0);
    expect(warnings).toHaveLength(3);
  });
});

describe('removing (spec memblock 7.2)', () => {
  test('the worked example', () => {
    const m = withRanges([[0x100000n, 0x500000n]]);
    m.remove(0x200000n, 0x100000n);
    expect(show(m, 'memory')).toBe('[100000,200000) [300000,500000)');
    m.addNode(0x800000n, 0x100000n, 0, 0);
    m.remove(0x180000n, 0x6c0000n);
    expect(show(m, 'memory')).toBe('[100000,180000) [840000,900000) nid 0');
    expect(m.remove(0x40000n, 0x10000n)).toBe(0);
    expect(m.remove(0x840000n, 0n)).toBe(0);
    m.remove(0n, 0x180000n);
    expect(show(m, 'memory')).toBe('[840000,900000) nid 0');
    expect(m.physMemSize()).toBe(0xc0000n);
    m.remove(0x840000n, 0xc0000n);
    expect(m.regions('memory')).toEqual([{ base: 0n, end: 0n, size: 0n, flags: 0, nid: 64 }]);
    expect(m.physMemSize()).toBe(0n);
  });

  test('an entry may be cut at both ends, in reserved as in memory', () => {
    const m = withRanges([], [[0x1000n, 0x9000n]]);
    m.physFree(0x3000n, 0x2000n);
    expect(show(m, 'reserved')).toBe('[1000,3000) [5000,9000)');
    m.free(0x2000n, 0x4000n);
    expect(show(m, 'reserved')).toBe('[1000,2000) [6000,9000)');
    m.free(null, 0x4000n);
    expect(show(m, 'reserved')).toBe('[1000,2000) [6000,9000)');
  });

  test('many pieces at once and many entries at once', () => {
    const m = new Memblock({ checks: 'full', initMemoryRegions: 4096 });
    for (let k = 0n; k < 2000n; k++) m.add(0x10000n + k * 0x2000n, 0x1000n);
    m.addNode(0x10000n, 0x2000n * 2000n, 1, 0);
    expect(m.regions('memory')).toHaveLength(4000);
    m.remove(0x11800n, 0x2000n * 1998n);
    expect(m.regions('memory').map(({ base }) => base)).toEqual(
      [0x10000n, 0x11000n, 0xfad800n, 0xfae000n, 0xfaf000n].map((base) => base),
    );
  });
});

/** 128 reserved pages: the static array is full (spec memblock 7.6). */
function full(count = 128n, bottomUp = false) {
  const world = watched();
  const { memblock: m, log } = world;
  m.add(0x100000n, 0x3f00000n);
  for (let k = 0n; k < count; k++) m.reserve(0x1000000n + k * 0x2000n, 0x1000n);
  m.setBottomUp(bottomUp);
  log.length = 0;
  return world;
}

const lastOf = (m: Memblock): string => show(m, 'reserved').split(' ').at(-1) ?? '';
const countOf = (m: Memblock): number => m.regions('reserved').length;

describe('growth (spec memblock 7.6)', () => {
  test('not allowed: whatever needs room fails, what is covered already does not', () => {
    const { memblock: m, log } = full();
    expect(m.reserve(0x3000000n, 0x1000n)).toBe(-12);
    log.length = 0;
    expect(m.physAlloc(0x1000n, 0x1000n)).toBeNull();
    expect(log[1]).toBe(
      'info memblock_reserve: [0x0000000003fff000-0x0000000003ffffff] memblock_alloc_range_nid+0x0/0x0',
    );
    expect(m.physFree(0x1000000n, 0x1000n)).toBe(-12);
    expect(m.reserve(0x1000000n, 0x1000n)).toBe(0);
    expect(m.setNode(0n, ALL_ONES, 'reserved', 0)).toBe(-12);
    expect(countOf(m)).toBe(128);
    expect(m.state.reserved.max).toBe(128);
  });

  test('allowed: twice, the old array freed after the new one is found', () => {
    const { memblock: m, log } = full();
    m.allowResize();
    expect(m.reserve(0x3000000n, 0x1000n, 'caller+0x1/0x2')).toBe(0);
    expect(log).toEqual([
      'info memblock_reserve: [0x0000000003000000-0x0000000003000fff] caller+0x1/0x2',
      'info memblock: reserved is doubled to 256 at [0x0000000003ffe000-0x0000000003fff7ff]',
      'info memblock_reserve: [0x0000000003ffe000-0x0000000003ffffff] memblock_double_array+0x0/0x0',
    ]);
    expect(countOf(m)).toBe(130);
    expect(m.state.reserved.max).toBe(256);
    expect(m.reservedSize()).toBe(0x83000n);
    expect(show(m, 'reserved')).toMatch(/ \[3000000,3001000\) \[3ffe000,4000000\)$/);
    for (let k = 0n; k < 126n; k++) m.reserve(0x2000000n + k * 0x2000n, 0x1000n);
    expect(countOf(m)).toBe(256);
    log.length = 0;
    m.reserve(0x3800000n, 0x1000n);
    expect(log.slice(1)).toEqual([
      'info memblock: reserved is doubled to 512 at [0x0000000003ffb000-0x0000000003ffdfff]',
      'info memblock_phys_free: [0x0000000003ffe000-0x0000000003ffffff] memblock_double_array+0x0/0x0',
      'info memblock_reserve: [0x0000000003ffb000-0x0000000003ffdfff] memblock_double_array+0x0/0x0',
    ]);
    expect(countOf(m)).toBe(257);
    expect(m.reservedSize()).toBe(0x103000n);
    expect(lastOf(m)).toBe('[3ffb000,3ffe000)');
  });

  test('the area about to be reserved is avoided', () => {
    const { memblock: m } = full();
    m.allowResize();
    m.reserve(0x3ff0000n, 0x10000n);
    expect(m.state.reserved.arrayAddress).toBe(0x3fee000n);
    expect(lastOf(m)).toBe('[3fee000,4000000)');
    expect(countOf(m)).toBe(129);
  });

  test('an allocation makes its own reservation grow', () => {
    const { memblock: m } = full();
    m.allowResize();
    expect(m.physAlloc(0x3000n, 0x1000n)).toBe(0x3ffd000n);
    expect(m.state.reserved.arrayAddress).toBe(0x3ffb000n);
    expect(lastOf(m)).toBe('[3ffb000,4000000)');
    expect(countOf(m)).toBe(129);
  });

  test('capacity is checked before merging', () => {
    const { memblock: m } = full();
    m.allowResize();
    m.reserve(0x1001000n, 0x1000n);
    expect(m.state.reserved.arrayAddress).toBe(0x3ffe000n);
    expect(countOf(m)).toBe(128);
    expect(m.state.reserved.max).toBe(256);
  });

  test('bottom-up the array lies right behind the area', () => {
    const { memblock: m } = full(128n, true);
    m.allowResize();
    m.reserve(0x3000000n, 0x1000n);
    expect(lastOf(m)).toBe('[3000000,3003000)');
    expect(countOf(m)).toBe(129);
  });

  test.each([
    [127n, 256, 127],
    [126n, 128, 125],
  ])('freeing with %i entries needs two free slots', (count, max, left) => {
    const { memblock: m } = full(count);
    m.allowResize();
    expect(m.physFree(0x1000000n, 0x1000n)).toBe(0);
    expect(m.state.reserved.max).toBe(max);
    expect(countOf(m)).toBe(left);
  });

  test('memory grows inside known memory, not inside what is being added', () => {
    const m = new Memblock({ checks: 'full' });
    for (let k = 0n; k < 128n; k++) m.add(0x1000000n + k * 0x20000n, 0x10000n);
    m.allowResize();
    expect(m.add(0x3000000n, 0x10000n)).toBe(0);
    expect(m.state.memory.arrayAddress).toBe(0x1fee000n);
    expect(show(m, 'reserved')).toBe('[1fee000,1ff0000)');
  });

  test('no room: an error line, and nothing changed', () => {
    const { memblock: m, log } = full();
    m.allowResize();
    m.setCurrentLimit(0x100000n);
    const before = m.snapshot();
    expect(m.reserve(0x3000000n, 0x1000n)).toBe(-12);
    expect(log.at(-1)).toBe(
      'err memblock: Failed to double reserved array from 128 to 256 entries !',
    );
    expect(m.snapshot()).toEqual(before);
  });

  test('an area at 0 makes the second search unbounded: the array may lie inside the area', () => {
    const m = new Memblock({ checks: 'full', initReservedRegions: 2 });
    m.add(0x1000n, 0xf000n);
    m.reserve(0x20000n, 0x1000n);
    m.reserve(0x30000n, 0x1000n);
    m.allowResize();
    m.reserve(0n, 0x10000n);
    expect(m.state.reserved.arrayAddress).toBe(0xf000n);
    expect(show(m, 'reserved')).toBe('[0,10000) [20000,21000) [30000,31000)');
  });

  test('freeing the room of a grown array is allowed, and rule 18 then rests', () => {
    const { memblock: m } = full();
    m.allowResize();
    m.reserve(0x3000000n, 0x1000n);
    expect(m.physFree(0x3ffe000n, 0x1000n)).toBe(0);
    expect(m.state.reserved.arrayReleased).toBe(true);
  });

  test('a growth that cannot reserve itself is where the kernel stops', () => {
    const m = new Memblock({ initMemoryRegions: 2, initReservedRegions: 1 });
    m.add(0x1000n, 0x1000n);
    m.add(0x4000n, 0x1000n);
    m.reserve(0x1000n, 0x1000n);
    m.allowResize();
    expect(() => m.add(0x6000n, 0x1000n)).toThrow(
      expect.objectContaining({ name: 'MemblockError', code: 'KERNEL_BUG' }),
    );
  });
});

describe('growth with slab', () => {
  const slabAt = (addresses: (bigint | null)[], freed: bigint[]): MemblockSlab => ({
    isAvailable: () => addresses.length > 0,
    kmalloc: () => addresses.shift() ?? null,
    kzallocNode: () => null,
    kfree: (addr) => freed.push(addr),
  });

  test('takes its array from slab, reserves nothing, and gives it back to slab', () => {
    const freed: bigint[] = [];
    const addresses: (bigint | null)[] = [0x5000n, 0x7000n, 0n];
    const m = new Memblock({
      checks: 'full',
      initReservedRegions: 2,
      slab: slabAt(addresses, freed),
    });
    m.allowResize();
    for (let k = 0n; k < 5n; k++) m.reserve(0x10000n + k * 0x2000n, 0x1000n);
    expect(m.state.reserved.max).toBe(8);
    expect(m.state.reserved.arrayAddress).toBe(0x7000n);
    expect(m.state.reservedInSlab).toBe(true);
    expect(freed).toEqual([0x5000n]);
    expect(countOf(m)).toBe(5);
  });

  test('no room in slab is no room', () => {
    const m = new Memblock({ initMemoryRegions: 1, slab: slabAt([null], []) });
    m.allowResize();
    m.add(0x1000n, 0x1000n);
    expect(m.add(0x4000n, 0x1000n)).toBe(-12);
    expect(m.state.memory.max).toBe(1);
  });
});

test('physmem has four entries and needs its option', () => {
  const m = new Memblock({ checks: 'full', physMap: true });
  for (let k = 0n; k < 4n; k++) m.physmemAdd(k * 0x2000n, 0x1000n);
  expect(m.physmemAdd(0x10000n, 0x1000n)).toBe(-12);
  expect(m.regions('physmem')).toHaveLength(4);
  m.add(0x100000n, 0x10000n);
  m.allowResize();
  expect(m.physmemAdd(0x10000n, 0x1000n)).toBe(0);
  expect(show(m, 'reserved')).toBe('[10f000,110000)');
  expect(() => new Memblock().physmemAdd(0n, 1n)).toThrow(
    expect.objectContaining({ code: 'NO_PHYSMEM' }),
  );
});
