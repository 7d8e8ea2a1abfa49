import { describe, expect, it } from 'vitest';
import { createWorld } from './world.ts';

/** A zone with the free blocks given, as [first frame, order]. */
function world(blocks: Readonly<Record<number, number>>) {
  return createWorld({
    startPfn: 0x1000,
    endPfn: 0x2000,
    watermark: [1, 2, 3],
    kind: (pfn) => (blocks[pfn] === undefined ? 'fixed' : 'free'),
    freeOrder: (pfn) => blocks[pfn] ?? 0,
  }).slowPath;
}

describe('extfrag files of debugfs (spec slowpath-compaction 5.5)', () => {
  it('show thousandths, negative ones with the sign on both parts', () => {
    const one = world({ 4096: 3 });
    expect(one.extfragIndex()).toEqual([
      'Node 0, zone    DMA32 -1.000 -1.000 -1.000 -1.000  0.-500  0.-250  0.-125  0.-62  0.-31  0.-15  0.-07 ',
    ]);
    expect(one.unusableIndex()).toEqual([
      'Node 0, zone    DMA32 0.000 0.000 0.000 0.000 1.000 1.000 1.000 1.000 1.000 1.000 1.000 ',
    ]);
  });

  it('an empty zone', () => {
    const none = world({});
    expect(none.extfragIndex()[0]).toMatch(/DMA32 ( 0\.000 ){11}$/);
    expect(none.unusableIndex()[0]).toMatch(/DMA32 (1\.000 ){11}$/);
  });

  it('a mixed one', () => {
    const mixed = world({ 4096: 1, 4112: 2, 4128: 0 });
    // 7 pages, of which order 1 can use 6 and order 2 can use 4.
    expect(mixed.unusableIndex()[0]).toMatch(/DMA32 0\.000 0\.142 0\.428 1\.000 /);
    expect(mixed.extfragIndex()[0]).toMatch(/DMA32 -1\.000 -1\.000 -1\.000 {2}0\.375 /);
  });
});
