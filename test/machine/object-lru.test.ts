import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { bootOf, problems, takeAll } from './support.ts';

function dentries(slab: 'slub' | 'slab') {
  const machine = bootOf(32, { slab });
  const cache = machine.slab.createCache('dentry', {
    size: 192,
    flags: SlabFlag.SLAB_RECLAIM_ACCOUNT,
  });
  if (cache === null) throw new Error('no cache');
  const gone: number[] = [];
  const lru = machine.objectLru(cache, { onReclaim: (address) => gone.push(address) });
  return { machine, cache, gone, lru };
}

test.each(['slub', 'slab'] as const)('%s: reclaim frees what was used longest ago', (slab) => {
  const { machine, cache, gone, lru } = dentries(slab);
  const kept: number[] = [];
  for (;;) {
    const address = cache.alloc(Gfp.GFP_NOWAIT | Gfp.__GFP_NOWARN);
    if (address === null) break;
    lru.add(address);
    kept.push(address);
  }
  expect(lru.use(kept[0])).toBe(true);
  expect(lru.remove(kept[1])).toBe(true);
  takeAll(machine);
  expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
  expect(gone.length).toBeGreaterThan(0);
  expect(gone).toEqual(kept.slice(2, 2 + gone.length));
  expect(lru.size).toBe(kept.length - 1 - gone.length);
  expect(vmEvent(machine.model.vmstat, VmEvent.slabs_scanned)).toBe(gone.length);
  expect(lru.use(gone[0])).toBe(false);
  expect(lru.remove(gone[0])).toBe(false);
  cache.free(kept[1]);
  expect(problems(machine)).toEqual([]);
});

test('the objects of a closed list are free, and reclaim does not ask for them', () => {
  const { machine, cache, gone, lru } = dentries('slub');
  for (let i = 0; i < 100; i++) lru.add(cache.alloc() ?? 0);
  lru.close();
  expect(lru.size).toBe(0);
  expect(cache.shrink()).toBe(false);
  machine.reclaim.dropSlab();
  expect(gone).toEqual([]);
  expect(problems(machine)).toEqual([]);
});

test('dropping all caches empties the list', () => {
  const { machine, cache, lru } = dentries('slub');
  for (let i = 0; i < 1000; i++) lru.add(cache.alloc() ?? 0);
  machine.reclaim.dropSlab();
  expect(lru.size).toBe(0);
  machine.reclaim.dropSlab();
  expect(problems(machine)).toEqual([]);
});
