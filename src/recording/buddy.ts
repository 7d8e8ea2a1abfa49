import { BuddyAllocator } from '../buddy/allocator.ts';
import { listToArray } from '../lib/list.ts';
import { hex, MAX_ORDER, NIL, PAGE_SIZE } from '../lib/units.ts';
import { freeListToArray } from '../mm/free-area.ts';
import { MIGRATE_TYPES, MIGRATETYPE_NAMES } from '../mm/migratetype.ts';
import { NR_PCP_LISTS, pagesetIndex, pcpListHead } from '../mm/pageset.ts';
import { isPopulated, type Zone } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { RecordingError } from './errors.ts';
import {
  badValue,
  type Place,
  placeIn,
  readArray,
  readInteger,
  readIntegers,
  readRecord,
  readString,
} from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

const CALLS = ['alloc', 'free', 'bulk', 'free_list', 'exact', 'free_exact', 'drain_local'] as const;
type CallName = (typeof CALLS)[number];

/** Number of members of each call, the name included. */
const CALL_LENGTHS: Readonly<Record<CallName, number>> = {
  alloc: 6,
  free: 4,
  bulk: 6,
  free_list: 3,
  exact: 5,
  free_exact: 4,
  drain_local: 2,
};

const U32_MAX = 0xffff_ffff;
const MAX_PFN = 2 ** 31;
/** Pages of a list shown in a report. */
const SHOWN_PAGES = 12;

/** A call as recorded, its values checked. */
export interface BuddyCall {
  /** Name of the call. */
  readonly name: CallName;
  /** Numbers between the name and the result, pages to free left out. */
  readonly args: readonly number[];
  /** Pages that the call frees. */
  readonly pages: readonly number[];
  /** Pages that the kernel returned; empty for none, null for a call without a result. */
  readonly result: readonly number[] | null;
}

/** The machine under replay. */
interface Machine {
  /** The state that it began with. */
  readonly loaded: KernelState;
  readonly buddy: BuddyAllocator;
}

/**
 * Replays a recording of kind `buddy` (recordings README, "buddy-*").
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replayBuddy(recording: Recording): ReplayOutcome {
  let machine: Machine | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  // Lines after the first divergence are still read, so that a foreign one is never passed over.
  for (const line of recording.lines) {
    if (Array.isArray(line.value)) {
      const call = readBuddyCall(line.value, { line: line.number, path: 'line' });
      if (machine === null) throw notLoaded(line);
      operations++;
      if (divergence === null) divergence = replayCall(machine, call, operations, line.number);
      continue;
    }
    const [field, value] = readStateLine(line);
    const state = parseKernelState(value, line.number, field);
    if (field === 'load') {
      machine = { loaded: state, buddy: new BuddyAllocator(loadKernelState(state)) };
      continue;
    }
    if (machine === null) throw notLoaded(line);
    operations++;
    if (divergence === null) divergence = compareState(machine, state, operations, line.number);
  }
  return { operations, divergence };
}

function readStateLine(line: RecordedLine): readonly ['load' | 'state', unknown] {
  const place: Place = { line: line.number, path: 'line' };
  const fields = Object.entries(readRecord(line.value, place));
  const [name, value] = fields[0] ?? ['', null];
  if (fields.length === 1 && (name === 'load' || name === 'state')) return [name, value];
  const message = `line ${line.number}: a line with the fields ${fields.map(([f]) => f).join(', ')}`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: line.number });
}

function notLoaded(line: RecordedLine): RecordingError {
  const message = `line ${line.number}: nothing was loaded before`;
  return new RecordingError('UNKNOWN_LINE', message, { line: line.number });
}

/** A call of the page allocator, as these and other recordings hold it. */
export function readBuddyCall(value: readonly unknown[], place: Place): BuddyCall {
  const known: readonly string[] = CALLS;
  if (typeof value[0] !== 'string' || !known.includes(value[0])) {
    const message = `line ${place.line}: unknown call ${JSON.stringify(value[0])}`;
    throw new RecordingError('UNKNOWN_CALL', message, { ...place, call: value[0] });
  }
  const name = readString(value[0], placeIn(place, 0), CALLS);
  const members = readArray(value, place, CALL_LENGTHS[name]);
  const at = (index: number): Place => placeIn(place, index);
  const numbers = (count: number): number[] =>
    members.slice(1, 1 + count).map((member, i) => readInteger(member, at(i + 1), -1, U32_MAX));
  switch (name) {
    case 'alloc':
      return { name, args: numbers(4), pages: [], result: readPage(members[5], at(5)) };
    case 'exact':
      return { name, args: numbers(3), pages: [], result: readPage(members[4], at(4)) };
    case 'bulk':
      return { name, args: numbers(4), pages: [], result: readPages(members[5], at(5)) };
    case 'free_list':
      return { name, args: numbers(1), pages: readPages(members[2], at(2)), result: null };
    case 'free':
    case 'free_exact':
      return { name, args: numbers(3), pages: [], result: null };
    case 'drain_local':
      return { name, args: numbers(1), pages: [], result: null };
  }
}

function readPages(value: unknown, place: Place): readonly number[] {
  return readIntegers(value, place, 0, MAX_PFN);
}

function readPage(value: unknown, place: Place): readonly number[] {
  if (value === null) return [];
  if (!Number.isInteger(value)) throw badValue(place, 'a page frame or null', value);
  return [readInteger(value, place, 0, MAX_PFN)];
}

/** The call as text, e.g. `alloc(gfp=0xdc0, order=1, node 0, cpu 1)`. */
export function formatBuddyCall({ name, args, pages }: BuddyCall): string {
  const [cpu, a, b, c] = args;
  switch (name) {
    case 'alloc':
      return `alloc(gfp=${hex(a)}, order=${b}, node ${c}, cpu ${cpu})`;
    case 'bulk':
      return `bulk(gfp=${hex(a)}, node ${b}, ${c} pages, cpu ${cpu})`;
    case 'exact':
      return `exact(gfp=${hex(a)}, ${b} bytes, cpu ${cpu})`;
    case 'free':
      return `free(${a}, order=${b}, cpu ${cpu})`;
    case 'free_exact':
      return `free_exact(${a}, ${b} bytes, cpu ${cpu})`;
    case 'free_list':
      return `free_list(${pages.length} pages, cpu ${cpu})`;
    case 'drain_local':
      return `drain_local(cpu ${cpu})`;
  }
}

/** Makes the call. @returns the pages that it gave, null for a call without a result */
export function runBuddyCall(buddy: BuddyAllocator, call: BuddyCall): readonly number[] | null {
  const [cpu, a, b, c] = call.args;
  switch (call.name) {
    case 'alloc':
      return onePage(buddy.allocPages(a, b, c, cpu));
    case 'exact': {
      const addr = buddy.allocPagesExact(b, a, NIL, cpu);
      return onePage(addr === null ? null : addr / PAGE_SIZE);
    }
    case 'bulk': {
      const slots = new Array<number>(c).fill(NIL);
      return slots.slice(0, buddy.allocPagesBulk(a, b, slots, cpu));
    }
    case 'free':
      buddy.freePages(a, b, cpu);
      return null;
    case 'free_exact':
      buddy.freePagesExact(a * PAGE_SIZE, b, cpu);
      return null;
    case 'free_list':
      for (const pfn of call.pages) buddy.state.map.refcount[pfn]--;
      buddy.freeUnrefPageList(call.pages, cpu);
      return null;
    case 'drain_local':
      buddy.drainLocalPages(cpu);
      return null;
  }
}

function onePage(pfn: number | null): readonly number[] {
  return pfn === null ? [] : [pfn];
}

function replayCall(
  { buddy }: Machine,
  call: BuddyCall,
  operation: number,
  line: number,
): Divergence | null {
  let got: readonly number[] | null = null;
  let refused = '';
  try {
    got = runBuddyCall(buddy, call);
  } catch (error) {
    // The kernel took the call, so a refusal is a divergence, not an error of the recording.
    if (!(error instanceof Error)) throw error;
    refused = `${error.name}: ${error.message}`;
  }
  if (refused === '' && samePages(call.result, got)) return null;
  return {
    operation,
    line,
    call: formatBuddyCall(call),
    expected: formatResult(call.name, call.result),
    got: refused === '' ? formatResult(call.name, got) : refused,
    context: listsOf(buddy),
  };
}

function samePages(a: readonly number[] | null, b: readonly number[] | null): boolean {
  if (a === null || b === null) return a === b;
  return a.length === b.length && a.every((pfn, i) => pfn === b[i]);
}

function formatResult(name: CallName, pages: readonly number[] | null): string {
  if (pages === null) return 'success';
  if (name === 'bulk') return `${pages.length} pages [${pages.join(', ')}]`;
  return pages.length === 0 ? 'no page' : `pfn ${pages[0]}`;
}

/** The model's lists that hold pages, one text line each. */
export function listsOf({ state }: BuddyAllocator): string[] {
  return state.zones
    .filter(isPopulated)
    .flatMap((zone) => [...freeListLines(state, zone), ...pcpLines(state, zone)]);
}

function freeListLines({ areas }: BuddyAllocator['state'], zone: Zone): string[] {
  const lines: string[] = [];
  for (let order = 0; order < MAX_ORDER; order++) {
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const pages = freeListToArray(areas, zone.id, order, type);
      if (pages.length === 0) continue;
      lines.push(`${zoneText(zone)} order ${order} ${MIGRATETYPE_NAMES[type]}: ${pageText(pages)}`);
    }
  }
  return lines;
}

function pcpLines({ map, model, pagesets }: BuddyAllocator['state'], zone: Zone): string[] {
  const lines: string[] = [];
  for (let cpu = 0; cpu < model.cpuCount; cpu++) {
    const cell = pagesetIndex(pagesets, cpu, zone.id);
    for (let list = 0; list < NR_PCP_LISTS; list++) {
      const pages = listToArray(map, pcpListHead(pagesets, cell, list));
      if (pages.length === 0) continue;
      lines.push(`${zoneText(zone)} cpu ${cpu} list ${list}: ${pageText(pages)}`);
    }
  }
  return lines;
}

function zoneText(zone: Zone): string {
  return `node ${zone.node} ${ZONE_NAMES[zone.index]}`;
}

function pageText(pages: readonly number[]): string {
  const shown = pages.slice(0, SHOWN_PAGES).join(' ');
  return pages.length > SHOWN_PAGES ? `${shown} ... (${pages.length})` : shown;
}

function compareState(
  { buddy, loaded }: Machine,
  expected: KernelState,
  operation: number,
  line: number,
): Divergence | null {
  const difference = compareKernelState(buddy.model, expected, { loaded });
  if (difference === null) return null;
  return {
    operation,
    line,
    call: `state, ${difference.path}`,
    expected: difference.expected,
    got: difference.got,
    context: difference.context,
  };
}
