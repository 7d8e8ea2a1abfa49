import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { fixSlabGfp, mayUseReserves } from '../../src/mm/slab-gfp.ts';

test('4.10 bits that a slab page must not have are named and removed', () => {
  const log: string[] = [];
  const fixed = fixSlabGfp(Gfp.GFP_KERNEL | Gfp.__GFP_DMA32, (line) => log.push(line));
  expect(fixed).toBe(Gfp.GFP_KERNEL);
  expect(log).toEqual([
    'Unexpected gfp: 0x4 (GFP_DMA32). Fixing up to gfp: 0xcc0 (GFP_KERNEL). Fix your code!',
  ]);
  expect(fixSlabGfp(Gfp.GFP_KERNEL | 0x8000000, null)).toBe(Gfp.GFP_KERNEL);
  expect(fixSlabGfp(Gfp.GFP_KERNEL | Gfp.__GFP_MOVABLE, (line) => log.push(line))).toBe(0xcc8);
  expect(log).toHaveLength(1);
});

test('4.12 who may have objects of emergency slabs', () => {
  const { __GFP_MEMALLOC, __GFP_NOMEMALLOC } = Gfp;
  expect(mayUseReserves(0, false)).toBe(false);
  expect(mayUseReserves(0, true)).toBe(true);
  expect(mayUseReserves(__GFP_MEMALLOC, false)).toBe(true);
  expect(mayUseReserves(__GFP_MEMALLOC | __GFP_NOMEMALLOC, true)).toBe(false);
});
