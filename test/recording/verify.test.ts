import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { formatOutcome, verifyRecording } from '../../src/recording/verify.ts';

test('a replay without divergence is one line', () => {
  expect(formatOutcome('buddy-01.ndjson.gz', { operations: 6000, divergence: null })).toEqual([
    'ok    buddy-01.ndjson.gz  6000 operations, 0 divergences',
  ]);
});

test('a divergence names the operation, the line and the lists around it', () => {
  const divergence = {
    operation: 212,
    line: 213,
    call: 'alloc(gfp=0xdc0, order=1, node 0, cpu 1)',
    expected: 'pfn 4711',
    got: '4712',
    context: ['free[1] expected: 4711 4712', 'free[1] got:      4712'],
  };
  expect(formatOutcome('buddy-01.ndjson.gz', { operations: 6000, divergence })).toEqual([
    'FAIL  buddy-01.ndjson.gz  operation 212 of 6000: alloc(gfp=0xdc0, order=1, node 0, cpu 1): expected pfn 4711, got 4712',
    '      at line 213 of the recording',
    '      free[1] expected: 4711 4712',
    '      free[1] got:      4712',
  ]);
});

test('a kind without a replayer is UNSUPPORTED_KIND', () => {
  const recording = { kind: 'weather', meta: null, lines: [] };
  let error: unknown = null;
  try {
    verifyRecording(recording);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(RecordingError);
  expect(error).toMatchObject({ code: 'UNSUPPORTED_KIND', data: { kind: 'weather' } });
});

const folder = new URL('../recordings/', import.meta.url);
const recordings = readdirSync(folder).filter((name) => name.endsWith('.ndjson.gz'));

test.each(recordings)('%s replays without divergence', (name) => {
  const text = gunzipSync(readFileSync(new URL(name, folder))).toString();
  const outcome = verifyRecording(readRecording(text, name));
  expect(formatOutcome(name, outcome).join('\n')).toMatch(/^ok {4}\S+ {2}\d+ operations/);
});
