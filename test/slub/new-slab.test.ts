import { expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { KmemError } from '../../src/mm/kmem-cache.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { PageMap } from '../../src/mm/page-map.ts';
import type { PageSource } from '../../src/mm/page-source.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import { defaultTask } from '../../src/mm/task.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { nodeState, Vmstat } from '../../src/mm/vmstat.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import { made, recordOf, take, testSlub } from './support.ts';

test('4.10 the masks of the first and the second try', () => {
  const { slub, pages } = testSlub();
  pages.budget = 0;
  const masks = (size: number, gfp: number, flags = 0): string[] => {
    const cache = made(slub.createCache(`c${size}`, { size, flags, ctor: () => undefined }));
    pages.requests.length = 0;
    expect(cache.alloc(gfp)).toBeNull();
    return pages.requests.map(({ gfp: mask, order }) => `${order} 0x${mask.toString(16)}`);
  };
  expect(masks(64, Gfp.GFP_KERNEL)).toEqual(['0 0x12cc0', '0 0xcc0']);
  expect(masks(1000, Gfp.GFP_KERNEL)).toEqual(['1 0xd20c0', '0 0x40cc0']);
  expect(masks(1001, Gfp.GFP_ATOMIC)).toEqual(['1 0x52a20', '0 0x40a20']);
  const odd =
    Gfp.GFP_KERNEL | Gfp.__GFP_ZERO | Gfp.__GFP_MOVABLE | Gfp.__GFP_DMA | Gfp.__GFP_NOFAIL;
  expect(masks(65, odd)).toEqual(['0 0x12cc0', '0 0x8cc0']);
  expect(masks(66, Gfp.GFP_KERNEL | Gfp.__GFP_THISNODE, SlabFlag.SLAB_CACHE_DMA32)).toEqual([
    '0 0x212cc4',
    '0 0x200cc4',
  ]);
});

test('4.10 a slab of the second try has fewer objects', () => {
  const { slub, pages } = testSlub({ config: { stats: true } });
  const cache = made(slub.createCache('c', { size: 1000 }));
  const { objects, minObjects } = cache.geometry();
  pages.maxOrder = 0;
  take(cache, 1);
  expect(recordOf(slub, cache).cpus[0].slab?.objects).toBe(minObjects);
  expect(minObjects).toBeLessThan(objects);
  expect(cache.readAttribute('order_fallback')).toBe('1 C0=1\n');
});

test('4.10 bits that no slab page may have are removed with a warning, only when a slab is made', () => {
  const log: string[] = [];
  const { slub } = testSlub({ log: (line) => log.push(line), stackDump: () => ['STACK'] });
  const cache = made(slub.createCache('c', { size: 64 }));
  log.length = 0;
  cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_HIGHMEM);
  cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_HIGHMEM);
  expect(log).toEqual([
    'Unexpected gfp: 0x2 (__GFP_HIGHMEM). Fixing up to gfp: 0xcc0 (GFP_KERNEL). Fix your code!',
    'STACK',
  ]);
});

test('4.10 pages are marked, counted by reclaimability and given back', () => {
  const vmstat = new Vmstat(1, 4, 1);
  const { slub, pages } = testSlub({ vmstat });
  const inodes = made(
    slub.createCache('inodes', { size: 1000, flags: SlabFlag.SLAB_RECLAIM_ACCOUNT }),
  );
  const plain = made(slub.createCache('plain', { size: 64 }));
  const count = (): number[] =>
    [NodeStatItem.nr_slab_reclaimable, NodeStatItem.nr_slab_unreclaimable].map((item) =>
      nodeState(vmstat, 0, item),
    );
  const [inode] = take(inodes, 1);
  const [object] = take(plain, 1);
  expect(count()).toEqual([2, 1]);
  const { map } = slub.state;
  const pfn = Math.floor(inode / 4096);
  expect([map.flags[pfn] & PageFlag.PG_slab, map.flags[pfn + 1]]).toEqual([PageFlag.PG_slab, 0]);
  inodes.free(inode);
  plain.free(object);
  inodes.shrink();
  plain.shrink();
  expect(count()).toEqual([0, 0]);
  expect([map.flags[pfn], map.private[pfn], map.private[pfn + 1]]).toEqual([0, 0, 0]);
  expect(pages.used.size).toBe(0);
});

test('a reclaiming task is told how many pages it freed', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 8192 }));
  const [object] = take(cache, 1);
  cache.free(object);
  slub.reclaimState = { reclaimedSlab: 0 };
  cache.shrink();
  expect(slub.reclaimState.reclaimedSlab).toBe(8);
});

test.each([
  ['page frame 0', 0, 0],
  ['a page behind the memory', 0x2000, 0],
  ['a block that is not aligned', 3, 0],
  ['a page of a node without memory', 8, 1],
])('%s is refused and given back', (_, pfn, node) => {
  const freed: number[] = [];
  const source: PageSource = {
    allocPages: () => pfn,
    freePages: (block) => freed.push(block),
    nodeOf: () => node,
  };
  const slub = new SlubAllocator({ source, memory: sparseMemory(0x1000 * 4096), boot: 'bare' });
  const cache = made(slub.createCache('c', { size: 8192 }));
  expect(() => cache.alloc()).toThrow(expect.objectContaining({ code: 'BAD_PAGE' }));
  expect(freed).toEqual([pfn]);
  slub.assertInvariants();
});

test('a backend or a constructor that throws leaves the allocator as it was', () => {
  const memory = sparseMemory(0x1000 * 4096);
  let broken = true;
  const failing: PhysicalMemory = {
    sizeBytes: memory.sizeBytes,
    readU8: (at) => memory.readU8(at),
    writeU8: (at, value) => memory.writeU8(at, value),
    readU32: (at) => memory.readU32(at),
    writeU32: (at, value) => {
      if (broken && at % 4096 > 2000) throw new Error('broken memory');
      memory.writeU32(at, value);
    },
    fill: (at, length, byte) => memory.fill(at, length, byte),
    copy: (to, from, length) => memory.copy(to, from, length),
  };
  const { slub, pages } = testSlub({ memory: failing });
  const cache = made(slub.createCache('c', { size: 64 }));
  expect(() => cache.alloc()).toThrow('broken memory');
  expect(pages.used.size).toBe(0);
  slub.assertInvariants();
  broken = false;
  expect(take(cache, 1)).toEqual([0x1000]);
  const thrower = made(
    slub.createCache('thrower', {
      size: 64,
      ctor: () => {
        throw new Error('broken constructor');
      },
    }),
  );
  expect(() => thrower.alloc()).toThrow('broken constructor');
  expect(pages.used.size).toBe(1);
  slub.assertInvariants();
});

test('4.10 constructors run once per object, in the order of the freelist', () => {
  const { slub } = testSlub();
  const seen: number[] = [];
  const cache = made(slub.createCache('c', { size: 1000, ctor: (at) => seen.push(at) }));
  const objects = take(cache, cache.geometry().objects);
  expect(seen).toEqual(objects);
  cache.free(objects[3]);
  take(cache, 1);
  expect(seen).toHaveLength(objects.length);
});

test('4.12 pages of the emergency reserves serve only who may use them', () => {
  const map = new PageMap({ endPfn: 0x100, listHeads: 0x1000 });
  let next = 1;
  let reserves = true;
  const source: PageSource = {
    allocPages: () => {
      map.flags[next] = reserves ? PageMark.PFMEMALLOC : 0;
      return next++;
    },
    freePages: () => undefined,
    nodeOf: () => 0,
    map,
  };
  const task = defaultTask();
  const slub = new SlubAllocator({
    source,
    memory: noMemory(0x100 * 4096),
    boot: 'bare',
    task,
    parameters: { maxOrder: 0 },
    checks: 'full',
  });
  const cache = made(slub.createCache('c', { size: 2048 }));
  task.pfMemalloc = true;
  expect(cache.alloc()).toBe(0x1000);
  expect(map.flags[1] & PageFlag.PG_active).toBe(PageFlag.PG_active);
  expect(cache.alloc()).toBe(0x1800);
  task.pfMemalloc = false;
  // Made by the page allocator although the caller may not: one object, the rest to the node.
  expect(cache.alloc()).toBe(0x2000);
  expect(recordOf(slub, cache).nodes[0].partial).toMatchObject([{ pfn: 2, inuse: 1 }]);
  reserves = false;
  // The partial slab is passed over, then a CPU slab is.
  expect(cache.alloc()).toBe(0x3000);
  expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_MEMALLOC)).toBe(0x3800);
  expect(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_MEMALLOC)).toBe(0x2800);
  cache.free(0x2800);
  expect(recordOf(slub, cache).cpus[0].slab?.pfn).toBe(2);
});

test('misuse errors carry the class and the data', () => {
  const { slub } = testSlub();
  const cache = made(slub.createCache('c', { size: 64 }));
  try {
    cache.free(0x123450);
    expect.unreachable();
  } catch (error) {
    expect(error).toBeInstanceOf(KmemError);
    expect(error).toMatchObject({ code: 'FOREIGN_POINTER', data: { address: 0x123450 } });
  }
});
