import { Gfp } from '../../src/mm/gfp.ts';
import type { PageSource } from '../../src/mm/page-source.ts';

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
  /** Requests that may still succeed. */
  budget: number = Number.POSITIVE_INFINITY;
  /** Largest order that succeeds. */
  maxOrder = 10;

  constructor(pagesPerNode = 0x1000, nodes = 1) {
    this.pagesPerNode = pagesPerNode;
    this.nodes = nodes;
  }

  nodeOf(pfn: number): number {
    return Math.floor(pfn / this.pagesPerNode);
  }

  allocPages(gfp: number, order: number, node: number, cpu: number): number {
    const possible = this.budget > 0 && order <= this.maxOrder;
    const pfn = possible ? this.find(gfp, order, node) : -1;
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
