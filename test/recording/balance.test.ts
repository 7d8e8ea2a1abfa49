import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { replayBalance } from '../../src/recording/balance.ts';
import { readRecording } from '../../src/recording/reader.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.startsWith('balance-'));
const textOf = (name: string): string => gunzipSync(readFileSync(new URL(name, FOLDER))).toString();

describe('recordings of balance_pgdat', () => {
  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(2));

  test.each(files)('%s', (name) => {
    const { operations, divergence } = replayBalance(readRecording(textOf(name), name));
    expect(divergence).toBeNull();
    expect(operations).toBeGreaterThanOrEqual(15);
  });
});

/** The first line that begins with `start`, changed. */
function spoilt(start: string, change: (line: string) => string) {
  const lines = textOf('balance-01.ndjson.gz').split('\n');
  const index = lines.findIndex((line) => line.startsWith(start));
  const before = lines[index];
  lines[index] = change(before);
  expect(lines[index]).not.toBe(before);
  return { line: index + 1, replay: () => replayBalance(readRecording(lines.join('\n'))) };
}

describe('one changed number is found at its line', () => {
  test('the order that it ended with', () => {
    const { line, replay } = spoilt('["balance_pgdat"', (text) => text.replace(/\d\]$/, '2]'));
    expect(replay().divergence).toMatchObject({ line, expected: '2', got: '0' });
  });

  test('a page of a per-CPU list', () => {
    const { line, replay } = spoilt('{"state"', (text) =>
      text.replace(/("lists":\[\[\d+,\[)(\d+)/, (_, before, pfn) => `${before}${Number(pfn) + 1}`),
    );
    expect(replay().divergence).toMatchObject({ line });
    expect(replay().divergence?.call).toMatch(/^state, zones/);
  });

  test('an event', () => {
    const { line, replay } = spoilt('{"state"', (text) =>
      text.replace(
        /("pgsteal_kswapd":)(\d+)/,
        (_, before, count) => `${before}${Number(count) + 1}`,
      ),
    );
    expect(replay().divergence).toMatchObject({ line, call: 'state, events.pgsteal_kswapd' });
  });

  test('a page of an LRU list', () => {
    const { line, replay } = spoilt('{"lru"', (text) =>
      text.replace(/("active_file":\[\[)(\d+)/, (_, before, pfn) => `${before}${Number(pfn) + 1}`),
    );
    expect(replay().divergence).toMatchObject({ line });
    expect(replay().divergence?.context.length).toBeGreaterThan(0);
  });

  test('more pages at the start', () => {
    const { replay } = spoilt('["balance_pgdat"', (text) => text.replace(/,1,0\]/, ',0,0]'));
    expect(replay().divergence).not.toBeNull();
  });
});

describe('what is not understood is an error', () => {
  test.each<[string, string, (line: string) => string]>([
    ['UNKNOWN_CALL', '["balance_pgdat"', (text) => text.replace('pgdat', 'node')],
    ['BAD_VALUE', '["balance_pgdat"', (text) => text.replace(/,\d\]/, ',11]')],
    ['BAD_VALUE', '["balance_pgdat"', (text) => text.replace(/,\d\]/, ']')],
    ['UNKNOWN_LINE', '{"lru"', (text) => text.replace('"lru"', '"lurk"')],
    ['UNKNOWN_FIELD', '{"lru"', (text) => text.replace('{"lru"', '{"more":1,"lru"')],
    ['UNKNOWN_FIELD', '{"load"', (text) => text.replace('{"load"', '{"more":1,"load"')],
    ['UNKNOWN_LINE', '{"lruLoad"', (text) => text.replace('{"lruLoad"', '{"lru"')],
  ])('%s at %s', (code, start, change) => {
    expect(spoilt(start, change).replay).toThrow(expect.objectContaining({ code }));
  });

  test('lists without the state of the page allocator', () => {
    const lines = textOf('balance-01.ndjson.gz').split('\n');
    const text = lines.toSpliced(1, 1).join('\n');
    expect(() => replayBalance(readRecording(text))).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_LINE' }),
    );
  });
});
