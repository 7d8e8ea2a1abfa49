import { checkInteger } from '../lib/errors.ts';
import type { ObjectConstructor } from '../mm/kmem-cache.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { Layout } from './layout.ts';
import { NR_SLUB_STAT_ITEMS } from './statistics.ts';
import { cpuPartialSlabs, isDebugCache } from './tunables.ts';

/** What a cache is made of. */
export interface CacheInput {
  /** Number of the cache, never used again. */
  readonly id: number;
  /** Display name. */
  readonly name: string;
  /** Usable bytes of an object. */
  readonly objectSize: number;
  /** Final alignment in bytes. */
  readonly align: number;
  /** Constructor, null for none. */
  readonly ctor: ObjectConstructor | null;
  /** Start of the user copy window, bytes. */
  readonly useroffset: number;
  /** Length of the user copy window, bytes. */
  readonly usersize: number;
  /** Where everything is in a slot. */
  readonly layout: Layout;
  /** Flags, final. */
  readonly flags: number;
  /** Node partial slabs to keep. */
  readonly minPartial: number;
  /** Nominal objects on a CPU's partial list. */
  readonly cpuPartial: number;
  /** Number of CPUs. */
  readonly cpus: number;
  /** Number of node ids. */
  readonly nodeIds: number;
  /** Whether events are counted. */
  readonly stats: boolean;
}

/** When the objects of a cache are cleared at allocation (spec slub 4.26). */
export const ZeroRule = {
  /** If the mask has `__GFP_ZERO`. */
  ON_REQUEST: 0,
  /** Always. */
  ALWAYS: 1,
  /** Never. */
  NEVER: 2,
} as const;

/**
 * What a CPU holds of a cache.
 *
 * @kernel struct kmem_cache_cpu (spec slub 2.4)
 */
export class CpuState {
  /** Slot of the CPU slab, -1 for none. */
  slab = -1;
  /** First object of the CPU freelist, -1 when it is empty. */
  freelist = -1;
  /** First slab of the CPU partial list, -1 when it is empty. */
  chain = -1;
  /** Address of the CPU slab, 0 for none. */
  base = 0;
  /** Bytes of the CPU slab that are objects. */
  span = 0;
  /** Where the CPU slab's objects begin in the table's `links`. */
  links = 0;
  /** 32-bit word of the memory at which the CPU slab begins. */
  word = 0;
  /** Low half of the virtual address of the CPU slab. */
  virtLow = 0;
  /** High half of it. */
  virtHigh = 0;
}

/**
 * A cache with its CPUs and nodes. All cells per node are indexed by node id.
 *
 * @kernel struct kmem_cache, kmem_cache_node (spec slub 2.3, 2.5)
 */
export class CacheState {
  /** What it was made of. */
  readonly input: CacheInput;
  /** Number of the cache. */
  readonly id: number;
  /** Display name. */
  readonly name: string;
  /** Usable bytes; grows when caches are merged. */
  objectSize: number;
  /** Slot size in bytes. */
  readonly size: number;
  /** 1 / size: an index is found by multiplication, which is several times faster than division. */
  readonly sizeInverse: number;
  /** Where the metadata begins, bytes from the object; grows when caches are merged. */
  inuse: number;
  /** Where the free pointer is, bytes from the object. */
  readonly offset: number;
  /** 32-bit words from one object to the next. */
  readonly slotWords: number;
  /** 32-bit words from the start of a slot to its free pointer. */
  readonly pointerWord: number;
  /** Alignment in bytes. */
  readonly align: number;
  /** Bytes of the left red zone, as shown. */
  readonly redLeftPad: number;
  /** Bytes from the start of a slot to its object: the left red zone if there is one. */
  readonly pad: number;
  /** Usual order. */
  readonly order: number;
  /** Objects in a slab of the usual order. */
  readonly objects: number;
  /** Smallest order. */
  readonly minOrder: number;
  /** Objects in a slab of the smallest order. */
  readonly minObjects: number;
  /** Bits that every page request has. */
  readonly allocflags: number;
  /** Flags, internal ones included. */
  readonly flags: number;
  /** Whether any debug flag is set. */
  readonly isDebug: boolean;
  /** Constructor, null for none. */
  readonly ctor: ObjectConstructor | null;
  /** Start of the user copy window, bytes. */
  readonly useroffset: number;
  /** Length of the user copy window, bytes. */
  readonly usersize: number;
  /** Node partial slabs to keep. */
  minPartial: number;
  /** Nominal objects on a CPU's partial list. */
  cpuPartial: number;
  /** Real limit of a CPU's partial list, slabs. */
  cpuPartialSlabs: number;
  /** 1 + aliases; -1 for a boot cache; 0 when destroyed. */
  refcount = 1;
  /** 0 to 1000: how often remote nodes are searched. */
  remoteNodeDefragRatio = 1000;
  /** Secret of hardened pointers, low half. */
  randomLow = 0;
  /** Secret of hardened pointers, high half. */
  randomHigh = 0;
  /** Shuffled object offsets in bytes, null for none. */
  randomSeq: Int32Array | null = null;
  /** Address of that array if it is an object itself, -1 if not. */
  randomSeqAddress = -1;
  /** Names that joined this cache. */
  readonly aliases: string[] = [];
  /** Address of the descriptor, -1 if it costs nothing. */
  descriptor = -1;
  /** Something was reported about it: its lists and counters are no longer to be trusted. */
  damaged = false;
  /** When objects are cleared: one of `ZeroRule`. */
  zeroRule: number = ZeroRule.ON_REQUEST;
  /** Whether objects are cleared at free. */
  zeroOnFree = false;
  /** Event counters, `cpu * NR_SLUB_STAT_ITEMS + item`; null when none are kept. */
  readonly stats: Float64Array | null;

  /** The CPUs. */
  readonly cpus: readonly CpuState[];

  /** 1 where the cache has node structures. */
  readonly hasNode: Uint8Array;
  /** Address of the node structure, -1 if it costs nothing. */
  readonly nodeObject: Float64Array;
  /** Slabs on the partial list. */
  readonly nrPartial: Int32Array;
  /** Slabs of the node in any state. */
  readonly nrSlabs: Int32Array;
  /** Objects of those slabs. */
  readonly totalObjects: Int32Array;
  /** List head of partial slabs. */
  readonly partialHead: Int32Array;
  /** List head of full slabs (SLAB_STORE_USER only). */
  readonly fullHead: Int32Array;

  constructor(input: CacheInput) {
    const { layout, cpus, nodeIds, flags } = input;
    this.input = input;
    this.id = input.id;
    this.name = input.name;
    this.objectSize = input.objectSize;
    this.size = layout.size;
    this.sizeInverse = 1 / layout.size;
    this.inuse = layout.inuse;
    this.offset = layout.offset;
    this.align = input.align;
    this.redLeftPad = layout.redLeftPad;
    this.pad = (flags & SlabFlag.SLAB_RED_ZONE) === 0 ? 0 : layout.redLeftPad;
    this.slotWords = layout.size / 4;
    this.pointerWord = (this.pad + layout.offset) / 4;
    this.order = layout.order;
    this.objects = layout.objects;
    this.minOrder = layout.minOrder;
    this.minObjects = layout.minObjects;
    this.allocflags = layout.allocflags;
    this.flags = flags;
    this.isDebug = isDebugCache(flags);
    this.ctor = input.ctor;
    this.useroffset = input.useroffset;
    this.usersize = input.usersize;
    this.minPartial = input.minPartial;
    this.cpuPartial = input.cpuPartial;
    this.cpuPartialSlabs = cpuPartialSlabs(input.cpuPartial, layout.objects);
    this.stats = input.stats ? new Float64Array(cpus * NR_SLUB_STAT_ITEMS) : null;
    this.cpus = Array.from({ length: cpus }, () => new CpuState());
    this.hasNode = new Uint8Array(nodeIds);
    this.nodeObject = new Float64Array(nodeIds).fill(-1);
    this.nrPartial = new Int32Array(nodeIds);
    this.nrSlabs = new Int32Array(nodeIds);
    this.totalObjects = new Int32Array(nodeIds);
    this.partialHead = new Int32Array(nodeIds).fill(-1);
    this.fullHead = new Int32Array(nodeIds).fill(-1);
  }
}

/** Whether the cache has a flag. */
export function hasFlag(cache: CacheState, flag: number): boolean {
  return (cache.flags & flag) !== 0;
}

/**
 * Sets the size of the CPUs' partial lists.
 * @param cpuPartial nominal objects
 * @kernel slub_set_cpu_partial (spec slub 4.7)
 */
export function setCpuPartial(cache: CacheState, cpuPartial: number): void {
  cache.cpuPartial = cpuPartial;
  cache.cpuPartialSlabs = cpuPartialSlabs(cpuPartial, cache.objects);
}

/**
 * What a CPU holds of a cache.
 * @throws ArgumentError `BAD_ARGUMENT` for a CPU that does not exist
 */
export function cpuOf(cache: CacheState, cpu: number): CpuState {
  const c = cache.cpus[cpu];
  if (c === undefined) checkInteger('cpu', cpu, 0, cache.cpus.length - 1);
  return c;
}
