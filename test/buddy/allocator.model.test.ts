// covers: src/buddy/hot-path.ts src/buddy/entry-points.ts src/buddy/operations.ts src/buddy/request-slot.ts
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { scaled } from '../support/seed.ts';
import { type Command, type CommandSpace, commandRuns, Reached, run, Twins } from './commands.ts';
import { world } from './world.ts';

// Every run is made by two allocators, with and without short cuts, both of which check all rules of
// spec buddy 6 after every call; the model knows who holds which frame.

const PAGEBLOCK_ORDER = 4;

/** Three small zones on two nodes, three CPUs, pageblocks of 16 pages: every corner is near. */
function smallMachine(traced: boolean) {
  return world({
    zones: [
      { name: 'DMA32', start: 0x40, pages: 64, watermark: [2, 3, 4], free: { M6: [0x40] } },
      { name: 'Normal', start: 0x80, pages: 128, watermark: [8, 10, 12], free: { M7: [0x80] } },
      { node: 1, start: 0x100, pages: 64, watermark: [4, 5, 6], free: { M5: [0x100, 0x120] } },
    ],
    cpuNode: [0, 0, 1],
    pageblockOrder: PAGEBLOCK_ORDER,
    batch: 3,
    high: 12,
    threshold: 4,
    options: { checks: traced ? 'full' : 'basic', ...(traced ? { trace: {} } : {}) },
  });
}

/** One zone, not aligned at either end, order-9 pageblocks, one CPU. */
function oddZone(traced: boolean) {
  return world({
    zones: [
      {
        start: 0x10003,
        pages: 0x7fa,
        watermark: [20, 25, 30],
        free: {
          M9: [0x10200, 0x10400],
          M8: [0x10100],
          M0: [0x10003],
          M2: [0x10004],
          M3: [0x10008],
        },
      },
    ],
    batch: 7,
    high: 28,
    threshold: 10,
    options: { checks: traced ? 'full' : 'basic', ...(traced ? { trace: {} } : {}) },
  });
}

function runAll(make: (traced: boolean) => ReturnType<typeof world>, reached: Reached) {
  return (commands: Command[]): void => {
    const twins = new Twins(make, reached);
    for (const command of commands) {
      run(twins, command);
      twins.check();
      expect(twins.first.checkInvariants()).toEqual([]);
    }
  };
}

describe('the allocator keeps its rules, and its short cuts change nothing', () => {
  const reached = new Reached();

  test('on a small machine with two nodes', () => {
    const space: CommandSpace = {
      firstPfn: 0x40,
      lastPfn: 0x117,
      cpus: 3,
      nodes: 2,
      maxOrder: 7,
      ranges: false,
    };
    fc.assert(fc.property(commandRuns(space, 250), runAll(smallMachine, reached)), {
      numRuns: scaled(150),
    });
  });

  test('on a zone with ragged ends', () => {
    const space: CommandSpace = {
      firstPfn: 0x10003,
      lastPfn: 0x107d0,
      cpus: 1,
      nodes: 1,
      maxOrder: 10,
      ranges: true,
    };
    fc.assert(fc.property(commandRuns(space, 120), runAll(oddZone, reached)), {
      numRuns: scaled(40),
    });
  });

  test('and everything worth reaching was reached', () => {
    const wanted = [
      'no page',
      'nothing free',
      'boosted',
      'reserved',
      'unreserved',
      'other free_factor',
      'bulk of several',
      'list of several',
      'exact',
      'contig',
      'isolated',
      'drained',
      'folded',
      'freed under a reference',
      ...[0, 1, 2, 3, 4, 5, 6, 7].map((order) => `order ${order}`),
    ];
    expect(wanted.filter((what) => !reached.seen.has(what))).toEqual([]);
  });
});
