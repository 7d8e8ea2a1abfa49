import { listToArray } from '../lib/list.ts';
import type { CacheState } from '../slub/cache-state.ts';
import { freelistOf, freePointerOf } from '../slub/debug-object.ts';
import { indexOfAddress } from '../slub/pointer.ts';
import type { SlubState } from '../slub/state.ts';
import {
  type Place,
  placeIn,
  readArray,
  readInteger,
  readIntegers,
  readList,
  readNumbers,
  readObject,
  readString,
} from './fields.ts';

const OBJECTS_MAX = 32767;

/** A slab as recorded. */
export interface SlabRecord {
  /** First page frame. */
  readonly pfn: number;
  /** Objects that are not on the slab's own freelist. */
  readonly inuse: number;
  /** Slots of objects. */
  readonly objects: number;
  /** 1: owned by a CPU, or found corrupt. */
  readonly frozen: number;
  /** Indices of the objects on its own freelist, in order. */
  readonly freelist: readonly number[];
}

/** A slab of a CPU's partial list as recorded. */
export interface PartialRecord extends SlabRecord {
  /** Length of the list from here to its end. */
  readonly slabs: number;
}

/** A CPU of a cache as recorded. */
export interface CpuRecord {
  /** The CPU. */
  readonly cpu: number;
  /** The CPU slab, null for none. */
  readonly slab: SlabRecord | null;
  /** Indices of the objects on the CPU freelist, in order. */
  readonly freelist: readonly number[];
  /** The CPU's partial list from the head. */
  readonly partial: readonly PartialRecord[];
}

/** A node of a cache as recorded. */
export interface CacheNodeRecord {
  /** Node id. */
  readonly node: number;
  /** Counter of partial slabs. */
  readonly nrPartial: number;
  /** Counter of slabs. */
  readonly nrSlabs: number;
  /** Counter of objects. */
  readonly totalObjects: number;
  /** Partial slabs from the head. */
  readonly partial: readonly SlabRecord[];
  /** Full slabs from the head. */
  readonly full: readonly SlabRecord[];
}

/** A SLUB cache as recorded. */
export interface CacheRecord {
  /** Name. */
  readonly name: string;
  /** CPUs, ascending. */
  readonly cpus: readonly CpuRecord[];
  /** Nodes, ascending. */
  readonly nodes: readonly CacheNodeRecord[];
}

const SLAB_NUMBERS = ['pfn', 'inuse', 'objects', 'frozen'] as const;
const NODE_NUMBERS = ['node', 'nrPartial', 'nrSlabs', 'totalObjects'] as const;

function readFreelist(value: unknown, place: Place): readonly number[] {
  return readIntegers(value, place, 0, OBJECTS_MAX - 1);
}

function readSlab(value: unknown, place: Place): SlabRecord {
  const fields = readObject(value, place, [...SLAB_NUMBERS, 'freelist']);
  const freelist = readFreelist(fields.freelist, placeIn(place, 'freelist'));
  return { ...readNumbers(fields, place, SLAB_NUMBERS), freelist };
}

function readPartial(value: unknown, place: Place): PartialRecord {
  const fields = readObject(value, place, [...SLAB_NUMBERS, 'slabs', 'freelist']);
  const freelist = readFreelist(fields.freelist, placeIn(place, 'freelist'));
  return { ...readNumbers(fields, place, [...SLAB_NUMBERS, 'slabs']), freelist };
}

function readCpu(value: unknown, place: Place): CpuRecord {
  const { cpu, slab, freelist, partial } = readObject(value, place, [
    'cpu',
    'slab',
    'freelist',
    'partial',
  ]);
  return {
    cpu: readInteger(cpu, placeIn(place, 'cpu')),
    slab: slab === null ? null : readSlab(slab, placeIn(place, 'slab')),
    freelist: readFreelist(freelist, placeIn(place, 'freelist')),
    partial: readList(partial, placeIn(place, 'partial'), readPartial),
  };
}

function readNode(value: unknown, place: Place): CacheNodeRecord {
  const fields = readObject(value, place, [...NODE_NUMBERS, 'partial', 'full']);
  return {
    ...readNumbers(fields, place, NODE_NUMBERS),
    partial: readList(fields.partial, placeIn(place, 'partial'), readSlab),
    full: readList(fields.full, placeIn(place, 'full'), readSlab),
  };
}

function readCache(value: unknown, place: Place): CacheRecord {
  const fields = readObject(value, place, ['name', 'cpus', 'nodes']);
  return {
    name: readString(fields.name, placeIn(place, 'name')),
    cpus: readList(fields.cpus, placeIn(place, 'cpus'), readCpu),
    nodes: readList(fields.nodes, placeIn(place, 'nodes'), readNode),
  };
}

/**
 * Reads a `cacheState` line of a slub_ops recording.
 * @throws RecordingError for a field or value that it does not understand
 */
export function readSlubCacheStates(value: unknown, place: Place): readonly CacheRecord[] {
  return readArray(value, place).map((cache, i) => readCache(cache, placeIn(place, i)));
}

/** A chain of a normal cache, from its first object. */
function chainOf(state: SlubState, slab: number, head: number): number[] {
  const { slabs } = state;
  const chain: number[] = [];
  const base = slabs.linkBase[slab];
  for (let at = head; at >= 0; at = slabs.links[base + at]) chain.push(at);
  return chain;
}

/** The regular freelist of a debug slab, as its objects have it. */
function debugChainOf(state: SlubState, cache: CacheState, slab: number): number[] {
  const chain: number[] = [];
  let object = freelistOf(state, cache, slab);
  while (object > 0 && chain.length < state.slabs.objects[slab]) {
    chain.push(indexOfAddress(state, cache, slab, object));
    object = freePointerOf(state, cache, slab, object);
  }
  return chain;
}

function recordOfSlab(state: SlubState, cache: CacheState, slab: number): SlabRecord {
  const { slabs } = state;
  return {
    pfn: slabs.pfn[slab],
    inuse: slabs.inuse[slab],
    objects: slabs.objects[slab],
    frozen: slabs.frozen[slab],
    freelist: cache.isDebug
      ? debugChainOf(state, cache, slab)
      : chainOf(state, slab, slabs.freelist[slab]),
  };
}

function recordOfCpu(state: SlubState, cache: CacheState, cpu: number): CpuRecord {
  const { slabs } = state;
  const slab = cache.cpus[cpu].slab;
  const partial: PartialRecord[] = [];
  for (let at = cache.cpus[cpu].chain; at >= 0; at = slabs.next[at]) {
    partial.push({ ...recordOfSlab(state, cache, at), slabs: slabs.slabs[at] });
  }
  return {
    cpu,
    slab: slab < 0 ? null : recordOfSlab(state, cache, slab),
    freelist: slab < 0 ? [] : chainOf(state, slab, cache.cpus[cpu].freelist),
    partial,
  };
}

function recordOfNode(state: SlubState, cache: CacheState, node: number): CacheNodeRecord {
  const list = (head: number): SlabRecord[] =>
    listToArray(state.map, head).map((pfn) => recordOfSlab(state, cache, state.map.private[pfn]));
  return {
    node,
    nrPartial: cache.nrPartial[node],
    nrSlabs: cache.nrSlabs[node],
    totalObjects: cache.totalObjects[node],
    partial: list(cache.partialHead[node]),
    full: list(cache.fullHead[node]),
  };
}

/** What a cache holds, in the form of the recordings. */
export function recordOfSlubCache(state: SlubState, cache: CacheState): CacheRecord {
  const nodes = [...cache.hasNode.keys()].filter((node) => cache.hasNode[node] === 1);
  return {
    name: cache.name,
    cpus: [...cache.cpus.keys()].map((cpu) => recordOfCpu(state, cache, cpu)),
    nodes: nodes.map((node) => recordOfNode(state, cache, node)),
  };
}
