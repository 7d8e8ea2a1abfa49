import { describe, expect, test } from 'vitest';
import { type FreePageSink, Memblock } from '../../src/memblock/index.ts';
import { ALL_ONES, HOTPLUG, NOMAP, show, watched, withRanges } from './show.ts';

/** A sink that writes down what it is told. */
function recorder(): { sink: FreePageSink; calls: string[]; blocks: [number, number][] } {
  const calls: string[] = [];
  const blocks: [number, number][] = [];
  const sink: FreePageSink = {
    freePages: (pfn, order) => {
      blocks.push([pfn, order]);
      calls.push(`free ${pfn.toString(16)},${order}`);
    },
    resetManagedPages: () => calls.push('reset'),
    reservePages: (start, end) => calls.push(`reserve ${start.toString(16)}-${end.toString(16)}`),
    addTotalramPages: (pages) => calls.push(`totalram ${pages}`),
  };
  return { sink, calls, blocks };
}

const example = (): Memblock =>
  withRanges(
    [
      [0x1000n, 0x9f000n],
      [0x100000n, 0x1234000n],
    ],
    [
      [0n, 0x10000n],
      [0x200800n, 0x201800n],
      [0x400000n, 0x600010n],
      [0x1230000n, 0x1234000n],
    ],
  );

const ALL = 2 ** 40;

describe('freeAll (spec memblock 7.10)', () => {
  test('gives blocks in the kernel’s order', () => {
    const { sink, blocks, calls } = recorder();
    const pages = example().freeAll(sink, ALL);
    const text = blocks.map(([pfn, order]) => `(${pfn.toString(16)},${order})`).join(' ');
    expect(text).toBe(
      '(10,4) (20,5) (40,6) (80,4) (90,3) (98,2) (9c,1) (9e,0) (100,8) (202,1) (204,2) (208,3) ' +
        '(210,4) (220,5) (240,6) (280,7) (300,8) (601,0) (602,1) (604,2) (608,3) (610,4) (620,5) ' +
        '(640,6) (680,7) (700,8) (800,10) (c00,10) (1000,9) (1200,5) (1220,4)',
    );
    expect(pages).toBe(blocks.reduce((sum, [, order]) => sum + 2 ** order, 0));
    expect(calls.slice(0, 5)).toEqual([
      'reset',
      'reserve 0-10',
      'reserve 200-202',
      'reserve 400-601',
      'reserve 1230-1234',
    ]);
    expect(calls.at(-1)).toBe(`totalram ${pages}`);
  });

  test('ends at the highest low page', () => {
    const { sink, blocks } = recorder();
    expect(withRanges([[0x1000n, 0x9f000n]]).freeAll(sink, 0x13)).toBe(0x12);
    expect(blocks).toEqual([
      [1, 0],
      [2, 1],
      [4, 2],
      [8, 3],
      [0x10, 1],
      [0x12, 0],
    ]);
    expect(withRanges([[0x1000n, 0x9f000n]]).freeAll({ freePages: () => undefined }, 0)).toBe(0);
  });

  test('page 0 begins a block of the largest order', () => {
    const { sink, blocks } = recorder();
    withRanges([[0n, 0x800000n]]).freeAll(sink, ALL);
    expect(blocks).toEqual([
      [0, 10],
      [1024, 10],
    ]);
  });

  test('page frames beyond 32 bits keep their alignment', () => {
    const { sink, blocks } = recorder();
    withRanges([[2n ** 50n - 0x1000n, 2n ** 50n + 0x3000n]]).freeAll(sink, ALL);
    expect(blocks).toEqual([
      [2 ** 38 - 1, 0],
      [2 ** 38, 1],
      [2 ** 38 + 2, 0],
    ]);
  });

  test('clears HOTPLUG, marks NOMAP memory reserved and leaves it and driver-managed memory out', () => {
    const m = new Memblock({ checks: 'full', movableNode: true });
    m.addNode(0x1000n, 0x1000n, 0, HOTPLUG);
    m.addNode(0x2000n, 0x1000n, 0, 0);
    m.addNode(0x3800n, 0x1000n, 0, NOMAP);
    m.addNode(0x8000n, 0x1000n, 0, 8);
    const { sink, calls } = recorder();
    expect(m.freeAll(sink, ALL)).toBe(2);
    expect(calls).toEqual(['reset', 'reserve 3-5', 'free 1,0', 'free 2,0', 'totalram 2']);
    expect(show(m, 'memory')).toBe(
      '[1000,3000) nid 0 [3800,4800) nid 0 flags 4 [8000,9000) nid 0 flags 8',
    );
  });

  test('an end that rounds up past 2^64 marks nothing', () => {
    const { sink, calls } = recorder();
    withRanges([[0x1000n, 0x2000n]], [[2n ** 64n - 0x1000n, ALL_ONES]]).freeAll(sink, ALL);
    expect(calls).toEqual(['reset', 'free 1,0', 'totalram 1']);
  });

  test('managed pages are reset once per boot', () => {
    const { sink, calls } = recorder();
    const m = example();
    m.freeAll(sink, ALL);
    m.freeAll(sink, ALL);
    expect(calls.filter((call) => call === 'reset')).toHaveLength(1);
  });

  test('a sink that throws leaves memblock as it was', () => {
    const m = new Memblock();
    m.addNode(0x1000n, 0x1000n, 0, HOTPLUG);
    m.addNode(0x2000n, 0x1000n, 0, 0);
    const before = m.snapshot();
    const sink = {
      freePages: () => {
        throw new Error('no');
      },
    };
    expect(() => m.freeAll(sink, ALL)).toThrow('no');
    expect(m.snapshot()).toEqual(before);
  });

  test.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])(
    'refuses %d as page limit',
    (limit) => {
      expect(() => example().freeAll(recorder().sink, limit)).toThrow(
        expect.objectContaining({ code: 'BAD_ARGUMENT' }),
      );
    },
  );
});

describe('freeLate', () => {
  test('frees whole pages one by one and leaves the arrays', () => {
    const { memblock: m, log } = watched();
    const { sink, calls } = recorder();
    expect(m.freeLate(sink, 0x1800n, 0x3000n, 'late+0x1/0x2')).toBe(2);
    expect(calls).toEqual(['free 2,0', 'totalram 1', 'free 3,0', 'totalram 1']);
    expect(log).toEqual([
      'info memblock_free_late: [0x0000000000001800-0x00000000000047ff] late+0x1/0x2',
    ]);
    expect(m.freeLate({ freePages: () => undefined }, 0x1800n, 0x100n)).toBe(0);
  });
});

describe('discard', () => {
  /** Both arrays grown: reserved at 0x10e000, then memory. */
  const grown = () => {
    const world = watched({ initMemoryRegions: 1, initReservedRegions: 2 });
    const { memblock: m } = world;
    m.add(0x100000n, 0x10000n);
    m.allowResize();
    for (let k = 0n; k < 3n; k++) m.reserve(k * 0x2000n, 0x1000n);
    m.add(0x200000n, 0x1000n);
    return world;
  };

  test('gives grown arrays back, reserved first, and nothing may be edited any more', () => {
    const { memblock: m, log } = grown();
    const { sink, calls } = recorder();
    log.length = 0;
    const addresses = [m.state.reserved.arrayAddress, m.state.memory.arrayAddress];
    m.discard(sink);
    expect(calls.filter((call) => call.startsWith('free'))).toEqual(
      addresses.map((addr) => `free ${((addr ?? 0n) >> 12n).toString(16)},0`),
    );
    expect(log[0]).toMatch(/^info memblock_free_late: .* memblock_discard\+0x0\/0x0$/);
    const discarded = expect.objectContaining({ name: 'MemblockError', code: 'DISCARDED' });
    expect(() => m.add(0x1000n, 0x1000n)).toThrow(discarded);
    expect(() => m.trimMemory(0x1000n)).toThrow(discarded);
    expect(() => m.alloc(0x1000n, 0x1000n)).toThrow(discarded);
    expect(() => m.physAlloc(0x1000n, 0x1000n)).toThrow(discarded);
    expect(() => m.freeAll(sink, ALL)).toThrow(discarded);
    expect(() => m.discard(sink)).toThrow(discarded);
    expect(m.isMemory(0x100000n)).toBe(true);
  });

  test('static arrays just end, and memblock stays where the architecture keeps it', () => {
    const { sink, calls } = recorder();
    const m = example();
    m.discard(sink);
    expect(calls).toEqual([]);
    const kept = withRanges([[0x1000n, 0x2000n]], [], { keepMemblock: true });
    kept.discard(sink);
    expect(kept.add(0x4000n, 0x1000n)).toBe(0);
  });

  test('an array from slab goes back to slab', () => {
    const freed: bigint[] = [];
    const slab = {
      isAvailable: () => true,
      kmalloc: () => 0x9000n,
      kzallocNode: () => null,
      kfree: (addr: bigint) => void freed.push(addr),
    };
    const m = new Memblock({ initMemoryRegions: 1, slab });
    m.allowResize();
    m.add(0x1000n, 0x1000n);
    m.add(0x4000n, 0x1000n);
    expect(m.state.memoryInSlab).toBe(true);
    const { sink, calls } = recorder();
    m.discard(sink);
    expect([freed, calls]).toEqual([[0x9000n], []]);
  });
});
