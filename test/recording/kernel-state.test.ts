import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { parseKernelState } from '../../src/recording/kernel-state.ts';

const directory = new URL('../recordings/', import.meta.url);

/** All state objects of the small recordings, with the field that holds them. */
function recordedStates(prefix: string): { file: string; name: string; value: unknown }[] {
  const files = readdirSync(directory).filter((f) => f.startsWith(prefix));
  return files.flatMap((file) => {
    const text = gunzipSync(readFileSync(new URL(file, directory))).toString();
    const states = text.match(/^\{"(load|state|afterFreeAll|booted)":.*$/gm) ?? [];
    return states.map((line) => {
      const [[name, value]] = Object.entries(JSON.parse(line)) as [[string, unknown]];
      return { file, name, value };
    });
  });
}

/** A state that is right, as far as the format goes. */
function plainState(): Record<string, unknown> {
  return structuredClone(recordedStates('boot-01')[1]?.value) as Record<string, unknown>;
}

function codeOf(run: () => unknown): [string, unknown] {
  try {
    run();
  } catch (error) {
    if (error instanceof RecordingError) return [error.code, error.data.path];
    throw error;
  }
  return ['no error', undefined];
}

describe('parseKernelState', () => {
  test.each(['boot-', 'buddy-', 'watermark-', 'slub_ops-', 'slab_ops-'])(
    'understands every state of %s',
    (prefix) => {
      const states = recordedStates(prefix);
      expect(states.length).toBeGreaterThan(0);
      for (const { name, value } of states) {
        const state = parseKernelState(value, 1, name);
        expect(state.events === null).toBe(name === 'afterFreeAll');
      }
    },
  );

  test('keeps every list in its order', () => {
    const state = parseKernelState(plainState(), 7);
    expect(state.nodes[0]).toEqual({
      node: 0,
      startPfn: 1,
      spanned: 16351,
      present: 16254,
      totalreserve: 307,
      kswapdOrder: 0,
      zonelists: [
        [
          { node: 0, zone: 'DMA32' },
          { node: 0, zone: 'DMA' },
        ],
        [
          { node: 0, zone: 'DMA32' },
          { node: 0, zone: 'DMA' },
        ],
      ],
    });
    const dma32 = state.zones[1];
    expect(dma32?.pageblocks.slice(0, 2)).toEqual([
      { count: 14, migratetype: 1 },
      { count: 2, migratetype: 0 },
    ]);
    expect(dma32?.free[1]).toEqual({ order: 0, migratetype: 1, pfns: [7441, 14895] });
    expect(dma32?.pcp).toEqual([
      {
        cpu: 0,
        count: 3,
        high: 141,
        batch: 1,
        freeFactor: 0,
        nrFreeDiff: -1,
        statThreshold: 2,
        lists: [{ pindex: 1, pfns: [7444, 7443, 7442] }],
      },
    ]);
    expect(state.events).toEqual({ pgalloc_dma32: 1066, pgfree: 9359 });
  });

  test('refuses an unknown field and says where', () => {
    const state = plainState();
    const zones = state.zones as Record<string, unknown>[];
    zones[1] = { ...zones[1], colour: 1 };
    expect(codeOf(() => parseKernelState(state, 7, 'load'))).toEqual([
      'UNKNOWN_FIELD',
      'load.zones[1]',
    ]);
  });

  test.each([
    ['a missing field', (s: Record<string, unknown>) => delete s.cpuNode, 'state.cpuNode'],
    ['a fraction', (s: Record<string, unknown>) => (s.minFreeKbytes = 1.5), 'state.minFreeKbytes'],
    ['a foreign zone name', (s: never) => (zone(s).name = 'HighMem'), 'state.zones[0].name'],
    ['two watermarks', (s: never) => (zone(s).watermark = [1, 2]), 'state.zones[0].watermark'],
    [
      'a negative pfn',
      (s: never) => (zone(s).free = [[0, 1, [-1]]]),
      'state.zones[0].free[0][2][0]',
    ],
    ['order 11', (s: never) => (zone(s).free = [[11, 1, [0]]]), 'state.zones[0].free[0][0]'],
    ['one zonelist', (s: never) => (node(s).zonelists = [[]]), 'state.nodes[0].zonelists'],
    ['no object', (s: never) => (list(s, 'zones')[0] = null as never), 'state.zones[0]'],
  ] as [string, (state: Record<string, unknown>) => unknown, string][])(
    'refuses %s',
    (_, spoil, path) => {
      const state = plainState();
      spoil(state);
      expect(codeOf(() => parseKernelState(state, 7))).toEqual(['BAD_VALUE', path]);
    },
  );
});

function list(state: Record<string, unknown>, field: string): Record<string, unknown>[] {
  return state[field] as Record<string, unknown>[];
}

function zone(state: Record<string, unknown>): Record<string, unknown> {
  return list(state, 'zones')[0] ?? {};
}

function node(state: Record<string, unknown>): Record<string, unknown> {
  return list(state, 'nodes')[0] ?? {};
}
