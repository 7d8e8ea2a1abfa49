import { ArgumentError } from '../lib/errors.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readBoolean, readInteger, readObject, readString } from './fields.ts';
import type { RecordedLine, Recording, RecordingMeta } from './types.ts';

/** Fields that the first line of a memblock recording may have: it begins without a `meta` line. */
const MEMBLOCK_FIRST_FIELDS: readonly string[] = ['note', 'load', 'call'];

/**
 * Reads the text of a recording: one JSON value per line, from the `meta` line to the end mark.
 * (Memblock recordings have neither; they end with a complete line.) What the lines between mean
 * is for the replayer of the kind.
 * @param text the text, already unzipped
 * @param name the name of the file, for errors
 * @throws RecordingError `NOT_A_RECORDING`, `BAD_JSON`, `CUT_OFF`, `UNKNOWN_LINE`, or
 * `UNKNOWN_FIELD` and `BAD_VALUE` for the `meta` line; `data.line` is the line number
 */
export function readRecording(text: string, name = 'recording'): Recording {
  if (typeof text !== 'string') {
    throw new ArgumentError('text must be a string: unzip and decode the file first');
  }
  const texts = text.split('\n');
  const complete = texts[texts.length - 1] === '';
  if (complete) texts.pop();
  const first = parseFirst(texts[0] ?? '', name);
  const isMemblock = !Object.hasOwn(first, 'meta');
  const values: unknown[] = [first];
  for (let i = 1; i < texts.length; i++) {
    values.push(parseLine(texts[i], i + 1, i === texts.length - 1 && !complete));
  }
  if (isMemblock) {
    if (!complete) throw cutOff(texts.length);
    return { kind: 'memblock', meta: null, lines: numbered(values, 0, values.length) };
  }
  const meta = parseMeta(first.meta, first);
  if (!isEndMark(values[values.length - 1])) throw cutOff(texts.length);
  for (let i = 1; i < values.length - 1; i++) {
    if (isEndMark(values[i])) throw afterEnd(i + 2);
  }
  return { kind: meta.kind, meta, lines: numbered(values, 1, values.length - 1) };
}

function numbered(values: readonly unknown[], start: number, end: number): RecordedLine[] {
  return values.slice(start, end).map((value, i) => ({ number: start + i + 1, value }));
}

function parseFirst(text: string, name: string): Record<string, unknown> {
  let value: unknown = null;
  try {
    value = JSON.parse(text);
  } catch {
    // Not even JSON: a foreign file, reported below like any other.
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const known = ['meta', ...MEMBLOCK_FIRST_FIELDS];
    if (known.some((field) => Object.hasOwn(value, field))) return value as Record<string, unknown>;
  }
  const data = { line: 1, name };
  throw new RecordingError('NOT_A_RECORDING', `${name} is not a recording: line 1`, data);
}

function parseLine(text: string, line: number, torn: boolean): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (torn) throw cutOff(line);
    const reason = error instanceof Error ? error.message : String(error);
    throw new RecordingError('BAD_JSON', `line ${line}: ${reason}`, { line, reason });
  }
}

function isEndMark(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return (value as { end?: unknown }).end === true && Object.keys(value).length === 1;
}

function cutOff(line: number): RecordingError {
  return new RecordingError('CUT_OFF', `the recording is cut off after line ${line}`, { line });
}

function afterEnd(line: number): RecordingError {
  return new RecordingError('UNKNOWN_LINE', `line ${line}: a line after the end mark`, { line });
}

function parseMeta(value: unknown, line: unknown): RecordingMeta {
  const place: Place = { line: 1, path: 'meta' };
  readObject(line, { line: 1, path: 'line' }, ['meta']);
  const strings = ['kernel', 'arch', 'memory', 'cmdline', 'kind'] as const;
  const fields = readObject(value, place, [...strings, 'allocator', 'cpus', 'hugetlb']);
  const text = (field: (typeof strings)[number]): string =>
    readString(fields[field], placeIn(place, field));
  return {
    kernel: text('kernel'),
    arch: text('arch'),
    allocator: readString(fields.allocator, placeIn(place, 'allocator'), ['slub', 'slab']),
    memory: text('memory'),
    cpus: readInteger(fields.cpus, placeIn(place, 'cpus'), 1),
    hugetlb: readBoolean(fields.hugetlb, placeIn(place, 'hugetlb')),
    cmdline: text('cmdline'),
    kind: text('kind'),
  };
}
