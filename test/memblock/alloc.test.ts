// covers: src/memblock/alloc.ts src/memblock/find.ts
import { describe, expect, test } from 'vitest';
import { MEMBLOCK_ALLOC_ANYWHERE, Memblock, PHYS_ADDR_MAX } from '../../src/memblock/index.ts';
import { show, watched, withRanges } from './show.ts';

const oneNode = (): Memblock =>
  withRanges(
    [
      [0x1000n, 0x9f000n],
      [0x100000n, 0x4000000n],
    ],
    [
      [0n, 0x10000n],
      [0x3ff0000n, 0x3ff8080n],
    ],
  );

describe('one node (spec memblock 7.3)', () => {
  test('top-down', () => {
    const m = oneNode();
    expect(m.alloc(100n, 64n)).toBe(0x3ffff80n);
    expect(m.alloc(100n, 0n)).toBe(0x3ffff00n);
    expect(m.alloc(0x8000n, 0x1000n)).toBe(0x3fe8000n);
    expect(m.physAlloc(0x10n, 0x10n)).toBe(0x3fffff0n);
    expect(m.allocFrom(0x1000n, 0x1000n, 0x2000000n)).toBe(0x3ffe000n);
    expect(m.physAllocRange(0x1000n, 0x1000n, 0n, 0x100000n)).toBe(0x9e000n);
    const reserved =
      '[0,10000) [9e000,9f000) [3fe8000,3ff8080) [3ffe000,3fff000) [3ffff00,3ffff64) [3ffff80,3ffffe4) [3fffff0,4000000)';
    expect(show(m, 'reserved')).toBe(reserved);
    expect(m.alloc(0n, 64n)).toBe(0x3ffff80n);
    expect(show(m, 'reserved')).toBe(reserved);
    expect(m.reservedSize()).toBe(0x22158n);
  });

  test('bottom-up', () => {
    const m = oneNode();
    m.setBottomUp(true);
    expect(m.bottomUp()).toBe(true);
    expect(m.physAlloc(100n, 64n)).toBe(0x10000n);
    expect(m.physAlloc(100n, 64n)).toBe(0x10080n);
    expect(m.physAlloc(0x8000n, 0x1000n)).toBe(0x11000n);
    expect(m.physAlloc(0x90000n, 0x1000n)).toBe(0x100000n);
    expect(m.physAllocRange(0x1000n, 0x1000n, 0x2000000n, 0x2000800n)).toBeNull();
    expect(show(m, 'reserved')).toBe(
      '[0,10064) [10080,100e4) [11000,19000) [100000,190000) [3ff0000,3ff8080)',
    );
    expect(m.reservedSize()).toBe(0xb0148n);
  });

  test('page 0 is never given', () => {
    const m = withRanges([[0n, 0x3000n]]);
    expect(m.physAlloc(0x1000n, 0x1000n)).toBe(0x2000n);
    expect(m.physAlloc(0x1000n, 0x1000n)).toBe(0x1000n);
    expect(m.physAlloc(0x1000n, 0x1000n)).toBeNull();
  });

  test('the bound of allocLow is exclusive', () => {
    const m = withRanges([[0xf0000000n, 0x110000000n]]);
    expect(m.allocLow(0x1000n, 0x1000n)).toBe(0xffffe000n);
    expect(m.physAllocRange(0x1000n, 0x1000n, 0n, 0x100000000n)).toBe(0xfffff000n);
  });

  test('an alignment of 0 is a cache line, with a stack dump', () => {
    const { memblock: m, warnings } = watched({ smpCacheBytes: 32n });
    m.add(0x1000n, 0x1000n);
    expect(m.allocRaw(40n, 0n)).toBe(0x1fc0n);
    expect(warnings).toEqual(['ALIGN_ZERO']);
  });
});

/** Three nodes (spec memblock 7.4). */
const threeNodes = (bottomUp: boolean, mirroredKernelcore = false) => {
  const world = watched({ mirroredKernelcore, debug: false });
  const { memblock: m } = world;
  m.addNode(0x1000000n, 0x1000000n, 0, 0);
  m.addNode(0x2000000n, 0x800000n, 1, 0);
  m.addNode(0x2800000n, 0x1800000n, 2, 0);
  m.setBottomUp(bottomUp);
  return world;
};

describe('nodes, mirror, limit (spec memblock 7.4)', () => {
  test.each([
    {
      bottomUp: false,
      found: [0x2700000n, 0x38ff000n, null, 0x2500000n, 0x1b80000n, 0x1c00000n],
      reserved: '[1b80000,1f00000) [2500000,2800000) [38ff000,3fff001)',
    },
    {
      bottomUp: true,
      found: [0x2000000n, 0x1000000n, null, 0x2100000n, 0x1800000n, 0x1880000n],
      reserved: '[1000000,1700001) [1800000,1b80000) [2000000,2300000)',
    },
  ])('nodes, bottom-up $bottomUp', ({ bottomUp, found, reserved }) => {
    const { memblock: m } = threeNodes(bottomUp);
    expect([
      m.physAllocTryNid(0x100000n, 0x1000n, 1),
      m.physAllocTryNid(0x700001n, 0x1000n, 1),
      m.allocExactNidRaw(0x700001n, 0x1000n, 0n, 0n, 1),
      m.allocTryNid(0x200000n, 0x1000n, 0x2700000n, 0x2900000n, 1),
      m.allocTryNid(0x80000n, 0x1000n, 0x1800000n, 0x1c00000n, 1),
      m.allocTryNid(0x300000n, 0x1000n, 0x1e00000n, 0x1f00000n, 2),
    ]).toEqual(found);
    expect(show(m, 'reserved')).toBe(reserved);
    expect(m.reservedSize()).toBe(0xd80001n);
  });

  test('mirrored memory outranks the node', () => {
    const { memblock: m, log } = threeNodes(false, true);
    m.markMirror(0x1400000n, 0x100000n);
    expect(m.regions('memory')).toHaveLength(5);
    expect(m.physAlloc(0x80000n, 0x1000n)).toBe(0x1480000n);
    expect(log).toEqual([]);
    expect(m.physAlloc(0x100000n, 0x1000n)).toBe(0x3f00000n);
    expect(log).toEqual(['warning Could not allocate 0x0000000000100000 bytes of mirrored memory']);
    expect(m.physAllocTryNid(0x1000n, 0x1000n, 2)).toBe(0x147f000n);
    expect(m.allocExactNidRaw(0x1000n, 0x1000n, 0n, 0n, 2)).toBe(0x3eff000n);
    expect(log).toHaveLength(2);
    expect(m.allocTryNid(0x200000n, 0x1000n, 0x3f00000n, 0x4000000n, 2)).toBe(0x3cff000n);
    expect(log).toHaveLength(4);
    expect(m.allocTryNid(0x40000000n, 0x1000n, 0x3f00000n, 0x4000000n, 2)).toBeNull();
    expect(log).toHaveLength(6);
  });

  test('growth prefers mirrored memory too', () => {
    const { memblock: m, log } = watched({
      mirroredKernelcore: true,
      initReservedRegions: 2,
      debug: false,
    });
    m.add(0x100000n, 0x10000n);
    m.markMirror(0x104000n, 0x1000n);
    m.allowResize();
    for (let k = 0n; k < 3n; k++) m.reserve(k * 0x2000n, 0x1000n);
    expect(m.state.reserved.arrayAddress).toBe(0x104000n);
    for (let k = 3n; k < 5n; k++) m.reserve(k * 0x2000n, 0x1000n);
    expect(m.state.reserved.arrayAddress).toBe(0x10f000n);
    expect(log).toEqual(['warning Could not allocate 0x0000000000001000 bytes of mirrored memory']);
  });

  test('a growth of memory that fails looks once, with one mirror warning', () => {
    const { memblock: m, log } = watched({
      mirroredKernelcore: true,
      initMemoryRegions: 2,
      debug: false,
    });
    m.markMirror(0n, 0n);
    m.add(0x100000n, 0x800n);
    m.add(0x200000n, 0x800n);
    m.allowResize();
    expect(m.add(0x300000n, 0x1000n)).toBe(-12);
    expect(log).toEqual([
      'warning Could not allocate 0x0000000000001000 bytes of mirrored memory',
      'err memblock: Failed to double memory array from 2 to 4 entries !',
    ]);
  });

  test('the current limit', () => {
    const { memblock: m } = threeNodes(false);
    m.setCurrentLimit(0x1800000n);
    expect(m.getCurrentLimit()).toBe(0x1800000n);
    const any = -1;
    expect(m.physAlloc(0x1000n, 0x1000n)).toBe(0x17ff000n);
    expect(m.physAllocRange(0x1000n, 0x1000n, 0n, MEMBLOCK_ALLOC_ANYWHERE)).toBe(0x3fff000n);
    expect(m.allocTryNid(0x1000n, 0x1000n, 0n, PHYS_ADDR_MAX, any)).toBe(0x17fe000n);
    expect(m.allocTryNid(0x1000n, 0x1000n, 0n, 1n, any)).toBe(0x17fd000n);
    expect(m.allocNode(0x1000n, 0x1000n, 2)).toBe(0x17fc000n);
    expect(m.allocExactNidRaw(0x1000n, 0x1000n, 0n, 0n, 2)).toBeNull();
  });

  test('MAX_NUMNODES means any node, with one warning', () => {
    const { memblock: m, warnings } = watched();
    m.addNode(0x1000n, 0x10000n, 3, 0);
    expect(m.allocRangeNid(0x1000n, 0x1000n, 0n, 0n, 64, true)).toBe(0x10000n);
    expect(m.allocRangeNid(0x1000n, 0x1000n, 0n, 0n, 64, true)).toBe(0xf000n);
    expect(warnings).toEqual(['MAX_NUMNODES']);
  });
});

describe('size 0 (spec memblock 4.12)', () => {
  test('top-down the result may be the window end, bottom-up the window start', () => {
    const m = withRanges([
      [0x1000n, 0x3000n],
      [0x8000n, 0x9000n],
    ]);
    expect(m.physAllocRange(0n, 0x1000n, 0x5000n, 0x6000n)).toBe(0x6000n);
    expect(m.physAllocRange(0n, 0x1000n, 0x2000n, 0x2800n)).toBe(0x2000n);
    m.setBottomUp(true);
    expect(m.physAllocRange(0n, 0x1000n, 0x1800n, 0x2800n)).toBe(0x2000n);
    expect(m.physAllocRange(0n, 0x1000n, 0x5000n, 0x6000n)).toBeNull();
    expect(m.regions('reserved')[0].size).toBe(0n);
  });

  test('below the window, and in a window that ends before it starts', () => {
    const m = withRanges([[0x1000n, 0x3000n]]);
    expect(m.physAllocRange(0n, 0x1000n, 0x5000n, 0x6000n)).toBe(0x5000n);
    expect(m.physAllocRange(0n, 0x1000n, 0x2000n, 0x1800n)).toBe(0x2000n);
  });

  test('there is nothing without memory', () => {
    const m = new Memblock();
    expect(m.physAllocRange(0n, 0x1000n, 0n, 0x10000n)).toBeNull();
    m.reserve(0x1000n, 0x1000n);
    expect(m.physAllocRange(0n, 0x1000n, 0n, 0x10000n)).toBeNull();
  });
});

test('bottom-up, a rounding that wraps to 0 ends the search (spec memblock 8)', () => {
  const m = withRanges([
    [2n ** 64n - 0x1000n, 2n ** 64n - 1n],
    [0x1000n, 0x2000n],
  ]);
  m.reserve(0x1000n, 0x1000n);
  m.setBottomUp(true);
  expect(m.physAllocRange(0x100n, 2n ** 63n, 0n, MEMBLOCK_ALLOC_ANYWHERE)).toBeNull();
});

type Range = readonly [bigint, bigint];

/** Situations of spec memblock 7.11: memory `[0x100000,0x108000)`, alignment 64. */
const situations: readonly {
  call: string;
  reserved: readonly [readonly Range[], readonly Range[]];
  run: (m: Memblock) => bigint | null;
  found: readonly [bigint | null, bigint | null];
  count?: readonly [number, number];
  after?: readonly [string, string];
}[] = [
  {
    call: 'alloc(2)',
    reserved: [[], []],
    run: (m) => m.alloc(2n, 64n),
    found: [0x107fc0n, 0x100000n],
  },
  {
    call: 'alloc(24, align 128)',
    reserved: [[[0x107ffan, 0x108000n]], [[0x100006n, 0x10000cn]]],
    run: (m) => m.alloc(24n, 128n),
    found: [0x107f80n, 0x100080n],
    count: [2, 2],
  },
  {
    call: 'alloc(0x300), fits the edge exactly',
    reserved: [[[0x107cc0n, 0x107d00n]], [[0x100300n, 0x100340n]]],
    run: (m) => m.alloc(0x300n, 64n),
    found: [0x107d00n, 0x100000n],
    count: [1, 1],
  },
  {
    call: 'alloc(0x300), edge too small',
    reserved: [[[0x107fc0n, 0x107fc8n]], [[0x100040n, 0x100080n]]],
    run: (m) => m.alloc(0x300n, 64n),
    found: [0x107cc0n, 0x100080n],
    after: ['[107cc0,107fc8)', '[100040,100380)'],
  },
  {
    call: 'alloc(0x480)',
    reserved: [
      [
        [0x107800n, 0x107a00n],
        [0x107c00n, 0x108000n],
      ],
      [
        [0x100000n, 0x100400n],
        [0x100600n, 0x100800n],
      ],
    ],
    run: (m) => m.alloc(0x480n, 64n),
    found: [0x107380n, 0x100800n],
  },
  {
    call: 'alloc(0x100), only the middle gap fits',
    reserved: both([
      [0x100040n, 0x103040n],
      [0x103140n, 0x107fc0n],
    ]),
    run: (m) => m.alloc(0x100n, 64n),
    found: [0x103040n, 0x103040n],
    count: [1, 1],
  },
  {
    call: 'alloc(0x400), gaps too small',
    reserved: both(gaps()),
    run: (m) => m.alloc(0x400n, 64n),
    found: [null, null],
  },
  {
    call: 'alloc(0x200) in the gaps',
    reserved: both(gaps()),
    run: (m) => m.alloc(0x200n, 64n),
    found: [0x107800n, 0x100000n],
    count: [15, 16],
  },
  {
    call: 'alloc(0x40), all reserved',
    reserved: both([[0x100000n, 0x108000n]]),
    run: (m) => m.alloc(0x40n, 64n),
    found: [null, null],
  },
  {
    call: 'alloc(0x100), the last piece',
    reserved: both([[0x100000n, 0x107f00n]]),
    run: (m) => m.alloc(0x100n, 64n),
    found: [0x107f00n, 0x107f00n],
    count: [1, 1],
  },
  {
    call: 'alloc(0x8001)',
    reserved: [[], []],
    run: (m) => m.alloc(0x8001n, 64n),
    found: [null, null],
  },
  {
    call: 'alloc_from(16, min 0x107fc0)',
    reserved: [[], []],
    run: (m) => m.allocFrom(16n, 64n, 0x107fc0n),
    found: [0x107fc0n, 0x107fc0n],
  },
  {
    call: 'alloc_from(40, min 0x107f81)',
    reserved: [[], []],
    run: (m) => m.allocFrom(40n, 64n, 0x107f81n),
    found: [0x107fc0n, 0x107fc0n],
  },
  {
    call: 'alloc_from(40, min 0x107ff0): bound dropped',
    reserved: [[], []],
    run: (m) => m.allocFrom(40n, 64n, 0x107ff0n),
    found: [0x107fc0n, 0x100000n],
  },
  {
    call: 'alloc_from(0x80, min 0x107f00): bound dropped',
    reserved: both([[0x107f00n, 0x108000n]]),
    run: (m) => m.allocFrom(0x80n, 64n, 0x107f00n),
    found: [0x107e80n, 0x100000n],
    count: [1, 2],
  },
  {
    call: 'window, 0xc0',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0xc0n, 64n, 0x100100n, 0x100500n, -1),
    found: [0x100440n, 0x100100n],
  },
  {
    call: 'misaligned window, 0xc0',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0xc0n, 64n, 0x100102n, 0x100502n, -1),
    found: [0x100440n, 0x100140n],
  },
  {
    call: 'window, fits exactly',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0x600n, 64n, 0x100040n, 0x100640n, -1),
    found: [0x100040n, 0x100040n],
  },
  {
    call: 'window too small: bound dropped',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0x180n, 64n, 0x100400n, 0x100440n, -1),
    found: [0x1002c0n, 0x100000n],
  },
  {
    call: 'window too small at the bottom',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0x180n, 64n, 0x100000n, 0x100040n, -1),
    found: [null, null],
  },
  {
    call: 'window between two reservations',
    reserved: both([
      [0x101000n, 0x101100n],
      [0x101200n, 0x101300n],
    ]),
    run: (m) => m.allocTryNid(0x80n, 64n, 0x101100n, 0x101200n, -1),
    found: [0x101180n, 0x101100n],
    after: ['[101000,101100) [101180,101300)', '[101000,101180) [101200,101300)'],
  },
  {
    call: 'window full: bound dropped',
    reserved: both([
      [0x101000n, 0x101100n],
      [0x101140n, 0x101240n],
    ]),
    run: (m) => m.allocTryNid(0x180n, 64n, 0x101100n, 0x101140n, -1),
    found: [0x100e80n, 0x100000n],
    count: [2, 3],
  },
  {
    call: 'window beyond the end',
    reserved: [[], []],
    run: (m) => m.allocTryNid(0x180n, 64n, 0x107000n, 0x109000n, -1),
    found: [0x107e80n, 0x107000n],
  },
];

function both(ranges: readonly Range[]): [readonly Range[], readonly Range[]] {
  return [ranges, ranges];
}

function gaps(): Range[] {
  return Array.from({ length: 16 }, (_, k): Range => {
    const start = 0x100200n + BigInt(k) * 0x800n;
    return [start, start + 0x600n];
  });
}

const directions: readonly { side: 0 | 1; name: string }[] = [
  { side: 0, name: 'top-down' },
  { side: 1, name: 'bottom-up' },
];

describe.each(directions)(
  'situations of the kernel tests (spec memblock 7.11), $name',
  ({ side }) => {
    test.each(situations)('$call', ({ reserved, run, found, count, after }) => {
      const m = withRanges([[0x100000n, 0x108000n]], reserved[side]);
      m.setBottomUp(side === 1);
      expect(run(m)).toBe(found[side]);
      if (count !== undefined) expect(m.regions('reserved')).toHaveLength(count[side]);
      if (after !== undefined) expect(show(m, 'reserved')).toBe(after[side]);
    });

    test('no memory registered', () => {
      const m = new Memblock();
      m.setBottomUp(side === 1);
      expect(m.alloc(0x400n, 64n)).toBeNull();
    });

    const nodeSizes = [0x4000n, 0x800n, 0x2000n, 0x1800n, 0x1000n, 0x800n, 0x5000n, 0x800n];
    const end = 0x10f000n;
    const node = (index: number): Range => {
      const start = nodeSizes.slice(0, index).reduce((sum, size) => sum + size, 0x100000n);
      return [start, start + nodeSizes[index]];
    };
    const [straddleStart, straddleEnd] = [0x10e780n, 0x10e880n];

    test.each<{
      reserved: readonly Range[];
      size: bigint;
      nid: number;
      window?: Range;
      found: readonly [bigint | null, bigint | null];
      after?: string;
    }>([
      { reserved: [], size: 0x600n, nid: 3, found: [0x107a00n, 0x106800n] },
      { reserved: [], size: 0x1000n, nid: 1, found: [0x10d800n, 0x100000n] },
      { reserved: [node(2)], size: 0x2000n, nid: 2, found: [0x10c800n, 0x100000n] },
      {
        reserved: [[node(4)[0], node(4)[0] + 0x800n]],
        size: 0x200n,
        nid: 4,
        found: [0x108e00n, 0x108800n],
      },
      { reserved: [[0x108400n, 0x108c00n]], size: 0x800n, nid: 4, found: [0x10e800n, 0x100000n] },
      {
        reserved: [],
        size: 0x400n,
        nid: 2,
        window: [0x106600n, 0x106a00n],
        found: [0x106400n, 0x104800n],
      },
      {
        reserved: [],
        size: 0x400n,
        nid: 3,
        window: [0x106600n, 0x106a00n],
        found: [0x106400n, 0x100000n],
      },
      {
        reserved: [],
        size: 0x400n,
        nid: 2,
        window: [0x109600n, 0x109a00n],
        found: [0x106400n, 0x104800n],
      },
      {
        reserved: [],
        size: 0x80n,
        nid: 0,
        window: [0x104800n, 0x109800n],
        found: [0x109780n, 0x104800n],
      },
      { reserved: [], size: 0x6000n, nid: 3, found: [null, null] },
      {
        reserved: [
          [0x109700n, 0x109800n],
          [0x10e800n, 0x10e880n],
        ],
        size: 0x5000n,
        nid: 6,
        window: [0x109800n, 0x10e800n],
        found: [0x109800n, 0x109800n],
        after: '[109700,10e880)',
      },
      {
        reserved: [
          [0x100000n, straddleStart],
          [straddleEnd, end],
        ],
        size: 0x100n,
        nid: -1,
        window: [straddleStart, straddleEnd],
        found: [null, null],
      },
    ])('$size bytes on node $nid', ({ reserved, size, nid, window, found, after }) => {
      const m = new Memblock({ checks: 'full' });
      nodeSizes.forEach((bytes, index) => {
        m.addNode(node(index)[0], bytes, index, 0);
      });
      for (const [start, stop] of reserved) m.reserve(start, stop - start);
      m.setBottomUp(side === 1);
      const [from, to] = window ?? [m.startOfDRAM(), m.endOfDRAM()];
      expect(m.allocTryNid(size, 64n, from, to, nid)).toBe(found[side]);
      if (after !== undefined) expect(show(m, 'reserved')).toBe(after);
    });
  },
);

describe('the rest of the front ends', () => {
  test('each prints its own debug line and no more', () => {
    const { memblock: m, log } = watched();
    m.add(0x1000n, 0x10000n);
    log.length = 0;
    m.physAlloc(0x10n, 0x10n, 'a');
    m.physAllocTryNid(0x10n, 0x10n, 0);
    m.allocExactNidRaw(0x10n, 0x10n, 0n, 0x8000n, -1, 'b');
    m.allocRaw(0x10n, 0x10n, 'c');
    m.allocLow(0x10n, 0n, 'd');
    const lines = log.filter((line) => !line.startsWith('info memblock_reserve'));
    expect(lines).toEqual([
      'info memblock_phys_alloc_range: 16 bytes align=0x10 from=0x0000000000000000 max_addr=0x0000000000000000 a',
      'info memblock_alloc_exact_nid_raw: 16 bytes align=0x10 nid=-1 from=0x0000000000000000 max_addr=0x0000000000008000 b',
      'info memblock_alloc_try_nid_raw: 16 bytes align=0x10 nid=-1 from=0x0000000000000000 max_addr=0x0000000000000000 c',
      'info memblock_alloc_try_nid: 16 bytes align=0x0 nid=-1 from=0x0000000000000000 max_addr=0x00000000ffffffff d',
    ]);
    expect(log).toHaveLength(9);
  });

  test('zeroing fills exactly the bytes asked for', () => {
    const filled: [number, number, number][] = [];
    const memory = { fill: (...args: [number, number, number]) => void filled.push(args) };
    const m = new Memblock({ memory });
    m.add(0x1000n, 0x10000n);
    m.alloc(100n, 64n);
    m.allocRaw(100n, 64n);
    m.allocExactNidRaw(100n, 64n, 0n, 0n, -1);
    m.alloc(0n, 64n);
    m.alloc(0x100000n, 64n);
    expect(filled).toEqual([[0x10f80, 100, 0]]);
  });

  test('a memory that throws leaves memblock as it was', () => {
    const memory = {
      fill: () => {
        throw new RangeError('beyond the memory');
      },
    };
    const m = new Memblock({ memory, initReservedRegions: 2 });
    m.add(0x1000n, 0x100000n);
    m.reserve(0x2000n, 0x1000n);
    m.reserve(0x4000n, 0x1000n);
    m.allowResize();
    const before = m.snapshot();
    expect(() => m.alloc(100n, 64n)).toThrow(RangeError);
    expect(m.snapshot()).toEqual(before);
  });

  test('once slab is up, virtual allocations come from there', () => {
    const asked: [number, number][] = [];
    const slab = {
      isAvailable: () => true,
      kmalloc: () => null,
      kzallocNode: (...args: [number, number]) => {
        asked.push(args);
        return args[0] > 0x1000 ? null : 0x7000n;
      },
      kfree: () => undefined,
    };
    const { memblock: m, warnings } = watched({ slab });
    m.add(0x1000n, 0x1000n);
    expect(m.alloc(64n, 64n)).toBe(0x7000n);
    expect(m.allocNode(0x2000n, 64n, 1)).toBeNull();
    expect(m.physAlloc(64n, 64n)).toBe(0x1fc0n);
    expect(asked).toEqual([
      [64, -1],
      [0x2000, 1],
    ]);
    expect(warnings).toEqual(['SLAB_AVAILABLE']);
  });
});
