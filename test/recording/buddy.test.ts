import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { BuddyAllocator, checkInvariants } from '../../src/buddy/index.ts';
import {
  formatBuddyCall,
  readBuddyCall,
  replayBuddy,
  runBuddyCall,
} from '../../src/recording/buddy.ts';
import { parseKernelState } from '../../src/recording/kernel-state.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { compareKernelState } from '../../src/recording/state-compare.ts';
import { loadKernelState } from '../../src/recording/state-load.ts';
import type { Recording } from '../../src/recording/types.ts';

function recordingOf(name: string): Recording {
  const url = new URL(`../recordings/${name}.ndjson.gz`, import.meta.url);
  return readRecording(gunzipSync(readFileSync(url)).toString(), name);
}

const NAMES = Array.from({ length: 14 }, (_, i) => `buddy-${String(i + 1).padStart(2, '0')}`);

test.each(NAMES)('%s is replayed call by call', (name) => {
  const recording = recordingOf(name);
  expect(replayBuddy(recording)).toEqual({
    operations: recording.lines.length - 1,
    divergence: null,
  });
});

/** The general way: a trace sink keeps the allocator off its short cuts. */
test.each(['buddy-03', 'buddy-07', 'buddy-12', 'buddy-14'])(
  '%s gives the same without short cuts, and all rules hold',
  (name) => {
    let buddy: BuddyAllocator | null = null;
    let calls = 0;
    for (const { value, number } of recordingOf(name).lines) {
      if (Array.isArray(value)) {
        const call = readBuddyCall(value, { line: number, path: 'line' });
        if (buddy === null) throw new Error('nothing was loaded');
        expect(runBuddyCall(buddy, call), `line ${number}`).toEqual(call.result);
        if (++calls % 100 === 0) expect(checkInvariants(buddy.state)).toEqual([]);
        continue;
      }
      const line = value as { load?: unknown; state?: unknown };
      const state = parseKernelState(line.load ?? line.state, number);
      if (buddy === null) {
        buddy = new BuddyAllocator(loadKernelState(state), { trace: {} });
      } else {
        const differs = compareKernelState(buddy.model, { ...state, events: null });
        expect(differs, `line ${number}`).toBeNull();
      }
    }
    expect(calls).toBeGreaterThan(7000);
  },
);

describe('a spoilt recording', () => {
  const recording = recordingOf('buddy-09');
  const spoil = (match: (value: unknown) => boolean, change: (value: unknown[]) => unknown[]) => {
    const at = recording.lines.findIndex(({ value }, i) => i > 500 && match(value));
    const lines = recording.lines.map((line, i) =>
      i === at ? { ...line, value: change([...(line.value as unknown[])]) } : line,
    );
    return { outcome: replayBuddy({ ...recording, lines }), at };
  };
  const isCall =
    (name: string) =>
    (value: unknown): boolean =>
      Array.isArray(value) && value[0] === name;

  test('fails at the line of the page frame that was changed', () => {
    const isPage = (value: unknown): boolean =>
      isCall('alloc')(value) && (value as unknown[])[5] !== null;
    const { outcome, at } = spoil(isPage, (value) => [
      ...value.slice(0, 5),
      (value[5] as number) + 1,
    ]);
    expect(outcome.divergence?.operation).toBe(at);
    expect(outcome.divergence?.line).toBe(recording.lines[at].number);
    expect(outcome.divergence?.context.length).toBeGreaterThan(2);
    expect(outcome.operations).toBe(recording.lines.length - 1);
  });

  test('fails where a page is freed that nobody holds', () => {
    const { outcome, at } = spoil(isCall('free'), (value) => [value[0], value[1], 2 ** 30, 0]);
    expect(outcome.divergence?.operation).toBe(at);
    expect(outcome.divergence?.got).toMatch(/^BuddyError: /);
  });

  test.each([
    [['allocate', 0, 0, 0, 0, 1], 'UNKNOWN_CALL'],
    [['alloc', 0, 0, 0, 0], 'BAD_VALUE'],
    [['alloc', 0, 0, 0, 0, 'x'], 'BAD_VALUE'],
    [['alloc', 0, 0.5, 0, 0, 1], 'BAD_VALUE'],
    [['free', 0, 1], 'BAD_VALUE'],
    [['bulk', 0, 0, 0, 2, [1, 'x']], 'BAD_VALUE'],
    [[7], 'UNKNOWN_CALL'],
  ])('is refused with %j in it', (value, code) => {
    const replace = (): unknown => spoil(isCall('free'), () => value as unknown[]);
    expect(replace).toThrow(expect.objectContaining({ code }));
  });

  test('is refused with a line of another kind, or without a load', () => {
    const [load, ...rest] = recording.lines;
    const strange = { number: 2, value: { lru: {} } };
    const replay = (lines: Recording['lines']) => () => replayBuddy({ ...recording, lines });
    expect(replay([load, strange])).toThrow(expect.objectContaining({ code: 'UNKNOWN_LINE' }));
    expect(replay(rest)).toThrow(expect.objectContaining({ code: 'UNKNOWN_LINE' }));
  });
});

test('calls are named with their arguments', () => {
  const text = (value: unknown[]): string =>
    formatBuddyCall(readBuddyCall(value, { line: 1, path: 'line' }));
  expect(text(['alloc', 1, 0xdc0, 1, 0, null])).toBe('alloc(gfp=0xdc0, order=1, node 0, cpu 1)');
  expect(text(['free', 0, 4711, 2])).toBe('free(4711, order=2, cpu 0)');
  expect(text(['bulk', 0, 0x10, -1, 2, [7, 8]])).toBe('bulk(gfp=0x10, node -1, 2 pages, cpu 0)');
  expect(text(['free_list', 0, [7, 8]])).toBe('free_list(2 pages, cpu 0)');
  expect(text(['exact', 0, 0x10, 5000, 7])).toBe('exact(gfp=0x10, 5000 bytes, cpu 0)');
  expect(text(['free_exact', 0, 7, 5000])).toBe('free_exact(7, 5000 bytes, cpu 0)');
  expect(text(['drain_local', 3])).toBe('drain_local(cpu 3)');
});
