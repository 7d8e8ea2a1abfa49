import { PAGE_SIZE } from '../lib/units.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readInteger,
  readList,
  readObject,
  readRecord,
  readString,
} from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import { type KmemCall, readKmemCall } from './kmem-calls.ts';
import { readSlubGeometry, type SlubGeometryRecord } from './slub-machine.ts';
import { type CacheRecord, readSlubCacheStates } from './slub-state.ts';
import type { RecordedLine } from './types.ts';

const MAX_PFN = 2 ** 31;

/** A line of a slub_ops recording. */
export type OpsLine =
  | { readonly kind: 'load'; readonly state: KernelState }
  | { readonly kind: 'caches'; readonly caches: readonly SlubGeometryRecord[] }
  | { readonly kind: 'cacheState'; readonly caches: readonly CacheRecord[] }
  | { readonly kind: 'state'; readonly state: KernelState }
  | { readonly kind: 'bytes'; readonly pfn: number; readonly bytes: Uint8Array }
  | { readonly kind: 'call'; readonly call: KmemCall };

/** A numbered line as read. */
export interface NumberedLine {
  /** Line number in the file, from 1. */
  readonly number: number;
  /** What it says. */
  readonly content: OpsLine;
}

/**
 * Reads all lines, so that a foreign one is never passed over.
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function readOpsLines(lines: readonly RecordedLine[]): NumberedLine[] {
  let caches = 0;
  return lines.map(({ number, value }) => {
    const place: Place = { line: number, path: 'line' };
    if (Array.isArray(value)) {
      return { number, content: { kind: 'call', call: readKmemCall(value, place, caches) } };
    }
    const content = readFieldLine(value, place);
    if (content.kind === 'caches') caches = content.caches.length;
    return { number, content };
  });
}

function readFieldLine(line: unknown, place: Place): OpsLine {
  const fields = Object.entries(readRecord(line, place));
  const [name, value] = fields.length === 1 ? fields[0] : ['', null];
  const at = placeIn(place, name);
  switch (name) {
    case 'load':
    case 'state':
      return { kind: name, state: parseKernelState(value, place.line, name) };
    case 'caches':
      return { kind: name, caches: readList(value, at, readSlubGeometry) };
    case 'cacheState':
      return { kind: name, caches: readSlubCacheStates(value, at) };
    case 'bytes': {
      const { pfn, hex } = readObject(value, at, ['pfn', 'hex']);
      return {
        kind: name,
        pfn: readInteger(pfn, placeIn(at, 'pfn'), 0, MAX_PFN),
        bytes: readPageBytes(hex, placeIn(at, 'hex')),
      };
    }
    default: {
      const names = fields.map(([field]) => field).join(', ');
      const message = `line ${place.line}: a line with the fields ${names}`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: place.line });
    }
  }
}

function readPageBytes(value: unknown, place: Place): Uint8Array {
  const text = readString(value, place);
  if (text.length !== PAGE_SIZE * 2 || !/^[0-9a-f]*$/i.test(text)) {
    const message = `line ${place.line}: ${place.path} must be the bytes of a page`;
    throw new RecordingError('BAD_VALUE', message, { ...place });
  }
  return Uint8Array.from({ length: PAGE_SIZE }, (_, i) =>
    Number.parseInt(text.slice(i * 2, i * 2 + 2), 16),
  );
}
