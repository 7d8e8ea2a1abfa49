import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { SHRINK_EMPTY, SHRINK_STOP } from '../../src/reclaim/shrinker.ts';
import type { ShrinkerOptions } from '../../src/reclaim/types.ts';
import { World, type WorldOptions } from './support.ts';

/** A cache whose count stays the same and that frees what it is told. */
function obedient(
  freeable: number,
  asked: number[],
  change: Partial<ShrinkerOptions> = {},
): ShrinkerOptions {
  return {
    name: 'my_scan+0x0/0x40',
    countObjects: () => freeable,
    scanObjects: ({ nrToScan }) => {
      asked.push(nrToScan);
      return nrToScan;
    },
    ...change,
  };
}

function shrink(world: World, priority: number, node = 0): number {
  return world.reclaim.shrinkSlab(Gfp.GFP_KERNEL, node, priority);
}

describe('the arithmetic (spec 4.24)', () => {
  test('E11', () => {
    const asked: number[] = [];
    const world = new World();
    const shrinker = world.reclaim.registerShrinker(obedient(1000, asked));
    expect(shrink(world, 6)).toBe(0);
    expect([...shrinker.nrDeferred]).toEqual([30]);
    expect(shrink(world, 4)).toBe(0);
    expect([...shrinker.nrDeferred]).toEqual([154]);
    expect(shrink(world, 2)).toBe(512);
    expect(asked).toEqual([128, 128, 128, 128]);
    expect([...shrinker.nrDeferred]).toEqual([142]);
    expect(world.event('slabs_scanned')).toBe(512);
  });

  test('E11: a small cache is scanned at once', () => {
    const asked: number[] = [];
    const world = new World();
    const shrinker = world.reclaim.registerShrinker(obedient(50, asked));
    expect(shrink(world, 0)).toBe(100);
    expect(asked).toEqual([100]);
    expect([...shrinker.nrDeferred]).toEqual([0]);
  });

  test('objects that cost nothing: half of them, at any priority', () => {
    const asked: number[] = [];
    const world = new World();
    world.reclaim.registerShrinker(obedient(601, asked, { seeks: 0, batch: 100 }));
    expect(shrink(world, 12)).toBe(300);
    expect(asked).toEqual([100, 100, 100]);
  });

  test('nothing there: no scan, nothing put off, nothing lost', () => {
    const lines: string[] = [];
    const world = new World({ trace: vmscanFtrace((event) => lines.push(event)) });
    for (const count of [0, SHRINK_EMPTY]) {
      const shrinker = world.reclaim.registerShrinker(obedient(count, []));
      shrinker.nrDeferred[0] = 7;
      expect(shrink(world, 0)).toBe(0);
      expect([...shrinker.nrDeferred]).toEqual([7]);
      world.reclaim.unregisterShrinker(shrinker);
    }
    expect(lines).toEqual([]);
  });

  test('a stop puts everything off, at most twice the cache', () => {
    const world = new World();
    const shrinker = world.reclaim.registerShrinker(
      obedient(300, [], { scanObjects: () => SHRINK_STOP }),
    );
    shrinker.nrDeferred[0] = 500;
    expect(shrink(world, 0)).toBe(0);
    expect([...shrinker.nrDeferred]).toEqual([600]);
  });

  test('what was really looked at counts', () => {
    const world = new World();
    const shrinker = world.reclaim.registerShrinker(
      obedient(200, [], {
        scanObjects: (sc) => {
          sc.nrScanned = 64;
          return 1;
        },
      }),
    );
    // 200 objects asked for by 400 / 2: scans while at least a batch is left.
    expect(shrink(world, 0)).toBe(5);
    expect([...shrinker.nrDeferred]).toEqual([80]);
  });

  test('a scan that looked at nothing would repeat forever', () => {
    const world = new World();
    world.reclaim.registerShrinker(
      obedient(200, [], {
        scanObjects: (sc) => {
          sc.nrScanned = 0;
          return 0;
        },
      }),
    );
    expect(() => shrink(world, 0)).toThrow(expect.objectContaining({ code: 'SHRINKER_STUCK' }));
  });

  test('a scan that throws puts off what it did not do', () => {
    const world = new World();
    const shrinker = world.reclaim.registerShrinker(
      obedient(1000, [], {
        scanObjects: () => {
          throw new Error('broken cache');
        },
      }),
    );
    expect(() => shrink(world, 2)).toThrow('broken cache');
    expect([...shrinker.nrDeferred]).toEqual([500]);
  });
});

describe('the registry (spec 4.24)', () => {
  const NODES: WorldOptions = {
    nodes: [
      [0, 0, 16, 0],
      [0, 0, 16, 0],
    ],
    cpuNode: [0, 1],
  };

  test('shrinkers are asked in the order of their registration, with the real node', () => {
    const calls: [string, number][] = [];
    const world = new World(NODES);
    for (const name of ['first', 'second']) {
      world.reclaim.registerShrinker(
        obedient(0, [], {
          name,
          countObjects: ({ nid }) => {
            calls.push([name, nid]);
            return 0;
          },
        }),
      );
    }
    shrink(world, 3, 1);
    expect(calls).toEqual([
      ['first', 1],
      ['second', 1],
    ]);
  });

  test('what is put off is counted per node only for those who ask for it', () => {
    const world = new World(NODES);
    const shared = world.reclaim.registerShrinker(obedient(100, []));
    const aware = world.reclaim.registerShrinker(obedient(100, [], { numaAware: true }));
    shrink(world, 1, 0);
    shrink(world, 2, 1);
    expect([...aware.nrDeferred]).toEqual([0, 50]);
    expect([...shared.nrDeferred]).toEqual([50]);
  });

  test('drop_slab asks again while it pays', () => {
    const world = new World();
    let left = 1000;
    let rounds = 0;
    world.reclaim.registerShrinker({
      name: 'halves',
      countObjects: () => {
        rounds++;
        return left;
      },
      scanObjects: ({ nrToScan }) => {
        const freed = Math.min(nrToScan, Math.ceil(left / 2));
        left -= freed;
        return freed;
      },
    });
    world.reclaim.dropSlab();
    expect(left).toBe(0);
    expect(rounds).toBeGreaterThan(1);
  });

  test('tracepoints', () => {
    const lines: string[] = [];
    const world = new World({
      trace: vmscanFtrace((event, text) => lines.push(`${event}: ${text}`)),
    });
    const shrinker = world.reclaim.registerShrinker(obedient(1000, []));
    shrinker.nrDeferred[0] = 30;
    shrink(world, 4);
    expect(lines).toEqual([
      'mm_shrink_slab_start: my_scan+0x0/0x40 0000000000000001: nid: 0 objects to shrink 30 gfp_flags GFP_KERNEL cache items 1000 delta 124 total_scan 125 priority 4',
      'mm_shrink_slab_end: my_scan+0x0/0x40 0000000000000001: nid: 0 unused scan count 30 new scan count 154 total_scan 125 last shrinker return val 0',
    ]);
  });
});
