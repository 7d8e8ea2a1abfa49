// covers: src/recording/slub-geometry.ts, src/recording/slub-merge.ts, src/recording/slub-ops.ts, src/recording/slub-state.ts, src/recording/slub-machine.ts, src/recording/written-memory.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import type { Recording, ReplayOutcome } from '../../src/recording/types.ts';
import { verifyRecording } from '../../src/recording/verify.ts';
import { WrittenMemory } from '../../src/recording/written-memory.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.startsWith('slub_'));

function load(name: string): Recording {
  return readRecording(gunzipSync(readFileSync(new URL(name, FOLDER))).toString());
}

/** A copy of a recording with one line replaced. */
function changed(
  recording: Recording,
  pick: (value: unknown) => boolean,
  change: (value: never) => unknown,
): { recording: Recording; line: number } {
  const found = recording.lines.find(({ value }) => pick(value));
  if (found === undefined) throw new Error('no such line');
  const lines = recording.lines.map((line) =>
    line === found
      ? { number: line.number, value: change(structuredClone(line.value) as never) }
      : line,
  );
  return { recording: { ...recording, lines }, line: found.number };
}

test.each(FILES)('%s replays without a divergence', (name) => {
  const { operations, divergence } = verifyRecording(load(name));
  expect(divergence).toBeNull();
  expect(operations).toBeGreaterThan(100);
});

test('there are recordings of every kind', () => {
  const kinds = new Set(FILES.map((name) => name.split('-')[0]));
  expect([...kinds].sort()).toEqual(['slub_geometry', 'slub_merge', 'slub_ops']);
});

function diverges(
  file: string,
  pick: (value: unknown) => boolean,
  change: (value: never) => unknown,
): ReplayOutcome['divergence'] {
  const { recording, line } = changed(load(file), pick, change);
  const { divergence } = verifyRecording(recording);
  expect(divergence?.line).toBe(line);
  return divergence;
}

type Call = [string, number, number, number, number, number];
type Fields = Record<string, never>;
const isCall = (name: string, after = 0) => {
  let seen = 0;
  return (value: unknown): boolean => Array.isArray(value) && value[0] === name && ++seen > after;
};
const hasField = (name: string, after = 0) => {
  let seen = 0;
  return (value: unknown): boolean =>
    !Array.isArray(value) && Object.hasOwn(value as object, name) && ++seen > after;
};

describe('one changed value fails at its line', () => {
  test('the address of an allocation', () => {
    const divergence = diverges(FILES[3], isCall('calloc', 700), (call: Call) => {
      call[5] += 64;
      return call;
    });
    expect(divergence?.call).toMatch(/^calloc\(ops-\d, gfp=0x[0-9a-f]+, cpu 0\)$/);
    expect(divergence?.expected).not.toBe(divergence?.got);
    expect(divergence?.context[0]).toMatch(/^cpu 0: /);
  });

  test('an address of a bulk allocation, and a failed one', () => {
    diverges('slub_ops-02.ndjson.gz', isCall('calloc_bulk', 9), (call: [string, ...number[]]) => {
      (call[5] as unknown as number[])[1] += 8;
      return call;
    });
    diverges(FILES[4], isCall('calloc', 99), (call: Call) => {
      (call as unknown[])[5] = null;
      return call;
    });
  });

  test('a free of what is not allocated', () => {
    const divergence = diverges(FILES[3], isCall('cfree', 50), (call: Call) => {
      call[3] += 1;
      return call;
    });
    expect(divergence).toMatchObject({ expected: 'success' });
    expect(divergence?.got).toMatch(/^KmemError: /);
  });

  test('the state of a cache, of the page allocator, and bytes', () => {
    const file = 'slub_ops-04.ndjson.gz';
    diverges(file, hasField('cacheState', 1), (line: Fields) => {
      const [cache] = line.cacheState as unknown as { nodes: { nrSlabs: number }[] }[];
      cache.nodes[0].nrSlabs++;
      return line;
    });
    diverges(file, hasField('state'), (line: Fields) => {
      (line.state as unknown as { zones: { nrFree: number }[] }).zones[1].nrFree--;
      return line;
    });
    diverges(file, hasField('bytes', 1), (line: Fields) => {
      const bytes = line.bytes as unknown as { hex: string };
      bytes.hex = `77${bytes.hex.slice(2)}`;
      return line;
    });
  });

  test('the shape of a cache', () => {
    diverges('slub_ops-01.ndjson.gz', hasField('caches'), (line: Fields) => {
      (line.caches as unknown as { offset: number }[])[0].offset += 8;
      return line;
    });
    diverges('slub_geometry-02.ndjson.gz', hasField('create', 300), (line: Fields) => {
      (line.cache as unknown as { inuse: number }).inuse += 8;
      return line;
    });
    diverges('slub_geometry-02.ndjson.gz', hasField('kmalloc', 5), (line: Fields) => {
      (line.cache as unknown as { minPartial: number }).minPartial++;
      return line;
    });
    diverges('slub_geometry-01.ndjson.gz', hasField('kmallocSizes'), (line: Fields) => {
      (line.kmallocSizes as unknown as number[][])[3][0]++;
      return line;
    });
    diverges('slub_geometry-01.ndjson.gz', hasField('create', 3), (line: Fields) => {
      (line as unknown as { cache: null }).cache = null;
      return line;
    });
    diverges('slub_merge-01.ndjson.gz', hasField('create', 24), (line: Fields) => {
      (line.cache as unknown as { refcount: number }).refcount++;
      return line;
    });
  });
});

test('what is not understood is an error, never skipped', () => {
  const wrong: [string, unknown, string][] = [
    ['slub_ops-01.ndjson.gz', ['malloc', 0], 'UNKNOWN_CALL'],
    ['slub_ops-01.ndjson.gz', { weather: 1 }, 'UNKNOWN_LINE'],
    ['slub_ops-01.ndjson.gz', { bytes: { pfn: 1, hex: '00' } }, 'BAD_VALUE'],
    ['slub_geometry-01.ndjson.gz', { weather: 1 }, 'UNKNOWN_LINE'],
    ['slub_geometry-01.ndjson.gz', { create: [1, 2, '0x0', false] }, 'BAD_VALUE'],
    ['slub_merge-01.ndjson.gz', { config: { cpus: 1, nodes: 1 } }, 'UNKNOWN_LINE'],
  ];
  for (const [file, value, code] of wrong) {
    const { recording } = changed(load(file), hasFieldOrCall(), () => value);
    expect(() => verifyRecording(recording)).toThrow(RecordingError);
    expect(() => verifyRecording(recording)).toThrow(expect.objectContaining({ code }));
  }
});

/** Any line but the first few, which set the machine up. */
function hasFieldOrCall(): (value: unknown) => boolean {
  let seen = 0;
  return () => ++seen > 5;
}

test('lines before the machine is known are errors', () => {
  const recording = load('slub_ops-01.ndjson.gz');
  for (const lines of [recording.lines.slice(1), []]) {
    const cut = { ...recording, lines };
    if (lines.length === 0) expect(verifyRecording(cut).operations).toBe(0);
    else expect(() => verifyRecording(cut)).toThrow(RecordingError);
  }
  for (const name of ['slub_geometry-01.ndjson.gz', 'slub_merge-01.ndjson.gz']) {
    const other = load(name);
    expect(() => verifyRecording({ ...other, lines: other.lines.slice(1) })).toThrow(
      RecordingError,
    );
    expect(() => verifyRecording({ ...other, meta: null })).toThrow(RecordingError);
  }
});

test('a memory that knows what was written', () => {
  const memory = new WrittenMemory(0x10000);
  memory.fill(0xffe, 4, 0);
  memory.writeU8(0x2000, 1);
  memory.writeU32(0x3000, 0x01020304);
  memory.copy(0x5000, 0x3000, 2);
  const written = [0xffd, 0xffe, 0x1001, 0x1002, 0x2000, 0x2001, 0x3003, 0x3004, 0x5001, 0x5002];
  expect(written.map((at) => memory.isWritten(at))).toEqual([
    false,
    true,
    true,
    false,
    true,
    false,
    true,
    false,
    true,
    false,
  ]);
  expect([memory.readU8(0x3000), memory.readU32(0x3000)]).toEqual([4, 0x01020304]);
  memory.forget(0x3001, 2);
  expect([0x3000, 0x3001, 0x3002, 0x3003].map((at) => memory.isWritten(at))).toEqual([
    true,
    false,
    false,
    true,
  ]);
});
