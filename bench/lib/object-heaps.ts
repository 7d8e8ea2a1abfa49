import { createRequire } from 'node:module';
import { MemPool } from '@thi.ng/malloc';
import { createBuddy } from '../../src/buddy/index.ts';
import { arrayBufferMemory, noMemory } from '../../src/memory/index.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlubAllocator } from '../../src/slub/index.ts';

const require = createRequire(import.meta.url);

/** Bytes that every heap manages. */
const HEAP_BYTES = 0x1000_0000;
const HEAP_PAGES = HEAP_BYTES / 4096;
/** The first 4 MiB are left out: address 0 stands for no object. */
const FIRST_PFN = 0x400;

/**
 * An allocator of objects under load. `H` is what it hands out: an address, an offset, an array. All
 * loads are written once, over this shape, and compiled anew for every allocator.
 */
export interface ObjectHeap<H> {
  /** Name in the table. */
  readonly name: string;
  /** Stands for no object. */
  readonly none: H;
  /** Takes an object. */
  alloc(bytes: number): H;
  /** Gives it back. */
  free(handle: H): void;
  /** A number above 0 for every object. */
  place(handle: H): number;
}

function slubOver(memory: PhysicalMemory): SlubAllocator {
  const zones = [{ zone: 'Normal', startPfn: FIRST_PFN, pages: HEAP_PAGES - FIRST_PFN }] as const;
  const buddy = createBuddy({ zones });
  return new SlubAllocator({ source: buddy.pageSource(), memory });
}

function memoryNamed(withContent: boolean): PhysicalMemory {
  return withContent ? arrayBufferMemory(new ArrayBuffer(HEAP_BYTES)) : noMemory(HEAP_BYTES);
}

/** This package: a cache of 64-byte objects. */
export function cacheHeap(withContent: boolean): ObjectHeap<number> {
  const cache = slubOver(memoryNamed(withContent)).createCache('bench', { size: 64 });
  if (cache === null) throw new Error('no memory for the cache');
  return {
    name: withContent ? 'pageframe, ArrayBuffer' : 'pageframe',
    none: 0,
    alloc: () => cache.alloc(Gfp.GFP_KERNEL) as number,
    free: (address) => cache.free(address),
    place: (address) => address,
  };
}

/** This package: kmalloc. */
export function kmallocHeap(withContent: boolean): ObjectHeap<number> {
  const slub = slubOver(memoryNamed(withContent));
  return {
    name: withContent ? 'pageframe, ArrayBuffer' : 'pageframe',
    none: 0,
    alloc: (bytes) => slub.kmalloc(bytes, Gfp.GFP_KERNEL) as number,
    free: (address) => slub.kfree(address),
    place: (address) => address,
  };
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
    name: 'malloc',
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
    name: '@thi.ng/malloc',
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
    name: 'typedarray-pool',
    none: new Uint8Array(0),
    alloc: (bytes) => pool.mallocUint8(bytes),
    free: (array) => pool.freeUint8(array),
    place: (array) => array.length,
  };
}

/** What a program does without any of them: an array per object, freed by the collector. */
export function newArrays(): ObjectHeap<Uint8Array> {
  return {
    name: 'new Uint8Array',
    none: new Uint8Array(0),
    alloc: (bytes) => new Uint8Array(bytes),
    free: () => undefined,
    place: (array) => array.length,
  };
}
