import { listAddTail } from '../lib/list.ts';
import { NIL } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  NODE_STAT_NAMES,
  NodeStatItem,
  type NodeStatName,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  ZONE_STAT_NAMES,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import { isPopulated } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import type { CachedFile } from '../reclaim/cached-file.ts';
import { LRU_NAMES, LruBatch, LruList, PAGEVEC_SIZE } from '../reclaim/constants.ts';
import type { PageCache } from '../reclaim/page-cache.ts';
import type { Reclaim } from '../reclaim/reclaim.ts';
import { lruHead, type ReclaimState } from '../reclaim/state.ts';
import { type Difference, firstDifference } from './difference.ts';
import {
  badValue,
  type Place,
  placeIn,
  readArray,
  readInteger,
  readIntegers,
  readList,
  readObject,
} from './fields.ts';

/** A page of an LRU list: page frame, flags (see `PAGE_BITS`), references, position in the file. */
export type LruPage = readonly [pfn: number, flags: number, refcount: number, index: number];

/** A counter: its global value, then the difference that each CPU keeps. */
export type CounterRecord = readonly number[];

/** The batches that recordings show. */
const PAGEVEC_NAMES = ['lru_add', 'lru_deactivate_file', 'lru_deactivate', 'activate'] as const;
type PagevecName = (typeof PAGEVEC_NAMES)[number];

const PAGEVEC_BATCH: Readonly<Record<PagevecName, number>> = {
  lru_add: LruBatch.LRU_ADD,
  lru_deactivate_file: LruBatch.LRU_DEACTIVATE_FILE,
  lru_deactivate: LruBatch.LRU_DEACTIVATE,
  activate: LruBatch.ACTIVATE,
};

/** What a node's LRU lists and counters held at one moment: "`lru`" of the recordings README. */
export interface LruState {
  /** Bits of `PgdatFlag`. */
  readonly pgdatFlags: number;
  /** Bits of `LruvecFlag`. */
  readonly lruvecFlags: number;
  /** Fruitless runs of kswapd. */
  readonly kswapdFailures: number;
  /** Price of anonymous pages. */
  readonly anonCost: number;
  /** Price of file pages. */
  readonly fileCost: number;
  /** Clock of the shadow entries. */
  readonly nonresidentAge: number;
  /** Activations by refault when reclaim last looked, anonymous and file. */
  readonly refaults: readonly number[];
  /** Pages of each list from the head, by name; none of the unevictable one. */
  readonly lists: Readonly<Record<string, readonly LruPage[]>>;
  /** Node counters by name; those left out are 0. */
  readonly nodeStat: Readonly<Record<string, CounterRecord>>;
  /** Threshold of the node counters. */
  readonly nodeStatThreshold: number;
  /** Zone counters by zone and name. */
  readonly zoneStat: Readonly<Record<string, Readonly<Record<string, CounterRecord>>>>;
  /** Threshold of each zone's counters. */
  readonly zoneStatThreshold: Readonly<Record<string, number>>;
  /** Pages that wait in batches, oldest first. */
  readonly pagevecs: Readonly<Record<PagevecName, readonly number[]>>;
}

/** Bits of a page's flags in a recording, and the flags that they stand for. */
const PAGE_BITS: readonly (readonly [number, number])[] = [
  [1, PageFlag.PG_referenced],
  [2, PageFlag.PG_active],
  [4, PageFlag.PG_dirty],
  [8, PageFlag.PG_workingset],
  [16, PageFlag.PG_reclaim],
  [32, PageFlag.PG_swapbacked],
  [64, PageFlag.PG_unevictable],
  [128, PageFlag.PG_writeback],
];

const ALL_PAGE_BITS = 255;
const MAX_PFN = 0x7fffffff;

/** Node counters that reclaim moves, and that must agree therefore. */
const COMPARED_NODE_STATS: readonly NodeStatName[] = NODE_STAT_NAMES.filter((name) =>
  /^(nr_(in)?active_|nr_unevictable$|nr_isolated_|nr_file_pages$|nr_dirty$|nr_writeback$|nr_written$|nr_vmscan_|workingset_)/.test(
    name,
  ),
);

/** Zone counters that reclaim moves, and that must agree therefore. */
const COMPARED_ZONE_STATS = ZONE_STAT_NAMES.filter((name) => name.startsWith('nr_zone_'));

const NUMBERS = [
  'pgdatFlags',
  'lruvecFlags',
  'kswapdFailures',
  'anonCost',
  'fileCost',
  'nonresidentAge',
  'nodeStatThreshold',
] as const;
const OBJECTS = ['refaults', 'lists', 'nodeStat', 'zoneStat', 'zoneStatThreshold', 'pagevecs'];

/**
 * Reads an `lru` object of a recording, strictly.
 * @param value the object: what `lruLoad` or `lru` holds
 * @param line its line number in the file, for errors
 * @param name the field that holds it, for errors
 * @throws RecordingError `UNKNOWN_FIELD` or `BAD_VALUE`, with the path of the field
 */
export function parseLruState(value: unknown, line: number, name = 'lru'): LruState {
  const place: Place = { line, path: name };
  const fields = readObject(value, place, [...NUMBERS, ...OBJECTS]);
  const at = (field: string): Place => placeIn(place, field);
  const number = (field: (typeof NUMBERS)[number]): number => readInteger(fields[field], at(field));
  const pagevecs = readObject(fields.pagevecs, at('pagevecs'), PAGEVEC_NAMES);
  const vector = (vec: PagevecName): readonly number[] =>
    readIntegers(pagevecs[vec], placeIn(at('pagevecs'), vec), 0, MAX_PFN);
  const zoneStat = readNamed(fields.zoneStat, at('zoneStat'), ZONE_NAMES, (zone, zonePlace) =>
    readNamed(zone, zonePlace, ZONE_STAT_NAMES, readCounter),
  );
  return {
    pgdatFlags: readInteger(fields.pgdatFlags, at('pgdatFlags'), 0, 7),
    lruvecFlags: readInteger(fields.lruvecFlags, at('lruvecFlags'), 0, 1),
    kswapdFailures: number('kswapdFailures'),
    anonCost: number('anonCost'),
    fileCost: number('fileCost'),
    nonresidentAge: number('nonresidentAge'),
    refaults: readIntegers(fields.refaults, at('refaults'), 0, Number.MAX_SAFE_INTEGER, 2),
    lists: readLists(fields.lists, at('lists')),
    nodeStat: readNamed(fields.nodeStat, at('nodeStat'), NODE_STAT_NAMES, readCounter),
    nodeStatThreshold: readInteger(fields.nodeStatThreshold, at('nodeStatThreshold'), 0, 125),
    zoneStat,
    zoneStatThreshold: readNamed(
      fields.zoneStatThreshold,
      at('zoneStatThreshold'),
      Object.keys(zoneStat),
      (threshold, thresholdPlace) => readInteger(threshold, thresholdPlace, 0, 125),
    ),
    pagevecs: {
      lru_add: vector('lru_add'),
      lru_deactivate_file: vector('lru_deactivate_file'),
      lru_deactivate: vector('lru_deactivate'),
      activate: vector('activate'),
    },
  };
}

function readNamed<T>(
  value: unknown,
  place: Place,
  known: readonly string[],
  read: (member: unknown, place: Place) => T,
): Readonly<Record<string, T>> {
  const members = readObject(value, place, [], known);
  const read1 = ([name, member]: [string, unknown]) =>
    [name, read(member, placeIn(place, name))] as const;
  return Object.fromEntries(Object.entries(members).map(read1));
}

function readCounter(value: unknown, place: Place): CounterRecord {
  const counter = readIntegers(value, place, -Number.MAX_SAFE_INTEGER);
  if (counter.length < 2) throw badValue(place, 'a value and a difference per CPU', value);
  return counter;
}

function readLists(value: unknown, place: Place): Readonly<Record<string, readonly LruPage[]>> {
  const lists = readObject(value, place, LRU_NAMES);
  const read1 = (name: string) =>
    [name, readList(lists[name], placeIn(place, name), readLruPage)] as const;
  return Object.fromEntries(LRU_NAMES.map(read1));
}

function readLruPage(value: unknown, place: Place): LruPage {
  const [pfn, flags, refcount, index] = readArray(value, place, 4);
  return [
    readInteger(pfn, placeIn(place, 0), 0, MAX_PFN),
    readInteger(flags, placeIn(place, 1), 0, ALL_PAGE_BITS),
    readInteger(refcount, placeIn(place, 2), 1, MAX_PFN),
    readInteger(index, placeIn(place, 3), -1, MAX_PFN),
  ];
}

/** What a recorded LRU state is loaded into and compared with. */
export interface LruMachine {
  /** The reclaim module. */
  readonly reclaim: Reclaim;
  /** Its host. */
  readonly cache: PageCache;
  /** The one recorded file. */
  readonly file: CachedFile;
}

/**
 * Loads an LRU state into a machine whose pages have their zones. Positions of the file below the
 * highest one with a page are taken for evicted long ago where they have none.
 * @throws RecordingError `BAD_VALUE` for a state that contradicts itself
 */
export function loadLruState(machine: LruMachine, lru: LruState, line = 0): void {
  const { cache, reclaim } = machine;
  const { state } = reclaim;
  // Pages that belong to other files than the recorded one, if there are any.
  const others = cache.createFile({ name: 'other files', dirtyAccounting: false });
  for (const name of PAGEVEC_NAMES) {
    if (lru.pagevecs[name].length === 0) continue;
    throw badValue({ line, path: `pagevecs.${name}` }, 'empty', lru.pagevecs[name]);
  }
  LRU_NAMES.forEach((name, list) => {
    for (const page of lru.lists[name]) {
      if (state.map.refcount[page[0]] > 0 && (state.map.flags[page[0]] & PageFlag.PG_lru) === 0) {
        loadPage(machine, others, list, page);
      } else {
        throw badValue({ line, path: `lists.${name}` }, 'pages in use, each once', page[0]);
      }
    }
  });
  markEvicted(machine);
  loadCounters(state, lru);
  const [node] = state.model.nodes;
  node.kswapdFailures = lru.kswapdFailures;
  state.pgdatFlags[0] = lru.pgdatFlags;
  state.lruvecFlags[0] = lru.lruvecFlags;
  state.anonCost[0] = lru.anonCost;
  state.fileCost[0] = lru.fileCost;
  state.nonresidentAge[0] = lru.nonresidentAge;
  state.refaults.set(lru.refaults);
}

function loadPage(
  { cache, file, reclaim }: LruMachine,
  others: CachedFile,
  list: number,
  page: LruPage,
): void {
  const [pfn, bits, refcount, index] = page;
  const { map } = reclaim.state;
  let flags: number = PageFlag.PG_lru;
  for (const [bit, flag] of PAGE_BITS) if ((bits & bit) !== 0) flags |= flag;
  map.flags[pfn] = flags;
  map.refcount[pfn] = refcount;
  if (index === NIL) cache.adopt(others, others.nrPages, pfn);
  else cache.adopt(file, index, pfn);
  listAddTail(map, lruHead(reclaim.state, 0, list), pfn);
}

/**
 * Leaves shadow entries where a file has no page: everywhere below its highest page, or below `pages`.
 * The counter of such leaves moves; load the counters afterwards.
 * @param pages size of the file. Default: up to its highest page
 */
export function markEvicted({ cache, file }: LruMachine, pages?: number): void {
  let next = 0;
  for (const index of [...file.entries()]) {
    if (file.page(index) === NIL) continue;
    for (; next < index; next++) if (file.shadow(next) === NIL) cache.setEvicted(file, next);
    next = index + 1;
  }
  for (; next < (pages ?? 0); next++) if (file.shadow(next) === NIL) cache.setEvicted(file, next);
}

/** Sets all recorded counters, differences and thresholds; free pages are the page allocator's. */
export function loadCounters({ model, vm }: ReclaimState, lru: LruState): void {
  vm.node.fill(0, 0, NR_VM_NODE_STAT_ITEMS);
  vm.nodeThreshold.fill(lru.nodeStatThreshold);
  for (let cpu = 0; cpu < vm.cpuCount; cpu++) {
    for (let item = 0; item < NR_VM_NODE_STAT_ITEMS; item++) {
      const counter = lru.nodeStat[NODE_STAT_NAMES[item]];
      vm.node[item] = counter?.[0] ?? 0;
      vm.nodeDiff[cpu * vm.nodeCount * NR_VM_NODE_STAT_ITEMS + item] = counter?.[cpu + 1] ?? 0;
    }
    for (const zone of model.zones) {
      const counters = lru.zoneStat[ZONE_NAMES[zone.index]];
      if (counters === undefined) continue;
      const cell = cpu * vm.zoneCount + zone.id;
      vm.zoneThreshold[cell] = lru.zoneStatThreshold[ZONE_NAMES[zone.index]] ?? 0;
      for (let item = 0; item < NR_VM_ZONE_STAT_ITEMS; item++) {
        if (item === ZoneStatItem.NR_FREE_PAGES) continue;
        const counter = counters[ZONE_STAT_NAMES[item]];
        vm.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + item] = counter?.[0] ?? 0;
        vm.zoneDiff[cell * NR_VM_ZONE_STAT_ITEMS + item] = counter?.[cpu + 1] ?? 0;
      }
    }
  }
}

/**
 * Compares everything of a recorded LRU state that reclaim is responsible for with what a machine
 * holds. Counters of other parts of the kernel are passed over.
 * @returns the first difference in the order of the state's fields, null when there is none
 */
export function compareLruState(machine: LruMachine, expected: LruState): Difference | null {
  const cpus = machine.reclaim.state.vm.cpuCount;
  const zones = Object.entries(expected.zoneStat).map(([zone, counters]) => [
    zone,
    comparable(counters, COMPARED_ZONE_STATS, cpus),
  ]);
  const comparableState: LruState = {
    ...expected,
    nodeStat: comparable(expected.nodeStat, COMPARED_NODE_STATS, cpus),
    zoneStat: Object.fromEntries(zones),
  };
  return firstDifference(comparableState, lruStateOf(machine));
}

/** The counters that must agree; one that is left out is 0 on every CPU. */
function comparable(
  counters: Readonly<Record<string, CounterRecord>>,
  names: readonly string[],
  cpus: number,
): Record<string, CounterRecord> {
  const zeros = new Array<number>(1 + cpus).fill(0);
  return Object.fromEntries(names.map((name) => [name, counters[name] ?? zeros]));
}

/** What a machine holds, in the form of the recordings, with the counters that must agree. */
export function lruStateOf(machine: LruMachine): LruState {
  const { state } = machine.reclaim;
  const { model, vm } = state;
  const populated = model.nodes[0].zones.filter(isPopulated);
  const nodeStat = COMPARED_NODE_STATS.map((name) => [
    name,
    counterOf(vm.node, vm.nodeDiff, NR_VM_NODE_STAT_ITEMS, vm.nodeCount, 0, NodeStatItem[name]),
  ]);
  const zoneStat = populated.map((zone) => [
    ZONE_NAMES[zone.index],
    Object.fromEntries(
      COMPARED_ZONE_STATS.map((name) => {
        const item = ZONE_STAT_NAMES.indexOf(name);
        const of = [NR_VM_ZONE_STAT_ITEMS, vm.zoneCount, zone.id, item] as const;
        return [name, counterOf(vm.zone, vm.zoneDiff, ...of)];
      }),
    ),
  ]);
  const thresholds = populated.map((zone) => [ZONE_NAMES[zone.index], vm.zoneThreshold[zone.id]]);
  return {
    pgdatFlags: state.pgdatFlags[0],
    lruvecFlags: state.lruvecFlags[0],
    kswapdFailures: model.nodes[0].kswapdFailures,
    anonCost: state.anonCost[0],
    fileCost: state.fileCost[0],
    nonresidentAge: state.nonresidentAge[0],
    refaults: [state.refaults[0], state.refaults[1]],
    lists: Object.fromEntries(LRU_NAMES.map((name, list) => [name, listPages(machine, list)])),
    nodeStat: Object.fromEntries(nodeStat),
    nodeStatThreshold: vm.nodeThreshold[0],
    zoneStat: Object.fromEntries(zoneStat),
    zoneStatThreshold: Object.fromEntries(thresholds),
    pagevecs: {
      lru_add: pagevec(state, 'lru_add'),
      lru_deactivate_file: pagevec(state, 'lru_deactivate_file'),
      lru_deactivate: pagevec(state, 'lru_deactivate'),
      activate: pagevec(state, 'activate'),
    },
  };
}

/** A counter of node or zone `of` and its differences, CPU by CPU. */
function counterOf(
  values: ArrayLike<number>,
  differences: ArrayLike<number>,
  items: number,
  count: number,
  of: number,
  item: number,
): CounterRecord {
  const counter = [values[of * items + item]];
  for (let cell = of * items + item; cell < differences.length; cell += count * items) {
    counter.push(differences[cell]);
  }
  return counter;
}

function listPages({ cache, file, reclaim }: LruMachine, list: number): LruPage[] {
  if (list === LruList.LRU_UNEVICTABLE) return [];
  const { map } = reclaim.state;
  return reclaim.lruList(0, list).map((pfn) => {
    let bits = 0;
    for (const [bit, flag] of PAGE_BITS) if ((map.flags[pfn] & flag) !== 0) bits |= bit;
    const index = cache.fileOf(pfn) === file ? map.private[pfn] : NIL;
    return [pfn, bits, map.refcount[pfn], index];
  });
}

/** Batches of CPU 0, which makes all recorded calls. */
function pagevec({ batchCount, batchPages }: ReclaimState, name: PagevecName): number[] {
  const cell = PAGEVEC_BATCH[name];
  const start = cell * PAGEVEC_SIZE;
  return [...batchPages.subarray(start, start + batchCount[cell])];
}
