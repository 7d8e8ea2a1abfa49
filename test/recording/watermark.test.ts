import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readRecording } from '../../src/recording/reader.ts';
import type { Recording } from '../../src/recording/types.ts';
import { replayWatermark } from '../../src/recording/watermark.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => /^watermark-.*\.gz$/.test(name));

function read(name: string): Recording {
  return readRecording(gunzipSync(readFileSync(new URL(name, FOLDER))).toString('utf8'), name);
}

test.each(NAMES)('%s replays without a divergence', (name) => {
  const recording = read(name);
  expect(replayWatermark(recording)).toEqual({
    operations: recording.lines.length - 1,
    divergence: null,
  });
});

describe('with a changed line', () => {
  const recording = read('watermark-01.ndjson.gz');
  const [load] = recording.lines;
  const replay = (...values: unknown[]) =>
    replayWatermark({
      ...recording,
      lines: [load, ...values.map((value, i) => ({ number: i + 3, value }))],
    });
  const setup = recording.lines.find(
    ({ value }) => Array.isArray(value) && value[0] === 'setup_per_zone_wmarks',
  )?.value as unknown[];
  const check = recording.lines.find(
    ({ value }) => Array.isArray(value) && value[0] === 'watermark_ok',
  )?.value as unknown[];

  test('the first divergence is reported', () => {
    const zones = structuredClone(setup[3]) as number[][];
    zones[1][4]++;
    const { divergence, operations } = replay(check, [...setup.slice(0, 3), zones], setup);
    expect(operations).toBe(3);
    expect(divergence).toMatchObject({ operation: 2, line: 4 });
    expect(divergence?.call).toContain('setup_per_zone_wmarks(');
    const other = replay([...check.slice(0, 8), !check[8]]).divergence;
    expect(other).toMatchObject({ line: 3, expected: `${!check[8]}`, got: `${check[8]}` });
  });

  test('the tunables are put back between the calls', () => {
    expect(replay(setup, setup).divergence).toBeNull();
  });

  test.each([
    ['an unknown call', ['watermark_good'], 'UNKNOWN_CALL'],
    ['too few arguments', ['watermark_ok', 0], 'BAD_VALUE'],
    ['a foreign zone', ['watermark_ok', 0, 'High', 0, 0, 0, 0, 0, true], 'BAD_VALUE'],
    ['a foreign node', ['watermark_ok', 9, 'DMA', 0, 0, 0, 0, 0, true], 'BAD_VALUE'],
    ['a result that is none', ['watermark_ok', 0, 'DMA', 0, 0, 0, 0, 0, 1], 'BAD_VALUE'],
    [
      'marks of a foreign zone',
      ['setup_per_zone_wmarks', 1, 1, [[0, 'X', 1, 1, 1, 1]]],
      'BAD_VALUE',
    ],
    ['a state in between', { state: {} }, 'UNKNOWN_FIELD'],
  ])('%s is an error', (_, value, code) => {
    expect(() => replay(value)).toThrowError(expect.objectContaining({ code }));
  });

  test('calls before the state is loaded are an error', () => {
    expect(() => replayWatermark({ ...recording, lines: recording.lines.slice(1) })).toThrowError(
      /nothing was loaded/,
    );
  });
});
