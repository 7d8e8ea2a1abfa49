import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { SlabTopology } from '../../src/mm/slab-topology.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import type { SlabOptions } from '../../src/slab/types.ts';
import { TestPages } from '../support/test-pages.ts';

export { TestPages };

/** CPUs spread over nodes; every node prefers itself, then the following ones. */
export function testTopology(cpuNode: readonly number[], nodeIds: number): SlabTopology {
  const ids = Array.from({ length: nodeIds }, (_, node) => node);
  return {
    cpuNode,
    nodeIds,
    memoryNodes: ids,
    zonelists: ids.map((node) => ids.map((i) => ((node + i) % nodeIds) * 4 + 2)),
    thisNodeZonelists: ids.map((node) => [node * 4 + 2]),
  };
}

/** What `testSlab` makes. */
export interface TestSlab {
  readonly pages: TestPages;
  readonly memory: PhysicalMemory;
  readonly slab: SlabAllocator;
}

/** An allocator over `TestPages` whose own structures cost nothing, and which checks itself. */
export function testSlab(options: Partial<SlabOptions> & { pagesPerNode?: number } = {}): TestSlab {
  const { pagesPerNode = 0x1000, ...rest } = options;
  const nodes = rest.topology?.nodeIds ?? 1;
  const pages = new TestPages(pagesPerNode, nodes);
  const memory = rest.memory ?? sparseMemory(pagesPerNode * nodes * 4096);
  const slab = new SlabAllocator({
    source: pages,
    memory,
    boot: 'bare',
    totalRamPages: 0x10000,
    checks: 'full',
    ...rest,
  });
  return { pages, memory, slab };
}

/** A cache that must be there. */
export function made(cache: SlabCache | null): SlabCache {
  if (cache === null) throw new Error('no memory for the cache');
  return cache;
}

/** Takes `count` objects that must be there. */
export function take(cache: SlabCache, count: number, cpu = 0): number[] {
  return Array.from({ length: count }, () => {
    const address = cache.alloc(Gfp.GFP_KERNEL, cpu);
    if (address === null) throw new Error('no memory');
    return address;
  });
}

/** An object as `slab#index`, slabs named by the order of `pages`. */
export function nameOf(cache: SlabCache, address: number, pages: readonly number[]): string {
  const found = cache.state.map.private[Math.floor(address / 4096)];
  const pfn = cache.slabs.pfn[found];
  const index = (address - cache.objOffset - cache.slabs.sMem[found]) / cache.size;
  return `${String.fromCharCode(65 + pages.indexOf(pfn))}#${index}`;
}
