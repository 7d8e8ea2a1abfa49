import { hex } from '../lib/units.ts';
import {
  Memblock,
  MemblockError,
  type MemblockRegion,
  type MemblockSnapshot,
  type MemblockTypeSnapshot,
} from '../memblock/index.ts';
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
import { RECORDED_NO_NODE, recordedNid, runCall } from './memblock-calls.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

// Replays what the kernel's own memblock code did in user space: there a cache line has 32 bytes
// and slab never comes up.

const SMP_CACHE_BYTES = 32n;

const SETTINGS = [
  'bottomUp',
  'canResize',
  'hasMirror',
  'mirroredKernelcore',
  'movableNode',
] as const;

const ARRAYS = ['memory', 'reserved'] as const;
type ArrayName = (typeof ARRAYS)[number];

/** Entries shown on each side of the place where an array differs. */
const CONTEXT_ENTRIES = 3;

type RecordedRegion = Omit<MemblockRegion, 'end'>;

/** A recorded state; nodes as recorded, -1 being none, and no entry for an empty array. */
type RecordedState = Pick<
  MemblockSnapshot,
  (typeof SETTINGS)[number] | 'currentLimit' | 'memory' | 'reserved'
>;

function readState(value: unknown, place: Place): RecordedState {
  const fields = readObject(value, place, [...SETTINGS, 'currentLimit', ...ARRAYS]);
  const flag = (name: (typeof SETTINGS)[number]): boolean =>
    readBoolean(fields[name], placeIn(place, name));
  return {
    bottomUp: flag('bottomUp'),
    canResize: flag('canResize'),
    hasMirror: flag('hasMirror'),
    mirroredKernelcore: flag('mirroredKernelcore'),
    movableNode: flag('movableNode'),
    currentLimit: readU64(fields.currentLimit, placeIn(place, 'currentLimit')),
    memory: readRegionArray(fields.memory, placeIn(place, 'memory')),
    reserved: readRegionArray(fields.reserved, placeIn(place, 'reserved')),
  };
}

function readRegionArray(value: unknown, place: Place): MemblockTypeSnapshot {
  const { max, total, regions } = readObject(value, place, ['max', 'total', 'regions']);
  return {
    max: readInteger(max, placeIn(place, 'max'), 1),
    totalSize: readU64(total, placeIn(place, 'total')),
    arrayAddress: null,
    regions: readList(regions, placeIn(place, 'regions'), readRegion),
  };
}

function readRegion(value: unknown, place: Place): RecordedRegion {
  const [base, size, flags, nid] = readArray(value, place, 4);
  return {
    base: readU64(base, placeIn(place, 0)),
    size: readU64(size, placeIn(place, 1)),
    flags: readInteger(flags, placeIn(place, 2), 0, 0x7fff_ffff),
    nid: readInteger(nid, placeIn(place, 3), RECORDED_NO_NODE, 0x7fff_ffff),
  };
}

/** Makes the model what a recorded state says. */
function load(memblock: Memblock, state: RecordedState, line: number): void {
  const withNodes = (array: MemblockTypeSnapshot): MemblockTypeSnapshot => ({
    ...array,
    regions: array.regions.map((region) => ({
      ...region,
      nid: region.nid === RECORDED_NO_NODE ? memblock.state.maxNumnodes : region.nid,
    })),
  });
  try {
    memblock.restore({
      ...memblock.snapshot(),
      ...state,
      memory: withNodes(state.memory),
      reserved: withNodes(state.reserved),
    });
  } catch (error) {
    if (!(error instanceof MemblockError)) throw error;
    throw new RecordingError('BAD_VALUE', `line ${line}: load: ${error.message}`, {
      line,
      path: 'load',
      ...error.data,
    });
  }
}

/** The entries of an array as they are recorded. */
function recordedRegions(memblock: Memblock, name: ArrayName): RecordedRegion[] {
  const { regions } = memblock.state[name];
  if (regions[0].size === 0n) return [];
  return regions.map(({ base, size, flags, nid }) => {
    return { base, size, flags, nid: recordedNid(memblock, nid) };
  });
}

function regionText(region: RecordedRegion | undefined): string {
  if (region === undefined) return 'none';
  const { base, size, flags, nid } = region;
  return `[${hex(base)}, ${hex(base + size)}) flags ${hex(flags)} nid ${nid}`;
}

/** Where the model's state differs from the recorded one. */
interface StateDifference {
  readonly what: string;
  readonly expected: string;
  readonly got: string;
  readonly array: ArrayName | null;
  readonly index: number;
}

function compareArray(
  memblock: Memblock,
  name: ArrayName,
  expected: MemblockTypeSnapshot,
): StateDifference | null {
  const { max, totalSize } = memblock.state[name];
  const got = recordedRegions(memblock, name);
  const count = Math.max(expected.regions.length, got.length);
  for (let index = 0; index < count; index++) {
    const theirs = regionText(expected.regions[index]);
    const ours = regionText(got[index]);
    if (theirs === ours) continue;
    return { what: `${name}[${index}]`, expected: theirs, got: ours, array: name, index };
  }
  const numbers = [
    [`${name}.max`, String(expected.max), String(max)],
    [`${name}.total`, hex(expected.totalSize), hex(totalSize)],
  ];
  for (const [what, theirs, ours] of numbers) {
    if (theirs !== ours) return { what, expected: theirs, got: ours, array: name, index: 0 };
  }
  return null;
}

function compareState(memblock: Memblock, expected: RecordedState): StateDifference | null {
  for (const name of ARRAYS) {
    const difference = compareArray(memblock, name, expected[name]);
    if (difference !== null) return difference;
  }
  for (const what of [...SETTINGS, 'currentLimit'] as const) {
    const theirs = expected[what];
    const ours = memblock.state[what];
    if (theirs === ours) continue;
    const text = (value: boolean | bigint): string =>
      typeof value === 'bigint' ? hex(value) : String(value);
    return { what, expected: text(theirs), got: text(ours), array: null, index: 0 };
  }
  return null;
}

/** The entries of both sides around one index. */
function arrayContext(
  memblock: Memblock,
  name: ArrayName,
  expected: MemblockTypeSnapshot,
  index: number,
): string[] {
  const lines: string[] = [];
  const sides = [
    ['kernel', expected.totalSize, expected.regions],
    ['model ', memblock.state[name].totalSize, recordedRegions(memblock, name)],
  ] as const;
  for (const [side, total, regions] of sides) {
    lines.push(`${side} ${name}: ${regions.length} entries, total ${hex(total)}`);
    const start = Math.max(index - CONTEXT_ENTRIES, 0);
    const end = Math.min(index + CONTEXT_ENTRIES + 1, regions.length);
    for (let i = start; i < end; i++) lines.push(`  [${i}] ${regionText(regions[i])}`);
  }
  return lines;
}

/** Both arrays near an address that is in dispute, or from their beginning. */
function addressContext(memblock: Memblock, expected: RecordedState, text: string): string[] {
  const addr = /^0x[0-9a-f]+$/.test(text) ? BigInt(text) : 0n;
  return ARRAYS.flatMap((name) => {
    const { regions } = expected[name];
    const above = regions.findIndex(({ base, size }) => base + size > addr);
    const index = above < 0 ? Math.max(regions.length - 1, 0) : above;
    return arrayContext(memblock, name, expected[name], index);
  });
}

/** One line that is understood. */
type Step =
  | { readonly kind: 'note' }
  | { readonly kind: 'load'; readonly state: RecordedState }
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly unknown[];
      readonly ret: unknown;
      /** Null when the call changed nothing. */
      readonly post: RecordedState | null;
    };

function readStep({ number: line, value }: RecordedLine): Step {
  const place = { line, path: 'line' };
  if (typeof value === 'object' && value !== null) {
    if ('call' in value) {
      const { call, args, ret, post } = readObject(value, place, ['call', 'args', 'ret'], ['post']);
      return {
        kind: 'call',
        name: readString(call, placeIn(place, 'call')),
        args: readArray(args, placeIn(place, 'args')),
        ret,
        post: post === undefined ? null : readState(post, { line, path: 'post' }),
      };
    }
    if ('load' in value) {
      const fields = readObject(value, place, ['load']);
      return { kind: 'load', state: readState(fields.load, { line, path: 'load' }) };
    }
    if ('note' in value) {
      readString(readObject(value, place, ['note']).note, placeIn(place, 'note'));
      return { kind: 'note' };
    }
  }
  throw new RecordingError('UNKNOWN_LINE', `line ${line}: not a line of a memblock recording`, {
    line,
    value,
  });
}

/** Makes one call and compares its result and the state after it. */
function replayCall(
  memblock: Memblock,
  step: Step & { kind: 'call' },
  expected: RecordedState,
  operation: number,
  line: number,
): Divergence | null {
  const args = step.args.map((arg) => (typeof arg === 'string' ? arg : JSON.stringify(arg)));
  const where = { operation, line, call: `${step.name}(${args.join(', ')})` };
  try {
    const { expected: theirs, got: ours } = runCall(memblock, step.name, step.args, step.ret, line);
    const difference = compareState(memblock, expected);
    if (theirs !== ours) {
      const context =
        difference === null || difference.array === null
          ? addressContext(memblock, expected, theirs)
          : arrayContext(memblock, difference.array, expected[difference.array], difference.index);
      return { ...where, expected: theirs, got: ours, context };
    }
    if (difference === null) return null;
    const { what, array, index } = difference;
    return {
      ...where,
      expected: `${what} ${difference.expected}`,
      got: difference.got,
      context: array === null ? [] : arrayContext(memblock, array, expected[array], index),
    };
  } catch (error) {
    if (!(error instanceof MemblockError)) throw error;
    const context = addressContext(memblock, expected, '');
    return { ...where, expected: 'a result', got: `${error.code}: ${error.message}`, context };
  }
}

/**
 * Replays a memblock recording: each call's result, and all settings and both arrays after it.
 * Every line counts as understood only if all of it is, also behind the first divergence.
 * @throws RecordingError `UNKNOWN_LINE`, `UNKNOWN_CALL`, `UNKNOWN_FIELD`, `BAD_VALUE`
 */
export function replayMemblock({ lines }: Recording): ReplayOutcome {
  const memblock = new Memblock({ smpCacheBytes: SMP_CACHE_BYTES });
  let expected: RecordedState | null = null;
  let divergence: Divergence | null = null;
  let operations = 0;
  for (const recorded of lines) {
    const step = readStep(recorded);
    const { number: line } = recorded;
    if (step.kind === 'note') continue;
    if (step.kind === 'load') {
      expected = step.state;
      if (divergence === null) load(memblock, expected, line);
      continue;
    }
    operations++;
    if (expected === null) throw badValue({ line, path: 'call' }, 'after a load', step.name);
    expected = step.post ?? expected;
    divergence ??= replayCall(memblock, step, expected, operations, line);
  }
  return { operations, divergence };
}
