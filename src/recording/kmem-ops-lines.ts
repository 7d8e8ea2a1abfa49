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
import type { GeometryReader } from './kmem-geometry.ts';
import type { NamedGeometry } from './kmem-geometry-record.ts';
import type { RecordedLine } from './types.ts';

const MAX_PFN = 2 ** 31;

/** How the geometries and contents of an allocator's caches are read. */
export interface OpsFormat<G extends NamedGeometry> {
  /** Reads the geometry of a cache. */
  readonly geometry: GeometryReader<G>;
  /** Reads the value of a `cacheState` line. */
  readonly cacheStates: (value: unknown, place: Place) => readonly unknown[];
}

/** What a line of a slab_ops or slub_ops recording says. */
export type OpsLine<G extends NamedGeometry> =
  | { readonly kind: 'load'; readonly state: KernelState }
  | { readonly kind: 'caches'; readonly caches: readonly G[] }
  | { readonly kind: 'cacheState'; readonly caches: readonly unknown[] }
  | { readonly kind: 'state'; readonly state: KernelState }
  | { readonly kind: 'bytes'; readonly pfn: number; readonly bytes: Uint8Array }
  | { readonly kind: 'call'; readonly call: KmemCall };

/** A numbered line as read. */
export interface NumberedLine<G extends NamedGeometry> {
  /** Line number in the file, from 1. */
  readonly number: number;
  /** What it says. */
  readonly content: OpsLine<G>;
}

/**
 * Reads all lines, so that a foreign one is never passed over.
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function readOpsLines<G extends NamedGeometry>(
  lines: readonly RecordedLine[],
  format: OpsFormat<G>,
): NumberedLine<G>[] {
  let caches = 0;
  return lines.map(({ number, value }) => {
    const place: Place = { line: number, path: 'line' };
    if (Array.isArray(value)) {
      return { number, content: { kind: 'call', call: readKmemCall(value, place, caches) } };
    }
    const content = readFieldLine(value, place, format);
    if (content.kind === 'caches') caches = content.caches.length;
    return { number, content };
  });
}

function readFieldLine<G extends NamedGeometry>(
  line: unknown,
  place: Place,
  format: OpsFormat<G>,
): OpsLine<G> {
  const fields = Object.entries(readRecord(line, place));
  const [name, value] = fields.length === 1 ? fields[0] : ['', null];
  const at = placeIn(place, name);
  switch (name) {
    case 'load':
    case 'state':
      return { kind: name, state: parseKernelState(value, place.line, name) };
    case 'caches':
      return { kind: name, caches: readList(value, at, format.geometry) };
    case 'cacheState':
      return { kind: name, caches: format.cacheStates(value, at) };
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
