// covers: src/memblock/limits.ts src/memblock/attributes.ts
import { describe, expect, test } from 'vitest';
import { checkInvariants, Memblock } from '../../src/memblock/index.ts';
import { ALL_ONES, NOMAP, show, watched, withRanges } from './show.ts';

describe('flags and nodes (spec memblock 4.7, 4.8, 7.7)', () => {
  test('marking and clearing cuts and merges', () => {
    const m = withRanges([[0x100000n, 0x800000n]]);
    m.markNomap(0x200000n, 0x100000n);
    expect(show(m, 'memory')).toBe('[100000,200000) [200000,300000) flags 4 [300000,800000)');
    m.markHotplug(0x280000n, 0x200000n);
    expect(show(m, 'memory')).toBe(
      '[100000,200000) [200000,280000) flags 4 [280000,300000) flags 5 [300000,480000) flags 1 [480000,800000)',
    );
    m.clearNomap(0n, 0x300000n);
    expect(show(m, 'memory')).toBe('[100000,280000) [280000,480000) flags 1 [480000,800000)');
    m.clearHotplug(0n, ALL_ONES);
    expect(show(m, 'memory')).toBe('[100000,800000)');
  });

  test('marking mirror does nothing without kernelcore=mirror', () => {
    const m = withRanges([[0x1000n, 0x2000n]]);
    expect(m.markMirror(0n, ALL_ONES)).toBe(0);
    expect(m.state.hasMirror).toBe(false);
    m.setMirroredKernelcore(true);
    m.markMirror(0x8000n, 0x1000n);
    expect(m.state.hasMirror).toBe(true);
    m.markMirror(0x1000n, 0x800n);
    expect(show(m, 'memory')).toBe('[1000,1800) flags 2 [1800,2000)');
  });

  test('without room for two more entries they fail, mirror is remembered all the same', () => {
    const m = new Memblock({ initMemoryRegions: 2, mirroredKernelcore: true });
    m.add(0x1000n, 0x1000n);
    expect(m.markNomap(0x1000n, 0x1000n)).toBe(-12);
    expect(m.setNode(0x1000n, 0x1000n, 'memory', 1)).toBe(-12);
    expect(m.remove(0x1000n, 0x1000n)).toBe(-12);
    expect(m.markMirror(0x1000n, 0x1000n)).toBe(-12);
    expect(m.state.hasMirror).toBe(true);
    expect(show(m, 'memory')).toBe('[1000,2000)');
  });

  test('nodes split and merge either array', () => {
    const m = withRanges([[0x1000n, 0x9000n]], [[0x2000n, 0x4000n]]);
    m.setNode(0n, 0x3000n, 'memory', 0);
    m.setNode(0x3000n, 0x10000n, 'memory', 1);
    m.setNode(0n, 0x3000n, 'reserved', 0);
    expect(show(m, 'memory')).toBe('[1000,3000) nid 0 [3000,9000) nid 1');
    expect(show(m, 'reserved')).toBe('[2000,3000) nid 0 [3000,4000)');
    m.setNode(0n, ALL_ONES, 'memory', 64);
    expect(show(m, 'memory')).toBe('[1000,9000)');
  });

  test('without NUMA a node is nothing', () => {
    const m = withRanges([[0x1000n, 0x9000n]], [], { numa: false });
    m.addNode(0x9000n, 0x1000n, 5, 0);
    expect(m.setNode(0x2000n, 0x1000n, 'memory', 3)).toBe(0);
    expect(m.regions('memory')).toEqual([
      { base: 0x1000n, end: 0xa000n, size: 0x9000n, flags: 0, nid: 0 },
    ]);
    m.remove(0n, ALL_ONES);
    expect(m.regions('memory')[0].nid).toBe(0);
  });
});

/** Memory and reservations of the cap example, spec memblock 7.7. */
function capped(): Memblock {
  const m = withRanges(
    [
      [0x100000n, 0x800000n],
      [0x900000n, 0xa00000n],
    ],
    [
      [0x1f0000n, 0x210000n],
      [0x500000n, 0x501000n],
      [0x7ff000n, 0x900000n],
    ],
  );
  m.markNomap(0x180000n, 0x100000n);
  return m;
}

describe('cap (spec memblock 7.7)', () => {
  test('keeps NOMAP memory everywhere, cut but not merged', () => {
    const m = capped();
    m.capMemoryRange(0x200000n, 0x400000n);
    expect(show(m, 'memory')).toBe(
      '[180000,200000) flags 4 [200000,280000) flags 4 [280000,600000)',
    );
    expect(m.physMemSize()).toBe(0x480000n);
    expect(show(m, 'reserved')).toBe('[200000,210000) [500000,501000)');
    m.markHotplug(0x200000n, 0n);
    expect(show(m, 'memory')).toBe('[180000,280000) flags 4 [280000,600000)');
  });

  test('an unrelated addition merges what a cap left', () => {
    const m = capped();
    m.capMemoryRange(0x200000n, 0x400000n);
    m.add(0x900000n, 0x1000n);
    expect(show(m, 'memory')).toBe('[180000,280000) flags 4 [280000,600000) [900000,901000)');
  });

  test('outside all memory everything goes', () => {
    const m = withRanges(
      [
        [0x100000n, 0x200000n],
        [0x300000n, 0x400000n],
      ],
      [[0x100000n, 0x101000n]],
    );
    m.capMemoryRange(0x1000000n, 0x1000n);
    expect(m.regions('memory')).toEqual([{ base: 0n, end: 0n, size: 0n, flags: 0, nid: 64 }]);
    expect(m.regions('reserved')[0].size).toBe(0n);
    expect(m.physMemSize()).toBe(0n);
  });

  test('an end that wraps loses nearly all reservations', () => {
    const m = withRanges(
      [[0x100000n, 0x200000n]],
      [
        [0x1000n, 0x2000n],
        [0xff000n, 0x101000n],
        [0x180000n, 0x181000n],
      ],
    );
    m.capMemoryRange(0x100000n, ALL_ONES);
    expect(show(m, 'memory')).toBe('[100000,200000)');
    expect(m.regions('reserved')[0].size).toBe(0n);
    const n = withRanges([[0x100000n, 0x200000n]], [[0xff000n, 0x101000n]]);
    n.capMemoryRange(0n, 0n);
    expect(show(n, 'reserved')).toBe('[ff000,101000)');
  });

  test('before memory is known it only warns; without room it gives up', () => {
    const { memblock: m, log } = watched({ initMemoryRegions: 2 });
    m.capMemoryRange(0n, 0x1000n);
    expect(log).toEqual(['warning memblock_cap_memory_range: No memory registered yet']);
    m.add(0x1000n, 0x1000n);
    m.reserve(0x8000n, 0x1000n);
    m.capMemoryRange(0n, 0x1000n);
    expect(show(m, 'memory')).toBe('[1000,2000)');
    expect(show(m, 'reserved')).toBe('[8000,9000)');
  });
});

describe('trim (spec memblock 7.8)', () => {
  test('a total that is too high wraps at 2^64 when everything is added', () => {
    const m = withRanges([[0x1001n, 0x4000n]]);
    m.trimMemory(0x1000n);
    expect(m.physMemSize()).toBe(0x2fffn);
    // All of [0, 2^64 - 1) is memory now: 2^64 - 1 bytes, and the 0xfff that the trim still counts.
    expect(m.add(0n, ALL_ONES)).toBe(0);
    expect(m.physMemSize()).toBe(0xffen);
    expect(checkInvariants(m.state)).toEqual([]);
  });

  test('the total keeps the bytes cut off, and WARNs come of it', () => {
    const { memblock: m, warnings } = watched();
    m.add(0x1000n, 0x9ec00n);
    m.add(0x100000n, 0xafe400n);
    m.add(0xc00200n, 0x800n);
    m.add(0xd00800n, 0x2000n);
    expect(m.physMemSize()).toBe(0xb9f800n);
    m.trimMemory(0x1000n);
    expect(show(m, 'memory')).toBe('[1000,9f000) [100000,bfe000) [d01000,d02000)');
    expect(m.physMemSize()).toBe(0xb9f000n);
    expect(m.state.memory.totalDrift).toBe(0x2000n);
    m.remove(0xd01000n, 0x1000n);
    expect(warnings).toEqual([]);
    m.remove(0n, ALL_ONES);
    expect(m.physMemSize()).toBe(0x2000n);
    expect(warnings).toEqual(['TOTAL_NOT_ZERO']);
    m.add(0x1000n, 0x1000n);
    expect(warnings).toEqual(['TOTAL_NOT_ZERO', 'EMPTY_TOTAL']);
    expect(m.physMemSize()).toBe(0x1000n);
  });

  test('all of the array may go', () => {
    const m = withRanges([
      [0x1800n, 0x2800n],
      [0x3100n, 0x3200n],
    ]);
    m.trimMemory(0x1000n);
    expect(m.regions('memory')).toEqual([{ base: 0n, end: 0n, size: 0n, flags: 0, nid: 64 }]);
    m.trimMemory(0x1000n);
    expect(m.regions('memory')).toHaveLength(1);
  });

  test('a base near 2^64 wraps to 0; the next merge is where the kernel stops', () => {
    const m = withRanges([
      [0x1000n, 0x2000n],
      [2n ** 64n - 0x900n, ALL_ONES],
    ]);
    const unchecked = new Memblock();
    unchecked.restore(m.snapshot());
    unchecked.trimMemory(0x1000n);
    expect(show(unchecked, 'memory')).toBe('[1000,2000) [0,fffffffffffff000)');
    expect(checkInvariants(unchecked.state).map(({ rule }) => rule)).toContain('MEMBLOCK-1');
    expect(() => unchecked.markNomap(0n, 0n)).toThrow(
      expect.objectContaining({ code: 'KERNEL_BUG' }),
    );
  });
});

describe('limits (spec memblock 7.8)', () => {
  test.each([
    [0x9f000n, '[1000,a0000)', '[0,0) nid 64'],
    [0x900000n, '[1000,a0000) [100000,961000)', '[900000,961000)'],
    [
      0x1f9f000n,
      '[1000,a0000) [100000,1000000) [2000000,3000000)',
      '[900000,a00000) [2800000,2900000)',
    ],
    [
      0x1f9f001n,
      '[1000,a0000) [100000,1000000) [2000000,3000000)',
      '[900000,a00000) [2800000,2900000) [4000000,4001000)',
    ],
    [
      0n,
      '[1000,a0000) [100000,1000000) [2000000,3000000)',
      '[900000,a00000) [2800000,2900000) [4000000,4001000)',
    ],
  ])('enforce %i', (limit, memory, reserved) => {
    const m = withRanges(
      [
        [0x1000n, 0xa0000n],
        [0x100000n, 0x1000000n],
        [0x2000000n, 0x3000000n],
      ],
      [
        [0x900000n, 0xa00000n],
        [0x2800000n, 0x2900000n],
        [0x4000000n, 0x4001000n],
      ],
    );
    m.enforceMemoryLimit(limit);
    expect(show(m, 'memory')).toBe(memory);
    expect(show(m, 'reserved')).toBe(reserved.replace(' nid 64', ''));
  });

  test('the other limit keeps NOMAP memory', () => {
    const make = (): Memblock => {
      const m = withRanges(
        [
          [0x1000n, 0xa0000n],
          [0x100000n, 0x1000000n],
        ],
        [
          [0x900000n, 0xa00000n],
          [0xc00000n, 0xc10000n],
        ],
      );
      m.markNomap(0xc00000n, 0x100000n);
      return m;
    };
    const m = make();
    m.memLimitRemoveMap(0x500000n);
    expect(show(m, 'memory')).toBe('[1000,a0000) [100000,561000) [c00000,d00000) flags 4');
    expect(m.regions('reserved')[0].size).toBe(0n);
    const all = make();
    const before = all.snapshot();
    all.memLimitRemoveMap(0n);
    all.memLimitRemoveMap(0x10000000n);
    expect(all.snapshot()).toEqual(before);
    expect(m.regions('memory')[2].flags).toBe(NOMAP);
  });
});
