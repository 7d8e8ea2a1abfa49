// covers: src/recording/memblock.ts src/recording/memblock-calls.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { replayMemblock } from '../../src/recording/memblock.ts';
import { readRecording } from '../../src/recording/reader.ts';
import type { Recording } from '../../src/recording/types.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.startsWith('memblock-'));
const textOf = (name: string): string => gunzipSync(readFileSync(new URL(name, FOLDER))).toString();

describe('recordings of the kernel’s memblock', () => {
  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(10));

  test.each(files)('%s', (name) => {
    const recording = readRecording(textOf(name), name);
    const { operations, divergence } = replayMemblock(recording);
    expect(divergence).toBeNull();
    expect(operations).toBeGreaterThan(500);
  });
});

const STATE = {
  bottomUp: false,
  currentLimit: '0xffffffffffffffff',
  canResize: false,
  hasMirror: false,
  mirroredKernelcore: false,
  movableNode: false,
  memory: { max: 128, total: '0x0', regions: [] as unknown[] },
  reserved: { max: 128, total: '0x0', regions: [] as unknown[] },
};
const LOADED = {
  ...STATE,
  memory: { max: 128, total: '0x10000', regions: [['0x1000', '0x10000', 0, 1]] },
};

function recordingOf(...values: unknown[]): Recording {
  const lines = values.map((value, index) => ({ number: index + 1, value }));
  return { kind: 'memblock', meta: null, lines };
}

const calls = (...values: unknown[]): Recording =>
  recordingOf({ note: 'test' }, { load: LOADED }, ...values);

describe('one changed number is found at its line', () => {
  test.each([
    ['memblock-p1-s12.ndjson.gz', 300],
    ['memblock-p0-s17.ndjson.gz', 12],
    ['memblock-kernel-tests.ndjson.gz', 900],
  ])('%s after line %i', (name, from) => {
    const lines = textOf(name).split('\n');
    const index = lines.findIndex((text, i) => i >= from && text.includes('"regions":[["0x'));
    // Another digit in the size of the first region: it is the state after the call.
    const at = lines[index].lastIndexOf('"regions":[["0x') + '"regions":[["0x'.length;
    const digit = lines[index][at] === '7' ? '6' : '7';
    lines[index] = lines[index].slice(0, at) + digit + lines[index].slice(at + 1);
    const { divergence } = replayMemblock(readRecording(lines.join('\n'), name));
    expect(divergence).toMatchObject({ line: index + 1 });
    expect(divergence?.call).toMatch(/^\w+\(/);
    expect(divergence?.context.length).toBeGreaterThanOrEqual(4);
  });
});

describe('what a divergence says', () => {
  test('a result', () => {
    const { divergence, operations } = replayMemblock(
      calls(
        { call: 'memblock_is_memory', args: ['0x1000'], ret: true },
        { call: 'memblock_alloc_try_nid', args: ['0x100', '0x40', '0x0', '0x0', 1], ret: '0x1000' },
        { call: 'memblock_is_memory', args: ['0x1000'], ret: true },
      ),
    );
    expect(operations).toBe(3);
    expect(divergence).toEqual({
      operation: 2,
      line: 4,
      call: 'memblock_alloc_try_nid(0x100, 0x40, 0x0, 0x0, 1)',
      expected: '0x1000',
      got: '0x10f00',
      context: [
        'kernel reserved: 0 entries, total 0x0',
        'model  reserved: 1 entries, total 0x100',
        '  [0] [0x10f00, 0x11000) flags 0x0 nid -1',
      ],
    });
  });

  test('a result alone: both arrays near it', () => {
    const { divergence } = replayMemblock(
      calls({ call: 'memblock_end_of_DRAM', args: [], ret: '0x12000' }),
    );
    expect(divergence).toMatchObject({ expected: '0x12000', got: '0x11000' });
    expect(divergence?.context).toEqual([
      'kernel memory: 1 entries, total 0x10000',
      '  [0] [0x1000, 0x11000) flags 0x0 nid 1',
      'model  memory: 1 entries, total 0x10000',
      '  [0] [0x1000, 0x11000) flags 0x0 nid 1',
      'kernel reserved: 0 entries, total 0x0',
      'model  reserved: 0 entries, total 0x0',
    ]);
  });

  test.each<[string, object, string, string]>([
    ['setting', { ...LOADED, bottomUp: true }, 'bottomUp true', 'false'],
    ['limit', { ...LOADED, currentLimit: '0x5' }, 'currentLimit 0x5', '0xffffffffffffffff'],
    [
      'total',
      { ...LOADED, memory: { ...LOADED.memory, total: '0x1' } },
      'memory.total 0x1',
      '0x10000',
    ],
    ['capacity', { ...LOADED, memory: { ...LOADED.memory, max: 256 } }, 'memory.max 256', '128'],
    [
      'entry',
      { ...LOADED, reserved: { max: 128, total: '0x0', regions: [['0x1', '0x1', 0, -1]] } },
      'reserved[0] [0x1, 0x2) flags 0x0 nid -1',
      'none',
    ],
  ])('the state after a call: %s', (_, post, expected, got) => {
    const { divergence } = replayMemblock(
      calls({ call: 'memblock_reserve', args: ['0x0', '0x0'], ret: 0, post }),
    );
    expect(divergence).toMatchObject({ expected, got, line: 3 });
  });

  test('a place where the kernel would have stopped', () => {
    const regions = [
      ['0x1000', '0x1000', 0, -1],
      ['0xfffffffffffff700', '0x8ff', 0, -1],
    ];
    const memory = { max: 128, total: '0x18ff', regions };
    const { divergence } = replayMemblock(
      recordingOf(
        { load: { ...STATE, memory } },
        {
          call: 'memblock_trim_memory',
          args: ['0x1000'],
          ret: null,
          post: {
            ...STATE,
            memory: {
              ...memory,
              regions: [
                ['0x1000', '0x1000', 0, -1],
                ['0x0', '0xfffffffffffff000', 0, -1],
              ],
            },
          },
        },
        { call: 'memblock_mark_nomap', args: ['0x0', '0x0'], ret: 0 },
      ),
    );
    expect(divergence).toMatchObject({ line: 3, expected: 'a result' });
    expect(divergence?.got).toMatch(/^KERNEL_BUG: /);
  });
});

describe('every call is understood', () => {
  const post = (reserved: unknown[], total: string): object => {
    return { ...LOADED, reserved: { max: 128, total, regions: reserved } };
  };
  const top = (size: string): [string, string, number, number] => {
    return [`0x${(0x11000 - Number(size)).toString(16)}`, size, 0, -1];
  };

  test('the front ends that are not in the recordings', () => {
    const first = post([top('0x40')], '0x40');
    const { divergence, operations } = replayMemblock(
      calls(
        { call: 'memblock_bottom_up', args: [], ret: false },
        { call: 'memblock_get_current_limit', args: [], ret: '0xffffffffffffffff' },
        { call: 'memblock_alloc', args: ['0x40', '0x40'], ret: '0x10fc0', post: first },
        { call: 'memblock_alloc_raw', args: ['0x20000', '0x40'], ret: null },
        { call: 'memblock_alloc_from', args: ['0x20000', '0x40', '0x2000'], ret: null },
        { call: 'memblock_alloc_low', args: ['0x20000', '0x40'], ret: null },
        { call: 'memblock_alloc_node', args: ['0x20000', '0x40', 1], ret: null },
        { call: 'memblock_phys_alloc', args: ['0x20000', '0x40'], ret: '0x0' },
        { call: 'memblock_free', args: [null, '0x40'], ret: null },
        { call: 'memblock_mem_limit_remove_map', args: ['0x0'], ret: null },
        { call: 'for_each_mem_range', args: [], ret: [['0x1000', '0x11000', 1]] },
        { call: 'for_each_mem_range_rev', args: [], ret: [['0x1000', '0x11000', 1]] },
        { call: 'for_each_reserved_mem_range', args: [], ret: [['0x10fc0', '0x11000', -1]] },
        { call: 'for_each_mem_pfn_range', args: [-1], ret: [[1, 17, 1]] },
        { call: 'for_each_mem_pfn_range', args: [0], ret: [] },
        {
          call: 'memblock_set_bottom_up',
          args: [true],
          ret: null,
          post: { ...first, bottomUp: true },
        },
      ),
    );
    expect(divergence).toBeNull();
    expect(operations).toBe(16);
  });

  test('alignment 0 is the cache line of the user-space build', () => {
    const call = { call: 'memblock_alloc', args: ['0x20', '0x0'], ret: '0x10fe0' };
    const after = post([top('0x20')], '0x20');
    expect(replayMemblock(calls({ ...call, post: after })).divergence).toBeNull();
  });
});

describe('what is not understood is refused', () => {
  const add = { call: 'memblock_add', args: ['0x0', '0x0'], ret: 0 };
  test.each<[string, unknown, string]>([
    ['a line of another kind', { state: {} }, 'UNKNOWN_LINE'],
    ['a number', 5, 'UNKNOWN_LINE'],
    ['an end mark', { end: true }, 'UNKNOWN_LINE'],
    ['a call', { ...add, call: 'memblock_double_array' }, 'UNKNOWN_CALL'],
    ['a field of a call', { ...add, cpu: 0 }, 'UNKNOWN_FIELD'],
    ['a field of a note', { note: 'x', text: 'y' }, 'UNKNOWN_FIELD'],
    ['a note without text', { note: 1 }, 'BAD_VALUE'],
    ['a field of a state', { load: { ...STATE, hotplug: true } }, 'UNKNOWN_FIELD'],
    ['a state without a field', { load: { ...STATE, hasMirror: undefined } }, 'BAD_VALUE'],
    ['too few arguments', { ...add, args: ['0x0'] }, 'BAD_VALUE'],
    ['too many arguments', { ...add, args: ['0x0', '0x0', 0] }, 'BAD_VALUE'],
    ['an argument of the wrong kind', { ...add, args: [true, '0x0'] }, 'BAD_VALUE'],
    ['no result', { call: 'memblock_add', args: ['0x0', '0x0'] }, 'BAD_VALUE'],
    ['a result of the wrong kind', { ...add, ret: '0x0' }, 'BAD_VALUE'],
    [
      'a result where there is none',
      { call: 'memblock_allow_resize', args: [], ret: 0 },
      'BAD_VALUE',
    ],
    [
      'a range of the wrong length',
      { call: 'for_each_mem_range', args: [], ret: [['0x0', '0x1']] },
      'BAD_VALUE',
    ],
    [
      'a name of an array',
      { call: 'memblock_set_node', args: ['0x0', '0x0', 'mirror', 0], ret: 0 },
      'BAD_VALUE',
    ],
    [
      'a state that no kernel holds',
      { load: { ...STATE, memory: { max: 129, total: '0x0', regions: [] } } },
      'BAD_VALUE',
    ],
    [
      'an entry of the wrong kind',
      { load: { ...STATE, memory: { max: 128, total: '0x0', regions: [['0x0', '0x1', 0]] } } },
      'BAD_VALUE',
    ],
  ])('%s', (_, value, code) => {
    const error = { name: 'RecordingError', code, data: expect.objectContaining({ line: 3 }) };
    expect(() => replayMemblock(calls(value))).toThrow(expect.objectContaining(error));
  });

  test('a call before any state', () => {
    expect(() => replayMemblock(recordingOf(add))).toThrow(
      expect.objectContaining({ code: 'BAD_VALUE', data: expect.objectContaining({ line: 1 }) }),
    );
  });
});
