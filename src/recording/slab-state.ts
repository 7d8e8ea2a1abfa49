import { listToArray } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { type ArrayCache, BATCHCOUNT_UNUSED } from '../slab/array-cache.ts';
import type { CacheNode, CacheState } from '../slab/cache-state.ts';
import { getFreeObj, isOffSlab, objectAddress } from '../slab/freelist.ts';
import {
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readIntegers,
  readList,
  readNumbers,
  readObject,
  readString,
} from './fields.ts';

/** An array of objects as recorded. */
export interface ArrayCacheRecord {
  /** Number of entries. */
  readonly avail: number;
  /** Capacity. */
  readonly limit: number;
  /** Entries moved at once; 0xbaadf00d where it is not used. */
  readonly batchcount: number;
  /** 1 if it was used since the last reap. */
  readonly touched: number;
  /** Addresses, the oldest first. */
  readonly entries: readonly number[];
}

/** A slab as recorded. */
export interface SlabRecord {
  /** First page frame. */
  readonly pfn: number;
  /** Objects handed out. */
  readonly active: number;
  /** Start of the first object in the slab, bytes. */
  readonly colourOff: number;
  /** Whether the index array is a kmalloc object. */
  readonly offSlab: boolean;
  /** The index array, 0 where its bytes mean nothing; empty when there is none. */
  readonly freelist: readonly number[];
  /** Where it lies, 0 when there is none or when it is a kmalloc object. */
  readonly freelistPhys: number;
}

/** A node of a cache as recorded. */
export interface CacheNodeRecord {
  /** Node id. */
  readonly node: number;
  /** All slabs. */
  readonly totalSlabs: number;
  /** Slabs without objects in use. */
  readonly freeSlabs: number;
  /** Free objects. */
  readonly freeObjects: number;
  /** Limit of free objects. */
  readonly freeLimit: number;
  /** Colour of the slab made last. */
  readonly colourNext: number;
  /** 1 if a free slab was looked for since the last reap. */
  readonly freeTouched: number;
  /** Partial slabs from the head. */
  readonly partial: readonly SlabRecord[];
  /** Full slabs from the head. */
  readonly full: readonly SlabRecord[];
  /** Free slabs from the head. */
  readonly free: readonly SlabRecord[];
  /** The shared array. */
  readonly shared: ArrayCacheRecord | null;
  /** Arrays for other nodes. */
  readonly alien: readonly (ArrayCacheRecord | null)[];
}

/** A SLAB cache as recorded. */
export interface CacheRecord {
  /** Name. */
  readonly name: string;
  /** Arrays of the CPUs. */
  readonly cpus: readonly ArrayCacheRecord[];
  /** Nodes. */
  readonly nodes: readonly CacheNodeRecord[];
}

const NODE_NUMBERS = [
  'node',
  'totalSlabs',
  'freeSlabs',
  'freeObjects',
  'freeLimit',
  'colourNext',
  'freeTouched',
] as const;
const ARRAY_NUMBERS = ['avail', 'limit', 'batchcount', 'touched'] as const;

function readArrayCache(value: unknown, place: Place): ArrayCacheRecord {
  const fields = readObject(value, place, [...ARRAY_NUMBERS, 'entries']);
  return {
    ...readNumbers(fields, place, ARRAY_NUMBERS),
    entries: readIntegers(fields.entries, placeIn(place, 'entries')),
  };
}

function readArrayCacheOrNull(value: unknown, place: Place): ArrayCacheRecord | null {
  return value === null ? null : readArrayCache(value, place);
}

function readSlab(value: unknown, place: Place): SlabRecord {
  const numbers = ['pfn', 'active', 'colourOff', 'freelistPhys'] as const;
  const fields = readObject(value, place, [...numbers, 'offSlab', 'freelist']);
  const offSlab = readBoolean(fields.offSlab, placeIn(place, 'offSlab'));
  const { pfn, active, colourOff, freelistPhys } = readNumbers(fields, place, numbers);
  const freelist = readIntegers(fields.freelist, placeIn(place, 'freelist'), 0, 255);
  return {
    pfn,
    active,
    colourOff,
    offSlab,
    freelist: withoutStale(freelist, active),
    freelistPhys: offSlab ? 0 : freelistPhys,
  };
}

/** An index array with 0 at the positions of objects that are handed out: their bytes are old. */
function withoutStale(freelist: readonly number[], active: number): number[] {
  return freelist.map((index, position) => (position < active ? 0 : index));
}

function readNode(value: unknown, place: Place): CacheNodeRecord {
  const lists = ['partial', 'full', 'free'] as const;
  const fields = readObject(value, place, [...NODE_NUMBERS, ...lists, 'shared', 'alien']);
  const list = (name: (typeof lists)[number]): readonly SlabRecord[] =>
    readList(fields[name], placeIn(place, name), readSlab);
  return {
    ...readNumbers(fields, place, NODE_NUMBERS),
    partial: list('partial'),
    full: list('full'),
    free: list('free'),
    shared: readArrayCacheOrNull(fields.shared, placeIn(place, 'shared')),
    alien: readList(fields.alien, placeIn(place, 'alien'), readArrayCacheOrNull),
  };
}

function readCache(value: unknown, place: Place): CacheRecord {
  const fields = readObject(value, place, ['name', 'cpus', 'nodes']);
  return {
    name: readString(fields.name, placeIn(place, 'name')),
    cpus: readList(fields.cpus, placeIn(place, 'cpus'), readArrayCache),
    nodes: readList(fields.nodes, placeIn(place, 'nodes'), readNode),
  };
}

/**
 * Reads a `cacheState` line of a slab_ops recording.
 * @throws RecordingError for a field or value that it does not understand
 */
export function readCacheStates(value: unknown, place: Place): readonly CacheRecord[] {
  return readArray(value, place).map((cache, i) => readCache(cache, placeIn(place, i)));
}

function recordOfArray(
  cache: CacheState,
  { avail, limit, batchcount, touched, entries }: ArrayCache,
  isCpu: boolean,
): ArrayCacheRecord {
  return {
    avail,
    limit,
    batchcount: isCpu ? batchcount : BATCHCOUNT_UNUSED,
    touched,
    entries: Array.from(entries.subarray(0, avail), (object) => objectAddress(cache, object)),
  };
}

function recordOfSlab(cache: CacheState, pfn: number): SlabRecord {
  const { slabs, state } = cache;
  const slot = state.map.private[pfn];
  const active = slabs.active[slot];
  const hasFreelist = slabs.freelist[slot] !== NIL;
  const offSlab = isOffSlab(cache);
  const freelist = Array.from({ length: hasFreelist ? cache.num : 0 }, (_, position) =>
    position < active ? 0 : getFreeObj(cache, slot, position),
  );
  return {
    pfn,
    active,
    colourOff: slabs.sMem[slot] - pfn * 4096,
    offSlab,
    freelist,
    freelistPhys: hasFreelist && !offSlab ? slabs.freelist[slot] : 0,
  };
}

function recordOfNode(cache: CacheState, n: CacheNode): CacheNodeRecord {
  const list = (head: number): SlabRecord[] =>
    listToArray(cache.state.map, head).map((pfn) => recordOfSlab(cache, pfn));
  const { node, totalSlabs, freeSlabs, freeObjects, freeLimit, colourNext, freeTouched } = n;
  return {
    node,
    totalSlabs,
    freeSlabs,
    freeObjects,
    freeLimit,
    colourNext,
    freeTouched,
    partial: list(n.slabsPartial),
    full: list(n.slabsFull),
    free: list(n.slabsFree),
    shared: n.shared === null ? null : recordOfArray(cache, n.shared, false),
    alien: (n.alien?.caches ?? []).map((ac) =>
      ac === null ? null : recordOfArray(cache, ac, false),
    ),
  };
}

/** What a cache holds, in the form of the recordings. */
export function recordOfCache(cache: CacheState): CacheRecord {
  return {
    name: cache.name,
    cpus: cache.cpuCache.map((ac) => recordOfArray(cache, ac, true)),
    nodes: cache.nodes.flatMap((n) => (n === null ? [] : [recordOfNode(cache, n)])),
  };
}
