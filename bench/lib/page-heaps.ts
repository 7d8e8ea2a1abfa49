import { createRequire } from 'node:module';
import { MemPool } from '@thi.ng/malloc';
import { type BuddyAllocator, createBuddy } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';

const require = createRequire(import.meta.url);

/** Pages of the machine under test: 1 GiB in one zone. */
export const BENCH_PAGES = 0x40000;
/** Bytes of the heaps of the peers. */
const HEAP_BYTES = 0x2000_0000;

/**
 * An allocator of page blocks under load. `H` is what it hands out: a page frame, an offset, an
 * array. All loads are written once, over this shape, and compiled anew for every allocator.
 */
export interface PageHeap<H> {
  /** Stands for no block. */
  readonly none: H;
  /** Takes 2^order pages. */
  alloc(order: number): H;
  /** Gives them back. */
  free(handle: H, order: number): void;
  /** A number above 0 for every block. */
  place(handle: H): number;
}

/** A machine with one zone of movable memory. */
export function benchBuddy(pages: number = BENCH_PAGES, cpus = 1): BuddyAllocator {
  return createBuddy({
    zones: [{ zone: 'Normal', startPfn: 0x100000, pages }],
    cpuNode: new Array<number>(cpus).fill(0),
  });
}

/** This package. */
export function pageframeHeap(): PageHeap<number> {
  const buddy = benchBuddy();
  return {
    none: 0,
    alloc: (order) => buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, order) as number,
    free: (pfn, order) => buddy.freePages(pfn, order),
    place: (pfn) => pfn,
  };
}

interface CodemixAllocator {
  alloc(bytes: number): number;
  free(address: number): number;
}

/** npm `malloc` (codemix): a skip list over a typed array. */
export function codemixHeap(): PageHeap<number> {
  const Allocator = require('malloc') as new (buffer: ArrayBuffer) => CodemixAllocator;
  const heap = new Allocator(new ArrayBuffer(HEAP_BYTES));
  return {
    none: 0,
    alloc: (order) => heap.alloc(4096 << order),
    free: (address) => heap.free(address),
    place: (address) => address,
  };
}

/** npm `@thi.ng/malloc`: a first-fit list with compaction. */
export function thingHeap(): PageHeap<number> {
  const pool = new MemPool({ size: HEAP_BYTES });
  return {
    none: 0,
    alloc: (order) => pool.malloc(4096 << order),
    free: (address) => pool.free(address),
    place: (address) => address,
  };
}

interface TypedArrayPool {
  mallocUint8(bytes: number): Uint8Array;
  freeUint8(array: Uint8Array): void;
}

/** npm `typedarray-pool`: stacks of used arrays, no addresses. */
export function typedarrayPoolHeap(): PageHeap<Uint8Array> {
  const pool = require('typedarray-pool') as TypedArrayPool;
  return {
    none: new Uint8Array(0),
    alloc: (order) => pool.mallocUint8(4096 << order),
    free: (array) => pool.freeUint8(array),
    place: (array) => array.length,
  };
}
