import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readInteger,
  readIntegers,
  readList,
  readObject,
} from './fields.ts';

const MAX_PFN = 0x7fffffff;
const SHRINK_EMPTY = -2;

/** Numbers by name, as recordings hold arguments and results. */
export type Numbers = Readonly<Record<string, number>>;

/** `do_shrink_slab` of a recorded shrinker. */
export interface ShrinkSlabCall {
  readonly name: 'do_shrink_slab';
  /** freeable, seeks, batch, priority, nrDeferred, step. */
  readonly args: Numbers;
  /** What each scan was asked for; the first 512. */
  readonly scans: readonly number[];
  /** What `do_shrink_slab` returned. */
  readonly freed: number;
  /** What was put off then. */
  readonly nrDeferred: number;
}

/** A call on pages, without a result. */
export interface PagesCall {
  readonly name:
    | (typeof PAGES_CALLS)[number]
    | (typeof PAGE_CALLS)[number]
    | (typeof BARE_CALLS)[number];
  /** The pages, in order; empty for a call without arguments. */
  readonly pfns: readonly number[];
}

/** New pages for positions of the file. */
export interface LruAddCall {
  readonly name: 'lru_add';
  /** Page frame and position, in order. */
  readonly pages: readonly (readonly [pfn: number, index: number])[];
}

/** A scan count or a reclaim pass: arguments and results by name. */
export interface ScanCall {
  readonly name: 'get_scan_count' | 'shrink_lruvec' | 'shrink_node';
  /** What was asked for, truth values as 0 and 1. */
  readonly args: Numbers;
  /** What came of it. */
  readonly result: Numbers;
  /** Pages to scan of each list; empty but for `get_scan_count`. */
  readonly nr: readonly number[];
}

/** A call of a recording of kind `reclaim`. */
export type ReclaimCall = ShrinkSlabCall | PagesCall | LruAddCall | ScanCall;

/** Calls with a list of pages. */
const PAGES_CALLS = ['mark_accessed', 'end_writeback'] as const;
/** Calls with one page. */
const PAGE_CALLS = [
  'set_dirty',
  'clear_dirty',
  'deactivate_page',
  'deactivate_file_folio',
  'get_page',
] as const;
/** Calls without arguments. */
const BARE_CALLS = ['lru_add_drain', 'lru_note_refault_snapshot'] as const;

/**
 * Reads a call of a recording of kind `reclaim`, strictly.
 * @throws RecordingError `UNKNOWN_CALL`, `UNKNOWN_FIELD`, `BAD_VALUE`
 */
export function readReclaimCall(value: readonly unknown[], place: Place): ReclaimCall {
  const [name] = value;
  const at = (index: number): Place => placeIn(place, index);
  switch (name) {
    case 'do_shrink_slab':
      return readShrinkSlab(readArray(value, place, 5), place);
    case 'lru_add': {
      const [, pages] = readArray(value, place, 2);
      return { name, pages: readList(pages, at(1), readPlacement) };
    }
    case 'get_scan_count':
      return readScanCount(readArray(value, place, 4), place);
    case 'shrink_lruvec':
      return readShrink(name, readArray(value, place, 3), LRUVEC_FIELDS, place);
    case 'shrink_node':
      return readShrink(name, readArray(value, place, 3), NODE_FIELDS, place);
    default:
      return readPagesCall(value, place);
  }
}

function readPagesCall(value: readonly unknown[], place: Place): PagesCall {
  const name = value[0];
  for (const known of PAGES_CALLS) {
    if (name !== known) continue;
    const [, pfns] = readArray(value, place, 2);
    return { name: known, pfns: readIntegers(pfns, placeIn(place, 1), 0, MAX_PFN) };
  }
  for (const known of PAGE_CALLS) {
    if (name !== known) continue;
    const [, pfn] = readArray(value, place, 2);
    return { name: known, pfns: [readInteger(pfn, placeIn(place, 1), 0, MAX_PFN)] };
  }
  for (const known of BARE_CALLS) {
    if (name !== known) continue;
    readArray(value, place, 1);
    return { name: known, pfns: [] };
  }
  const message = `line ${place.line}: unknown call ${JSON.stringify(name)}`;
  throw new RecordingError('UNKNOWN_CALL', message, { ...place, call: name });
}

function readPlacement(value: unknown, place: Place): readonly [number, number] {
  const [pfn, index] = readIntegers(value, place, 0, MAX_PFN, 2);
  return [pfn, index];
}

const SHRINKER_FIELDS = ['freeable', 'seeks', 'batch', 'priority', 'nrDeferred', 'step'];

function readShrinkSlab(members: readonly unknown[], place: Place): ShrinkSlabCall {
  const [, args, scans, freed, nrDeferred] = members;
  const argsPlace = placeIn(place, 1);
  const fields = readObject(args, argsPlace, SHRINKER_FIELDS);
  const numbers = SHRINKER_FIELDS.map((field) => {
    const min = field === 'freeable' ? SHRINK_EMPTY : 0;
    return [field, readInteger(fields[field], placeIn(argsPlace, field), min)];
  });
  return {
    name: 'do_shrink_slab',
    args: Object.fromEntries(numbers),
    scans: readIntegers(scans, placeIn(place, 2)),
    freed: readInteger(freed, placeIn(place, 3), SHRINK_EMPTY),
    nrDeferred: readInteger(nrDeferred, placeIn(place, 4)),
  };
}

/** What `prepare_scan_count` decides. */
const PREPARED = ['mayDeactivate', 'cacheTrimMode', 'fileIsTiny'];

function readScanCount(members: readonly unknown[], place: Place): ScanCall {
  const [, priority, prepared, nr] = members;
  return {
    name: 'get_scan_count',
    args: { priority: readInteger(priority, placeIn(place, 1), 0, 12) },
    result: readNumbers(prepared, placeIn(place, 2), PREPARED, []),
    nr: readIntegers(nr, placeIn(place, 3), 0, Number.MAX_SAFE_INTEGER, 4),
  };
}

/** Fields of a call's arguments and of its results: numbers and truth values. */
interface ShrinkFields {
  readonly numbers: readonly string[];
  readonly booleans: readonly string[];
  /** Arguments that are results of the call's preparation. */
  readonly prepared: readonly string[];
  readonly results: readonly string[];
  /** Results that are truth values. */
  readonly flags: readonly string[];
}

const COUNTS = ['nrScanned', 'nrReclaimed', 'dirty', 'unqueuedDirty'];

const LRUVEC_FIELDS: ShrinkFields = {
  numbers: ['priority', 'nrToReclaim', 'reclaimIdx', 'order'],
  booleans: ['kswapd'],
  prepared: PREPARED,
  results: [...COUNTS, 'immediate', 'taken', 'fileTaken'],
  flags: [],
};

const NODE_FIELDS: ShrinkFields = {
  numbers: ['priority', 'nrToReclaim', 'reclaimIdx'],
  booleans: ['kswapd', 'mayWritepage'],
  prepared: [],
  results: [...COUNTS, 'congested', 'writeback', 'immediate', 'taken', 'fileTaken'],
  flags: ['pgdatDirty', 'pgdatWriteback', 'congestedFlag'],
};

function readShrink(
  name: 'shrink_lruvec' | 'shrink_node',
  members: readonly unknown[],
  fields: ShrinkFields,
  place: Place,
): ScanCall {
  const { booleans, flags, numbers, prepared, results } = fields;
  const argsPlace = placeIn(place, 1);
  const all = readNumbers(members[1], argsPlace, [...numbers, ...prepared], booleans);
  readInteger(all.priority, placeIn(argsPlace, 'priority'), 0, 12);
  readInteger(all.reclaimIdx, placeIn(argsPlace, 'reclaimIdx'), 0, 3);
  const decided = prepared.map((field) => [field, all[field]]);
  return {
    name,
    args: all,
    result: {
      ...Object.fromEntries(decided),
      ...readNumbers(members[2], placeIn(place, 2), results, flags),
    },
    nr: [],
  };
}

/** An object of numbers and truth values, which become 0 and 1. */
function readNumbers(
  value: unknown,
  place: Place,
  numbers: readonly string[],
  booleans: readonly string[],
): Numbers {
  const fields = readObject(value, place, [...numbers, ...booleans]);
  const read = (field: string): [string, number] => {
    const at = placeIn(place, field);
    if (booleans.includes(field)) return [field, readBoolean(fields[field], at) ? 1 : 0];
    return [field, readInteger(fields[field], at)];
  };
  return Object.fromEntries([...numbers, ...booleans].map(read));
}

/** The call as text, e.g. `shrink_node(priority=3, ...)`. */
export function formatReclaimCall(call: ReclaimCall): string {
  switch (call.name) {
    case 'lru_add':
      return `lru_add(${call.pages.length} pages)`;
    case 'do_shrink_slab':
    case 'get_scan_count':
    case 'shrink_lruvec':
    case 'shrink_node': {
      const args = Object.entries(call.args).map(([name, number]) => `${name}=${number}`);
      return `${call.name}(${args.join(', ')})`;
    }
    default:
      return `${call.name}(${call.pfns.slice(0, 8).join(', ')}${call.pfns.length > 8 ? ', ...' : ''})`;
  }
}
