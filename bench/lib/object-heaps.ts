import { createRequire } from 'node:module';
import { MemPool } from '@thi.ng/malloc';

const require = createRequire(import.meta.url);

/** Bytes that every heap manages. */
export const HEAP_BYTES = 0x1000_0000;

/**
 * An allocator of objects under load. `H` is what it hands out: an address, an offset, an array. All
 * loads are written once, over this shape, and compiled anew for every allocator.
 */
export interface ObjectHeap<H> {
  /** Stands for no object. */
  readonly none: H;
  /** Takes an object. */
  alloc(bytes: number): H;
  /** Gives it back. */
  free(handle: H): void;
  /** A number above 0 for every object. */
  place(handle: H): number;
}

interface CodemixAllocator {
  alloc(bytes: number): number;
  free(address: number): number;
}

/** npm `malloc` (codemix): a skip list over a typed array. */
export function codemixObjects(): ObjectHeap<number> {
  const Allocator = require('malloc') as new (buffer: ArrayBuffer) => CodemixAllocator;
  const heap = new Allocator(new ArrayBuffer(HEAP_BYTES));
  return {
    none: 0,
    alloc: (bytes) => heap.alloc(bytes),
    free: (address) => heap.free(address),
    place: (address) => address,
  };
}

/** npm `@thi.ng/malloc`: a first-fit list with compaction. */
export function thingObjects(): ObjectHeap<number> {
  const pool = new MemPool({ size: HEAP_BYTES });
  return {
    none: 0,
    alloc: (bytes) => pool.malloc(bytes),
    free: (address) => pool.free(address),
    place: (address) => address,
  };
}

interface TypedArrayPool {
  mallocUint8(bytes: number): Uint8Array;
  freeUint8(array: Uint8Array): void;
}

/** npm `typedarray-pool`: stacks of used arrays, no addresses. */
export function poolObjects(): ObjectHeap<Uint8Array> {
  const pool = require('typedarray-pool') as TypedArrayPool;
  return {
    none: new Uint8Array(0),
    alloc: (bytes) => pool.mallocUint8(bytes),
    free: (array) => pool.freeUint8(array),
    place: (array) => array.length,
  };
}

/** What a program does without any of them: an array per object, freed by the collector. */
export function newArrays(): ObjectHeap<Uint8Array> {
  return {
    none: new Uint8Array(0),
    alloc: (bytes) => new Uint8Array(bytes),
    free: () => undefined,
    place: (array) => array.length,
  };
}
