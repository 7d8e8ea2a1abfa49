import { PageframeError } from '../lib/errors.ts';
import { pickNumbers, putNumbers } from '../lib/numbers.ts';
import type { MemoryModel, VmTunables } from './memory-model.ts';
import type { VmstatSnapshot } from './vmstat.ts';
import type { MemoryNode, Zone } from './zone.ts';

/** Elements in a chunk of a large array; a chunk of zeroes is left out. */
const CHUNK = 4096;

/** An array by page frame, without its chunks of zeroes: most of a large machine is never touched. */
export interface SparseArray<T> {
  /** First index of each chunk. */
  readonly starts: readonly number[];
  /** The chunks. */
  readonly chunks: readonly T[];
}

type PageArrays = {
  /** PG_ bits and marks. */
  flags: Uint32Array;
  /** Following index on its list. */
  next: Int32Array;
  /** Preceding index on its list. */
  prev: Int32Array;
  /** References. */
  refcount: Int32Array;
  /** Owner's word. */
  private: Int32Array;
  /** Page-table mappings. */
  mapcount: Int16Array;
  /** Zone id + 1. */
  zone: Uint8Array;
  /** What starts at a page. */
  blockState: Uint8Array;
  /** Migratetype and skip hint per pageblock. */
  pageblockFlags: Uint8Array;
};

const PAGE_ARRAYS = [
  'flags',
  'next',
  'prev',
  'refcount',
  'private',
  'mapcount',
  'zone',
  'blockState',
  'pageblockFlags',
] as const satisfies readonly (keyof PageArrays)[];

/** Names of the numbers of a zone that a snapshot holds. */
export type ZoneNumber =
  | 'startPfn'
  | 'spannedPages'
  | 'presentPages'
  | 'managedPages'
  | 'watermarkBoost'
  | 'nrReservedHighatomic'
  | 'nrIsolatePageblock'
  | 'flags'
  | 'percpuDriftMark'
  | 'pagesetHigh'
  | 'pagesetBatch';
const ZONE_NUMBERS: readonly ZoneNumber[] = [
  'startPfn',
  'spannedPages',
  'presentPages',
  'managedPages',
  'watermarkBoost',
  'nrReservedHighatomic',
  'nrIsolatePageblock',
  'flags',
  'percpuDriftMark',
  'pagesetHigh',
  'pagesetBatch',
];

/** Names of the numbers of a node that a snapshot holds. */
export type NodeNumber =
  | 'startPfn'
  | 'spannedPages'
  | 'presentPages'
  | 'nrZones'
  | 'totalreservePages'
  | 'minUnmappedPages'
  | 'minSlabPages'
  | 'kswapdOrder'
  | 'kswapdHighestZoneidx'
  | 'kswapdFailures'
  | 'firstDeferredPfn';
const NODE_NUMBERS: readonly NodeNumber[] = [
  'startPfn',
  'spannedPages',
  'presentPages',
  'nrZones',
  'totalreservePages',
  'minUnmappedPages',
  'minSlabPages',
  'kswapdOrder',
  'kswapdHighestZoneidx',
  'kswapdFailures',
  'firstDeferredPfn',
];

const PAGESET_ARRAYS = ['count', 'high', 'batch', 'freeFactor', 'expire'] as const;

/** Plain copy of a zone. */
export interface ZoneSnapshot {
  /** Fields that are numbers. */
  readonly numbers: Readonly<Record<ZoneNumber, number>>;
  /** Raw watermarks. */
  readonly watermark: Int32Array;
  /** Reserves by zone index. */
  readonly lowmemReserve: Int32Array;
  /** No holes. */
  readonly contiguous: boolean;
}

/** Plain copy of a node. */
export interface NodeSnapshot {
  /** Fields that are numbers. */
  readonly numbers: Readonly<Record<NodeNumber, number>>;
  /** Whether the node is online. */
  readonly online: boolean;
  /** Whether the node could be. */
  readonly possible: boolean;
  /** CPUs in the node's mask. */
  readonly cpus: readonly number[];
  /** Both zonelists, by zone id. */
  readonly zonelists: readonly [readonly number[], readonly number[]];
}

/** Plain, structured-cloneable copy of a memory model. */
export interface MemorySnapshot {
  /** Page frames of the map. */
  readonly endPfn: number;
  /** Number of CPUs. */
  readonly cpuCount: number;
  /** List heads handed out. */
  readonly listHeadCount: number;
  /** The arrays of the page map, by name. */
  readonly pages: { readonly [K in keyof PageArrays]: SparseArray<PageArrays[K]> };
  /** Free blocks by zone and order. */
  readonly nrFree: Int32Array;
  /** The arrays of the per-CPU lists, by name. */
  readonly pagesets: Readonly<
    Record<(typeof PAGESET_ARRAYS)[number], Int32Array | Uint8Array | Int8Array>
  >;
  /** All counters. */
  readonly vmstat: VmstatSnapshot;
  /** Zones by id. */
  readonly zones: readonly ZoneSnapshot[];
  /** Nodes by id. */
  readonly nodes: readonly NodeSnapshot[];
  /** Tunables. */
  readonly tunables: VmTunables;
  /** Node of each present section. */
  readonly sections: Uint8Array;
  /** Whether grouping by mobility is off. */
  readonly mobilityDisabled: boolean;
  /** Pages handed to the buddy allocator. */
  readonly totalramPages: number;
  /** Sum of the nodes' reserves. */
  readonly totalreservePages: number;
}

/** Copies a memory model. */
export function snapshotMemory(model: MemoryModel): MemorySnapshot {
  const { map, pagesets } = model;
  const pages = Object.fromEntries(PAGE_ARRAYS.map((name) => [name, compress(map[name])]));
  const sets = Object.fromEntries(PAGESET_ARRAYS.map((name) => [name, pagesets[name].slice()]));
  return {
    endPfn: map.endPfn,
    cpuCount: model.cpuCount,
    listHeadCount: map.listHeadCount,
    pages: pages as unknown as MemorySnapshot['pages'],
    nrFree: model.areas.nrFree.slice(),
    pagesets: sets as unknown as MemorySnapshot['pagesets'],
    vmstat: model.vmstat.snapshot(),
    zones: model.zones.map(snapshotZone),
    nodes: model.nodes.map(snapshotNode),
    tunables: {
      ...model.tunables,
      lowmemReserveRatio: [...model.tunables.lowmemReserveRatio],
    },
    sections: model.sections.node.slice(),
    mobilityDisabled: model.mobilityDisabled,
    totalramPages: model.totalramPages,
    totalreservePages: model.totalreservePages,
  };
}

/**
 * Takes back what `snapshotMemory` gave; of a model of the same shape.
 * @throws PageframeError `BAD_SNAPSHOT` for a snapshot of another machine; nothing has changed then
 */
export function restoreMemory(model: MemoryModel, from: MemorySnapshot): void {
  const { map, pagesets } = model;
  const sameShape =
    map.endPfn === from.endPfn &&
    model.cpuCount === from.cpuCount &&
    model.nodes.length === from.nodes.length &&
    map.listHeadCount === from.listHeadCount;
  if (!sameShape) {
    throw new PageframeError('BAD_SNAPSHOT', 'a snapshot of a machine of another shape', {
      endPfn: from.endPfn,
      cpuCount: from.cpuCount,
      nodes: from.nodes.length,
      listHeadCount: from.listHeadCount,
    });
  }
  for (const name of PAGE_ARRAYS) expand(map[name], from.pages[name]);
  model.areas.nrFree.set(from.nrFree);
  for (const name of PAGESET_ARRAYS) pagesets[name].set(from.pagesets[name]);
  model.vmstat.restore(from.vmstat);
  model.zones.forEach((zone, id) => {
    restoreZone(zone, from.zones[id]);
  });
  model.nodes.forEach((node, id) => {
    restoreNode(model, node, from.nodes[id]);
  });
  const { lowmemReserveRatio } = from.tunables;
  Object.assign(model.tunables, from.tunables, { lowmemReserveRatio: [...lowmemReserveRatio] });
  model.sections.node.set(from.sections);
  model.sections.presentCount = from.sections.reduce((sum, node) => sum + (node > 0 ? 1 : 0), 0);
  model.mobilityDisabled = from.mobilityDisabled;
  model.totalramPages = from.totalramPages;
  model.totalreservePages = from.totalreservePages;
}

type NumberArray = Uint32Array | Int32Array | Int16Array | Uint8Array;

function compress<T extends NumberArray>(array: T): SparseArray<T> {
  const starts: number[] = [];
  const chunks: T[] = [];
  for (let start = 0; start < array.length; start += CHUNK) {
    const end = Math.min(start + CHUNK, array.length);
    if (isZero(array, start, end)) continue;
    starts.push(start);
    chunks.push(array.slice(start, end) as T);
  }
  return { starts, chunks };
}

function expand<T extends NumberArray>(array: T, from: SparseArray<T>): void {
  for (let start = 0; start < array.length; start += CHUNK) {
    const end = Math.min(start + CHUNK, array.length);
    // Writing only where something is keeps untouched memory of the host untouched.
    if (!isZero(array, start, end)) array.fill(0, start, end);
  }
  from.starts.forEach((start, i) => {
    array.set(from.chunks[i], start);
  });
}

function isZero(array: NumberArray, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (array[i] !== 0) return false;
  return true;
}

function snapshotZone(zone: Zone): ZoneSnapshot {
  return {
    numbers: pickNumbers(zone, ZONE_NUMBERS),
    watermark: zone.watermark.slice(),
    lowmemReserve: zone.lowmemReserve.slice(),
    contiguous: zone.contiguous,
  };
}

function restoreZone(zone: Zone, from: ZoneSnapshot): void {
  putNumbers(zone, ZONE_NUMBERS, from.numbers);
  zone.watermark.set(from.watermark);
  zone.lowmemReserve.set(from.lowmemReserve);
  zone.contiguous = from.contiguous;
}

function snapshotNode(node: MemoryNode): NodeSnapshot {
  const [fallback, own] = node.zonelists;
  return {
    numbers: pickNumbers(node, NODE_NUMBERS),
    online: node.online,
    possible: node.possible,
    cpus: [...node.cpus],
    zonelists: [fallback.map(({ id }) => id), own.map(({ id }) => id)],
  };
}

function restoreNode(model: MemoryModel, node: MemoryNode, from: NodeSnapshot): void {
  putNumbers(node, NODE_NUMBERS, from.numbers);
  node.online = from.online;
  node.possible = from.possible;
  node.cpus = [...from.cpus];
  from.zonelists.forEach((ids, which) => {
    node.zonelists[which] = ids.map((id) => model.zones[id]);
  });
}
