// covers: src/recording/slab-geometry.ts src/recording/slab-merge.ts src/recording/slab-geometry-record.ts src/recording/slab-machine.ts src/recording/slab-state.ts src/recording/kmem-calls.ts src/recording/kmem-create.ts src/recording/kmem-geometry.ts src/recording/kmem-geometry-record.ts src/recording/kmem-merge.ts src/recording/kmem-ops.ts src/recording/kmem-ops-lines.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { replaySlabGeometry } from '../../src/recording/slab-geometry.ts';
import {
  isDebugBuild,
  replayWithOrders,
  requestedFlags,
  slabMaxOrders,
} from '../../src/recording/slab-machine.ts';
import { replaySlabMerge } from '../../src/recording/slab-merge.ts';
import { replaySlabOps } from '../../src/recording/slab-ops.ts';
import type { Recording, RecordingMeta, Replayer } from '../../src/recording/types.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const NAMES = readdirSync(FOLDER).filter((name) => /^slab_.*\.gz$/.test(name));
const REPLAYERS: Readonly<Record<string, Replayer>> = {
  slab_geometry: replaySlabGeometry,
  slab_merge: replaySlabMerge,
  slab_ops: replaySlabOps,
};

function read(name: string): Recording {
  return readRecording(gunzipSync(readFileSync(new URL(name, FOLDER))).toString('utf8'), name);
}

test.each(NAMES)('%s replays without a divergence', (name) => {
  const recording = read(name);
  expect(REPLAYERS[recording.kind](recording)).toEqual({
    operations: recording.lines.length - 1,
    divergence: null,
  });
});

type Change = (value: never) => unknown;

/** The first divergence after the first line that `wanted` picks was changed. */
function divergenceOf(name: string, wanted: (value: unknown) => boolean, change: Change) {
  const recording = read(name);
  const at = recording.lines.findIndex(({ value }) => wanted(value));
  const value = change(structuredClone(recording.lines[at].value) as never);
  const lines = recording.lines.with(at, { ...recording.lines[at], value });
  const { divergence } = REPLAYERS[recording.kind]({ ...recording, lines });
  return { divergence, line: recording.lines[at].number };
}

const isCall = (name: string) => (value: unknown) => Array.isArray(value) && value[0] === name;
const has = (field: string) => (value: unknown) => Object.hasOwn(value as object, field);
const last = (field: string) => {
  let seen = 0;
  return (value: unknown) => has(field)(value) && ++seen === 2;
};

describe('a changed line is found', () => {
  test.each<[string, (value: unknown) => boolean, Change]>([
    ['slab_ops-03.ndjson.gz', isCall('calloc'), (call: number[]) => call.with(5, call[5] + 8)],
    ['slab_ops-03.ndjson.gz', isCall('calloc'), (call: unknown[]) => call.with(5, null)],
    [
      'slab_ops-03.ndjson.gz',
      isCall('calloc_bulk'),
      (call: unknown[]) => call.with(5, (call[5] as number[]).slice(1)),
    ],
    ['slab_ops-03.ndjson.gz', isCall('cfree'), (call: number[]) => call.with(3, call[3] + 1)],
    [
      'slab_ops-03.ndjson.gz',
      has('caches'),
      ({ caches }: { caches: { num: number }[] }) => ({
        caches: [{ ...caches[0], num: caches[0].num - 1 }, ...caches.slice(1)],
      }),
    ],
    [
      'slab_ops-03.ndjson.gz',
      last('cacheState'),
      ({ cacheState }: { cacheState: { nodes: { alien: { avail: number }[] }[] }[] }) => {
        cacheState[0].nodes[1].alien[0].avail += 1;
        return { cacheState };
      },
    ],
    [
      'slab_ops-01.ndjson.gz',
      last('cacheState'),
      ({ cacheState }: { cacheState: { nodes: { partial: { freelist: number[] }[] }[] }[] }) => {
        const { freelist } = cacheState[0].nodes[0].partial[0];
        freelist[freelist.length - 1] ^= 1;
        return { cacheState };
      },
    ],
    [
      'slab_ops-01.ndjson.gz',
      has('state'),
      ({ state }: { state: { zones: { nrFree: number }[] } }) => {
        state.zones[1].nrFree += 1;
        return { state };
      },
    ],
    [
      'slab_merge-01.ndjson.gz',
      (value) => JSON.stringify(value).includes('"mrg-4"'),
      (line: { cache: { refcount: number } }) => ({
        ...line,
        cache: { ...line.cache, refcount: 3 },
      }),
    ],
    [
      'slab_geometry-01.ndjson.gz',
      has('create'),
      (line: { cache: { flags: string } }) => ({ ...line, cache: { ...line.cache, flags: '0x1' } }),
    ],
    ['slab_geometry-01.ndjson.gz', has('create'), (line: object) => ({ ...line, cache: null })],
    [
      'slab_geometry-02.ndjson.gz',
      has('kmalloc'),
      (line: { cache: { limit: number } }) => ({ ...line, cache: { ...line.cache, limit: 1 } }),
    ],
    [
      'slab_geometry-02.ndjson.gz',
      has('kmallocSizes'),
      ({ kmallocSizes }: { kmallocSizes: number[][] }) => ({ kmallocSizes: kmallocSizes.slice(1) }),
    ],
  ])('%s %#', (name, wanted, change) => {
    const { divergence, line } = divergenceOf(name, wanted, change);
    expect(divergence?.line).toBe(line);
  });

  test('with the arrays and lists around it', () => {
    const { divergence } = divergenceOf(
      'slab_ops-03.ndjson.gz',
      isCall('calloc_bulk'),
      (call: unknown[]) => call.with(5, []),
    );
    expect(divergence?.call).toMatch(
      /^calloc_bulk\(ops-\d, gfp=0x[0-9a-f]+, \d+ objects, cpu \d\)$/,
    );
    expect(divergence?.expected).toBe('nothing');
    expect(divergence?.context[0]).toMatch(/^cpu 0: \d+ of \d+: /);
    expect(divergence?.context.join('\n')).toMatch(/node 0 shared: [\s\S]*node 0 alien 1: /);
  });

  test('a wrong free is refused, with the reason', () => {
    const { divergence } = divergenceOf(
      'slab_ops-01.ndjson.gz',
      isCall('cfree'),
      (call: number[]) => call.with(3, 4096),
    );
    expect(divergence).toMatchObject({ expected: 'success' });
    expect(divergence?.got).toMatch(/^KmemError: 0x1000 is in no slab/);
  });
});

describe('lines that are not understood are errors', () => {
  const recording = read('slab_ops-01.ndjson.gz');
  const [load, caches, state] = recording.lines.map(({ value }) => value);
  const ops = (...values: unknown[]) =>
    replaySlabOps({ ...recording, lines: values.map((value, i) => ({ number: i + 2, value })) });

  test.each([
    ['nothing loaded', [caches], 'UNKNOWN_LINE'],
    ['unknown call', [load, caches, ['kalloc', 0, 0]], 'UNKNOWN_CALL'],
    ['unknown cache', [load, caches, ['calloc', 0, 1, 0, -1, null]], 'BAD_VALUE'],
    ['short call', [load, caches, ['calloc', 0, 0, 0, -1]], 'BAD_VALUE'],
    ['unknown line', [load, { weather: 1 }], 'UNKNOWN_LINE'],
    ['two fields', [load, { caches: [], cacheState: [] }], 'UNKNOWN_LINE'],
    ['unknown field', [load, { caches: [{ name: 'x', weather: 1 }] }], 'UNKNOWN_FIELD'],
    ['bytes of half a page', [load, { bytes: { pfn: 1, hex: '00' } }], 'BAD_VALUE'],
    [
      'state field',
      [load, caches, { cacheState: [{ name: 'x', cpus: [], nodes: [{}] }] }],
      'BAD_VALUE',
    ],
  ])('%s', (_, values, code) => {
    expect(() => ops(...values)).toThrow(expect.objectContaining({ code }));
  });

  test('in geometry and merge recordings too', () => {
    const { meta } = recording;
    const geometry = (...values: unknown[]) =>
      replaySlabGeometry({
        kind: 'slab_geometry',
        meta,
        lines: values.map((value, i) => ({ number: i + 2, value })),
      });
    const merge = (...values: unknown[]) =>
      replaySlabMerge({
        kind: 'slab_merge',
        meta,
        lines: values.map((value, i) => ({ number: i + 2, value })),
      });
    const config = { config: { cpus: 1, nodes: 1 } };
    const create = { create: [8, 0, '0x0', false], cache: null };
    expect(() => geometry(create)).toThrow(expect.objectContaining({ code: 'UNKNOWN_LINE' }));
    expect(() => geometry(config, { x: 1 })).toThrow(RecordingError);
    expect(() => geometry(config, { ...create, x: 1 })).toThrow(RecordingError);
    expect(() => merge()).toThrow(RecordingError);
    expect(() => merge(config, { x: 1 })).toThrow(RecordingError);
    expect(() => merge(create)).toThrow(RecordingError);
    expect(() => replaySlabOps({ kind: 'slab_ops', meta: null, lines: [] })).toThrow(
      RecordingError,
    );
  });

  test('bytes are compared where the model wrote them', () => {
    expect(state).toHaveProperty('cacheState');
    const alloc = ['calloc', 0, 0, 0x2800, -1, 48860800];
    const pfn = Math.floor(48860800 / 4096);
    const hex = '00'.repeat(4096);
    // The index array of the new slab was in the object that is handed out first.
    const { divergence } = ops(load, caches, alloc, { bytes: { pfn, hex } });
    expect(divergence?.line).toBe(5);
    expect(divergence?.call).toMatch(/^bytes: byte \d+ of page frame/);
    expect(ops(load, caches, alloc, { bytes: { pfn: 1, hex } }).divergence).toBeNull();
  });
});

describe('what a recording does not say', () => {
  const meta = (memory: string, cmdline = ''): RecordingMeta => ({
    kernel: '6.1.192',
    arch: 'x86_64',
    allocator: 'slab',
    memory,
    cpus: 1,
    hugetlb: true,
    cmdline,
    kind: 'slab_geometry',
  });

  test('the order limit follows from the memory, where that is clear', () => {
    expect(slabMaxOrders(meta('256M'), 0)).toEqual([1]);
    expect(slabMaxOrders(meta('1G'), 0)).toEqual([1]);
    expect(slabMaxOrders(meta('32M'), 0)).toEqual([0]);
    expect(slabMaxOrders(meta('64M'), 0)).toEqual([1, 0]);
    expect(slabMaxOrders(meta('64M'), 8000)).toEqual([0]);
    expect(slabMaxOrders(meta('64M'), 9000)).toEqual([1, 0]);
    expect(slabMaxOrders(meta('64M', 'quiet slab_max_order=3'), 0)).toEqual([3]);
    expect(slabMaxOrders(meta('some'), 0)).toEqual([1, 0]);
    expect(slabMaxOrders(meta('256M', 'mem=48M'), 0)).toEqual([1, 0]);
    expect(slabMaxOrders(meta('256M', 'quiet memmap=100M$64M'), 0)).toEqual([1, 0]);
    expect(slabMaxOrders(meta('256M', 'mem=200M'), 50_000)).toEqual([1]);
  });

  test('where it is not, the one that agrees is taken', () => {
    const found = { operation: 1, line: 2, call: '', expected: '', got: '', context: [] };
    const outcome = (order: number) => ({ operations: 5, divergence: order === 0 ? null : found });
    expect(replayWithOrders([1, 0], outcome).divergence).toBeNull();
    expect(replayWithOrders([1, 2], outcome).divergence).toBe(found);
    expect(replayWithOrders([1], outcome).divergence).toBe(found);
  });

  test('a debug build shows in the flags of its caches', () => {
    const line = (value: unknown) => [{ number: 2, value }];
    expect(isDebugBuild(line({ caches: [{ flags: '0x40002800' }] }))).toBe(true);
    expect(isDebugBuild(line({ create: [], cache: { flags: '0x40002000' } }))).toBe(false);
    expect(isDebugBuild(line(['calloc', 0]))).toBe(false);
    expect(requestedFlags(0x40012c00, true)).toBe(0x2000);
    expect(requestedFlags(0x80020000, false)).toBe(0x20000);
  });
});
