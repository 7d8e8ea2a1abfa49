import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS } from '../../src/mm/slab-flags.ts';
import { made, take, testSlub, testTopology } from './support.ts';

test('5.8 the report of an allocation without memory', () => {
  const { slub, pages, log } = testSlub({ topology: testTopology([0, 1], 2) });
  const cache = made(slub.createCache('c', { size: 1000 }));
  const objects = take(cache, 16);
  cache.free(objects[0]);
  cache.flush();
  take(cache, 1);
  pages.budget = 0;
  log.length = 0;
  expect(cache.allocNode(Gfp.GFP_ATOMIC, 1)).toBeNull();
  expect(log).toEqual([
    'SLUB: Unable to allocate memory on node 1, gfp=0xa20(GFP_ATOMIC)',
    '  cache: c, object size: 1000, buffer size: 1000, default order: 2, min order: 0',
    '  node 0: slabs: 1, objs: 16, free: 0',
    '  node 1: slabs: 0, objs: 0, free: 0',
  ]);
});

test('5.8 debugging that needs a larger order is named; NOWARN is silent', () => {
  const { slub, pages, log } = testSlub();
  const cache = made(slub.createCache('d', { size: 4096, flags: DEBUG_DEFAULT_FLAGS }));
  pages.budget = 0;
  cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_NOWARN);
  expect(log).toEqual([]);
  cache.alloc();
  expect(log[2]).toBe('  d debugging increased min order, use slub_debug=O to disable.');
});

test('5.8 at most 10 reports in 5 seconds', () => {
  let now = 1000;
  const { slub, pages, log } = testSlub({ jiffies: () => now, hz: 100 });
  const cache = made(slub.createCache('c', { size: 64 }));
  pages.budget = 0;
  const reports = (): number => log.filter((line) => line.startsWith('SLUB:')).length;
  for (let i = 0; i < 15; i++) cache.alloc();
  expect(reports()).toBe(10);
  now += 500;
  cache.alloc();
  expect(reports()).toBe(10);
  now += 1;
  cache.alloc();
  expect(reports()).toBe(11);
});
