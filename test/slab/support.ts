import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { PageSource } from '../../src/mm/page-source.ts';
import type { SlabTopology } from '../../src/mm/slab-topology.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import type { SlabOptions } from '../../src/slab/types.ts';

/** A request that a `TestPages` saw. */
export interface PageRequest {
  readonly gfp: number;
  readonly order: number;
  readonly node: number;
  readonly cpu: number;
  readonly pfn: number;
}

/**
 * The simplest page source: on each node the lowest free block, a fixed number of pages per node.
 * It keeps a list of what happened.
 */
export class TestPages implements PageSource {
  readonly pagesPerNode: number;
  readonly nodes: number;
  readonly used: Set<number> = new Set();
  readonly requests: PageRequest[] = [];
  readonly freed: { pfn: number; order: number; cpu: number }[] = [];
  /** Blocks that may still be handed out; a request beyond them fails. */
  budget: number = Number.POSITIVE_INFINITY;

  constructor(pagesPerNode = 0x1000, nodes = 1) {
    this.pagesPerNode = pagesPerNode;
    this.nodes = nodes;
  }

  nodeOf(pfn: number): number {
    return Math.floor(pfn / this.pagesPerNode);
  }

  allocPages(gfp: number, order: number, node: number, cpu: number): number {
    const pfn = this.budget > 0 ? this.find(gfp, order, node) : -1;
    this.requests.push({ gfp, order, node, cpu, pfn });
    if (pfn < 0) return -1;
    this.budget--;
    for (let i = 0; i < 2 ** order; i++) this.used.add(pfn + i);
    return pfn;
  }

  freePages(pfn: number, order: number, cpu: number): void {
    for (let i = 0; i < 2 ** order; i++) {
      if (!this.used.delete(pfn + i)) throw new Error(`page ${pfn + i} was not allocated`);
    }
    this.freed.push({ pfn, order, cpu });
  }

  private find(gfp: number, order: number, node: number): number {
    const first = Math.max(node, 0);
    const exact = (gfp & Gfp.__GFP_THISNODE) !== 0;
    for (let i = 0; i < (exact ? 1 : this.nodes); i++) {
      const pfn = this.lowest((first + i) % this.nodes, order);
      if (pfn >= 0) return pfn;
    }
    return -1;
  }

  private lowest(node: number, order: number): number {
    const pages = 2 ** order;
    const end = (node + 1) * this.pagesPerNode;
    // Page frame 0 is left out, as on a real machine.
    const start = Math.max(node * this.pagesPerNode, pages);
    for (let pfn = start; pfn + pages <= end; pfn += pages) {
      let free = true;
      for (let i = 0; i < pages && free; i++) free = !this.used.has(pfn + i);
      if (free) return pfn;
    }
    return -1;
  }
}

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
