// covers: src/slub/sysfs.ts, src/slub/statistics.ts
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { STAT_NAMES } from '../../src/slub/statistics.ts';
import { type AttributeName, attributeNames } from '../../src/slub/sysfs.ts';
import { made, recordOf, take, testSlub, testTopology } from './support.ts';

function errno(expected: number): unknown {
  return expect.objectContaining({
    code: 'BAD_ATTRIBUTE',
    data: expect.objectContaining({ errno: expected }),
  });
}

test('5.4 the files of a fresh cache', () => {
  const { slub } = testSlub();
  const flags = SlabFlag.SLAB_HWCACHE_ALIGN | SlabFlag.SLAB_RECLAIM_ACCOUNT;
  const cache = made(slub.createCache('c', { size: 1000, flags }));
  const text = (name: AttributeName): string => cache.readAttribute(name);
  const found = Object.fromEntries(attributeNames(slub.state).map((name) => [name, text(name)]));
  expect(found).toEqual({
    slab_size: '1024\n',
    object_size: '1000\n',
    align: '64\n',
    usersize: '0\n',
    objs_per_slab: '8\n',
    order: '1\n',
    min_partial: '5\n',
    cpu_partial: '24\n',
    objects: '0\n',
    total_objects: '0\n',
    slabs: '0\n',
    objects_partial: '0\n',
    partial: '0\n',
    cpu_slabs: '0\n',
    slabs_cpu_partial: '0(0)\n',
    ctor: '',
    aliases: '0\n',
    hwcache_align: '1\n',
    reclaim_account: '1\n',
    destroy_by_rcu: '0\n',
    cache_dma: '0\n',
    sanity_checks: '0\n',
    trace: '0\n',
    red_zone: '0\n',
    poison: '0\n',
    store_user: '0\n',
    remote_node_defrag_ratio: '100\n',
    shrink: '',
    validate: '',
  });
});

test('5.4 counts per node', () => {
  const { slub } = testSlub({ topology: testTopology([0, 1], 2) });
  const cache = made(slub.createCache('c', { size: 1000 }));
  const here = Array.from({ length: 40 }, () => made(cache.allocNode(Gfp.GFP_KERNEL, 0)));
  Array.from({ length: 20 }, () => made(cache.allocNode(Gfp.GFP_KERNEL, 1, 1)));
  const { objects } = cache.geometry();
  expect(objects).toBe(16);
  expect(cache.readAttribute('slabs')).toBe('5 N0=3 N1=2\n');
  expect(cache.readAttribute('total_objects')).toBe('80 N0=48 N1=32\n');
  cache.free(here[0]);
  cache.flush();
  // Free objects on node lists do not count as objects.
  expect(cache.readAttribute('objects')).toBe('59 N0=39 N1=20\n');
  expect(cache.readAttribute('partial')).toBe('3 N0=2 N1=1\n');
  expect(cache.readAttribute('objects_partial')).toBe('27 N0=23 N1=4\n');
  expect(slub.slabinfo()).toContain(
    '\nc                     59     80   1000   16    4 : tunables',
  );
  expect(testSlub({ config: { numa: false } }).slub.caches[0].readAttribute('slabs')).toBe('0\n');
});

test('5.4 cpu_slabs leaves out CPUs without a CPU slab; slabs_cpu_partial does not', () => {
  const { slub } = testSlub({ topology: testTopology([0, 0, 0, 0], 1) });
  const cache = made(slub.createCache('c', { size: 4850 }));
  expect(cache.geometry()).toMatchObject({ objects: 6, cpuPartialSlabs: 2 });
  const objects = take(cache, 6 * 4);
  cache.free(objects[0], 2);
  cache.free(objects[6], 3);
  cache.free(objects[12], 3);
  expect(cache.readAttribute('cpu_slabs')).toBe('1 N0=1\n');
  expect(cache.readAttribute('slabs_cpu_partial')).toBe('9(3) C2=3(1) C3=6(2)\n');
  take(cache, 1, 3);
  expect(cache.readAttribute('cpu_slabs')).toBe('3 N0=3\n');
});

test('5.4 writing', () => {
  const { slub, pages } = testSlub();
  const cache = made(slub.createCache('c', { size: 1000 }));
  const debug = made(slub.createCache('d', { size: 1000, flags: DEBUG_DEFAULT_FLAGS }));
  const write =
    (name: AttributeName, text: string, to: SlubCache = cache) =>
    (): void =>
      to.writeAttribute(name, text);
  write('min_partial', '9\n')();
  expect(cache.readAttribute('min_partial')).toBe('9\n');
  take(cache, 20);
  write('cpu_partial', '50')();
  expect(cache.geometry()).toMatchObject({ cpuPartial: 50, cpuPartialSlabs: 13 });
  expect(recordOf(slub, cache).cpus[0].slab).toBeNull();
  write('cpu_partial', '0', debug)();
  expect(write('cpu_partial', '1', debug)).toThrow(errno(22));
  write('remote_node_defrag_ratio', '7')();
  expect(cache.readAttribute('remote_node_defrag_ratio')).toBe('7\n');
  expect(write('remote_node_defrag_ratio', '101')).toThrow(errno(34));
  for (const text of ['', 'x', '-1', '1 2']) expect(write('min_partial', text)).toThrow(errno(22));
  expect(write('cpu_partial', '4294967296')).toThrow(errno(34));
  expect(write('min_partial', '99999999999999999999')).toThrow(errno(34));
  // It is an unsigned long.
  write('min_partial', '4294967296\n')();
  expect(cache.readAttribute('min_partial')).toBe('4294967296\n');
  const [object] = take(cache, 1);
  cache.free(object);
  const used = pages.used.size;
  expect(write('shrink', '0')).toThrow(errno(22));
  write('shrink', '1')();
  expect(pages.used.size).toBeLessThanOrEqual(used);
  write('validate', '1\n', debug)();
  expect(write('order', '2')).toThrow(errno(5));
});

test('with a cpu_partial of 0 each push drains the one before it', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 8192 }));
  cache.writeAttribute('cpu_partial', '0');
  const objects = take(cache, 12);
  cache.free(objects[0]);
  cache.free(objects[4]);
  const { cpus, nodes } = recordOf(slub, cache);
  expect(cpus[0].partial).toMatchObject([{ slabs: 1 }]);
  expect(nodes[0].nrPartial).toBe(1);
});

test('5.4 files that a build does not have', () => {
  const { slub } = testSlub({ config: { debug: false, numa: false, zoneDma: false } });
  const cache = made(slub.createCache('c', { size: 64 }));
  for (const name of ['slabs', 'poison', 'cache_dma', 'remote_node_defrag_ratio'] as const) {
    expect(() => cache.readAttribute(name)).toThrow(errno(2));
    expect(() => cache.writeAttribute(name, '1')).toThrow(errno(2));
  }
  expect(() => cache.readAttribute('alloc_fastpath')).toThrow(errno(2));
});

test('5.4 directories and links', () => {
  const { slub } = testSlub({ parameters: { slubDebug: '=F,chk' } });
  const { SLAB_RECLAIM_ACCOUNT, SLAB_CACHE_DMA, SLAB_CACHE_DMA32 } = SlabFlag;
  made(slub.createCache('my_inode_cache', { size: 104, flags: SLAB_RECLAIM_ACCOUNT }));
  made(slub.createCache('other_inodes', { size: 100, flags: SLAB_RECLAIM_ACCOUNT }));
  made(slub.createCache('dma', { size: 96, flags: SLAB_CACHE_DMA | SLAB_CACHE_DMA32 }));
  made(slub.createCache('chk', { size: 200 }));
  made(slub.createCache('own', { size: 200, ctor: () => undefined }));
  const mine = slub.sysfs().filter(({ name, target }) => !`${name}${target}`.includes('kmalloc'));
  expect(mine).toEqual([
    { name: 'own', target: null },
    { name: ':F-0000200', target: null },
    { name: 'chk', target: ':F-0000200' },
    { name: ':dD-0000096', target: null },
    { name: 'dma', target: ':dD-0000096' },
    { name: ':a-0000104', target: null },
    { name: 'my_inode_cache', target: ':a-0000104' },
    { name: 'other_inodes', target: ':a-0000104' },
  ]);
  const plain = testSlub({ parameters: { nomerge: true } }).slub;
  made(plain.createCache('x', { size: 104 }));
  expect(plain.sysfs()[0]).toEqual({ name: 'x', target: null });
  const higher = testSlub({ parameters: { slubDebug: '=OP' } }).slub;
  made(higher.createCache('x', { size: 4096 }));
  expect(higher.sysfs()[0]).toEqual({ name: 'x', target: null });
});

test('the constructor is named', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 64, ctor: function initInode() {} }));
  expect(cache.readAttribute('ctor')).toBe('initInode\n');
});

test('4.29 what is counted along the examples 7.5 and 7.6', () => {
  const { slub } = testSlub({ config: { stats: true }, topology: testTopology([0, 0], 1) });
  const cache = made(slub.createCache('c', { size: 8192 }));
  const objects = take(cache, 20);
  for (const i of [0, 4, 8, 12]) cache.free(objects[i]);
  take(cache, 4);
  const remote = take(cache, 1, 1);
  cache.free(remote[0], 0);
  cache.free(objects[1], 0);
  cache.flush();
  const counts = Object.fromEntries(
    STAT_NAMES.map((name) => [name, cache.readAttribute(name).trim()]).filter(
      ([, text]) => text !== '0',
    ),
  );
  expect(counts).toEqual({
    alloc_fastpath: '15 C0=15',
    alloc_slowpath: '10 C0=9 C1=1',
    free_slowpath: '6 C0=6',
    free_frozen: '1 C0=1',
    free_add_partial: '4 C0=4',
    alloc_from_partial: '1 C0=1',
    alloc_slab: '6 C0=5 C1=1',
    alloc_refill: '3 C0=3',
    cpuslab_flush: '2 C0=1 C1=1',
    deactivate_full: '1 C0=1',
    deactivate_to_tail: '1 C1=1',
    deactivate_remote_frees: '1 C1=1',
    deactivate_bypass: '8 C0=8',
    cpu_partial_alloc: '3 C0=3',
    cpu_partial_free: '5 C0=5',
    cpu_partial_node: '2 C0=2',
    cpu_partial_drain: '1 C0=1',
  });
  cache.writeAttribute('alloc_slowpath', '0');
  expect(cache.readAttribute('alloc_slowpath')).toBe('0\n');
  expect(() => cache.writeAttribute('alloc_slab', '1')).toThrow(errno(22));
  made(cache.alloc());
});
