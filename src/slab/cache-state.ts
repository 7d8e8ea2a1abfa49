import type { ObjectConstructor } from '../mm/kmem-cache.ts';
import type { ArrayCache } from './array-cache.ts';
import type { SlabTable } from './slab-table.ts';
import type { SlabState } from './state.ts';
import { newStatistics } from './statistics.ts';
import type { SlabStatistics } from './types.ts';

/** Bytes of a node structure; it comes from kmalloc-128. (spec slab 2.3) */
export const KMEM_CACHE_NODE_BYTES = 120;

/** The arrays of a node for the objects of the other nodes. @kernel struct alien_cache ** */
export interface AlienCaches {
  /** Address of the kmalloc object that holds the pointers, 0 without such. */
  readonly address: number;
  /** By node id; null for the node itself and for nodes that were offline. */
  readonly caches: readonly (ArrayCache | null)[];
}

/**
 * The slabs of a cache on one node. Its lists link the first page frames of slabs.
 *
 * @kernel struct kmem_cache_node (spec slab 2.3)
 */
export class CacheNode {
  /** Node id. */
  readonly node: number;
  /** List head of slabs with some objects in use. */
  readonly slabsPartial: number;
  /** List head of slabs with all objects in use. */
  readonly slabsFull: number;
  /** List head of slabs with no object in use. */
  readonly slabsFree: number;
  /** Slabs on all three lists. */
  totalSlabs = 0;
  /** Length of `slabsFree`. */
  freeSlabs = 0;
  /** Free objects in all slabs. */
  freeObjects = 0;
  /** More free objects than this, and free slabs go back. */
  freeLimit = 0;
  /** Colour of the slab made last. */
  colourNext = 0;
  /** 1 if an allocation looked for a free slab since the last reap. */
  freeTouched = 0;
  /** When the node is reaped next, jiffies. */
  nextReap = 0;
  /** The array that all CPUs of the node share. */
  shared: ArrayCache | null = null;
  /** Arrays for the objects of other nodes. */
  alien: AlienCaches | null = null;
  /** Address of the kmalloc object that holds it, 0 without such. */
  address = 0;

  /** @param heads first of three list heads */
  constructor(node: number, heads: number) {
    this.node = node;
    this.slabsPartial = heads;
    this.slabsFull = heads + 1;
    this.slabsFree = heads + 2;
  }
}

/**
 * Everything that a cache consists of. The functions of this folder work on it; `SlabCache` adds the
 * public calls.
 *
 * @kernel struct kmem_cache (spec slab 2.1)
 */
export class CacheState {
  /** The allocator. */
  readonly state: SlabState;
  /** The allocator's slabs, close at hand. */
  readonly slabs: SlabTable;
  /** Number in `SlabState.cacheById`. */
  readonly id: number;
  /** Display name. */
  readonly name: string;
  /** Constructor, null for none. */
  readonly ctor: ObjectConstructor | null;
  /** Usable bytes of an object; grows when a larger request joins. */
  objectSize = 0;
  /** Bytes from one object to the next. */
  size = 0;
  /** 1 / size: an index is found by multiplication, which is faster than division. */
  sizeInverse = 0;
  /** Alignment in bytes. */
  align = 0;
  /** Flags, with those of `FreelistFlag`. */
  flags = 0;
  /** Objects in a slab. */
  num = 0;
  /** log2 of the pages of a slab. */
  gfporder = 0;
  /** Bits forced on every page request. */
  allocflags = 0;
  /** Number of different start offsets. */
  colour = 0;
  /** Bytes per colour step. */
  colourOff = 0;
  /** Bytes of the index array. */
  freelistSize = 0;
  /** Bytes from the start of a slot to the user's object. */
  objOffset = 0;
  /** Entries moved at once. */
  batchcount = 1;
  /** Entries of a CPU's array. */
  limit = 1;
  /** Capacity of the shared array in batches. */
  shared = 0;
  /** 1 + number of merged caches; -1: never merged. */
  refcount = 1;
  /** Start of the user copy window, bytes. */
  useroffset = 0;
  /** Length of the user copy window, bytes. */
  usersize = 0;
  /** One array per possible CPU; empty once the cache is gone. */
  cpuCache: ArrayCache[] = [];
  /** By node id; null for nodes that were never online. */
  nodes: (CacheNode | null)[] = [];
  /** The order of objects in new slabs, null for ascending. */
  randomSeq: Int32Array | null = null;
  /** Address of the kmalloc object that holds that order, 0 without such. */
  randomSeqAddress = 0;
  /** Address of the descriptor in the cache `kmem_cache`, 0 without such. */
  address = 0;
  /** Events, counted on request. */
  statistics: SlabStatistics = newStatistics();

  constructor(state: SlabState, id: number, name: string, ctor: ObjectConstructor | null) {
    this.state = state;
    this.slabs = state.slabs;
    this.id = id;
    this.name = name;
    this.ctor = ctor;
  }
}

/** The structure of a node that must have one. */
export function cacheNodeOf(cache: CacheState, node: number): CacheNode {
  const n = cache.nodes[node];
  if (n === null || n === undefined) throw new TypeError(`cache ${cache.name} lacks node ${node}`);
  return n;
}
