import { seededRandom } from '../../src/lib/random.ts';
import type { ObjectHeap } from './object-heaps.ts';

/** Objects that `bulk` and `rand` hold. */
const HELD = 16384;
/** Objects that `mixed` holds. */
const LIVE = 1024;
/** Sizes are drawn from this many classes, class k with probability 2^-(k+1). */
const CLASSES = 9;
/** Largest size of the first class, bytes. */
const CLASS_BYTES = 16;
/** Size of the objects of the loads with one size, bytes. */
export const OBJECT_BYTES = 64;

/** A load set up on a heap. Each run does so many operations and returns how many objects it got. */
export type ObjectLoad = (operations: number) => number;

/** The loads by name. */
export const OBJECT_LOADS = ['repeat', 'bulk', 'rand', 'mixed'] as const;
/** Name of a load. */
export type ObjectLoadName = (typeof OBJECT_LOADS)[number];

/** Allocates an object and frees it, again and again. One operation is such a pair. */
function repeat<H>(heap: ObjectHeap<H>, sizes: Int32Array): ObjectLoad {
  return (operations) => {
    let got = 0;
    for (let i = 0; i < operations; i++) {
      const object = heap.alloc(sizes[i & 65535]);
      if (heap.place(object) > 0) got++;
      heap.free(object);
    }
    return got;
  };
}

/** Allocates 16,384 objects and frees them in the same order. One operation is one object. */
function bulk<H>(heap: ObjectHeap<H>, sizes: Int32Array): ObjectLoad {
  const held = new Array<H>(HELD).fill(heap.none);
  return (operations) => {
    let got = 0;
    for (let done = 0; done < operations; done += HELD) {
      for (let i = 0; i < HELD; i++) held[i] = heap.alloc(sizes[i]);
      if (heap.place(held[0]) > 0) got += HELD;
      for (let i = 0; i < HELD; i++) heap.free(held[i]);
    }
    return got;
  };
}

/** Holds `count` objects and replaces a random one. One operation is one replacement. */
function replace<H>(heap: ObjectHeap<H>, sizes: Int32Array, count: number): ObjectLoad {
  const victims = randomNumbers(65536, count);
  const held = Array.from({ length: count }, (_, i) => heap.alloc(sizes[i]));
  return (operations) => {
    let got = 0;
    for (let i = 0; i < operations; i++) {
      const victim = victims[i & 65535];
      heap.free(held[victim]);
      held[victim] = heap.alloc(sizes[i & 65535]);
      if (heap.place(held[victim]) > 0) got++;
    }
    return got;
  };
}

/**
 * Sets up a load on a heap.
 * @param mix whether sizes are mixed, else all objects have `OBJECT_BYTES`
 */
export function setUpObjectLoad<H>(
  name: ObjectLoadName,
  heap: ObjectHeap<H>,
  mix: boolean,
): ObjectLoad {
  const sizes = mix ? mixedSizes(65536) : new Int32Array(65536).fill(OBJECT_BYTES);
  if (name === 'repeat') return repeat(heap, sizes);
  if (name === 'bulk') return bulk(heap, sizes);
  return replace(heap, sizes, name === 'rand' ? HELD : LIVE);
}

/** Sizes of 1 to 4096 bytes: class k up to 16 * 2^k bytes, with probability 2^-(k+1). */
function mixedSizes(count: number): Int32Array {
  const random = seededRandom(count + 1);
  return Int32Array.from({ length: count }, () => {
    const bits = random.nextU32() % 2 ** CLASSES;
    const order = bits === 0 ? CLASSES - 1 : 31 - Math.clz32(bits & -bits);
    return 1 + (random.nextU32() % (CLASS_BYTES << order));
  });
}

function randomNumbers(count: number, below: number): Int32Array {
  const random = seededRandom(count);
  return Int32Array.from({ length: count }, () => random.nextU32() % below);
}
