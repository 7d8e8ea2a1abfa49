import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { made, type TestSlab, take, testSlab, testTopology } from './support.ts';

/** The calls of an action, as an indented text. */
function calls({ slab }: TestSlab, action: () => void): string[] {
  const lines: string[] = [];
  slab.callTrace = { call: (name, depth) => lines.push('  '.repeat(depth) + name) };
  action();
  slab.callTrace = null;
  return lines;
}

function setUp(nodes = 1): TestSlab & { cache: SlabCache } {
  const cpus = nodes === 1 ? [0] : [0, 1];
  const set = testSlab({ topology: testTopology(cpus, nodes) });
  const cache = made(set.slab.createCache('demo', { size: 1024 }));
  cache.tune({ limit: 4, batchcount: 2, shared: 0 });
  return { ...set, cache };
}

describe('the chains of spec slab 4.27', () => {
  const top = [
    'kmem_cache_alloc',
    '  __kmem_cache_alloc_lru',
    '    slab_alloc',
    '      slab_alloc_node',
    '        __do_cache_alloc',
    '          ____cache_alloc',
    '            cpu_cache_get',
  ];

  test('an array hit', () => {
    const set = setUp();
    take(set.cache, 1);
    expect(calls(set, () => set.cache.alloc())).toEqual(top);
  });

  test('a miss that finds a slab', () => {
    const set = setUp();
    take(set.cache, 2);
    expect(calls(set, () => set.cache.alloc())).toEqual([
      ...top,
      '            cache_alloc_refill',
      '              cpu_cache_get',
      '              get_first_slab',
      '              alloc_block',
      '                slab_get_obj',
      '                  get_free_obj',
      '                  index_to_obj',
      '              fixup_slab_list',
    ]);
  });

  test('a new slab', () => {
    const set = setUp();
    expect(calls(set, () => set.cache.alloc()).slice(7)).toEqual([
      '            cache_alloc_refill',
      '              cpu_cache_get',
      '              cache_grow_begin',
      '                kmem_getpages',
      '                  __alloc_pages_node',
      '                alloc_slabmgmt',
      '                cache_init_objs',
      '                  set_free_obj',
      '              alloc_block',
      '                slab_get_obj',
      '                  get_free_obj',
      '                  index_to_obj',
      '              cache_grow_end',
      '                fixup_slab_list',
    ]);
  });

  test('another node, and the fallback', () => {
    const set = setUp(2);
    set.pages.budget = 0;
    const lines = calls(set, () => set.cache.allocNode(Gfp.GFP_KERNEL, 1, 0));
    expect(lines).toEqual(
      [
        'kmem_cache_alloc_node',
        '  slab_alloc_node',
        '    __do_cache_alloc',
        '      ____cache_alloc_node',
        '        get_first_slab',
        '        cache_grow_begin',
        '          kmem_getpages',
        '            __alloc_pages_node',
        '        fallback_alloc',
        '          cache_grow_begin',
        '            kmem_getpages',
        '              __alloc_pages_node',
        '          cache_grow_end',
      ].filter((line) => !line.endsWith('cache_grow_end')),
    );
  });

  test('a policy', () => {
    const set = setUp(2);
    set.slab.policy = {
      mode: 'preferred',
      nodes: [1],
      ilPrev: 0,
      spreadSlab: false,
      spreadRotor: 0,
      memsAllowed: null,
    };
    expect(calls(set, () => set.cache.alloc()).slice(4, 7)).toEqual([
      '        __do_cache_alloc',
      '          alternate_node_alloc',
      '            ____cache_alloc_node',
    ]);
  });

  test('kmalloc, and an index array of its own inside', () => {
    const set = testSlab({ boot: 'kernel' });
    const cache = made(
      set.slab.createCache('demo', { size: 1024, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU }),
    );
    expect(calls(set, () => set.slab.kmalloc(64)).slice(0, 6)).toEqual([
      '__kmalloc',
      '  __do_kmalloc_node',
      '    kmalloc_slab',
      '    __kmem_cache_alloc_node',
      '      slab_alloc_node',
      '        __do_cache_alloc',
    ]);
    const lines = calls(set, () => cache.alloc());
    const inner = lines.indexOf(`${' '.repeat(18)}kmalloc_node`);
    expect(lines.slice(inner - 1, inner + 2)).toEqual([
      `${' '.repeat(16)}alloc_slabmgmt`,
      `${' '.repeat(18)}kmalloc_node`,
      `${' '.repeat(20)}__do_kmalloc_node`,
    ]);
    // The inner allocation makes a slab too; what follows belongs to the outer one.
    expect(lines.filter((line) => line.trim() === 'cache_init_objs')).toHaveLength(2);
    expect(lines).toContain(`${' '.repeat(16)}cache_init_objs`);
  });

  test('a free', () => {
    const set = setUp();
    const [address] = take(set.cache, 1);
    expect(calls(set, () => set.cache.free(address))).toEqual([
      'kmem_cache_free',
      '  cache_from_obj',
      '  __do_kmem_cache_free',
      '    __cache_free',
      '      ___cache_free',
      '        cpu_cache_get',
      '        __free_one',
    ]);
    const block = set.slab.kmalloc(64) as number;
    expect(calls(set, () => set.slab.kfree(block)).slice(0, 3)).toEqual([
      'kfree',
      '  __kmem_cache_free',
      '    __do_kmem_cache_free',
    ]);
  });

  test('a flush that gives a slab back', () => {
    const set = setUp();
    const objects = take(set.cache, 12);
    for (const address of objects.slice(0, 4)) set.cache.free(address);
    set.cache.nodes[0]!.freeLimit = 0;
    set.cache.free(objects[4]);
    const lines = calls(set, () => set.cache.free(objects[5]));
    expect(lines.slice(6)).toEqual(['        __free_one']);
    const flush = calls(set, () => set.cache.free(objects[6]));
    expect(flush.slice(6)).toEqual([
      '        cache_flusharray',
      '          free_block',
      '            slab_put_obj',
      '              obj_to_index',
      '              set_free_obj',
      '            slab_put_obj',
      '              obj_to_index',
      '              set_free_obj',
      '          slabs_destroy',
      '            slab_destroy',
      '              kmem_freepages',
      '                __free_pages',
      '        __free_one',
    ]);
  });

  test('a remote free', () => {
    const set = setUp(2);
    const [address] = take(set.cache, 1);
    expect(calls(set, () => set.cache.free(address, 1)).slice(4)).toEqual([
      '      ___cache_free',
      '        cpu_cache_get',
      '        cache_free_alien',
      '          __cache_free_alien',
      '            __free_one',
    ]);
  });

  test('reaping and shrinking', () => {
    const set = setUp();
    take(set.cache, 1);
    const shrink = calls(set, () => set.cache.shrink());
    expect(shrink.slice(0, 5)).toEqual([
      'kmem_cache_shrink',
      '  __kmem_cache_shrink',
      '    drain_cpu_caches',
      '      do_drain',
      '        cpu_cache_get',
    ]);
    expect(shrink.at(-1)).toBe('    drain_freelist');
    const reap = calls(set, () => set.slab.cacheReap(0, 0));
    expect(reap[0]).toBe('cache_reap');
    expect(reap[1]).toBe('  reap_alien');
    expect(reap.at(-1)).toBe('  next_reap_node');
    expect(set.slab.callTrace).toBeNull();
  });
});
