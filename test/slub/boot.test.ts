import { expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { KmemError } from '../../src/mm/kmem-cache.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import { descriptorBytes } from '../../src/slub/boot.ts';
import type { SlubConfig, SlubOptions } from '../../src/slub/types.ts';
import { TestPages } from '../support/test-pages.ts';
import { made, recordOf, testTopology } from './support.ts';

function booted(
  options: Partial<SlubOptions>,
  nodes = 1,
): { slub: SlubAllocator; pages: TestPages } {
  const pages = new TestPages(0x1000, nodes);
  const memory = sparseMemory(0x1000 * 4096 * nodes);
  const slub = new SlubAllocator({ source: pages, memory, checks: 'full', ...options });
  return { slub, pages };
}

test('7.4 one node, two CPUs: the caches after boot', () => {
  const { slub } = booted({ topology: testTopology([0, 0], 1) });
  expect(slub.caches).toHaveLength(41);
  const caches = made(slub.cache('kmem_cache'));
  expect(caches.geometry()).toMatchObject({ objectSize: 208, size: 256, objects: 16, order: 0 });
  expect(caches.refcount).toBe(-1);
  const { cpus, nodes } = recordOf(slub, caches);
  expect(nodes).toMatchObject([{ nrSlabs: 3, totalObjects: 48, partial: [] }]);
  expect(cpus[0].freelist).toHaveLength(7);
  const own = made(slub.cache('kmem_cache_node'));
  expect(own.geometry()).toMatchObject({ objectSize: 64, size: 64, align: 64, objects: 64 });
  const record = recordOf(slub, own);
  expect(record.nodes).toMatchObject([{ nrSlabs: 1, totalObjects: 64, nrPartial: 0 }]);
  expect(record.cpus[0].freelist).toEqual(Array.from({ length: 23 }, (_, i) => 41 + i));
  expect(record.cpus[1].slab).toBeNull();
});

test('7.4 two nodes: each creation alternates between the slabs of the nodes', () => {
  const { slub, pages } = booted({ topology: testTopology([0, 1], 2) }, 2);
  expect(made(slub.cache('kmem_cache')).objectSize).toBe(216);
  const { cpus, nodes } = recordOf(slub, made(slub.cache('kmem_cache_node')));
  expect(nodes.map(({ nrSlabs }) => nrSlabs)).toEqual([1, 1]);
  expect(nodes[0].partial).toMatchObject([{ inuse: 41, frozen: 0 }]);
  expect(nodes[0].partial[0].freelist[0]).toBe(41);
  expect(nodes[1].partial).toEqual([]);
  expect(pages.nodeOf(cpus[0].slab?.pfn ?? 0)).toBe(1);
  expect(cpus[0].freelist).toHaveLength(23);
});

test('the first pages hold the node structures, lowest node first; boot may not wait', () => {
  const { pages } = booted({ topology: testTopology([0, 1], 2) }, 2);
  const [first, second, third] = pages.requests;
  expect([first, second].map(({ node, pfn }) => [node, pages.nodeOf(pfn)])).toEqual([
    [0, 0],
    [1, 1],
  ]);
  expect(third.node).toBe(-1);
  const blocking = Gfp.__GFP_RECLAIM | Gfp.__GFP_IO | Gfp.__GFP_FS;
  expect(pages.requests.filter(({ gfp }) => (gfp & blocking) !== 0)).toEqual([]);
});

test('5.1 the boot line', () => {
  const log: string[] = [];
  booted({ topology: testTopology([0, 0, 0, 1, 1, 1], 2), log: (line) => log.push(line) }, 2);
  expect(log).toEqual(['SLUB: HWalign=64, Order=0-3, MinObjects=0, CPUs=6, Nodes=2']);
});

test('kmalloc caches come by type and size, newest first on the list', () => {
  const { slub } = booted({ boot: 'bare' });
  const names = slub.caches.map(({ name }) => name).reverse();
  expect(names).toHaveLength(39);
  expect(names.slice(0, 8).map((name) => name.replace('kmalloc-', ''))).toEqual(
    '8 16 32 64 96 128 192 256'.split(' '),
  );
  expect(names[13]).toBe('kmalloc-rcl-8');
  expect(names[38]).toBe('dma-kmalloc-8k');
});

test('bare allocators take no page before the first object', () => {
  const { slub, pages } = booted({ boot: 'bare' });
  expect(pages.requests).toEqual([]);
  made(slub.createCache('own', { size: 100 }));
  expect(pages.requests).toEqual([]);
});

test('build options change the descriptor, the node structure and the kmalloc types', () => {
  const size = (config: Partial<SlubConfig>): number =>
    descriptorBytes(booted({ boot: 'bare', config }).slub.state);
  expect(size({})).toBe(208);
  expect(size({ freelistRandom: true })).toBe(216);
  expect(size({ freelistHardened: true })).toBe(216);
  expect(size({ freelistRandom: true, freelistHardened: true })).toBe(224);
  expect(size({ numa: false })).toBe(200);
  const small = booted({ config: { debug: false } }).slub;
  expect(made(small.cache('kmem_cache_node')).objectSize).toBe(32);
  const memcg = booted({ config: { memcg: true } }).slub;
  expect(made(memcg.cache('kmalloc-64')).refcount).toBe(-1);
  expect(made(memcg.cache('kmalloc-cg-64')).refcount).toBe(1);
  const plain = booted({ config: { zoneDma: false } }).slub;
  expect(plain.cache('dma-kmalloc-64')).toBeNull();
  expect(plain.locate(made(plain.kmalloc(64, Gfp.GFP_KERNEL | Gfp.GFP_DMA)))?.cache).toBe(
    'kmalloc-64',
  );
});

test('with freelist randomisation the sequences are made when boot is done, as kmalloc objects', () => {
  const { slub } = booted({ config: { freelistRandom: true } });
  const sequences = slub.state.caches.map(
    ({ randomSeq, objects }) => randomSeq?.length === objects,
  );
  expect(sequences.every((isThere) => isThere)).toBe(true);
  expect(slub.state.caches[0].randomSeqAddress).toBeGreaterThan(0);
  const own = made(slub.createCache('own', { size: 200 }));
  const where = slub.state.caches[0].randomSeqAddress;
  expect(slub.locate(where)).toMatchObject({ cache: 'kmalloc-96', inUse: true });
  expect(own.destroy()).toBe(true);
  expect(slub.locate(where)).toMatchObject({ inUse: false });
});

test('a boot without memory is a panic', () => {
  const pages = new TestPages();
  pages.budget = 0;
  const boot = (): SlubAllocator => new SlubAllocator({ source: pages, memory: noMemory(1 << 24) });
  expect(boot).toThrow(KmemError);
  expect(boot).toThrow(expect.objectContaining({ code: 'PANIC' }));
});

test('slub_debug at boot also covers the boot caches', () => {
  const { slub } = booted({ parameters: { slubDebug: '=FZPU' } });
  const caches = made(slub.cache('kmem_cache_node'));
  expect(caches.geometry().cpuPartial).toBe(0);
  expect(recordOf(slub, caches).cpus[0].slab).toBeNull();
  for (const cache of slub.caches) cache.validate();
  expect(slub.taint).toBe(0);
});

test('4.9 moving the boot descriptors flushes the CPU of their caches', () => {
  const { slub } = booted({ config: { stats: true } });
  const flushes = ['kmem_cache', 'kmem_cache_node'].map((name) =>
    made(slub.cache(name)).readAttribute('cpuslab_flush'),
  );
  expect(flushes).toEqual(['1 C0=1\n', '1 C0=1\n']);
});
