// covers: src/recording/reclaim.ts src/recording/reclaim-calls.ts src/recording/reclaim-run.ts src/recording/recorded-page-cache.ts src/recording/lru-state.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { readRecording } from '../../src/recording/reader.ts';
import { replayReclaim } from '../../src/recording/reclaim.ts';
import type { Recording } from '../../src/recording/types.ts';

const FOLDER = new URL('../recordings/', import.meta.url);
const files = readdirSync(FOLDER).filter((name) => name.startsWith('reclaim-'));
const textOf = (name: string): string => gunzipSync(readFileSync(new URL(name, FOLDER))).toString();

describe('recordings of the kernel’s LRU lists and scanning', () => {
  test('there are some', () => expect(files.length).toBeGreaterThanOrEqual(5));

  test.each(files)('%s', (name) => {
    const { operations, divergence } = replayReclaim(readRecording(textOf(name), name));
    expect(divergence).toBeNull();
    expect(operations).toBeGreaterThan(300);
  });
});

/** The n-th line that holds `text`, with `change` made in it. */
function spoilt(name: string, text: string, n: number, change: (line: string) => string) {
  const lines = textOf(name).split('\n');
  let left = n;
  const index = lines.findIndex((line) => line.includes(text) && left-- === 0);
  const before = lines[index];
  lines[index] = change(before);
  expect(lines[index]).not.toBe(before);
  const recording = readRecording(lines.join('\n'), name);
  return { line: index + 1, replay: () => replayReclaim(recording) };
}

describe('one changed number is found at its line', () => {
  const plusOne = (pattern: RegExp) => (line: string) =>
    line.replace(pattern, (_, before: string, number: string) => `${before}${Number(number) + 1}`);

  test.each<[string, string, number, RegExp]>([
    ['what a shrinker frees', 'do_shrink_slab', 9, /(\],)(\d+)(?=,\d+\]$)/],
    ['what a shrinker puts off', 'do_shrink_slab', 20, /(,)(\d+)(?=\]$)/],
    ['a scan count', 'get_scan_count', 3, /(\[\d+,\d+,)(\d+)/],
    ['what is decided before a scan', 'get_scan_count', 1, /("mayDeactivate":)(\d)/],
    ['pages scanned', '"shrink_lruvec"', 2, /("nrScanned":)(\d+)/],
    ['pages freed', '"shrink_lruvec"', 4, /("nrReclaimed":)(\d+)/],
    ['pages taken', '"shrink_lruvec"', 1, /("fileTaken":)(\d+)/],
    ['a page of a list', '{"lru"', 3, /("inactive_file":\[\[)(\d+)/],
    ['references of a page', '{"lru"', 4, /("inactive_file":\[\[\d+,\d+,)(\d+)/],
    ['a position', '{"lru"', 5, /("inactive_file":\[\[\d+,\d+,\d+,)(\d+)/],
    ['the clock', '{"lru"', 2, /("nonresidentAge":)(\d+)/],
    ['a counter', '{"lru"', 6, /("nr_file_pages":\[)(\d+)/],
    ['a zone counter', '{"lru"', 7, /("nr_zone_inactive_file":\[)(\d+)/],
    ['leaves of shadows', '{"lru"', 8, /("workingset_nodes":\[)(\d+)/],
    ['a cost', '{"lru"', 1, /("fileCost":)(\d+)/],
  ])('%s', (_, text, n, pattern) => {
    const { line, replay } = spoilt('reclaim-01.ndjson.gz', text, n, plusOne(pattern));
    expect(replay().divergence).toMatchObject({ line });
  });

  test('what shrink_node finds', () => {
    const change = (line: string): string =>
      line.replace('"pgdatDirty":false', '"pgdatDirty":true');
    const { line, replay } = spoilt('reclaim-05.ndjson.gz', '"shrink_node"', 0, change);
    const { divergence } = replay();
    expect(divergence).toMatchObject({ line });
    expect(divergence?.expected).toContain('pgdatDirty=1');
    expect(divergence?.context.join('\n')).toContain('inactive_file from the head: ');
  });

  test('a list in another order', () => {
    const swap = (line: string): string =>
      line.replace(/("active_file":\[)(\[[^\]]*\]),(\[[^\]]*\])/, '$1$3,$2');
    const { line, replay } = spoilt('reclaim-02.ndjson.gz', '{"lru"', 6, swap);
    const { divergence } = replay();
    expect(divergence).toMatchObject({ line });
    expect(divergence?.call).toMatch(/^lru, lists\.active_file\[0\]/);
  });

  test('a page used that was not: the next state shows it', () => {
    const drop = (line: string): string => line.replace(/,\d+\]\]$/, ']]');
    const { replay } = spoilt('reclaim-03.ndjson.gz', '"mark_accessed"', 2, drop);
    expect(replay().divergence).not.toBeNull();
  });
});

test('a second start begins anew', () => {
  const text = textOf('reclaim-03.ndjson.gz').trimEnd().split('\n');
  const body = text.slice(1, -1);
  const recording = readRecording([text[0], ...body, ...body, text.at(-1), ''].join('\n'));
  const { divergence, operations } = replayReclaim(recording);
  expect(divergence).toBeNull();
  expect(operations).toBe(2 * 412);
});

describe('what is not understood is an error', () => {
  const change = (from: string, to: string) => (line: string) => line.replace(from, to);

  test.each<[string, string, (line: string) => string]>([
    ['UNKNOWN_CALL', '"lru_add_drain"', change('lru_add_drain', 'lru_add_drained')],
    ['UNKNOWN_CALL', '"get_page"', change('"get_page"', '7')],
    ['UNKNOWN_LINE', '{"lru"', change('{"lru"', '{"lurk"')],
    ['UNKNOWN_FIELD', '{"lru"', change('"fileCost":', '"fileCosts":')],
    ['UNKNOWN_FIELD', '{"lruLoad"', change('{"lruLoad":', '{"more":1,"lruLoad":')],
    ['UNKNOWN_FIELD', '{"lru"', change('"nr_file_pages"', '"nr_fish_pages"')],
    ['UNKNOWN_FIELD', '{"lru"', change('"DMA32"', '"DMA33"')],
    ['UNKNOWN_FIELD', '"shrink_lruvec"', change('"order":', '"ordre":')],
    ['BAD_VALUE', '"shrink_lruvec"', change('"kswapd":false', '"kswapd":2')],
    ['BAD_VALUE', '"shrink_lruvec"', change('"priority":', '"priority":9')],
    ['BAD_VALUE', '{"file"', change('false', '"no"')],
    ['BAD_VALUE', '{"lru"', change('"nr_file_pages":[', '"nr_file_pages":["x",')],
    ['BAD_VALUE', '{"lruLoad"', change('"lru_add":[]', '"lru_add":[5]')],
    ['BAD_VALUE', '{"lruLoad"', change('"inactive_file":[[', '"inactive_file":[[14400,0,1,1],[')],
    ['BAD_VALUE', '"set_dirty"', change('"set_dirty",', '"set_dirty",-')],
    ['BAD_VALUE', '["lru_add",', change('"lru_add",[[', '"lru_add",[[1,2,3],[')],
    ['BAD_VALUE', '"lru_add_drain"', change('"lru_add_drain"', '"lru_add_drain",0')],
  ])('%s for %s', (code, text, spoil) => {
    const { replay } = spoilt('reclaim-01.ndjson.gz', text, 0, spoil);
    expect(replay).toThrow(expect.objectContaining({ code }));
  });

  test('also after the first divergence', () => {
    const lines = textOf('reclaim-01.ndjson.gz').split('\n');
    const drain = lines.findIndex((line) => line.includes('lru_add_drain'));
    lines[drain] = lines[drain].replace('drain', 'pour');
    lines[1] = lines[1].replace('"freeable":', '"freeable":9');
    expect(() => replayReclaim(readRecording(lines.join('\n')))).toThrow(
      expect.objectContaining({ code: 'UNKNOWN_CALL' }),
    );
  });

  test('calls without a state to start from', () => {
    const text = textOf('reclaim-03.ndjson.gz').split('\n');
    const without = text.filter((line) => !line.startsWith('{"lruLoad"')).join('\n');
    const error = expect.objectContaining({ code: 'UNKNOWN_LINE' });
    expect(() => replayReclaim(readRecording(without))).toThrow(error);
  });
});

describe('writepage of the recorded file (recordings README)', () => {
  const page = (pfn: number, index: number) => [pfn, 4 | 16, 1, index];
  const PFNS = [700, 705, 711, 713];
  const lru = {
    pgdatFlags: 1,
    lruvecFlags: 0,
    kswapdFailures: 0,
    anonCost: 0,
    fileCost: 0,
    nonresidentAge: 0,
    refaults: [0, 0],
    lists: {
      inactive_anon: [],
      active_anon: [],
      inactive_file: PFNS.map(page).toReversed(),
      active_file: [],
      unevictable: [],
    },
    nodeStat: { nr_inactive_file: [4, 0], nr_file_pages: [4, 0] },
    nodeStatThreshold: 0,
    zoneStat: { DMA: { nr_free_pages: [10, 0], nr_zone_inactive_file: [4, 0] } },
    zoneStatThreshold: { DMA: 0 },
    pagevecs: { lru_add: [], lru_deactivate_file: [], lru_deactivate: [], activate: [] },
  };
  const shrink = [
    'shrink_node',
    { priority: 0, nrToReclaim: 32, reclaimIdx: 3, kswapd: true, mayWritepage: true },
    {
      nrScanned: 4,
      nrReclaimed: 2,
      dirty: 4,
      unqueuedDirty: 4,
      congested: 0,
      writeback: 0,
      immediate: 0,
      taken: 4,
      fileTaken: 4,
      pgdatDirty: true,
      pgdatWriteback: false,
      congestedFlag: false,
    },
  ];
  const after = {
    ...lru,
    nonresidentAge: 3,
    fileCost: 1,
    lists: {
      ...lru.lists,
      inactive_file: [[713, 16 | 128, 1, 3]],
      active_file: [[700, 2, 1, 0]],
    },
    nodeStat: {
      nr_inactive_file: [1, 0],
      nr_active_file: [1, 0],
      nr_file_pages: [2, 0],
      nr_vmscan_write: [3, 0],
      nr_writeback: [1, 0],
      nr_written: [1, 0],
    },
    zoneStat: {
      DMA: {
        nr_free_pages: [10, 0],
        nr_zone_inactive_file: [1, 0],
        nr_zone_active_file: [1, 0],
        nr_zone_write_pending: [1, 0],
      },
    },
  };

  function recordingOf(...values: unknown[]): Recording {
    const lines = values.map((value, index) => ({ number: index + 2, value }));
    return { kind: 'reclaim', meta: null, lines };
  }

  test('700 refuses, 705 is clean, 711 is written at once, 713 is being written', () => {
    const { divergence } = replayReclaim(
      recordingOf({ file: { writepage: true } }, { lruLoad: lru }, shrink, { lru: after }),
    );
    expect(divergence).toBeNull();
  });

  test('the end of a write', () => {
    const ended = {
      ...after,
      lists: { ...after.lists, inactive_file: [[713, 0, 2, 3]] },
      nodeStat: { ...after.nodeStat, nr_writeback: [0, 0], nr_written: [2, 0] },
      zoneStat: { DMA: { ...after.zoneStat.DMA, nr_zone_write_pending: [0, 0] } },
    };
    const start = [{ file: { writepage: true } }, { lruLoad: lru }, shrink];
    const end = [['end_writeback', [713]], { lru: ended }];
    expect(replayReclaim(recordingOf(...start, ...end)).divergence).toBeNull();
    const twice = recordingOf(...start, ['end_writeback', [713, 713]]);
    expect(replayReclaim(twice).divergence).toMatchObject({
      line: 5,
      call: 'end_writeback(713, 713)',
      got: expect.stringContaining('ReclaimError'),
    });
  });

  test('kswapd among pages being written: given another round, then met at once, then rotated', () => {
    const counts = (pages: number, found: Record<string, unknown>) => [
      'shrink_node',
      { priority: 0, nrToReclaim: 32, reclaimIdx: 3, kswapd: true, mayWritepage: true },
      {
        ...{ nrScanned: pages, nrReclaimed: 0, dirty: pages, unqueuedDirty: 0, congested: 0 },
        ...{ writeback: 0, immediate: 0, taken: pages, fileTaken: pages },
        ...{ pgdatDirty: true, pgdatWriteback: true, congestedFlag: false },
        ...found,
      },
    ];
    /** Two pages on one list, 713 the older one. */
    const held = (active: boolean, flags: number, age: number, writing = 2) => {
      const both = [719, 713].map((pfn, i) => [pfn, flags, 1, 1 - i]);
      const sizes = { inactive: [active ? 0 : 2, 0], active: [active ? 2 : 0, 0] };
      return {
        ...lru,
        nonresidentAge: age,
        lists: {
          ...lru.lists,
          inactive_file: active ? [] : both,
          active_file: active ? both : [],
        },
        nodeStat: {
          nr_inactive_file: sizes.inactive,
          nr_active_file: sizes.active,
          nr_file_pages: [2, 0],
          nr_writeback: [writing, 0],
          nr_written: [2 - writing, 0],
        },
        zoneStat: {
          DMA: {
            nr_free_pages: [10, 0],
            nr_zone_inactive_file: sizes.inactive,
            nr_zone_active_file: sizes.active,
            nr_zone_write_pending: [writing, 0],
          },
        },
      };
    };
    const { divergence } = replayReclaim(
      recordingOf(
        { lruLoad: { ...held(false, 128, 0), pgdatFlags: 0 } },
        // Both are marked for reclaim and activated: nothing but pages in write-back was taken.
        counts(2, { writeback: 2, pgdatDirty: false }),
        { lru: { ...held(true, 2 | 16 | 128, 2), pgdatFlags: 2 } },
        // Both are deactivated; a pass that takes no file page finds the node dirty.
        counts(0, {}),
        { lru: { ...held(false, 8 | 16 | 128, 2), pgdatFlags: 3 } },
        counts(2, { immediate: 2, congested: 2, congestedFlag: true }),
        { lru: { ...held(true, 2 | 8 | 16 | 128, 4), pgdatFlags: 3, lruvecFlags: 1 } },
        ['end_writeback', [719, 713]],
        ['lru_add_drain'],
        { lru: { ...held(false, 8, 4, 0), pgdatFlags: 3, lruvecFlags: 1 } },
      ),
    );
    expect(divergence).toBeNull();
  });

  test('differences of other CPUs are loaded and stay as they are', () => {
    const meta = {
      kernel: '6.1.192',
      arch: 'x86_64',
      allocator: 'slub',
      memory: '256M',
      cpus: 2,
      hugetlb: true,
      cmdline: '',
      kind: 'reclaim',
    } as const;
    const two = {
      ...lru,
      nodeStat: { nr_inactive_file: [7, 0, -3], nr_file_pages: [4, 0, 0] },
      nodeStatThreshold: 8,
      zoneStat: { DMA: { nr_free_pages: [10, 0, 2], nr_zone_inactive_file: [3, 0, 1] } },
    };
    const count = [
      'get_scan_count',
      0,
      { mayDeactivate: 0, cacheTrimMode: 1, fileIsTiny: 0 },
      [0, 0, 3, 0],
    ];
    const replay = (after: unknown) =>
      replayReclaim({ ...recordingOf({ lruLoad: two }, count, { lru: after }), meta }).divergence;
    expect(replay(two)).toBeNull();
    const other = { ...two, nodeStat: { ...two.nodeStat, nr_inactive_file: [7, 0, -2] } };
    expect(replay(other)).toMatchObject({ call: 'lru, nodeStat.nr_inactive_file[2]' });
  });

  test('a page that the kernel gave away is still in use here', () => {
    const add = ['lru_add', [[713, 9]]];
    const { divergence } = replayReclaim(recordingOf({ lruLoad: lru }, add));
    expect(divergence).toMatchObject({ got: 'Error: page frame 713 is still in use' });
  });
});
