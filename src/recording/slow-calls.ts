import { RecordingError } from './errors.ts';
import {
  badValue,
  type Place,
  placeIn,
  readArray,
  readInteger,
  readIntegers,
  readList,
  readObject,
  readRecord,
  readString,
} from './fields.ts';
import type { ZoneName } from './kernel-state.ts';

/** Names of events and how much they grew. */
export type EventDifferences = Readonly<Record<string, number>>;

/** A position of the file that was read: cached already, read into a new page, or without a page. */
export interface ReadStep {
  /** Position in the file. */
  readonly index: number;
  /** The new page frame, null if the allocation failed; undefined if the page was cached. */
  readonly pfn?: number | null;
}

/** A call of a slow-* recording, its values checked. */
export type SlowCall =
  | {
      readonly name: 'alloc';
      readonly cpu: number;
      readonly gfp: number;
      readonly order: number;
      readonly node: number;
      readonly pfn: number | null;
      readonly events: EventDifferences;
    }
  | {
      readonly name: 'free';
      readonly cpu: number;
      readonly pfn: number;
      readonly order: number;
    }
  | { readonly name: 'drain_local'; readonly cpu: number }
  | { readonly name: 'lru_add_drain' }
  | { readonly name: 'set_dirty'; readonly pfn: number }
  | { readonly name: 'task'; readonly kthread: boolean; readonly rt: boolean }
  | {
      readonly name: 'read';
      readonly steps: readonly ReadStep[];
      readonly events: EventDifferences;
    };

/** What compaction remembered of a zone: one element of `compact`. */
export interface CompactRecord {
  /** Name of the zone. */
  readonly zone: ZoneName;
  /** Restart position of the free scanner. */
  readonly cachedFreePfn: number;
  /** Restart positions of the migration scanner, async and sync. */
  readonly cachedMigratePfn: readonly number[];
  /** Lowest source at the last reset. */
  readonly initMigratePfn: number;
  /** Highest target at the last reset. */
  readonly initFreePfn: number;
  /** Requests since the last failure. */
  readonly considered: number;
  /** log2 of the requests let pass. */
  readonly deferShift: number;
  /** Lowest order that failed. */
  readonly orderFailed: number;
  /** 1 if skip hints are to be cleared. */
  readonly blockskipFlush: number;
  /** First page frames of the pageblocks with a skip hint. */
  readonly skip: readonly number[];
}

const MAX_PFN = 0x7fffffff;
const U32_MAX = 0xffff_ffff;
const LAST_CPU = 8191;
const LAST_NODE = 1023;
const LAST_ORDER = 10;
const ZONES: readonly ZoneName[] = ['DMA', 'DMA32', 'Normal', 'Movable'];

/**
 * Reads a call, strictly.
 * @throws RecordingError `UNKNOWN_CALL`, `UNKNOWN_FIELD` or `BAD_VALUE`
 */
export function readSlowCall(value: readonly unknown[], place: Place): SlowCall {
  const at = (index: number): Place => placeIn(place, index);
  const int = (index: number, min: number, max: number): number =>
    readInteger(value[index], at(index), min, max);
  const long = (length: number): void => {
    readArray(value, place, length);
  };
  switch (value[0]) {
    case 'alloc':
      long(7);
      return {
        name: 'alloc',
        cpu: int(1, 0, LAST_CPU),
        gfp: int(2, 0, U32_MAX),
        order: int(3, 0, LAST_ORDER),
        node: int(4, -1, LAST_NODE),
        pfn: readPfnOrNull(value[5], at(5)),
        events: readEvents(value[6], at(6)),
      };
    case 'free':
      long(4);
      return {
        name: 'free',
        cpu: int(1, 0, LAST_CPU),
        pfn: int(2, 0, MAX_PFN),
        order: int(3, 0, LAST_ORDER),
      };
    case 'drain_local':
      long(2);
      return { name: 'drain_local', cpu: int(1, 0, LAST_CPU) };
    case 'lru_add_drain':
      long(1);
      return { name: 'lru_add_drain' };
    case 'set_dirty':
      long(2);
      return { name: 'set_dirty', pfn: int(1, 0, MAX_PFN) };
    case 'task':
      long(2);
      return readTask(value[1], at(1));
    case 'read':
      long(3);
      return {
        name: 'read',
        steps: readList(value[1], at(1), readStep),
        events: readEvents(value[2], at(2)),
      };
    default:
      throw new RecordingError(
        'UNKNOWN_CALL',
        `line ${place.line}: unknown call ${JSON.stringify(value[0])}`,
        { ...place, call: value[0] },
      );
  }
}

function readTask(value: unknown, place: Place): SlowCall {
  const { kthread, rt } = readObject(value, place, ['kthread', 'rt']);
  return {
    name: 'task',
    kthread: readInteger(kthread, placeIn(place, 'kthread'), 0, 1) === 1,
    rt: readInteger(rt, placeIn(place, 'rt'), 0, 1) === 1,
  };
}

function readStep(value: unknown, place: Place): ReadStep {
  const step = readArray(value, place);
  if (step.length !== 1 && step.length !== 2)
    throw badValue(place, '[index] or [index, pfn]', value);
  const index = readInteger(step[0], placeIn(place, 0), 0, MAX_PFN);
  return step.length === 1 ? { index } : { index, pfn: readPfnOrNull(step[1], placeIn(place, 1)) };
}

function readPfnOrNull(value: unknown, place: Place): number | null {
  return value === null ? null : readInteger(value, place, 0, MAX_PFN);
}

function readEvents(value: unknown, place: Place): EventDifferences {
  const events = readRecord(value, place);
  for (const [name, grown] of Object.entries(events)) readInteger(grown, placeIn(place, name), 1);
  return events as EventDifferences;
}

const COMPACT_NUMBERS = [
  'initMigratePfn',
  'initFreePfn',
  'considered',
  'deferShift',
  'orderFailed',
  'blockskipFlush',
] as const;

/** Reads what `compact` holds, strictly. @throws RecordingError `UNKNOWN_FIELD` or `BAD_VALUE` */
export function readCompact(value: unknown, place: Place): readonly CompactRecord[] {
  return readList(value, place, (zone, zonePlace) => {
    const known = [...COMPACT_NUMBERS, 'zone', 'cachedFreePfn', 'cachedMigratePfn', 'skip'];
    const fields = readObject(zone, zonePlace, known);
    const number = (name: (typeof COMPACT_NUMBERS)[number]): number =>
      readInteger(fields[name], placeIn(zonePlace, name), 0, MAX_PFN);
    const pfns = (name: string, length?: number): readonly number[] =>
      readIntegers(fields[name], placeIn(zonePlace, name), 0, MAX_PFN, length);
    return {
      zone: readString(fields.zone, placeIn(zonePlace, 'zone'), ZONES),
      // Below page frame 0 it wraps; a number of JavaScript holds that as 2^64.
      cachedFreePfn: readInteger(
        fields.cachedFreePfn,
        placeIn(zonePlace, 'cachedFreePfn'),
        0,
        2 ** 64,
      ),
      cachedMigratePfn: pfns('cachedMigratePfn', 2),
      initMigratePfn: number('initMigratePfn'),
      initFreePfn: number('initFreePfn'),
      considered: number('considered'),
      deferShift: number('deferShift'),
      orderFailed: number('orderFailed'),
      blockskipFlush: readInteger(
        fields.blockskipFlush,
        placeIn(zonePlace, 'blockskipFlush'),
        0,
        1,
      ),
      skip: pfns('skip'),
    };
  });
}

/** Reads what `file` holds: the number of its positions. */
export function readFile(value: unknown, place: Place): number {
  const { pages } = readObject(value, place, ['pages']);
  return readInteger(pages, placeIn(place, 'pages'), 0, MAX_PFN);
}

/** Reads what `compound` holds: pages of the kernel, as pfn and order. */
export function readCompound(value: unknown, place: Place): readonly (readonly [number, number])[] {
  return readList(value, place, (page, pagePlace) => {
    const [pfn, order] = readArray(page, pagePlace, 2);
    return [
      readInteger(pfn, placeIn(pagePlace, 0), 0, MAX_PFN),
      readInteger(order, placeIn(pagePlace, 1), 1, LAST_ORDER),
    ];
  });
}
