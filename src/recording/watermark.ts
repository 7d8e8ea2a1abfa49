import { BuddyState } from '../buddy/state.ts';
import { zoneWatermarkOkFree } from '../buddy/watermark.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { setupPerZoneWmarks } from '../mm/watermark-setup.ts';
import { isPopulated } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readArray,
  readBoolean,
  readInteger,
  readList,
  readObject,
  readString,
} from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import { loadKernelState, zoneOfRecord } from './state-load.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

const NODE_MAX = 1023;
const INT_MAX = 0x7fffffff;

/** The machine under replay. */
interface Machine {
  readonly loaded: KernelState;
  readonly model: MemoryModel;
  readonly buddy: BuddyState;
}

/** One operation, ready to be compared. */
interface Step {
  readonly call: string;
  readonly expected: string;
  readonly got: string;
}

/**
 * Replays a recording of kind `watermark` (recordings README, "watermark-*").
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replayWatermark(recording: Recording): ReplayOutcome {
  let machine: Machine | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const line of recording.lines) {
    const place: Place = { line: line.number, path: 'line' };
    if (!Array.isArray(line.value)) {
      const { load } = readObject(line.value, place, ['load']);
      const loaded = parseKernelState(load, line.number, 'load');
      const model = loadKernelState(loaded);
      machine = { loaded, model, buddy: new BuddyState(model, {}) };
      continue;
    }
    if (machine === null) throw notLoaded(line);
    operations++;
    const step = runCall(machine, line.value, place);
    if (divergence !== null || step.expected === step.got) continue;
    divergence = { ...step, operation: operations, line: line.number, context: [] };
  }
  return { operations, divergence };
}

function notLoaded({ number }: RecordedLine): RecordingError {
  const message = `line ${number}: nothing was loaded before`;
  return new RecordingError('UNKNOWN_LINE', message, { line: number });
}

function runCall(machine: Machine, value: readonly unknown[], place: Place): Step {
  const [name] = value;
  if (name === 'setup_per_zone_wmarks') return runSetup(machine, value, place);
  if (name === 'watermark_ok') return runCheck(machine, value, place);
  const message = `line ${place.line}: unknown call ${String(name)}`;
  throw new RecordingError('UNKNOWN_CALL', message, { line: place.line, value: name });
}

/** Sets both tunables, computes the watermarks, puts the tunables back. */
function runSetup({ loaded, model }: Machine, value: readonly unknown[], place: Place): Step {
  const [, minFree, factor, result] = readArray(value, place, 4);
  const { tunables } = model;
  tunables.minFreeKbytes = readInteger(minFree, placeIn(place, 1), 0, INT_MAX);
  tunables.watermarkScaleFactor = readInteger(factor, placeIn(place, 2), 0, INT_MAX);
  const call = `setup_per_zone_wmarks(${tunables.minFreeKbytes}, ${tunables.watermarkScaleFactor})`;
  const expected = readList(result, placeIn(place, 3), readMarks);
  setupPerZoneWmarks(model);
  tunables.minFreeKbytes = loaded.minFreeKbytes;
  tunables.watermarkScaleFactor = loaded.watermarkScaleFactor;
  const got = model.zones.filter(isPopulated).map((zone) => {
    const [min, low, high] = zone.watermark;
    return [zone.node, ZONE_NAMES[zone.index], zone.managedPages, min, low, high];
  });
  return { call, expected: JSON.stringify(expected), got: JSON.stringify(got) };
}

/** Node, zone, managed pages, min, low and high of one zone. */
function readMarks(value: unknown, place: Place): readonly unknown[] {
  const marks = readArray(value, place, 6);
  readInteger(marks[0], placeIn(place, 0), 0, NODE_MAX);
  readString(marks[1], placeIn(place, 1), ZONE_NAMES);
  for (let i = 2; i < marks.length; i++) readInteger(marks[i], placeIn(place, i));
  return marks;
}

/** __zone_watermark_ok with a given number of free pages. */
function runCheck({ buddy, model }: Machine, value: readonly unknown[], place: Place): Step {
  const args = readArray(value, place, 9);
  const number = (index: number, max: number): number =>
    readInteger(args[index], placeIn(place, index), 0, max);
  const node = number(1, model.nodes.length - 1);
  const name = readString(args[2], placeIn(place, 2), ZONE_NAMES);
  const ok = zoneWatermarkOkFree(
    buddy,
    zoneOfRecord(model, { node, name }),
    number(3, 10),
    number(4, Number.MAX_SAFE_INTEGER),
    number(5, 3),
    number(6, INT_MAX),
    readInteger(args[7], placeIn(place, 7), -INT_MAX, INT_MAX),
  );
  const expected = readBoolean(args[8], placeIn(place, 8));
  return {
    call: `watermark_ok(${args.slice(1, 8).join(', ')})`,
    expected: `${expected}`,
    got: `${ok}`,
  };
}
