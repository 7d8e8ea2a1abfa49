import {
  type Place,
  placeIn,
  readArray,
  readInteger,
  readIntegers,
  readList,
  readNumbers,
  readObject,
  readRecord,
  readString,
} from './fields.ts';

/** Names of the zones of x86-64, in zone order. */
export type ZoneName = 'DMA' | 'DMA32' | 'Normal' | 'Movable';

const ZONE_NAMES: readonly ZoneName[] = ['DMA', 'DMA32', 'Normal', 'Movable'];

/** One entry of a zonelist. */
export interface ZonelistEntry {
  /** Node of the zone. */
  readonly node: number;
  /** Its name. */
  readonly zone: ZoneName;
}

/** A node (pg_data_t). */
export interface NodeRecord {
  /** Node number. */
  readonly node: number;
  /** First page frame, holes included. @kernel node_start_pfn */
  readonly startPfn: number;
  /** Pages from first to last, with holes. @kernel node_spanned_pages */
  readonly spanned: number;
  /** Pages that exist. @kernel node_present_pages */
  readonly present: number;
  /** Pages that user allocations cannot have. @kernel totalreserve_pages */
  readonly totalreserve: number;
  /** The order kswapd was last woken for. @kernel kswapd_order */
  readonly kswapdOrder: number;
  /** The zonelist with fallback to other nodes, and the one of this node only. */
  readonly zonelists: readonly [readonly ZonelistEntry[], readonly ZonelistEntry[]];
}

/** A run of pageblocks of one migrate type. */
export interface PageblockRun {
  /** Number of pageblocks. */
  readonly count: number;
  /** 0 unmovable, 1 movable, 2 reclaimable, 3 highatomic; -1 where no page map is. */
  readonly migratetype: number;
}

/** One non-empty free list of a zone. */
export interface FreeListRecord {
  /** Order of its blocks. */
  readonly order: number;
  /** Migrate type of the list. */
  readonly migratetype: number;
  /** First page frame of each block, from the head. */
  readonly pfns: readonly number[];
}

/** One non-empty list of a per-CPU page set. */
export interface PcpListRecord {
  /** Index of the list; order and migrate type as in spec buddy 2.4. */
  readonly pindex: number;
  /** First page frame of each block, from the head. */
  readonly pfns: readonly number[];
}

/** A zone's page set of one CPU (per_cpu_pages and per_cpu_zonestat). */
export interface PcpRecord {
  /** CPU number. */
  readonly cpu: number;
  /** Pages on all its lists. */
  readonly count: number;
  /** High mark, in pages. */
  readonly high: number;
  /** Pages moved at a time. */
  readonly batch: number;
  /** Shift that grows the freed batch. @kernel free_factor */
  readonly freeFactor: number;
  /** Not yet folded part of NR_FREE_PAGES. */
  readonly nrFreeDiff: number;
  /** Largest differential kept. @kernel stat_threshold */
  readonly statThreshold: number;
  /** Its non-empty lists. */
  readonly lists: readonly PcpListRecord[];
}

/** A populated zone. */
export interface ZoneRecord {
  /** Its node. */
  readonly node: number;
  /** Its name. */
  readonly name: ZoneName;
  /** First page frame. @kernel zone_start_pfn */
  readonly startPfn: number;
  /** Pages from first to last, with holes. */
  readonly spanned: number;
  /** Pages that exist. */
  readonly present: number;
  /** Pages that the buddy allocator got. */
  readonly managed: number;
  /** Marks min, low and high, without boost, in pages. */
  readonly watermark: readonly [number, number, number];
  /** Temporary rise of the marks, in pages. */
  readonly watermarkBoost: number;
  /** Pages kept from requests that could use a higher zone, by zone index of the request. */
  readonly lowmemReserve: readonly [number, number, number, number];
  /** Global NR_FREE_PAGES, without per-CPU differentials. */
  readonly nrFree: number;
  /** Pages in HIGHATOMIC pageblocks. */
  readonly nrReservedHighatomic: number;
  /** zone->flags: 1 ZONE_BOOSTED_WATERMARK, 2 ZONE_RECLAIM_ACTIVE. */
  readonly flags: number;
  /** Free pages below which watermark checks count exactly. @kernel percpu_drift_mark */
  readonly percpuDriftMark: number;
  /** High mark of new page sets. @kernel pageset_high */
  readonly pagesetHigh: number;
  /** Batch of new page sets. @kernel pageset_batch */
  readonly pagesetBatch: number;
  /** Types of the pageblocks, from the one that holds `startPfn`. */
  readonly pageblocks: readonly PageblockRun[];
  /** The non-empty free lists. */
  readonly free: readonly FreeListRecord[];
  /** The page sets, one per CPU; empty before the page sets are set up. */
  readonly pcp: readonly PcpRecord[];
}

/**
 * What the page allocator of a kernel held at one moment: "The state object" of the recordings.
 * Lists are in list order from the head.
 */
export interface KernelState {
  /** 1 when page grouping by mobility is off. @kernel page_group_by_mobility_disabled */
  readonly mobilityDisabled: number;
  /** Tunable, in 1/10000 of the high mark. @kernel watermark_boost_factor */
  readonly watermarkBoostFactor: number;
  /** Tunable, in 1/10000 of a zone. @kernel watermark_scale_factor */
  readonly watermarkScaleFactor: number;
  /** Tunable, in KiB. @kernel min_free_kbytes */
  readonly minFreeKbytes: number;
  /** log2 of the pages in a pageblock: 9 or 10. */
  readonly pageblockOrder: number;
  /** Number of buddy orders, 11. */
  readonly maxOrder: number;
  /** The nodes. */
  readonly nodes: readonly NodeRecord[];
  /** Node of each CPU. */
  readonly cpuNode: readonly number[];
  /** Node distances, in the order of `nodes`. */
  readonly distance: readonly (readonly number[])[];
  /** CPUs in the mask of each node, in the order of `nodes`; empty before CPUs are up. */
  readonly nodeCpus: readonly (readonly number[])[];
  /** The populated zones. */
  readonly zones: readonly ZoneRecord[];
  /** Nonzero vm events, summed over CPUs since boot; null where none were recorded. */
  readonly events: Readonly<Record<string, number>> | null;
}

/** Page frame numbers stay below 2^31. */
const MAX_PFN = 0x7fffffff;
/** MAX_NUMNODES - 1 of the largest configuration. */
const LAST_NODE = 1023;
/** NR_CPUS - 1 of the largest configuration. */
const LAST_CPU = 8191;
const LAST_MIGRATETYPE = 3;
/** Orders 0 to 3 times three types make 12 lists; two more are for the order of huge pages. */
const LAST_PINDEX = 13;

const STATE_NUMBERS = [
  'mobilityDisabled',
  'watermarkBoostFactor',
  'watermarkScaleFactor',
  'minFreeKbytes',
  'pageblockOrder',
  'maxOrder',
] as const;
const STATE_LISTS = ['nodes', 'cpuNode', 'distance', 'nodeCpus', 'zones'] as const;

/**
 * Reads a state object of a recording, strictly.
 * @param value the object: what `load`, `state`, `afterFreeAll` or `booted` holds
 * @param line its line number in the file, for errors
 * @param name the field that holds it, for errors
 * @throws RecordingError `UNKNOWN_FIELD` or `BAD_VALUE`, with the path of the field
 */
export function parseKernelState(value: unknown, line: number, name = 'state'): KernelState {
  const place: Place = { line, path: name };
  const fields = readObject(value, place, [...STATE_NUMBERS, ...STATE_LISTS], ['events']);
  const at = (field: string): Place => placeIn(place, field);
  const number = (field: (typeof STATE_NUMBERS)[number]): number =>
    readInteger(fields[field], at(field));
  const nodes = readList(fields.nodes, at('nodes'), parseNode);
  return {
    mobilityDisabled: number('mobilityDisabled'),
    watermarkBoostFactor: number('watermarkBoostFactor'),
    watermarkScaleFactor: number('watermarkScaleFactor'),
    minFreeKbytes: number('minFreeKbytes'),
    pageblockOrder: readInteger(fields.pageblockOrder, at('pageblockOrder'), 9, 10),
    maxOrder: readInteger(fields.maxOrder, at('maxOrder'), 11, 11),
    nodes,
    cpuNode: readIntegers(fields.cpuNode, at('cpuNode'), 0, LAST_NODE),
    distance: readList(fields.distance, at('distance'), (row, rowPlace) =>
      readIntegers(row, rowPlace, 0, 255, nodes.length),
    ),
    nodeCpus: readList(fields.nodeCpus, at('nodeCpus'), (row, rowPlace) =>
      readIntegers(row, rowPlace, 0, LAST_CPU),
    ),
    zones: readList(fields.zones, at('zones'), parseZone),
    events: fields.events === undefined ? null : parseEvents(fields.events, at('events')),
  };
}

function parseEvents(value: unknown, place: Place): Readonly<Record<string, number>> {
  const events = readRecord(value, place);
  for (const [name, count] of Object.entries(events)) readInteger(count, placeIn(place, name));
  return events as Readonly<Record<string, number>>;
}

const NODE_NUMBERS = ['startPfn', 'spanned', 'present', 'totalreserve'] as const;

function parseNode(value: unknown, place: Place): NodeRecord {
  const known = [...NODE_NUMBERS, 'node', 'kswapdOrder', 'zonelists'];
  const fields = readObject(value, place, known);
  const listsPlace = placeIn(place, 'zonelists');
  const [fallback, own] = readArray(fields.zonelists, listsPlace, 2);
  return {
    node: readInteger(fields.node, placeIn(place, 'node'), 0, LAST_NODE),
    ...readNumbers(fields, place, NODE_NUMBERS, MAX_PFN),
    kswapdOrder: readInteger(fields.kswapdOrder, placeIn(place, 'kswapdOrder'), 0, 10),
    zonelists: [
      readList(fallback, placeIn(listsPlace, 0), parseZonelistEntry),
      readList(own, placeIn(listsPlace, 1), parseZonelistEntry),
    ],
  };
}

function parseZonelistEntry(value: unknown, place: Place): ZonelistEntry {
  const [node, zone] = readArray(value, place, 2);
  return {
    node: readInteger(node, placeIn(place, 0), 0, LAST_NODE),
    zone: readString(zone, placeIn(place, 1), ZONE_NAMES),
  };
}

const ZONE_NUMBERS = [
  'startPfn',
  'spanned',
  'present',
  'managed',
  'watermarkBoost',
  'nrReservedHighatomic',
  'flags',
  'percpuDriftMark',
  'pagesetHigh',
  'pagesetBatch',
] as const;
const ZONE_LISTS = ['watermark', 'lowmemReserve', 'pageblocks', 'free', 'pcp'] as const;

function parseZone(value: unknown, place: Place): ZoneRecord {
  const fields = readObject(value, place, [
    'node',
    'name',
    'nrFree',
    ...ZONE_NUMBERS,
    ...ZONE_LISTS,
  ]);
  const at = (field: string): Place => placeIn(place, field);
  const marks = (field: 'watermark' | 'lowmemReserve', length: number): readonly number[] =>
    readIntegers(fields[field], at(field), 0, Number.MAX_SAFE_INTEGER, length);
  return {
    node: readInteger(fields.node, at('node'), 0, LAST_NODE),
    name: readString(fields.name, at('name'), ZONE_NAMES),
    ...readNumbers(fields, place, ZONE_NUMBERS, MAX_PFN),
    watermark: marks('watermark', 3) as readonly [number, number, number],
    lowmemReserve: marks('lowmemReserve', 4) as readonly [number, number, number, number],
    nrFree: readInteger(fields.nrFree, at('nrFree'), -MAX_PFN, MAX_PFN),
    pageblocks: readList(fields.pageblocks, at('pageblocks'), parsePageblockRun),
    free: readList(fields.free, at('free'), parseFreeList),
    pcp: readList(fields.pcp, at('pcp'), parsePcp),
  };
}

function parsePageblockRun(value: unknown, place: Place): PageblockRun {
  const [count, migratetype] = readArray(value, place, 2);
  return {
    count: readInteger(count, placeIn(place, 0), 1, MAX_PFN),
    migratetype: readInteger(migratetype, placeIn(place, 1), -1, LAST_MIGRATETYPE),
  };
}

function parseFreeList(value: unknown, place: Place): FreeListRecord {
  const [order, migratetype, pfns] = readArray(value, place, 3);
  return {
    order: readInteger(order, placeIn(place, 0), 0, 10),
    migratetype: readInteger(migratetype, placeIn(place, 1), 0, LAST_MIGRATETYPE),
    pfns: readIntegers(pfns, placeIn(place, 2), 0, MAX_PFN),
  };
}

const PCP_NUMBERS = ['count', 'high', 'batch', 'freeFactor', 'statThreshold'] as const;

function parsePcp(value: unknown, place: Place): PcpRecord {
  const fields = readObject(value, place, ['cpu', 'nrFreeDiff', 'lists', ...PCP_NUMBERS]);
  return {
    cpu: readInteger(fields.cpu, placeIn(place, 'cpu'), 0, LAST_CPU),
    ...readNumbers(fields, place, PCP_NUMBERS, MAX_PFN),
    nrFreeDiff: readInteger(fields.nrFreeDiff, placeIn(place, 'nrFreeDiff'), -MAX_PFN, MAX_PFN),
    lists: readList(fields.lists, placeIn(place, 'lists'), parsePcpList),
  };
}

function parsePcpList(value: unknown, place: Place): PcpListRecord {
  const [pindex, pfns] = readArray(value, place, 2);
  return {
    pindex: readInteger(pindex, placeIn(place, 0), 0, LAST_PINDEX),
    pfns: readIntegers(pfns, placeIn(place, 1), 0, MAX_PFN),
  };
}
