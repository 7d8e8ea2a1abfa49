// covers: src/memblock/snapshot.ts src/memblock/state.ts
import { describe, expect, test } from 'vitest';
import { Memblock, type MemblockSnapshot } from '../../src/memblock/index.ts';
import { NOMAP, show } from './show.ts';

function used(): Memblock {
  const m = new Memblock({ checks: 'full', initReservedRegions: 2, mirroredKernelcore: true });
  m.add(0x100000n, 0x100000n);
  m.markNomap(0x180000n, 0x10000n);
  m.markMirror(0x110000n, 0x10000n);
  m.allowResize();
  for (let k = 0n; k < 3n; k++) m.reserve(k * 0x2000n, 0x1000n);
  m.setBottomUp(true);
  m.setCurrentLimit(0x200000n);
  m.capMemoryRange(0n, 0x188000n);
  return m;
}

describe('snapshot and restore', () => {
  test('a restored memblock goes on with the same results', () => {
    const original = used();
    const copy = new Memblock({ checks: 'full', initReservedRegions: 2 });
    copy.restore(structuredClone(original.snapshot()));
    expect(copy.snapshot()).toEqual(original.snapshot());
    for (const m of [original, copy]) {
      m.alloc(0x3000n, 0x1000n);
      for (let k = 10n; k < 14n; k++) m.reserve(k * 0x2000n, 0x1000n);
      m.add(0x400000n, 0x1000n);
    }
    expect(copy.snapshot()).toEqual(original.snapshot());
    expect(show(copy, 'memory')).toContain('[180000,190000) flags 4');
  });

  test('a snapshot is not touched by what comes after', () => {
    const m = used();
    const snapshot = m.snapshot();
    const before = structuredClone(snapshot);
    m.clearNomap(0n, 2n ** 64n - 1n);
    m.alloc(0x3000n, 0x1000n);
    expect(snapshot).toEqual(before);
  });

  test('an empty list of entries is an empty array', () => {
    const m = new Memblock();
    const snapshot = m.snapshot();
    m.restore({ ...snapshot, memory: { ...snapshot.memory, regions: [] } });
    expect(m.regions('memory')).toEqual([{ base: 0n, end: 0n, size: 0n, flags: 0, nid: 0 }]);
  });

  test('physmem is carried too', () => {
    const m = new Memblock({ physMap: true });
    m.physmemAdd(0x1000n, 0x1000n);
    const copy = new Memblock({ physMap: true });
    copy.restore(m.snapshot());
    expect(show(copy, 'physmem')).toBe('[1000,2000)');
  });
});

type Regions = MemblockSnapshot['memory']['regions'];
const region = (base: bigint, size: bigint) => ({ base, size, flags: NOMAP, nid: 0 });

describe('what no kernel holds is refused and changes nothing', () => {
  const withMemory = (memory: Partial<MemblockSnapshot['memory']>): MemblockSnapshot => {
    const snapshot = used().snapshot();
    return { ...snapshot, memory: { ...snapshot.memory, ...memory } };
  };
  const withRegions = (...regions: Regions): MemblockSnapshot => withMemory({ regions });
  const many: Regions = Array.from({ length: 129 }, (_, k) => region(BigInt(k) * 16n, 8n));

  test.each<[string, MemblockSnapshot, string]>([
    ['overlap', withRegions(region(0n, 0x2000n), region(0x1000n, 0x1000n)), 'BAD_SNAPSHOT'],
    ['disorder', withRegions(region(0x4000n, 1n), region(0x1000n, 1n)), 'BAD_SNAPSHOT'],
    ['empty entry', withRegions(region(0x1000n, 0n)), 'BAD_SNAPSHOT'],
    ['empty entry among others', withRegions(region(0n, 0n), region(1n, 1n)), 'BAD_SNAPSHOT'],
    ['beyond the top', withRegions(region(1n, 2n ** 64n - 1n)), 'BAD_SNAPSHOT'],
    ['too many', withRegions(...many), 'BAD_SNAPSHOT'],
    ['odd capacity', withMemory({ max: 200 }), 'BAD_SNAPSHOT'],
    ['small capacity', withMemory({ max: 64 }), 'BAD_ARGUMENT'],
    ['negative base', withRegions(region(-1n, 1n)), 'BAD_ARGUMENT'],
    ['huge total', withMemory({ totalSize: 2n ** 64n }), 'BAD_ARGUMENT'],
    [
      'foreign physmem',
      { ...used().snapshot(), physmem: used().snapshot().memory },
      'BAD_SNAPSHOT',
    ],
    ['limit', { ...used().snapshot(), currentLimit: -1n }, 'BAD_ARGUMENT'],
  ])('%s', (_, snapshot, code) => {
    const m = new Memblock({ initReservedRegions: 2 });
    m.add(0x1000n, 0x1000n);
    const before = m.snapshot();
    expect(() => m.restore(snapshot)).toThrow(
      expect.objectContaining({ name: 'MemblockError', code }),
    );
    expect(m.snapshot()).toEqual(before);
  });
});

test.each([
  { initMemoryRegions: 0 },
  { initReservedRegions: 1.5 },
  { maxNumnodes: Number.NaN },
  { hz: -1 },
  { smpCacheBytes: -1n },
  { archLowAddressLimit: 2n ** 64n },
])('options are checked: %o', (options) => {
  expect(() => new Memblock(options)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
});

test('options other than those of x86-64', () => {
  expect(new Memblock({ numa: false }).state.maxNumnodes).toBe(1);
  const m = new Memblock({ maxNumnodes: 1024, archLowAddressLimit: 0x8000n });
  m.add(0x1000n, 0x10000n);
  expect(m.regions('memory')[0].nid).toBe(1024);
  expect(m.allocLow(0x1000n, 0x1000n)).toBe(0x7000n);
});
