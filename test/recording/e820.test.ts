import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import {
  assertInvariants,
  dmesgFirmware,
  parseDmesg,
  readE820Json,
  setupE820,
} from '../../src/e820/index.ts';
import { replayE820 } from '../../src/recording/e820.ts';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import type { Recording } from '../../src/recording/types.ts';

const FOLDER = new URL('../recordings/', import.meta.url);

function read(name: string): Recording {
  return readRecording(gunzipSync(readFileSync(new URL(name, FOLDER))).toString('utf8'), name);
}

const names = (kind: string): string[] =>
  readdirSync(FOLDER).filter((name) => name.startsWith(`${kind}-`) && name.endsWith('.gz'));

/** A recording of the given lines. */
function lines(...values: unknown[]): Recording {
  return {
    kind: 'e820',
    meta: null,
    lines: values.map((value, i) => ({ number: i + 2, value: structuredClone(value) })),
  };
}

describe('recordings of the kernel', () => {
  it.each(names('e820'))('%s replays without a divergence', (name) => {
    const recording = read(name);
    const outcome = replayE820(recording);
    expect(outcome.divergence).toBeNull();
    const tables = recording.lines.filter(({ value }) => Object.hasOwn(value as object, 'table'));
    expect(outcome.operations).toBe(recording.lines.length - tables.length);
    expect(outcome.operations).toBeGreaterThan(1000);
  });

  it.each(names('boot'))(
    '%s: the set-up gives the recorded tables, ends of RAM and lines',
    (name) => {
      const recording = read(name);
      const fields = Object.assign({}, ...recording.lines.map(({ value }) => value)) as Record<
        string,
        unknown
      >;
      const find = (field: string): unknown => fields[field];
      const dmesg = find('dmesg') as string[];
      const firmware = { entries: readE820Json(find('e820Firmware')) };
      const { state, log } = setupE820({ firmware, cmdline: recording.meta?.cmdline ?? '' });
      expect(state.tableFirmware.entries).toEqual(firmware.entries);
      expect(state.table.entries).toEqual(readE820Json(find('e820')));
      // The recorded maxLowPfn is the one after the direct mapping was built: maxPfn.
      expect(find('pfns')).toMatchObject({ maxPfn: state.maxPfn, maxLowPfn: state.maxPfn });
      const ours = log.filter(({ level }) => level <= 6).map(({ text }) => text);
      const theirs = dmesg.filter((line) =>
        /^(?:BIOS-|user|extended|reserve|modified|last_pfn)/.test(line),
      );
      expect(ours).toEqual(theirs);
      // And from the log alone.
      expect(dmesgFirmware(parseDmesg(dmesg.join('\n'))).entries).toEqual(firmware.entries);
      assertInvariants(state);
    },
  );
});

describe('a recording with one number changed', () => {
  const original = read('e820-01.ndjson.gz');

  /** Paths of all numbers of a JSON value. */
  function numbersOf(value: unknown, path: (string | number)[] = []): (string | number)[][] {
    if (Array.isArray(value)) return value.flatMap((v, i) => numbersOf(v, [...path, i]));
    if (typeof value === 'object' && value !== null) {
      return Object.entries(value).flatMap(([key, v]) => numbersOf(v, [...path, key]));
    }
    const isNumber = typeof value === 'number' || (typeof value === 'string' && /^0x/.test(value));
    return isNumber ? [path] : [];
  }

  function changed(line: number, path: (string | number)[]): Recording {
    const copy = structuredClone(original.lines[line]);
    let parent = copy as unknown as Record<string | number, unknown>;
    for (const key of ['value', ...path.slice(0, -1)]) parent = parent[key] as typeof parent;
    const key = path[path.length - 1];
    const old = parent[key];
    parent[key] =
      typeof old === 'number' ? old + 1 : `0x${(BigInt(old as string) + 1n).toString(16)}`;
    // From the table that the line works on: replaying all lines before it each time is slow.
    const isTable = ({ value }: { value: unknown }): boolean =>
      Object.hasOwn(value as object, 'table');
    const start = original.lines.slice(0, line).findLastIndex(isTable);
    return { ...original, lines: [...original.lines.slice(Math.max(start, 0), line), copy] };
  }

  it('diverges at that line, for every number that the kernel gave there', () => {
    let checked = 0;
    for (let line = 0; line < original.lines.length; line += 11) {
      const { value, number } = original.lines[line];
      for (const path of numbersOf(value)) {
        if (!['ret', 'result', 'post', 'endOfRam'].includes(String(path[0]))) continue;
        let outcome: ReturnType<typeof replayE820> | null = null;
        try {
          outcome = replayE820(changed(line, path));
        } catch (error) {
          // A result beyond what the format allows, such as 1 for 0 or -1.
          expect(error).toMatchObject({ code: 'BAD_VALUE', data: { line: number } });
          continue;
        }
        expect(outcome.divergence?.line).toBe(number);
        checked++;
      }
    }
    expect(checked).toBeGreaterThan(1000);
  });

  it('is found in the whole recording too', () => {
    const line = original.lines.length - 10;
    const at = original.lines.findIndex(
      ({ value }, i) => i >= line && Object.hasOwn(value as object, 'post'),
    );
    const { lines: cut } = changed(at, ['post', 0, 1]);
    const whole = { ...original, lines: original.lines.with(at, cut[cut.length - 1]) };
    const { operations, divergence } = replayE820(whole);
    expect(divergence?.line).toBe(original.lines[at].number);
    expect(operations).toBe(replayE820(original).operations);
  });

  it('shows the call, both results, and both tables around the place', () => {
    const line = original.lines.findIndex(
      ({ value }) => (value as { call?: string }).call === 'range_update',
    );
    const { divergence } = replayE820(changed(line, ['post', 2, 1]));
    expect(divergence).toMatchObject({ line: original.lines[line].number });
    expect(divergence?.call).toMatch(/^range_update\(0x[0-9a-f]+, 0x[0-9a-f]+, \d+, \d+\)$/);
    expect(divergence?.expected).toMatch(/^entry 2 0x[0-9a-f]+\+0x[0-9a-f]+ \d+$/);
    expect(divergence?.got).not.toBe(divergence?.expected);
    expect(divergence?.context).toHaveLength(2);
    expect(divergence?.context[0]).toMatch(/^expected table, entries 0 on of \d+: 0x/);
    expect(divergence?.context[1]).toMatch(/^our table, entries 0 on of \d+: 0x/);
  });

  it('counts operations up to the divergence, and goes on from the kernel table', () => {
    const add = {
      call: 'range_add',
      args: ['0x1000', '0x1000', 1],
      post: [['0x1000', '0x1000', 1]],
    };
    const bad = { ...add, post: [['0x1000', '0x2000', 1]] };
    const outcome = replayE820(lines({ table: [] }, add, { endOfRam: [2, 2] }, { table: [] }, bad));
    expect(outcome.operations).toBe(3);
    expect(outcome.divergence).toMatchObject({ operation: 3, line: 6 });
    const missing = replayE820(lines({ table: [] }, { ...add, post: [] }));
    expect(missing.divergence).toMatchObject({ expected: 'entry 0 missing' });
  });
});

describe('what the replayer does not understand', () => {
  const call = { call: 'range_add', args: ['0x0', '0x1', 1], post: [['0x0', '0x1', 1]] };
  it.each([
    ['a line', { state: {} }, 'UNKNOWN_LINE'],
    ['no object', 5, 'UNKNOWN_LINE'],
    ['a list', [1, 2], 'UNKNOWN_LINE'],
    ['a field', { ...call, extra: 1 }, 'UNKNOWN_FIELD'],
    ['a field of a table', { table: [], extra: 1 }, 'UNKNOWN_FIELD'],
    ['a call', { ...call, call: 'range_split' }, 'UNKNOWN_CALL'],
    ['a call without a name', { ...call, call: 7 }, 'UNKNOWN_CALL'],
    ['a missing field', { call: 'range_add', args: ['0x0', '0x1', 1] }, 'BAD_VALUE'],
    ['a result too many', { ...call, ret: 0 }, 'BAD_VALUE'],
    ['a missing result', { call: 'update_table', args: [], post: [] }, 'BAD_VALUE'],
    ['another result', { call: 'update_table', args: [], ret: 5, post: [] }, 'BAD_VALUE'],
    ['too few arguments', { ...call, args: ['0x0', '0x1'] }, 'BAD_VALUE'],
    ['too many arguments', { ...call, args: ['0x0', '0x1', 1, 1] }, 'BAD_VALUE'],
    ['an address', { ...call, args: ['0x', '0x1', 1] }, 'BAD_VALUE'],
    ['a type', { ...call, args: ['0x0', '0x1', -1] }, 'BAD_VALUE'],
    [
      'a flag',
      { call: 'range_remove', args: ['0x0', '0x1', 1, 1], ret: '0x0', post: [] },
      'BAD_VALUE',
    ],
    [
      'a query',
      { call: 'mapped', args: ['0x0', '0x1', 1], ret: [true, false], post: [] },
      'BAD_VALUE',
    ],
    ['an entry', { table: [['0x0', '0x1']] }, 'BAD_VALUE'],
    ['ends of RAM', { endOfRam: [1] }, 'BAD_VALUE'],
    ['a sanitising', { updateTable: [], ret: 0 }, 'BAD_VALUE'],
  ])('%s', (_, value, code) => {
    try {
      replayE820(lines({ table: [] }, value));
    } catch (error) {
      expect(error).toBeInstanceOf(RecordingError);
      expect(error).toMatchObject({ code, data: { line: 3 } });
      return;
    }
    expect.fail('nothing was thrown');
  });

  it('is never passed over after a divergence', () => {
    const bad = { ...call, post: [] };
    expect(() => replayE820(lines({ table: [] }, bad, { state: {} }))).toThrow(RecordingError);
  });
});
