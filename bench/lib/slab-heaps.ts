import { createBuddy } from '../../src/buddy/index.ts';
import { arrayBufferMemory, noMemory } from '../../src/memory/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { KmemAllocator } from '../../src/mm/kmem-cache.ts';
import { SlabAllocator } from '../../src/slab/index.ts';
import { SlubAllocator } from '../../src/slub/index.ts';
import { HEAP_BYTES, type ObjectHeap } from './object-heaps.ts';

const HEAP_PAGES = HEAP_BYTES / 4096;
/** The first 4 MiB are left out: address 0 stands for no object. */
const FIRST_PFN = 0x400;

/** The two designs of this package. */
export type Design = 'SLUB' | 'SLAB';

/** Both designs over the same page allocator and memory: only the class differs. */
function allocatorOf(design: Design, withContent: boolean): KmemAllocator {
  const zones = [{ zone: 'Normal', startPfn: FIRST_PFN, pages: HEAP_PAGES - FIRST_PFN }] as const;
  const memory = withContent
    ? arrayBufferMemory(new ArrayBuffer(HEAP_BYTES))
    : noMemory(HEAP_BYTES);
  const source = createBuddy({ zones }).pageSource();
  return new { SLUB: SlubAllocator, SLAB: SlabAllocator }[design]({ source, memory });
}

/** A cache of 64-byte objects. */
export function designCacheHeap(design: Design, withContent: boolean): ObjectHeap<number> {
  const cache = allocatorOf(design, withContent).createCache('bench', { size: 64 });
  if (cache === null) throw new Error('no memory for the cache');
  return {
    none: 0,
    alloc: () => cache.alloc(Gfp.GFP_KERNEL) as number,
    free: (address) => cache.free(address),
    place: (address) => address,
  };
}

/** kmalloc. */
export function designKmallocHeap(design: Design, withContent: boolean): ObjectHeap<number> {
  const allocator = allocatorOf(design, withContent);
  return {
    none: 0,
    alloc: (bytes) => allocator.kmalloc(bytes, Gfp.GFP_KERNEL) as number,
    free: (address) => allocator.kfree(address),
    place: (address) => address,
  };
}
