import { describe, expect, test } from 'vitest';
import { CURSOR_END, Memblock, type MemblockRange } from '../../src/memblock/index.ts';
import { HOTPLUG, NOMAP, watched, withRanges } from './show.ts';

/** The memory of spec memblock 7.5. */
function example(movableNode = false): Memblock {
  const m = new Memblock({ movableNode });
  m.addNode(0x1000n, 0x7000n, 0, 0);
  m.addNode(0x8000n, 0x8000n, 1, 0);
  m.addNode(0x20000n, 0x10000n, 1, NOMAP);
  m.addNode(0x30000n, 0x8000n, 1, HOTPLUG);
  m.reserve(0n, 0x2000n);
  m.reserve(0x6000n, 0x4000n);
  m.reserve(0x34000n, 0x1000n);
  m.reserve(0x50000n, 0x1000n);
  return m;
}

const text = ({ start, end, nid, cursor }: MemblockRange): string =>
  `[${start.toString(16)},${end.toString(16)}) nid ${nid} ${cursor.toString(16).padStart(16, '0')}`;
const texts = (ranges: Iterable<MemblockRange>): string[] => [...ranges].map(text);
const spans = (ranges: Iterable<MemblockRange>): string[] =>
  texts(ranges).map((line) => line.split(' ')[0]);

describe('walks (spec memblock 7.5)', () => {
  test('forward and reverse, with cursors', () => {
    const m = example();
    expect(texts(m.freeMemRanges())).toEqual([
      '[2000,6000) nid 0 0000000200000000',
      '[a000,10000) nid 1 0000000200000002',
      '[30000,34000) nid 1 0000000300000003',
      '[35000,38000) nid 1 0000000300000004',
    ]);
    expect(texts(m.freeMemRangesReverse())).toEqual([
      '[35000,38000) nid 1 0000000200000003',
      '[30000,34000) nid 1 0000000200000002',
      '[a000,10000) nid 1 0000000100000001',
      '[2000,6000) nid 0 0000000000000000',
    ]);
    expect(m.nextMemRange(0x300000004n, 'memory', 'reserved')).toBeNull();
    expect(m.nextMemRangeRev(0n, 'memory', 'reserved')).toBeNull();
  });

  test('by node and flags', () => {
    expect(spans(example().freeMemRanges(1))).toEqual([
      '[a000,10000)',
      '[30000,34000)',
      '[35000,38000)',
    ]);
    expect(texts(example().freeMemRanges(-1, NOMAP))[2]).toBe(
      '[20000,30000) nid 1 0000000200000003',
    );
    expect(spans(example(true).freeMemRanges())).toEqual(['[2000,6000)', '[a000,10000)']);
    expect(spans(example(true).freeMemRanges(-1, HOTPLUG))).toHaveLength(4);
    expect(spans(example().freeMemRanges(-1, 2))).toEqual([]);
  });

  test('driver-managed memory only when asked for, mirrored memory only when asked for', () => {
    const m = new Memblock();
    m.addNode(0x1000n, 0x1000n, 0, 8);
    m.addNode(0x2000n, 0x1000n, 0, 2);
    m.addNode(0x3000n, 0x1000n, 0, 0);
    expect(spans(m.freeMemRanges())).toEqual(['[2000,3000)', '[3000,4000)']);
    expect(spans(m.freeMemRanges(-1, 2))).toEqual(['[2000,3000)']);
    expect(spans(m.freeMemRanges(-1, 8))).toHaveLength(3);
    expect(spans(m.memRanges())).toHaveLength(3);
  });

  test('over one array', () => {
    const m = example();
    const cursors = (ranges: Iterable<MemblockRange>) => [...ranges].map(({ cursor }) => cursor);
    expect(cursors(m.memRanges())).toEqual([1n, 2n, 4n]);
    expect(cursors(m.memRangesReverse())).toEqual([2n, 0n, 0xffff_ffffn]);
    expect(m.nextMemRangeRev(0xffff_ffffn, 'memory', null)).toBeNull();
    expect(spans(m.reservedMemRanges())).toEqual([
      '[0,2000)',
      '[6000,a000)',
      '[34000,35000)',
      '[50000,51000)',
    ]);
    expect([...m.eachRegion('memory')]).toEqual(m.regions('memory'));
  });

  test('by whole pages: MAX_NUMNODES is any node, -1 is not', () => {
    const m = example();
    m.addNode(0x40800n, 0x800n, 1, 0);
    m.addNode(0x41000n, 0xfffn, 1, NOMAP);
    expect([...m.memPfnRanges()]).toEqual([
      { startPfn: 1, endPfn: 8, nid: 0 },
      { startPfn: 8, endPfn: 0x10, nid: 1 },
      { startPfn: 0x20, endPfn: 0x30, nid: 1 },
      { startPfn: 0x30, endPfn: 0x38, nid: 1 },
    ]);
    expect([...m.memPfnRanges(0)]).toEqual([{ startPfn: 1, endPfn: 8, nid: 0 }]);
    expect([...m.memPfnRanges(-1)]).toEqual([]);
  });

  test('whole free pages of a zone', () => {
    const m = example();
    const zone = { nid: 1, startPfn: 0xb, endPfn: 0x36 };
    expect([...m.freePfnRangesInZone(zone)]).toEqual([
      { startPfn: 0xb, endPfn: 0x10, nid: 1 },
      { startPfn: 0x30, endPfn: 0x34, nid: 1 },
      { startPfn: 0x35, endPfn: 0x36, nid: 1 },
    ]);
    expect([...m.freePfnRangesInZone({ nid: 1, startPfn: 0, endPfn: 0x30 })]).toHaveLength(1);
  });

  test('an entry that ends or begins with its gap is done: the gap stays', () => {
    const m = withRanges(
      [
        [0x2000n, 0x4000n],
        [0x6000n, 0x7000n],
      ],
      [
        [0x1000n, 0x2000n],
        [0x4000n, 0x5000n],
      ],
    );
    expect([...m.freeMemRanges()].map(({ cursor }) => cursor)).toEqual([
      0x1_0000_0001n,
      0x2_0000_0002n,
    ]);
    expect([...m.freeMemRangesReverse()].map(({ cursor }) => cursor)).toEqual([
      0x2_0000_0000n,
      0x1_ffff_ffffn,
    ]);
  });

  test('an empty gap strictly inside an entry is yielded', () => {
    const m = new Memblock();
    m.addNode(0x1000n, 0xf000n, 0, 0);
    m.reserve(0x4000n, 0x4000n);
    m.setNode(0x4000n, 0x2000n, 'reserved', 0);
    const forward = [
      '[1000,4000) nid 0 0000000100000000',
      '[6000,6000) nid 0 0000000200000000',
      '[8000,10000) nid 0 0000000200000001',
    ];
    expect(texts(m.freeMemRanges())).toEqual(forward);
    expect(texts(m.freeMemRangesReverse())).toEqual([
      '[8000,10000) nid 0 0000000100000000',
      '[6000,6000) nid 0 0000000000000000',
      '[1000,4000) nid 0 00000000ffffffff',
    ]);
  });

  test('an empty array is one range without an array to exclude, none with one', () => {
    const m = new Memblock({ physMap: true });
    expect(spans(m.memRanges())).toEqual(['[0,0)']);
    expect(spans(m.freeMemRanges())).toEqual([]);
    expect(spans(m.freeMemRangesReverse())).toEqual([]);
    expect(spans(m.reservedMemRanges())).toEqual(['[0,0)']);
    m.physmemAdd(0x1000n, 0x3000n);
    m.add(0x2000n, 0x1000n);
    expect(spans(m.physmemRanges())).toEqual(['[1000,4000)']);
    expect(spans(m.physmemRanges('memory'))).toEqual(['[1000,2000)', '[3000,4000)']);
  });
});

describe('edits during a walk (spec memblock 7.5)', () => {
  const gaps = (): Memblock =>
    withRanges(
      [[0x1000n, 0x10000n]],
      [
        [0x2000n, 0x3000n],
        [0x5000n, 0x6000n],
        [0x9000n, 0xa000n],
      ],
    );

  test.each([
    [
      'all of a range: two entries fuse, the next range is skipped',
      0x3000n,
      0x2000n,
      ['[a000,10000)'],
    ],
    [
      'a piece of it: the rest comes again',
      0x3800n,
      0x800n,
      ['[4000,5000)', '[6000,9000)', '[a000,10000)'],
    ],
  ])('reserving %s', (_, base, size, after) => {
    const m = gaps();
    const seen: string[] = [];
    for (const range of m.freeMemRanges()) {
      seen.push(spans([range])[0]);
      if (range.start === 0x3000n) m.reserve(base, size);
    }
    expect(seen).toEqual(['[1000,2000)', '[3000,5000)', ...after]);
  });

  test('removing an entry already passed skips the next', () => {
    const m = withRanges([
      [0x1000n, 0x2000n],
      [0x3000n, 0x4000n],
      [0x5000n, 0x6000n],
      [0x7000n, 0x8000n],
    ]);
    const seen: string[] = [];
    for (const range of m.memRanges()) {
      seen.push(spans([range])[0]);
      if (range.start === 0x1000n) m.remove(0x1000n, 0x1000n);
    }
    expect(seen).toEqual(['[1000,2000)', '[5000,6000)', '[7000,8000)']);
  });

  test('a descending walk goes on from the top of an array that shrank', () => {
    const m = gaps();
    const first = m.nextMemRangeRev(CURSOR_END, 'memory', 'reserved');
    m.physFree(0x3000n, 0x10000n);
    expect(spans([first as MemblockRange])).toEqual(['[a000,10000)']);
    const next = m.nextMemRangeRev(first?.cursor ?? 0n, 'memory', 'reserved');
    expect(spans([next as MemblockRange])).toEqual(['[3000,10000)']);
  });

  test('cursors with negative halves end a walk', () => {
    const m = gaps();
    expect(m.nextMemRange(CURSOR_END, 'memory', 'reserved')).toBeNull();
    expect(m.nextMemRange(0xffff_ffff_0000_0000n, 'memory', 'reserved')).toBeNull();
    expect(m.nextMemRangeRev(0xffff_ffff_0000_0000n, 'memory', 'reserved')).toBeNull();
  });
});

test('after discard nothing is left out any more', () => {
  const m = example();
  m.discard({ freePages: () => undefined });
  expect(spans(m.memRanges())).toHaveLength(4);
  expect(spans(m.freeMemRanges(0))).toHaveLength(5);
});

test('MAX_NUMNODES as node is any node, with one warning for each direction', () => {
  const { memblock: m, warnings } = watched();
  m.addNode(0x1000n, 0x1000n, 1, 0);
  expect(spans(m.freeMemRanges(64))).toEqual(['[1000,2000)']);
  expect(spans(m.freeMemRanges(64))).toEqual(['[1000,2000)']);
  expect(warnings).toEqual(['MAX_NUMNODES']);
  expect(spans(m.freeMemRangesReverse(64))).toEqual(['[1000,2000)']);
  expect(warnings).toEqual(['MAX_NUMNODES', 'MAX_NUMNODES']);
});
