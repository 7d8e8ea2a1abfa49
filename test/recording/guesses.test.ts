// covers: src/recording/guesses.ts src/recording/index-pages.ts
import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { Guesses, replayWithGuesses } from '../../src/recording/guesses.ts';
import { IndexPages } from '../../src/recording/index-pages.ts';
import type { ReplayOutcome } from '../../src/recording/types.ts';
import { verifyRecording } from '../../src/recording/verify.ts';
import { TestPages } from '../support/test-pages.ts';
import { type Plan, record } from './recorder.ts';

/** A replay that agrees as far as its guesses are those of a list. */
function replayOf(truth: readonly boolean[], runs: { count: number }) {
  return (guesses: Guesses): ReplayOutcome => {
    runs.count += 1;
    const wrong = truth.findIndex((answer) => guesses.guess(false) !== answer);
    if (wrong < 0) return { operations: truth.length, divergence: null };
    const divergence = {
      operation: wrong + 1,
      line: wrong + 2,
      call: 'guess',
      expected: 'right',
      got: 'wrong',
      context: [],
    };
    return { operations: truth.length, divergence };
  };
}

describe('guesses', () => {
  test('the usual ones are not doubted while all agrees', () => {
    const runs = { count: 0 };
    expect(replayWithGuesses(replayOf([false, false], runs)).divergence).toBeNull();
    expect(runs.count).toBe(1);
  });

  test('are turned round one after another', () => {
    const runs = { count: 0 };
    const truth = [false, true, false, true, true, false];
    expect(replayWithGuesses(replayOf(truth, runs)).divergence).toBeNull();
    expect(runs.count).toBe(4);
  });

  test('where none helps, the outcome is that of the usual ones', () => {
    const stubborn = (guesses: Guesses): ReplayOutcome => {
      const usual = !guesses.guess(false);
      const divergence = replayOf([true], { count: 0 })(new Guesses()).divergence;
      return { operations: usual ? 1 : 2, divergence };
    };
    expect(replayWithGuesses(stubborn).operations).toBe(1);
  });

  test('those of the same place are doubted first, the latest before the others', () => {
    const guesses = new Guesses(new Set([28]));
    const places = [3, 1, 2, 2, ...new Array<number>(20).fill(4), 1, 1, 1, 2, 1];
    for (const place of places) {
      guesses.place = place;
      guesses.guess(false);
    }
    // Number 28 was turned round before; 0 and 3 are the latest of their places, 13 to 23 recent.
    guesses.place = 1;
    const recent = [23, 22, 21, 20, 19, 18, 17, 16, 15, 14, 13];
    expect(guesses.doubtful()).toEqual([26, 25, 24, 27, ...recent, 3, 0]);
  });
});

describe('pages of index arrays off the slab', () => {
  test('come after the pages of the slab, from its node, with what is left of the mask', () => {
    const pages = new TestPages(16, 2);
    const source = new IndexPages(pages, new Guesses(new Set([1])));
    const { allocPages, freePages, nodeOf } = source.pageSource();
    // Not for other caches, and not at the first slab.
    expect(allocPages(0x40a20, 0, 1, 0)).toBe(16);
    source.isOffSlab = true;
    expect(allocPages(0x40a20, 0, 1, 0)).toBe(17);
    expect(pages.requests).toHaveLength(2);
    // spec slab 4.9: GFP_ATOMIC gives 0x242220 for the slab, and the same for a page of kmalloc-32.
    expect(allocPages(0x242220, 1, 1, 3)).toBe(18);
    expect(pages.requests.slice(2)).toEqual([
      { gfp: 0x242220, order: 1, node: 1, cpu: 3, pfn: 18 },
      { gfp: 0x242220, order: 0, node: 1, cpu: 3, pfn: 20 },
    ]);
    freePages(18, 1, 0);
    expect(pages.freed).toEqual([{ pfn: 18, order: 1, cpu: 0 }]);
    expect(nodeOf(18)).toBe(1);
    pages.budget = 0;
    expect(allocPages(0x242220, 0, 1, 0)).toBe(-1);
  });
});

const noop = (): void => undefined;

function planOf(seed: number, plan: Omit<Plan, 'random'>): Plan {
  const source = seededRandom(seed);
  return { ...plan, random: (limit) => source.nextU32() % limit };
}

describe('a replay finds what a recording does not tell', () => {
  test.each([
    ['slab_ops-01.ndjson.gz', 1],
    ['slab_ops-02.ndjson.gz', 2],
    ['slab_ops-03.ndjson.gz', 3],
  ])('SLAB: when a kmalloc cache took a page for index arrays, %s', (base, seed) => {
    const shapes = [{ size: 512, ctor: noop }, { size: 1024, ctor: noop }, { size: 750 }];
    const recording = record(
      planOf(seed, { base, shapes, calls: 6000, takes: () => 56, bulk: 5, ownCaches: true }),
    );
    expect(verifyRecording(recording).divergence).toBeNull();
  });

  test('SLUB: whether a failing bulk call looked at other nodes', () => {
    const shapes = [{ size: 16000 }, { size: 12000 }];
    const takes = (call: number): number => (call % 800 < 500 ? 85 : 25);
    const base = 'slub_ops-03.ndjson.gz';
    const plan = planOf(3, { base, shapes, calls: 1600, takes, bulk: 90, skips: 20 });
    const recording = record(plan);
    const failed = recording.lines.filter(
      ({ value }) => Array.isArray(value) && value[0] === 'calloc_bulk' && value[5].length === 0,
    );
    expect(failed.length).toBeGreaterThan(0);
    expect(verifyRecording(recording).divergence).toBeNull();
  });
});
