import { e820EndOfLowRamPfn, e820EndOfRamPfn } from '../e820/end-of-ram.ts';
import { e820GetEntryType, e820MappedAll, e820MappedAny } from '../e820/query.ts';
import { e820RangeRemove, e820RangeUpdate } from '../e820/range.ts';
import { createE820Table, E820_MAX_ENTRIES, e820RangeAdd } from '../e820/table.ts';
import type { E820Entry, E820Table } from '../e820/types.ts';
import { e820UpdateTable } from '../e820/update-table.ts';
import { RecordingError } from './errors.ts';
import {
  badValue,
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readInteger,
  readList,
  readObject,
  readString,
  readU64,
} from './fields.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

/** MAX_ARCH_PFN of the recorded kernels: 46 physical address bits. */
const MAX_ARCH_PFN = 2 ** 34;
const U32_MAX = 0xffff_ffff;
/** Entries shown on each side of the first one that differs. */
const CONTEXT_ENTRIES = 4;

const CALLS = ['range_add', 'range_update', 'range_remove', 'mapped', 'update_table'] as const;
type CallName = (typeof CALLS)[number];

/** One operation, ready to be compared. */
interface Step {
  /** The call with its arguments. */
  readonly call: string;
  /** Result of the kernel, as text; empty when it has none. */
  readonly expected: string;
  /** Result of the model. */
  readonly got: string;
  /** Table of the kernel afterwards; null when the line does not say. */
  readonly expectedTable: readonly E820Entry[] | null;
}

/**
 * Replays a recording of kind `e820` (recordings README, "e820-*").
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replayE820(recording: Recording): ReplayOutcome {
  let table = createE820Table();
  let operations = 0;
  let divergence: Divergence | null = null;
  // Lines after the first divergence are still read, so that a foreign one is never passed over.
  for (const line of recording.lines) {
    const place: Place = { line: line.number, path: 'line' };
    const kind = kindOf(line);
    if (kind === 'table') {
      table = createE820Table(readTable(readObject(line.value, place, ['table']).table, place));
      continue;
    }
    operations++;
    if (kind === 'updateTable') table = createE820Table(readInput(line.value, place));
    const step = kind === 'call' ? runCall(table, line.value, place) : runOther(table, line, kind);
    divergence ??= compare(step, table, operations, line.number);
    // After a divergence every line starts from what the kernel had, where that is known.
    if (step.expectedTable !== null) table = createE820Table(step.expectedTable);
  }
  return { operations, divergence };
}

type LineKind = 'updateTable' | 'table' | 'call' | 'endOfRam';

function kindOf({ value, number }: RecordedLine): LineKind {
  for (const kind of ['updateTable', 'table', 'call', 'endOfRam'] as const) {
    if (typeof value === 'object' && value !== null && Object.hasOwn(value, kind)) return kind;
  }
  const message = `line ${number}: not a line of an e820 recording`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: number, value });
}

function readInput(value: unknown, place: Place): readonly E820Entry[] {
  const fields = readObject(value, place, ['updateTable', 'ret', 'result']);
  return readTable(fields.updateTable, placeIn(place, 'updateTable'));
}

function readTable(value: unknown, place: Place): readonly E820Entry[] {
  const entries = readList(value, place, (element, at) => {
    const [addr, size, type] = readArray(element, at, 3);
    return {
      addr: readU64(addr, placeIn(at, 0)),
      size: readU64(size, placeIn(at, 1)),
      type: readInteger(type, placeIn(at, 2), 0, U32_MAX),
    };
  });
  if (entries.length <= E820_MAX_ENTRIES) return entries;
  throw badValue(place, `a table of at most ${E820_MAX_ENTRIES} entries`, value);
}

function runOther(table: E820Table, line: RecordedLine, kind: 'updateTable' | 'endOfRam'): Step {
  const place: Place = { line: line.number, path: 'line' };
  if (kind === 'endOfRam') {
    const fields = readObject(line.value, place, ['endOfRam']);
    const pfns = readArray(fields.endOfRam, placeIn(place, 'endOfRam'), 2);
    const expected = pfns.map((pfn, i) => readInteger(pfn, placeIn(place, i)));
    const got = [e820EndOfRamPfn(table, MAX_ARCH_PFN), e820EndOfLowRamPfn(table, MAX_ARCH_PFN)];
    return { call: 'endOfRam', expected: `${expected}`, got: `${got}`, expectedTable: null };
  }
  const fields = readObject(line.value, place, ['updateTable', 'ret', 'result']);
  const ret = readInteger(fields.ret, placeIn(place, 'ret'), -1, 0);
  const expectedTable = readTable(fields.result, placeIn(place, 'result'));
  const call = `e820__update_table of ${table.entries.length} entries`;
  return { call, expected: `${ret}`, got: `${e820UpdateTable(table)}`, expectedTable };
}

function runCall(table: E820Table, value: unknown, place: Place): Step {
  const fields = readObject(value, place, ['call', 'args', 'post'], ['ret']);
  const name = fields.call;
  if (!CALLS.includes(name as CallName)) {
    const message = `line ${place.line}: unknown call ${String(name)}`;
    throw new RecordingError('UNKNOWN_CALL', message, { line: place.line, value: name });
  }
  const hasResult = Object.hasOwn(fields, 'ret');
  if (hasResult === (name === 'range_add')) {
    throw badValue(placeIn(place, 'ret'), hasResult ? 'left out' : 'there', fields.ret);
  }
  const args = readArgs(name as CallName, fields.args, placeIn(place, 'args'));
  const expected = readResult(name as CallName, fields.ret, placeIn(place, 'ret'));
  const expectedTable = readTable(fields.post, placeIn(place, 'post'));
  const call = `${name}(${args.map(show).join(', ')})`;
  return { call, expected, got: runEdit(table, name as CallName, args), expectedTable };
}

type Arg = bigint | number | boolean;

function show(arg: Arg): string {
  return typeof arg === 'bigint' ? `0x${arg.toString(16)}` : String(arg);
}

/** Arguments by call: two addresses or sizes first, then types, then perhaps a flag. */
function readArgs(name: CallName, value: unknown, place: Place): readonly Arg[] {
  const typeCounts = { range_add: 1, range_update: 2, range_remove: 1, mapped: 1, update_table: 0 };
  if (name === 'update_table') return readArray(value, place, 0) as readonly Arg[];
  const types = typeCounts[name];
  const args = readArray(value, place, name === 'range_remove' ? 4 : 2 + types);
  return args.map((arg, i) => {
    const at = placeIn(place, i);
    if (i < 2) return readU64(arg, at);
    return i < 2 + types ? readInteger(arg, at, 0, U32_MAX) : readBoolean(arg, at);
  });
}

function readResult(name: CallName, value: unknown, place: Place): string {
  switch (name) {
    case 'range_add':
      return '';
    case 'update_table':
      return `${readInteger(value, place, -1, 0)}`;
    case 'mapped': {
      const [any, all, type] = readArray(value, place, 3);
      const anyAll = [readBoolean(any, placeIn(place, 0)), readBoolean(all, placeIn(place, 1))];
      return `${[...anyAll, readInteger(type, placeIn(place, 2), -(2 ** 31), 2 ** 31 - 1)]}`;
    }
    default:
      return show(readU64(readString(value, place), place));
  }
}

function runEdit(table: E820Table, name: CallName, args: readonly Arg[]): string {
  if (name === 'update_table') return `${e820UpdateTable(table)}`;
  const [start, size, type, last] = args as [bigint, bigint, number, number | boolean];
  switch (name) {
    case 'range_add':
      e820RangeAdd(table, start, size, type);
      return '';
    case 'range_update':
      return show(e820RangeUpdate(table, start, size, type, last as number));
    case 'range_remove':
      return show(e820RangeRemove(table, start, size, type, last as boolean));
    default: {
      const any = e820MappedAny(table, start, size, type);
      const all = e820MappedAll(table, start, size, type);
      return `${[any, all, e820GetEntryType(table, start, size)]}`;
    }
  }
}

function compare(
  { call, expected, got, expectedTable }: Step,
  table: E820Table,
  operation: number,
  line: number,
): Divergence | null {
  const ours = table.entries.map(showEntry);
  const theirs = expectedTable?.map(showEntry) ?? ours;
  const at = firstDifferent(theirs, ours);
  if (expected === got && at < 0) return null;
  const context = tableContext(theirs, ours, Math.max(at, 0));
  if (expected !== got) return { operation, line, call, expected, got, context };
  return {
    operation,
    line,
    call,
    expected: `entry ${at} ${theirs[at] ?? 'missing'}`,
    got: `entry ${at} ${ours[at] ?? 'missing'}`,
    context,
  };
}

function showEntry({ addr, size, type }: E820Entry): string {
  return `${show(addr)}+${show(size)} ${type}`;
}

/** Index of the first entry in which two tables differ, -1 if they are equal. */
function firstDifferent(theirs: readonly string[], ours: readonly string[]): number {
  const length = Math.max(theirs.length, ours.length);
  for (let i = 0; i < length; i++) {
    if (theirs[i] !== ours[i]) return i;
  }
  return -1;
}

function tableContext(theirs: readonly string[], ours: readonly string[], at: number): string[] {
  const start = Math.max(0, at - CONTEXT_ENTRIES);
  const side = (name: string, table: readonly string[]): string => {
    const part = table.slice(start, at + CONTEXT_ENTRIES + 1).join(', ');
    return `${name} table, entries ${start} on of ${table.length}: ${part}`;
  };
  return [side('expected', theirs), side('our', ours)];
}
