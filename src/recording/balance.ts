import { BuddyAllocator } from '../buddy/allocator.ts';
import { Reclaim } from '../reclaim/reclaim.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readArray, readInteger, readObject, readRecord } from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import {
  compareLruState,
  type LruMachine,
  type LruState,
  loadLruState,
  parseLruState,
} from './lru-state.ts';
import { lruContext } from './reclaim-run.ts';
import { RecordedPageCache } from './recorded-page-cache.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

/** Where and what differs; the caller knows which operation it was. */
type Found = Omit<Divergence, 'operation' | 'line'>;

/** A round: its start, and the machine once the LRU lists are loaded as well. */
interface Round {
  readonly loaded: KernelState;
  readonly buddy: BuddyAllocator;
  readonly machine: LruMachine;
}

/**
 * Replays a recording of kind `balance` (recordings README, "balance-*"): every round starts from its
 * own state.
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replayBalance(recording: Recording): ReplayOutcome {
  let loaded: KernelState | null = null;
  let round: Round | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const line of recording.lines) {
    const read = readLine(line);
    if (read.is === 'load') {
      loaded = read.state;
      round = null;
      continue;
    }
    if (read.is === 'lruLoad') {
      if (loaded === null) throw notLoaded(line.number);
      round = beginRound(loaded, read.lru, line.number);
      continue;
    }
    if (round === null) throw notLoaded(line.number);
    operations++;
    if (divergence !== null) continue;
    const found = runLine(round, read);
    if (found !== null) divergence = { ...found, operation: operations, line: line.number };
  }
  return { operations, divergence };
}

/** A line, understood. */
type Line =
  | { readonly is: 'load' | 'state'; readonly state: KernelState }
  | { readonly is: 'lruLoad' | 'lru'; readonly lru: LruState }
  | {
      readonly is: 'call';
      readonly order: number;
      readonly highestZoneidx: number;
      readonly ended: number;
    };

function readLine(line: RecordedLine): Line {
  const place: Place = { line: line.number, path: 'line' };
  if (Array.isArray(line.value)) return readCall(line.value, place);
  const fields = readRecord(line.value, place);
  for (const is of ['load', 'state'] as const) {
    if (!Object.hasOwn(fields, is)) continue;
    const value = readObject(fields, place, [is])[is];
    return { is, state: parseKernelState(value, line.number, is) };
  }
  for (const is of ['lruLoad', 'lru'] as const) {
    if (!Object.hasOwn(fields, is)) continue;
    const value = readObject(fields, place, [is])[is];
    return { is, lru: parseLruState(value, line.number, is) };
  }
  const message = `line ${line.number}: a line with the fields ${Object.keys(fields).join(', ')}`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: line.number });
}

function readCall(value: readonly unknown[], place: Place): Line {
  if (value[0] !== 'balance_pgdat') {
    const message = `line ${place.line}: unknown call ${JSON.stringify(value[0])}`;
    throw new RecordingError('UNKNOWN_CALL', message, { ...place, call: value[0] });
  }
  const [, order, highestZoneidx, ended] = readArray(value, place, 4);
  return {
    is: 'call',
    order: readInteger(order, placeIn(place, 1), 0, 10),
    highestZoneidx: readInteger(highestZoneidx, placeIn(place, 2), 0, 3),
    ended: readInteger(ended, placeIn(place, 3), 0, 10),
  };
}

function notLoaded(line: number): RecordingError {
  const message = `line ${line}: nothing was loaded before`;
  return new RecordingError('UNKNOWN_LINE', message, { line });
}

/** A machine that holds what the kernel held: its page allocator, its LRU lists, its one file. */
function beginRound(loaded: KernelState, lru: LruState, line: number): Round {
  const model = loadKernelState(loaded);
  const buddy = new BuddyAllocator(model);
  const reclaim = new Reclaim({ model, allocator: buddy, task: buddy.task });
  const cache = new RecordedPageCache(reclaim);
  const file = cache.createFile({ writepage: false, dirtyAccounting: false });
  const machine = { reclaim, cache, file };
  loadLruState(machine, lru, line);
  return { loaded, buddy, machine };
}

function runLine({ buddy, loaded, machine }: Round, line: Line): Found | null {
  if (line.is === 'call') {
    const { ended, highestZoneidx, order } = line;
    const got = balance(machine, order, highestZoneidx);
    if (got === `${ended}`) return null;
    const call = `balance_pgdat(order ${order}, highest zone ${highestZoneidx})`;
    return { call, expected: `${ended}`, got, context: lruContext(machine) };
  }
  const difference =
    'state' in line
      ? compareKernelState(buddy.model, line.state, { loaded })
      : compareLruState(machine, line.lru);
  if (difference === null) return null;
  const { context, expected, got, path } = difference;
  return { call: `${line.is}, ${path}`, expected, got, context };
}

function balance({ reclaim }: LruMachine, order: number, highestZoneidx: number): string {
  try {
    return `${reclaim.balancePgdat(0, order, highestZoneidx, 0)}`;
  } catch (error) {
    // The kernel took the call, so a refusal is a divergence, not an error of the recording.
    if (!(error instanceof Error)) throw error;
    return `${error.name}: ${error.message}`;
  }
}
