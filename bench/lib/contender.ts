import {
  codemixObjects,
  newArrays,
  type ObjectHeap,
  poolObjects,
  thingObjects,
} from './object-heaps.ts';
import { type ObjectLoadName, setUpObjectLoad } from './object-loads.ts';
import {
  codemixHeap,
  type PageHeap,
  pageframeHeap,
  thingHeap,
  typedarrayPoolHeap,
} from './page-heaps.ts';
import { type PageLoadName, setUpLoad } from './page-loads.ts';
import { designCacheHeap, designKmallocHeap } from './slab-heaps.ts';

/** Heaps of pages by name. */
const PAGE_HEAPS = {
  pageframe: pageframeHeap,
  malloc: codemixHeap,
  'typedarray-pool': typedarrayPoolHeap,
  '@thi.ng/malloc': thingHeap,
} as const satisfies Record<string, () => PageHeap<number> | PageHeap<Uint8Array>>;

type AnyObjectHeap = ObjectHeap<number> | ObjectHeap<Uint8Array>;

/** Heaps of objects by name; whether sizes are mixed tells caches from kmalloc. */
const OBJECT_HEAPS = {
  pageframe: (mix) => designHeap('SLUB', false, mix),
  'pageframe, ArrayBuffer': (mix) => designHeap('SLUB', true, mix),
  SLUB: (mix) => designHeap('SLUB', false, mix),
  SLAB: (mix) => designHeap('SLAB', false, mix),
  'SLUB, ArrayBuffer': (mix) => designHeap('SLUB', true, mix),
  'SLAB, ArrayBuffer': (mix) => designHeap('SLAB', true, mix),
  malloc: codemixObjects,
  '@thi.ng/malloc': thingObjects,
  'typedarray-pool': poolObjects,
  'new Uint8Array': newArrays,
} as const satisfies Record<string, (mix: boolean) => AnyObjectHeap>;

function designHeap(design: 'SLUB' | 'SLAB', content: boolean, mix: boolean): ObjectHeap<number> {
  return mix ? designKmallocHeap(design, content) : designCacheHeap(design, content);
}

/** A load on a heap of pages or objects, in words that can be sent to another isolate. */
export type ContenderSpec =
  | {
      readonly kind: 'pages';
      readonly heap: keyof typeof PAGE_HEAPS;
      readonly load: PageLoadName;
      /** Operations in one round. */
      readonly operations: number;
    }
  | {
      readonly kind: 'objects';
      readonly heap: keyof typeof OBJECT_HEAPS;
      readonly load: ObjectLoadName;
      /** Whether sizes are mixed. */
      readonly mix: boolean;
      /** Operations in one round. */
      readonly operations: number;
    };

/** Name of a heap of pages. */
export type PageHeapName = keyof typeof PAGE_HEAPS;
/** Name of a heap of objects. */
export type ObjectHeapName = keyof typeof OBJECT_HEAPS;

/** Sets a load up. The result does one round and returns how many blocks it got. */
export function setUpContender(spec: ContenderSpec): () => number {
  if (spec.kind === 'pages') {
    const heap = PAGE_HEAPS[spec.heap]() as PageHeap<unknown>;
    const run = setUpLoad(spec.load, heap);
    return () => run(spec.operations);
  }
  const heap = OBJECT_HEAPS[spec.heap](spec.mix) as ObjectHeap<unknown>;
  const run = setUpObjectLoad(spec.load, heap, spec.mix);
  return () => run(spec.operations);
}
