// covers: src/recording/slow-calls.ts src/recording/slow-machine.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, it, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { replaySlow } from '../../src/recording/slow.ts';
import { formatSlowCall } from '../../src/recording/slow-machine.ts';
import type { Recording } from '../../src/recording/types.ts';
import { formatOutcome } from '../../src/recording/verify.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.startsWith('slow-'));
const linesOf = (name: string): string[] =>
  gunzipSync(readFileSync(new URL(name, FOLDER)))
    .toString()
    .split('\n');
const recordingOf = (lines: readonly string[]): Recording => readRecording(lines.join('\n'), 'x');

describe('recordings of a kernel that is short of memory', () => {
  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(7));

  test.each(files)('%s', (name) => {
    const { operations, divergence } = replaySlow(recordingOf(linesOf(name)));
    expect(divergence).toBeNull();
    expect(operations).toBeGreaterThan(300);
  });
});

/** The first recording, whose lines the tests below change. */
const LINES = linesOf('slow-01.ndjson.gz');
const at = (start: string, from = 0): number =>
  LINES.findIndex((line, i) => i >= from && line.startsWith(start));

function changed(index: number, edit: (line: string) => string): Recording {
  const line = edit(LINES[index]);
  expect(line).not.toBe(LINES[index]);
  return cut(LINES.slice(0, index), line);
}

/** A recording that ends after a line. */
function cut(before: readonly string[], line: string): Recording {
  return recordingOf([...before, line, '{"end":true}', '']);
}

const bump = (pattern: RegExp) => (line: string) =>
  line.replace(pattern, (_, before: string, number: string) => `${before}${Number(number) + 1}`);

describe('one changed number is found at its line', () => {
  const compacting = LINES.findIndex((line) => line.includes('"compact_stall"'));
  const reading = LINES.findIndex((line) => /^\["read",\[.*\[\d+,\d+\]/.test(line));
  it.each([
    ['a page frame', at('["alloc"'), /^(\["alloc",0,\d+,\d+,0,)(\d+)/],
    ['an event', compacting, /("compact_migrate_scanned":)(\d+)/],
    ['an event of reclaim', compacting, /("pgsteal_direct":)(\d+)/],
    ['a page that was read', reading, /(\[\d+,)(\d+)(?=\])/],
    ['a free list', at('{"state"'), /("free":\[\[\d+,\d,\[)(\d+)/],
    ['an LRU list', at('{"lru"'), /("inactive_file":\[\[)(\d+)/],
    ['a cached position', at('{"compact"', 40), /("cachedFreePfn":)(\d+)(?!.*cachedFreePfn)/],
    ['a skip hint', at('{"compact"', 40), /("skip":\[)(\d+)/],
    ['a deferral', at('{"compact"', 40), /("considered":)(\d+)/],
  ])('%s', (_name, index, pattern) => {
    const { divergence } = replaySlow(changed(index, bump(pattern)));
    expect(divergence).toMatchObject({ line: index + 1 });
    expect(divergence?.context.length ?? 0).toBeGreaterThanOrEqual(0);
  });

  it('with the lists of the model around it', () => {
    const index = at('["alloc"');
    const outcome = replaySlow(changed(index, bump(/^(\["alloc",0,\d+,\d+,0,)(\d+)/)));
    const text = formatOutcome('slow-01', outcome).join('\n');
    expect(text).toMatch(/FAIL {2}slow-01 {2}operation 1 of \d+: alloc\(gfp=0x102cc0, order=3/);
    expect(text).toContain('compact {"zone":"DMA"');
    expect(text).toContain('node 0 DMA32 order');
  });

  it('a step that read a cached page, or none', () => {
    const gave = changed(reading, (line) => line.replace(/\[(\d+),\d+\]/, '[$1,null]'));
    expect(replaySlow(gave).divergence).toMatchObject({ line: reading + 1 });
    const took = changed(reading, (line) => line.replace(/\[(\d+),\d+\]/, '[$1]'));
    expect(replaySlow(took).divergence).toMatchObject({ line: reading + 1 });
    const already = changed(reading, (line) => line.replace(/\[(\d+)\]/, '[$1,5]'));
    expect(replaySlow(already).divergence).toMatchObject({ line: reading + 1 });
  });

  it('a call that the model refuses', () => {
    const index = at('["free"');
    const { divergence } = replaySlow(changed(index, () => '["free",0,4,3]'));
    expect(divergence).toMatchObject({ line: index + 1, expected: 'no error' });
    expect(divergence?.got).toContain('BuddyError');
  });
});

describe('what is not understood is an error', () => {
  const error = (recording: () => unknown): string => {
    try {
      recording();
      return 'none';
    } catch (thrown) {
      if (!(thrown instanceof RecordingError)) throw thrown;
      return `${thrown.code} ${String(thrown.data.line)}`;
    }
  };
  const index = at('["drain_local"');
  it.each([
    ['["unknown",0]', 'UNKNOWN_CALL'],
    ['["drain_local",0,1]', 'BAD_VALUE'],
    ['["alloc",0,1,11,0,null,{}]', 'BAD_VALUE'],
    ['["alloc",0,1,0,0,null,{"pgfree":"x"}]', 'BAD_VALUE'],
    ['["alloc",0,1,0,0,null,{"pgfree":0}]', 'BAD_VALUE'],
    ['["alloc",0,1,0,0,"x",{}]', 'BAD_VALUE'],
    ['["read",[[]],{}]', 'BAD_VALUE'],
    ['["read",[[1,2,3]],{}]', 'BAD_VALUE'],
    ['["task",{"kthread":2,"rt":0}]', 'BAD_VALUE'],
    ['["task",{"kthread":1,"rt":0,"nice":3}]', 'UNKNOWN_FIELD'],
    ['["lru_add_drain",0]', 'BAD_VALUE'],
    ['["set_dirty",-1]', 'BAD_VALUE'],
    ['["free",0,1]', 'BAD_VALUE'],
    ['{"foreign":1}', 'UNKNOWN_LINE'],
    ['{"lru":{},"state":{}}', 'UNKNOWN_FIELD'],
    ['{"file":{"pages":1}}', 'UNKNOWN_LINE'],
    ['{"compact":[{"zone":"DMA"}]}', 'BAD_VALUE'],
    ['{"compact":[{"zone":"Low"}]}', 'BAD_VALUE'],
  ])('%s', (text, code) => {
    expect(error(() => replaySlow(changed(index, () => text)))).toBe(`${code} ${index + 1}`);
    // Also behind the first divergence.
    const first = at('["alloc"');
    const before = LINES.slice(0, index);
    before[first] = before[first].replace(/^(\["alloc",0,\d+,\d+,0,)\d+/, '$10');
    expect(error(() => replaySlow(cut(before, text)))).toBe(`${code} ${index + 1}`);
  });

  it.each([
    ['a call before all is loaded', 2, '["drain_local",0]'],
    ['nothing loaded', 1, '{"lru":{}}'],
    ['a comparison before all is loaded', 4, '{"state":{}}'],
  ])('%s', (_name, line, text) => {
    const recording = changed(line, () => text);
    expect(error(() => replaySlow(recording))).toMatch(/^(UNKNOWN_LINE|BAD_VALUE) \d+$/);
  });

  // The kernel prints an unsigned 64-bit number: 1 - 512 of a zone that starts at page frame 1.
  it('but a cached position that wrapped is', () => {
    const wrapped = changed(3, (line) =>
      line.replace('"cachedFreePfn":0', '"cachedFreePfn":18446744073709551105'),
    );
    expect(error(() => replaySlow(wrapped))).toBe('none');
  });

  it('a compound page that is not in use, a zone that is not there', () => {
    const compound = changed(5, () => '{"compound":[[3,1]]}');
    expect(error(() => replaySlow(compound))).toBe('BAD_VALUE 6');
    const zone = changed(3, (line) => line.replace('"zone":"DMA32"', '"zone":"Normal"'));
    expect(error(() => replaySlow(zone))).toBe('BAD_VALUE 4');
  });
});

test('calls as text', () => {
  expect(
    [
      { name: 'alloc', cpu: 0, gfp: 0xcc0, order: 1, node: -1, pfn: null, events: {} },
      { name: 'free', cpu: 0, pfn: 7, order: 2 },
      { name: 'drain_local', cpu: 1 },
      { name: 'lru_add_drain' },
      { name: 'set_dirty', pfn: 9 },
      { name: 'task', kthread: true, rt: false },
      { name: 'read', steps: [{ index: 1 }], events: {} },
    ].map((call) => formatSlowCall(call as Parameters<typeof formatSlowCall>[0])),
  ).toEqual([
    'alloc(gfp=0xcc0, order=1, any node, cpu 0)',
    'free(7, order=2, cpu 0)',
    'drain_local(cpu 1)',
    'lru_add_drain()',
    'set_dirty(9)',
    'task(kthread=1, rt=0)',
    'read(1 positions)',
  ]);
});
