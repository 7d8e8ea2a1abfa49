import { sparseMemory } from '../../src/memory/sparse.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { SlabTopology } from '../../src/mm/slab-topology.ts';
import type { CacheRecord } from '../../src/recording/slub-state.ts';
import { recordOfSlubCache } from '../../src/recording/slub-state.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import type { CacheState } from '../../src/slub/cache-state.ts';
import type { SlubOptions } from '../../src/slub/types.ts';
import { TestPages } from '../support/test-pages.ts';

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

/** What `testSlub` makes. */
export interface TestSlub {
  readonly pages: TestPages;
  readonly memory: PhysicalMemory;
  readonly slub: SlubAllocator;
  readonly log: string[];
}

/** An allocator over `TestPages` whose descriptors cost nothing, and which checks itself. */
export function testSlub(options: Partial<SlubOptions> & { pagesPerNode?: number } = {}): TestSlub {
  const { pagesPerNode = 0x1000, ...rest } = options;
  const nodes = rest.topology?.nodeIds ?? 1;
  const pages = new TestPages(pagesPerNode, nodes);
  const memory = rest.memory ?? sparseMemory(pagesPerNode * nodes * 4096);
  const log: string[] = [];
  const slub = new SlubAllocator({
    source: pages,
    memory,
    boot: 'bare',
    checks: 'full',
    log: (line) => log.push(line),
    ...rest,
  });
  log.length = 0;
  return { pages, memory, slub, log };
}

/** A value that must be there. */
export function made<T>(value: T | null): T {
  if (value === null) throw new Error('no memory');
  return value;
}

/** Takes `count` objects that must be there. */
export function take(cache: SlubCache, count: number, cpu = 0): number[] {
  return Array.from({ length: count }, () => made(cache.alloc(Gfp.GFP_KERNEL, cpu)));
}

/** The state behind a cache. */
export function stateOf(slub: SlubAllocator, cache: SlubCache): CacheState {
  const found = slub.state.caches.find(({ name }) => name === cache.name);
  if (found === undefined) throw new Error(`no cache ${cache.name}`);
  return found;
}

/** What a cache holds, in the form of the recordings. */
export function recordOf(slub: SlubAllocator, cache: SlubCache): CacheRecord {
  return recordOfSlubCache(slub.state, stateOf(slub, cache));
}

/** Names slabs by letters in the order in which they were made: objects are A0, B3, ... */
export class Names {
  readonly #cache: SlubCache;
  readonly #pfns: number[] = [];
  readonly #first: number;

  constructor(cache: SlubCache, first = 'A') {
    this.#cache = cache;
    this.#first = first.charCodeAt(0);
  }

  /** Letter of the slab that starts at a page frame. */
  slab(pfn: number): string {
    if (!this.#pfns.includes(pfn)) this.#pfns.push(pfn);
    return String.fromCharCode(this.#first + this.#pfns.indexOf(pfn));
  }

  /** Name of an object. */
  object(address: number | null): string {
    if (address === null) return 'none';
    const { order, redLeftPad, size } = this.#cache.geometry();
    const pages = 2 ** order;
    const pfn = Math.floor(address / 4096 / pages) * pages;
    return `${this.slab(pfn)}${(address - redLeftPad - pfn * 4096) / size}`;
  }

  /** Names of many objects. */
  objects(addresses: readonly (number | null)[]): string {
    return addresses.map((address) => this.object(address)).join(' ');
  }

  /** The lists of a CPU and of node 0 in the notation of the specification. */
  lists(slub: SlubAllocator, cpu = 0): string {
    const { cpus, nodes } = recordOf(slub, this.#cache);
    const { slab, freelist, partial } = cpus[cpu];
    const own = slab === null ? 'none' : `${this.slab(slab.pfn)} [${freelist.join(' ')}]`;
    const chain = partial.map((element) => `${this.slab(element.pfn)}(${element.slabs})`).join(' ');
    const node = nodes[0].partial.map((element) => this.slab(element.pfn)).join(' ');
    return `${own} [${chain}] [${node}]`;
  }
}
