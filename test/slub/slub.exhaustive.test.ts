import { expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { SlubConfig } from '../../src/slub/types.ts';
import { made, testSlub, testTopology } from './support.ts';

const DEPTH = 6;

/**
 * Every sequence of calls up to a length, on two CPUs and slabs of two objects: allocate here or
 * there, free the oldest here or the newest there, shrink.
 */
function exhaust(config: Partial<SlubConfig>): number {
  const { slub, pages } = testSlub({
    memory: noMemory(0x100 * 4096),
    pagesPerNode: 0x100,
    checks: 'basic',
    config,
    parameters: { maxOrder: 0 },
    topology: testTopology([0, 0], 1),
  });
  const cache = made(slub.createCache('c', { size: 2048 }));
  cache.writeAttribute('min_partial', '1');
  if (config.cpuPartial ?? true) cache.writeAttribute('cpu_partial', '2');
  let visited = 0;

  const step = (call: number, held: readonly number[]): number[] | null => {
    if (call < 2) {
      const object = made(cache.alloc(Gfp.GFP_KERNEL, call));
      expect(held).not.toContain(object);
      return [...held, object];
    }
    if (call === 4) {
      const busy = cache.shrink();
      expect(busy).toBe(held.length > 0);
      return [...held];
    }
    const victim = call === 2 ? held[0] : held[held.length - 1];
    if (victim === undefined) return null;
    cache.free(victim, call - 2);
    return held.filter((object) => object !== victim);
  };

  const walk = (depth: number, held: readonly number[]): void => {
    if (depth === DEPTH) return;
    const before = slub.snapshot();
    const used = [...pages.used];
    for (let call = 0; call < 5; call++) {
      const after = step(call, held);
      if (after === null) continue;
      visited++;
      slub.assertInvariants();
      const inUse = after.every((object) => slub.locate(object)?.inUse);
      expect(inUse).toBe(true);
      walk(depth + 1, after);
      pages.used.clear();
      for (const pfn of used) pages.used.add(pfn);
      slub.restore(before);
    }
  };
  walk(0, []);
  return visited;
}

test.each([true, false])('all sequences of six calls, with CPU partial lists: %s', (cpuPartial) => {
  expect(exhaust({ cpuPartial })).toBe(6704);
});
