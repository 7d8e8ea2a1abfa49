import { seededRandom } from '../../src/lib/random.ts';
import type { PageHeap } from './page-heaps.ts';

/** Blocks that `bulk` and `rand` hold. */
const HELD = 16384;
/** Blocks that `mixed` holds. */
const LIVE = 1024;
/** Largest order of `mixed`. */
const MIXED_ORDER_MAX = 8;

/** A load set up on a heap. Each run does so many operations and returns how many blocks it got. */
export type PageLoad = (operations: number) => number;

/** The loads by name. */
export const PAGE_LOADS = ['repeat', 'bulk', 'rand', 'mixed'] as const;
/** Name of a load. */
export type PageLoadName = (typeof PAGE_LOADS)[number];

// Loads are written once, for any heap. Heaps that are compared run them in isolates of their own, so
// that each gets code compiled for itself alone.

/** Allocates one page and frees it, again and again. One operation is such a pair. */
function repeat<H>(heap: PageHeap<H>): PageLoad {
  return (operations) => {
    let got = 0;
    for (let i = 0; i < operations; i++) {
      const page = heap.alloc(0);
      if (heap.place(page) > 0) got++;
      heap.free(page, 0);
    }
    return got;
  };
}

/** Allocates 16,384 pages and frees them in the same order. One operation is one page. */
function bulk<H>(heap: PageHeap<H>): PageLoad {
  const held = new Array<H>(HELD).fill(heap.none);
  return (operations) => {
    let got = 0;
    for (let done = 0; done < operations; done += HELD) {
      for (let i = 0; i < HELD; i++) held[i] = heap.alloc(0);
      if (heap.place(held[0]) > 0) got += HELD;
      for (let i = 0; i < HELD; i++) heap.free(held[i], 0);
    }
    return got;
  };
}

/** Holds 16,384 pages and replaces a random one. One operation is one replacement. */
function rand<H>(heap: PageHeap<H>): PageLoad {
  const victims = randomNumbers(65536, HELD);
  const held = Array.from({ length: HELD }, () => heap.alloc(0));
  return (operations) => {
    let got = 0;
    for (let i = 0; i < operations; i++) {
      const victim = victims[i & 65535];
      heap.free(held[victim], 0);
      held[victim] = heap.alloc(0);
      if (heap.place(held[victim]) > 0) got++;
    }
    return got;
  };
}

/**
 * Holds 1,024 blocks of orders 0 to 8, order k with probability 2^-(k+1), and replaces a random one.
 * One operation is one replacement.
 */
function mixed<H>(heap: PageHeap<H>): PageLoad {
  const victims = randomNumbers(65536, LIVE);
  const orders = randomNumbers(65521, 2 ** MIXED_ORDER_MAX).map(ordersOfBits);
  const heldOrders = orders.slice(0, LIVE);
  const held = Array.from(heldOrders, (order) => heap.alloc(order));
  let position = 0;
  return (operations) => {
    let got = 0;
    for (let i = 0; i < operations; i++) {
      const victim = victims[i & 65535];
      position = position === orders.length - 1 ? 0 : position + 1;
      heap.free(held[victim], heldOrders[victim]);
      heldOrders[victim] = orders[position];
      held[victim] = heap.alloc(heldOrders[victim]);
      if (heap.place(held[victim]) > 0) got++;
    }
    return got;
  };
}

/** Sets up a load on a heap. */
export function setUpLoad<H>(name: PageLoadName, heap: PageHeap<H>): PageLoad {
  if (name === 'repeat') return repeat(heap);
  if (name === 'bulk') return bulk(heap);
  return name === 'rand' ? rand(heap) : mixed(heap);
}

/** Number of low zero bits: order k with probability 2^-(k+1), the rest to the largest order. */
function ordersOfBits(bits: number): number {
  return bits === 0 ? MIXED_ORDER_MAX : 31 - Math.clz32(bits & -bits);
}

function randomNumbers(count: number, below: number): Int32Array {
  const random = seededRandom(count);
  return Int32Array.from({ length: count }, () => random.nextU32() % below);
}
