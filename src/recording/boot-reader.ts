import type { BootRegion } from '../boot/types.ts';
import type { E820Entry } from '../e820/types.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readArray,
  readInteger,
  readList,
  readObject,
  readRecord,
  readString,
  readU64,
} from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import type { Recording } from './types.ts';

/** A value and the line that it stands on. */
export interface AtLine<T> {
  /** Line number in the file, from 1. */
  readonly line: number;
  /** What it says. */
  readonly value: T;
}

/** Page frame numbers that set-up found. */
export interface BootPfns {
  /** One past the highest page frame of RAM. */
  readonly maxPfn: number;
  /** The same for the directly mapped part. */
  readonly maxLowPfn: number;
  /** Lowest page frame. */
  readonly minLowPfn: number;
}

/** A recording of kind `boot`, read. */
export interface BootRecording {
  /** Memory lines of the kernel log. */
  readonly dmesg: AtLine<readonly string[]>;
  /** The firmware's table. */
  readonly e820Firmware: AtLine<readonly E820Entry[]>;
  /** The working table after set-up. */
  readonly e820: AtLine<readonly E820Entry[]>;
  /** Regions just before the release. */
  readonly memblock: AtLine<{
    readonly memory: readonly Required<BootRegion>[];
    readonly reserved: readonly Required<BootRegion>[];
  }>;
  /** Page frame numbers. */
  readonly pfns: AtLine<BootPfns>;
  /** Right after the release. */
  readonly afterFreeAll: AtLine<KernelState>;
  /** After boot. */
  readonly booted: AtLine<KernelState>;
}

const FIELDS = [
  'dmesg',
  'e820Firmware',
  'e820',
  'memblock',
  'pfns',
  'afterFreeAll',
  'booted',
] as const;
type FieldName = (typeof FIELDS)[number];

const U32_MAX = 0xffff_ffff;
const LAST_NODE = 1023;

/**
 * Reads the lines of a boot recording; each kind of line occurs once.
 * @throws RecordingError `UNKNOWN_LINE`, `UNKNOWN_FIELD` or `BAD_VALUE`
 */
export function readBootRecording(recording: Recording): BootRecording {
  const values = new Map<FieldName, AtLine<unknown>>();
  for (const { number, value } of recording.lines) {
    const names = Object.keys(readRecord(value, { line: number, path: 'line' }));
    const name = FIELDS.find((field) => names.length === 1 && field === names[0]);
    if (name === undefined || values.has(name)) {
      const message = `line ${number}: not a line of a boot recording, or there twice: ${names}`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: number, names });
    }
    values.set(name, { line: number, value: (value as Record<string, unknown>)[name] });
  }
  function read<T>(name: FieldName, parse: (value: unknown, place: Place) => T): AtLine<T> {
    const at = values.get(name);
    if (at === undefined) {
      const message = `the recording has no ${name}`;
      throw new RecordingError('BAD_VALUE', message, { line: 0, name });
    }
    return { line: at.line, value: parse(at.value, { line: at.line, path: name }) };
  }
  return {
    dmesg: read('dmesg', (value, place) =>
      readList(value, place, (text, at) => readString(text, at)),
    ),
    e820Firmware: read('e820Firmware', readEntries),
    e820: read('e820', readEntries),
    memblock: read('memblock', readMemblock),
    pfns: read('pfns', readPfns),
    afterFreeAll: read('afterFreeAll', (value, { line, path }) =>
      parseKernelState(value, line, path),
    ),
    booted: read('booted', (value, { line, path }) => parseKernelState(value, line, path)),
  };
}

function readEntries(value: unknown, place: Place): readonly E820Entry[] {
  return readList(value, place, (element, at) => {
    const [addr, size, type] = readArray(element, at, 3);
    return {
      addr: readU64(addr, placeIn(at, 0)),
      size: readU64(size, placeIn(at, 1)),
      type: readInteger(type, placeIn(at, 2), 0, U32_MAX),
    };
  });
}

function readMemblock(value: unknown, place: Place): BootRecording['memblock']['value'] {
  const fields = readObject(value, place, ['memory', 'reserved']);
  return {
    memory: readList(fields.memory, placeIn(place, 'memory'), readRegion),
    reserved: readList(fields.reserved, placeIn(place, 'reserved'), readRegion),
  };
}

function readRegion(value: unknown, place: Place): Required<BootRegion> {
  const [base, size, flags, nid] = readArray(value, place, 4);
  return {
    base: readU64(base, placeIn(place, 0)),
    size: readU64(size, placeIn(place, 1)),
    flags: readInteger(flags, placeIn(place, 2), 0, U32_MAX),
    nid: readInteger(nid, placeIn(place, 3), -1, LAST_NODE),
  };
}

function readPfns(value: unknown, place: Place): BootPfns {
  const fields = readObject(value, place, ['maxPfn', 'maxLowPfn', 'minLowPfn']);
  return {
    maxPfn: readInteger(fields.maxPfn, placeIn(place, 'maxPfn')),
    maxLowPfn: readInteger(fields.maxLowPfn, placeIn(place, 'maxLowPfn')),
    minLowPfn: readInteger(fields.minLowPfn, placeIn(place, 'minLowPfn')),
  };
}
