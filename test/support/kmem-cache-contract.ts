import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { InvariantViolation } from '../../src/lib/errors.ts';
import { noMemory } from '../../src/memory/none.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { ZERO_SIZE_PTR } from '../../src/mm/kmalloc-sizes.ts';
import type { KmemAllocator, KmemCache } from '../../src/mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../../src/mm/slab-create.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlabTopology } from '../../src/mm/slab-topology.ts';
import type { TraceSink } from '../../src/mm/trace.ts';
import { scaled } from './seed.ts';
import { TestPages } from './test-pages.ts';

/** What both designs can be made of. */
export interface ContractOptions {
  readonly source: TestPages;
  readonly memory: PhysicalMemory;
  readonly topology: SlabTopology;
  readonly boot: 'kernel' | 'bare';
  readonly checks: 'basic' | 'full';
  readonly log: (line: string) => void;
}

/** What both designs have beside the shared interface. */
export interface ContractAllocator extends KmemAllocator {
  trace: TraceSink | null;
  checkInvariants(): InvariantViolation[];
  endGracePeriod(): void;
  snapshot(): unknown;
}

const PAGES_PER_NODE = 0x400;

function topologyOf(cpuNode: readonly number[], nodeIds: number): SlabTopology {
  const ids = Array.from({ length: nodeIds }, (_, node) => node);
  return {
    cpuNode,
    nodeIds,
    memoryNodes: ids,
    zonelists: ids.map((node) => ids.map((i) => ((node + i) % nodeIds) * 4 + 2)),
    thisNodeZonelists: ids.map((node) => [node * 4 + 2]),
  };
}

/** Pages for a request without a node come from the node of the CPU. */
class NodePages extends TestPages {
  private readonly cpuNode: readonly number[];

  constructor(cpuNode: readonly number[], nodes: number) {
    super(PAGES_PER_NODE, nodes);
    this.cpuNode = cpuNode;
  }

  override allocPages(gfp: number, order: number, node: number, cpu: number): number {
    return super.allocPages(gfp, order, node < 0 ? this.cpuNode[cpu] : node, cpu);
  }
}

interface World {
  readonly pages: TestPages;
  readonly memory: PhysicalMemory;
  readonly allocator: ContractAllocator;
  readonly lines: string[];
}

type Make = (options: ContractOptions) => ContractAllocator;

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return (error as { code?: string }).code ?? 'no code';
  }
  return 'nothing thrown';
}

/**
 * Everything that SLAB and SLUB promise alike, so that one can take the place of the other.
 * @param name name of the design
 * @param make creates an allocator, afresh for every case
 */
export function kmemCacheContract(name: string, make: Make): void {
  function world(
    change: {
      cpuNode?: number[];
      nodes?: number;
      boot?: 'kernel' | 'bare';
      contentless?: boolean;
    } = {},
  ): World {
    const { cpuNode = [0], nodes = 1, boot = 'bare', contentless = false } = change;
    const bytes = PAGES_PER_NODE * nodes * 4096;
    const pages = new NodePages(cpuNode, nodes);
    const memory = contentless ? noMemory(bytes) : sparseMemory(bytes);
    const lines: string[] = [];
    const allocator = make({
      source: pages,
      memory,
      topology: topologyOf(cpuNode, nodes),
      boot,
      checks: 'full',
      log: (line) => lines.push(line),
    });
    return { pages, memory, allocator, lines };
  }

  function cacheOf({ allocator }: World, options: KmemCacheOptions, as = 'demo'): KmemCache {
    const cache = allocator.createCache(as, options);
    if (cache === null) throw new Error('no memory for the cache');
    return cache;
  }

  function take(cache: KmemCache, count: number, cpu = 0): number[] {
    return Array.from({ length: count }, () => {
      const address = cache.alloc(Gfp.GFP_KERNEL, cpu);
      if (address === null) throw new Error('no memory');
      return address;
    });
  }

  describe(`${name} keeps the contract of caches`, () => {
    test.each([8, 24, 100, 200, 700, 1024, 3000, 6000])('objects of %i bytes lie apart', (size) => {
      const w = world();
      const cache = cacheOf(w, { size, align: 16 });
      expect(cache.objectSize).toBe(size);
      expect(cache.size % cache.align).toBe(0);
      const objects = take(cache, 100).sort((a, b) => a - b);
      objects.forEach((address, i) => {
        expect(address % 16).toBe(0);
        if (i > 0) expect(address - objects[i - 1]).toBeGreaterThanOrEqual(size);
        expect(w.pages.used.has(Math.floor(address / 4096))).toBe(true);
        expect(w.pages.used.has(Math.floor((address + size - 1) / 4096))).toBe(true);
      });
    });

    test('objects keep what their owners wrote', () => {
      const w = world({ cpuNode: [0, 1], nodes: 2 });
      const cache = cacheOf(w, { size: 96 });
      const objects = take(cache, 300);
      for (const [i, address] of objects.entries()) w.memory.fill(address, 96, i & 0xff);
      const kept = objects.filter((_, i) => i % 3 === 0);
      objects.forEach((address, i) => {
        if (i % 3 !== 0) cache.free(address, i & 1);
      });
      take(cache, 50, 1);
      cache.shrink();
      for (const address of kept) {
        const expected = objects.indexOf(address) & 0xff;
        for (const at of [0, 40, 95]) expect(w.memory.readU8(address + at)).toBe(expected);
      }
    });

    test('an object that was freed last is taken first', () => {
      const cache = cacheOf(world(), { size: 200 });
      const objects = take(cache, 5);
      cache.free(objects[1]);
      cache.free(objects[3]);
      expect([cache.alloc(), cache.alloc()]).toEqual([objects[3], objects[1]]);
    });

    test('cleared objects are cleared', () => {
      const w = world();
      const cache = cacheOf(w, { size: 120 });
      const address = take(cache, 1)[0];
      w.memory.fill(address, 120, 0xff);
      cache.free(address);
      expect(cache.zalloc()).toBe(address);
      for (let at = 0; at < 120; at++) expect(w.memory.readU8(address + at)).toBe(0);
    });

    test('want of memory is null, and not the end', () => {
      const w = world();
      const cache = cacheOf(w, { size: 1024 });
      w.pages.budget = 2;
      const objects: number[] = [];
      for (let address = cache.alloc(); address !== null; address = cache.alloc()) {
        objects.push(address);
      }
      expect(objects.length).toBeGreaterThanOrEqual(8);
      cache.free(objects[0]);
      expect(cache.alloc()).toBe(objects[0]);
    });

    test('what is freed can be given back to the page source', () => {
      const w = world({ cpuNode: [0, 1, 0], nodes: 2 });
      const cache = cacheOf(w, { size: 300 });
      const objects = [0, 1, 2].flatMap((cpu) => take(cache, 120, cpu));
      const [last, ...rest] = objects;
      for (const [i, address] of rest.entries()) cache.free(address, i % 3);
      expect(cache.shrink()).toBe(true);
      expect(cache.stats()).toMatchObject({ slabs: 1 });
      cache.free(last);
      expect(cache.shrink()).toBe(false);
      expect(w.pages.used.size).toBe(0);
      expect(cache.stats()).toMatchObject({ slabs: 0, totalObjects: 0, activeObjects: 0 });
    });

    test('misuse is refused and changes nothing', () => {
      const w = world({ cpuNode: [0, 1], nodes: 2 });
      const cache = cacheOf(w, { size: 200 });
      const other = cacheOf(w, { size: 500 }, 'other');
      const [address, freed] = take(cache, 2);
      const [foreign] = take(other, 1);
      cache.free(freed);
      const before = w.allocator.snapshot();
      expect(codeOf(() => cache.free(freed))).toBe('DOUBLE_FREE');
      expect(codeOf(() => cache.free(freed, 1))).toBe('DOUBLE_FREE');
      expect(codeOf(() => w.allocator.kfree(freed))).toBe('DOUBLE_FREE');
      expect(codeOf(() => cache.free(address + 1))).toBe('FOREIGN_POINTER');
      expect(codeOf(() => cache.free(0x300000))).toBe('FOREIGN_POINTER');
      expect(codeOf(() => w.allocator.kfree(0x300000))).toBe('FOREIGN_POINTER');
      expect(codeOf(() => cache.free(foreign))).toBe('WRONG_CACHE');
      expect(codeOf(() => cache.alloc(Gfp.GFP_KERNEL, 2))).toBe('BAD_ARGUMENT');
      expect(codeOf(() => cache.free(address, -1))).toBe('BAD_ARGUMENT');
      expect(codeOf(() => cache.freeBulk([address, address]))).toBe('DOUBLE_FREE');
      expect(w.allocator.snapshot()).toEqual(before);
      cache.free(address);
    });

    test('bulk calls give all or nothing', () => {
      const w = world();
      const cache = cacheOf(w, { size: 1000 });
      const slots = new Float64Array(30);
      expect(cache.allocBulk(Gfp.GFP_KERNEL, slots)).toBe(30);
      expect(new Set(slots).size).toBe(30);
      cache.freeBulk(slots);
      expect(cache.shrink()).toBe(false);
      w.pages.budget = 1;
      expect(cache.allocBulk(Gfp.GFP_KERNEL, new Array(30).fill(0))).toBe(0);
      expect(cache.shrink()).toBe(false);
      expect(cache.allocBulk(Gfp.GFP_KERNEL, [])).toBe(0);
    });

    test('a constructor runs once for every object of a new slab', () => {
      const seen: number[] = [];
      const cache = cacheOf(world(), { size: 700, ctor: (address) => seen.push(address) });
      const objects = take(cache, 3);
      const perSlab = cache.stats().objectsPerSlab;
      expect(seen).toHaveLength(perSlab);
      expect(new Set(seen).size).toBe(perSlab);
      for (const address of objects) expect(seen).toContain(address);
      cache.free(objects[0]);
      cache.alloc();
      expect(seen).toHaveLength(perSlab);
    });

    test('like caches are one, unlike ones are not', () => {
      const w = world();
      const cache = cacheOf(w, { size: 196 });
      expect(cacheOf(w, { size: 200 }, 'second').name).toBe('demo');
      expect([cache.refcount, cache.objectSize]).toEqual([2, 200]);
      expect(cacheOf(w, { size: 200, ctor: () => undefined }, 'ctor').name).toBe('ctor');
      const flags = SlabFlag.SLAB_RECLAIM_ACCOUNT;
      expect(cacheOf(w, { size: 200, flags }, 'reclaim').name).toBe('reclaim');
      expect(cache.destroy()).toBe(true);
      expect(take(cache, 1)).toHaveLength(1);
    });

    test('creations that cannot work are refused', () => {
      const w = world();
      expect(codeOf(() => w.allocator.createCache('demo', { size: 64, flags: 1 }))).toBe(
        'BAD_CACHE',
      );
      expect(codeOf(() => w.allocator.createCache('demo', { size: 8 << 20 }))).toBe('BAD_CACHE');
      const flags = SlabFlag.SLAB_PANIC;
      expect(codeOf(() => w.allocator.createCache('demo', { size: 8 << 20, flags }))).toBe('PANIC');
      expect(w.lines.length).toBeGreaterThanOrEqual(3);
    });

    test('a cache with objects cannot be destroyed, one without is gone', () => {
      const w = world({ boot: 'kernel' });
      const pagesBefore = w.pages.used.size;
      const gone = cacheOf(w, { size: 300 }, 'gone');
      for (const address of take(gone, 20)) gone.free(address);
      expect(gone.destroy()).toBe(true);
      expect(w.allocator.caches.map((cache) => cache.name)).not.toContain('gone');
      expect(codeOf(() => gone.alloc())).toBe('CACHE_DESTROYED');
      expect(w.pages.used.size - pagesBefore).toBeLessThanOrEqual(1);
      const kept = cacheOf(w, { size: 300 }, 'kept');
      take(kept, 1);
      expect(kept.destroy()).toBe(false);
      expect(w.lines.at(-1)).toContain('Slab cache still has objects when called from');
      expect(codeOf(() => kept.alloc())).toBe('CACHE_DESTROYED');
      expect(codeOf(() => kept.destroy())).toBe('CACHE_DESTROYED');
    });

    test('pages under RCU stay until the grace period ends', () => {
      const w = world();
      const cache = cacheOf(w, { size: 1000, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU });
      for (const address of take(cache, 30)) cache.free(address);
      cache.shrink();
      expect(w.pages.used.size).toBeGreaterThan(0);
      w.allocator.endGracePeriod();
      expect(w.pages.used.size).toBe(0);
    });

    test('objects come from the node that is asked for, or that is near', () => {
      const w = world({ cpuNode: [0, 1, 2], nodes: 3 });
      const cache = cacheOf(w, { size: 400 });
      for (const cpu of [0, 1, 2]) {
        const [address] = take(cache, 1, cpu);
        expect(w.allocator.locate(address)).toMatchObject({ node: cpu, inUse: true });
      }
      const far = cache.allocNode(Gfp.GFP_KERNEL, 2, 0) as number;
      expect(w.allocator.locate(far)?.node).toBe(2);
      cache.free(far, 1);
      expect(w.allocator.locate(w.allocator.kmallocNode(100, Gfp.GFP_KERNEL, 1) ?? 0)?.node).toBe(
        1,
      );
    });

    test('locate finds the object around an address', () => {
      const w = world();
      const cache = cacheOf(w, { size: 200 });
      const [address] = take(cache, 1);
      const expected = { cache: 'demo', address, inUse: true, node: 0 };
      expect(w.allocator.locate(address)).toMatchObject(expected);
      expect(w.allocator.locate(address + 199)).toMatchObject(expected);
      cache.free(address);
      expect(w.allocator.locate(address)).toMatchObject({ inUse: false });
      expect(w.allocator.locate(0x3ff000)).toBeNull();
    });

    test('numbers add up', () => {
      const w = world({ cpuNode: [0, 0] });
      const cache = cacheOf(w, { size: 256 });
      const objects = take(cache, 77);
      for (const address of objects.slice(0, 30)) cache.free(address, 1);
      const stats = cache.stats();
      expect(stats.totalObjects).toBe(stats.slabs * stats.objectsPerSlab);
      expect(stats.size).toBe(256);
      expect(stats.activeObjects).toBeGreaterThanOrEqual(47);
      expect(stats.activeObjects).toBeLessThanOrEqual(stats.totalObjects);
      const line = w.allocator
        .slabinfo()
        .split('\n')
        .find((text) => text.startsWith('demo '));
      expect(line).toMatch(/^demo +\d+ +\d+ +256 +\d+ +\d+ : tunables +\d+ +\d+ +\d+ : slabdata/);
    });

    test('tracepoints tell of every call', () => {
      const w = world();
      const events: unknown[] = [];
      const note =
        (event: string) =>
        (...args: unknown[]): void => {
          events.push([event, ...args]);
        };
      const cache = cacheOf(w, { size: 100 });
      w.allocator.trace = {
        kmalloc: note('kmalloc'),
        kmemCacheAlloc: note('kmem_cache_alloc'),
        kfree: note('kfree'),
        kmemCacheFree: note('kmem_cache_free'),
      };
      const object = cache.alloc(Gfp.GFP_ATOMIC) as number;
      cache.free(object);
      const block = w.allocator.kmalloc(50) as number;
      w.allocator.kfree(block);
      w.allocator.kfree(null);
      expect(events).toEqual([
        ['kmem_cache_alloc', object, 100, 104, Gfp.GFP_ATOMIC, -1],
        ['kmem_cache_free', object, 'demo'],
        ['kmalloc', block, 50, 64, Gfp.GFP_KERNEL, -1],
        ['kfree', block],
        ['kfree', -1],
      ]);
    });
  });

  describe(`${name} keeps the contract of kmalloc`, () => {
    test('gives at least what was asked for, apart and aligned', () => {
      const w = world();
      const blocks = [1, 8, 33, 64, 96, 100, 192, 200, 1000, 4096, 8192, 8193, 20000].map(
        (size) => {
          const address = w.allocator.kmalloc(size) as number;
          expect(w.allocator.ksize(address)).toBeGreaterThanOrEqual(size);
          expect(w.allocator.ksize(address)).toBe(w.allocator.kmallocSizeRoundup(size));
          expect(address % 8).toBe(0);
          w.memory.fill(address, size, size & 0xff);
          return { address, size };
        },
      );
      for (const { address, size } of blocks) {
        expect(w.memory.readU8(address)).toBe(size & 0xff);
        expect(w.memory.readU8(address + size - 1)).toBe(size & 0xff);
        w.allocator.kfree(address);
      }
    });

    test('knows nothing, too much, and products that overflow', () => {
      const { allocator } = world();
      expect(allocator.kmalloc(0)).toBe(ZERO_SIZE_PTR);
      allocator.kfree(ZERO_SIZE_PTR);
      allocator.kfree(null);
      expect([allocator.ksize(null), allocator.ksize(ZERO_SIZE_PTR)]).toEqual([0, 0]);
      expect(allocator.kmalloc((4 << 20) + 1)).toBeNull();
      expect(allocator.kcalloc(2 ** 33, 2 ** 33)).toBeNull();
      expect(allocator.kmallocArray(10, 10)).not.toBeNull();
    });

    test('clears on request', () => {
      const w = world();
      for (const size of [60, 5000]) {
        const dirty = w.allocator.kmalloc(size) as number;
        w.memory.fill(dirty, size, 0xff);
        w.allocator.kfree(dirty);
        expect(w.allocator.kzalloc(size)).toBe(dirty);
        expect(w.memory.readU8(dirty + size - 1)).toBe(0);
        const secret = w.allocator.kcalloc(1, size) as number;
        w.memory.fill(secret, size, 0xff);
        w.allocator.kfreeSensitive(secret);
        expect(w.memory.readU8(secret + size - 2)).toBe(0);
      }
    });

    test('changes sizes', () => {
      const w = world();
      const small = w.allocator.krealloc(null, 40) as number;
      w.memory.fill(small, 40, 7);
      expect(w.allocator.krealloc(small, 64)).toBe(small);
      const large = w.allocator.krealloc(small, 9000) as number;
      expect(w.memory.readU8(large + 39)).toBe(7);
      expect(w.allocator.locate(small)).toMatchObject({ inUse: false });
      w.pages.budget = 0;
      expect(w.allocator.krealloc(large, 100_000)).toBeNull();
      expect(w.memory.readU8(large + 39)).toBe(7);
      expect(w.allocator.krealloc(large, 0)).toBe(ZERO_SIZE_PTR);
      expect(w.allocator.kreallocArray(null, 2 ** 33, 2 ** 33)).toBeNull();
    });

    test('frees many at once, whatever they are', () => {
      const w = world();
      const cache = cacheOf(w, { size: 200 });
      const [object] = take(cache, 1);
      const blocks = [object, w.allocator.kmalloc(50), w.allocator.kmalloc(10000)] as number[];
      w.allocator.kfreeBulk([...blocks]);
      expect(w.allocator.locate(object)).toMatchObject({ inUse: false });
      expect(codeOf(() => w.allocator.kfree(blocks[2]))).toBe('FOREIGN_POINTER');
    });
  });

  describe(`${name} under any load`, () => {
    const step = fc.record({
      kind: fc.constantFrom('alloc', 'alloc', 'node', 'free', 'free', 'bulk', 'kmalloc', 'shrink'),
      cache: fc.nat(2),
      cpu: fc.nat(2),
      pick: fc.nat(1000),
    });
    const sizes = [24, 200, 1500];

    /** Runs a load and returns all addresses; checks what a Map of owners can check. */
    function run(
      w: World,
      steps: readonly (typeof step extends fc.Arbitrary<infer S> ? S : never)[],
    ): number[] {
      const caches = sizes.map((size, i) => cacheOf(w, { size, ctor: () => undefined }, `c${i}`));
      const owned = new Map<number, { size: number; free: (cpu: number) => void }>();
      const results: number[] = [];
      const own = (address: number | null, size: number, free: (cpu: number) => void): void => {
        results.push(address ?? -1);
        if (address === null) return;
        expect(owned.has(address)).toBe(false);
        owned.set(address, { size, free });
      };
      for (const { kind, cache: at, cpu, pick } of steps) {
        const cache = caches[at];
        if (kind === 'alloc' || kind === 'node') {
          const address =
            kind === 'alloc'
              ? cache.alloc(Gfp.GFP_KERNEL, cpu)
              : cache.allocNode(Gfp.GFP_KERNEL, pick % 2, cpu);
          own(address, sizes[at], (on) => cache.free(address ?? 0, on));
        } else if (kind === 'kmalloc') {
          const size = 1 + (pick % 3000);
          const address = w.allocator.kmalloc(size, Gfp.GFP_KERNEL, cpu);
          own(address, size, (on) => w.allocator.kfree(address, on));
        } else if (kind === 'bulk') {
          const slots = new Array<number>(pick % 40).fill(0);
          const got = cache.allocBulk(Gfp.GFP_KERNEL, slots, cpu);
          for (const address of slots.slice(0, got)) {
            own(address, sizes[at], (on) => cache.free(address, on));
          }
        } else if (kind === 'shrink') {
          cache.shrink(cpu);
        } else if (owned.size > 0) {
          const address = [...owned.keys()][pick % owned.size];
          owned.get(address)?.free(cpu);
          owned.delete(address);
        }
      }
      const sorted = [...owned].sort(([a], [b]) => a - b);
      sorted.forEach(([address, { size }], i) => {
        expect(w.allocator.locate(address)).toMatchObject({ inUse: true, address });
        if (i > 0) expect(sorted[i - 1][0] + sorted[i - 1][1].size).toBeLessThanOrEqual(address);
        expect(size).toBeGreaterThan(0);
      });
      for (const [address, { free }] of owned) {
        free(address % 3);
        expect(w.allocator.locate(address)?.inUse ?? false).toBe(false);
      }
      for (const cache of caches) expect(cache.destroy()).toBe(true);
      expect(w.allocator.checkInvariants()).toEqual([]);
      return results;
    }

    test('no two owners have the same object, with and without contents alike', () => {
      const options = { cpuNode: [0, 1, 0], nodes: 2 };
      fc.assert(
        fc.property(fc.array(step, { maxLength: 150 }), fc.boolean(), (steps, kernel) => {
          const boot = kernel ? 'kernel' : 'bare';
          const withContent = run(world({ ...options, boot }), steps);
          expect(run(world({ ...options, boot, contentless: true }), steps)).toEqual(withContent);
        }),
        { numRuns: scaled(25) },
      );
    });
  });
}
