// covers: src/slowpath/stall.ts src/slowpath/errors.ts src/slowpath/each-zone.ts src/slowpath/wake-all-kswapds.ts
import { describe, expect, it } from 'vitest';
import { compactionFtrace, oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { KernelPanicError, type OomHost, StallError } from '../../src/slowpath/index.ts';
import { createOomMm, createOomTask } from '../../src/slowpath/oom-types.ts';
import { type Script, scripted } from './scripted.ts';

const { GFP_KERNEL, GFP_ATOMIC, GFP_NOWAIT, GFP_NOIO, GFP_TRANSHUGE } = Gfp;
const { __GFP_NOFAIL, __GFP_NORETRY, __GFP_RETRY_MAYFAIL, __GFP_THISNODE, __GFP_NOWARN } = Gfp;
const WAKE = ['wake 2', 'wake 6'];

/** A host with one process that dies at once, or never. */
function oneProcess(dies: boolean): OomHost & { readonly killed: number[] } {
  const tasks = [createOomTask({ pid: 10, comm: 'hog', mm: createOomMm({ rssAnon: 100 }) })];
  const killed: number[] = [];
  return {
    tasks,
    killed,
    current: null,
    kill(task) {
      killed.push(task.pid);
      if (dies) tasks.splice(tasks.indexOf(task), 1);
    },
  };
}

describe('__alloc_pages_slowpath (spec slowpath-compaction 4.5)', () => {
  it('example 1: an atomic request makes two attempts, drops its nodemask and is reported', () => {
    const world = scripted({ nodemask: new Uint8Array([1, 0]) });
    expect(world.alloc(GFP_ATOMIC, 2)).toBe(-1);
    expect(world.calls).toEqual(['wake 2', 'try 0xa30', 'wake 2', 'try 0xa30']);
    expect(world.request.nodemask).toBeNull();
    expect(world.log[0]).toBe(
      'swapper/0: page allocation failure: order:2, mode:0xa20(GFP_ATOMIC), nodemask=(null),cpuset=/,mems_allowed=0-1',
    );
    expect(world.log[2]).toBe('Mem-Info:');
  });

  it('a request without reclaim ends after the second attempt', () => {
    const world = scripted();
    expect(world.alloc(GFP_NOWAIT | __GFP_NOWARN, 0)).toBe(-1);
    expect(world.calls).toEqual([...WAKE, 'try 0x850', ...WAKE, 'try 0x850']);
    expect(world.log).toEqual([]);
  });

  it('the first attempt may find a page', () => {
    const world = scripted({ page: (attempt) => (attempt === 1 ? 77 : -1) });
    expect(world.alloc(GFP_KERNEL, 0)).toBe(77);
    expect(world.calls).toEqual([...WAKE, 'try 0x840']);
  });

  it('example 4.33: readahead ends after exactly one reclaim round, unreported', () => {
    const world = scripted({ migratetype: 1, highestZoneidx: 3, freed: () => 3 });
    expect(world.alloc(0x152c4a, 0)).toBe(-1);
    expect(world.calls).toEqual([
      ...[...WAKE, 'try 0x840', ...WAKE, 'try 0x840', 'reclaim 3', 'try 0x840'],
      ...['unreserve', 'drain', 'try 0x840'],
    ]);
    expect(world.log).toEqual([]);
    expect(vmEvent(world.model.vmstat, VmEvent.compact_stall)).toBe(0);
  });

  it('reclaim without progress does not look at the free lists', () => {
    const world = scripted({ migratetype: 1 });
    world.alloc(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN, 0);
    expect(world.calls.slice(-2)).toEqual(['try 0x840', 'reclaim 0']);
  });

  it('reclaim with progress gives a page at the second look', () => {
    const world = scripted({ freed: () => 1, page: (attempt) => (attempt === 4 ? 5 : -1) });
    expect(world.alloc(GFP_KERNEL, 0)).toBe(5);
    expect(world.calls.slice(-4)).toEqual(['try 0x840', 'unreserve', 'drain', 'try 0x840']);
  });

  it('no eligible zone is a failure at once', () => {
    const world = scripted({ zonelist: [] });
    expect(world.alloc(GFP_KERNEL | __GFP_NOWARN, 0)).toBe(-1);
    expect(world.calls).toEqual([]);
  });

  it('PF_MEMALLOC uses the reserves and never reclaims', () => {
    const world = scripted();
    world.task.pfMemalloc = true;
    expect(world.alloc(GFP_KERNEL | __GFP_NOWARN, 4)).toBe(-1);
    expect(world.calls).toEqual([...WAKE, 'try 0x840', ...WAKE, 'try 0x804']);
  });

  it('a request with __GFP_MEMALLOC uses the reserves but reclaims', () => {
    const world = scripted();
    world.alloc(GFP_KERNEL | Gfp.__GFP_MEMALLOC | __GFP_NORETRY | __GFP_NOWARN, 0);
    expect(world.calls.slice(-2)).toEqual(['try 0x804', 'reclaim 0']);
  });

  it('ATOMIC with DIRECT_RECLAIM is complained about once and dropped', () => {
    const seen: number[] = [];
    const world = scripted({
      page: (_attempt, _flags, gfp) => {
        seen.push(gfp);
        return 1;
      },
    });
    world.alloc(GFP_KERNEL | Gfp.__GFP_ATOMIC, 0);
    world.alloc(GFP_KERNEL | Gfp.__GFP_ATOMIC, 0);
    expect(seen).toEqual([GFP_KERNEL, GFP_KERNEL]);
    expect(world.log).toEqual(['WARNING: __GFP_ATOMIC with __GFP_DIRECT_RECLAIM']);
  });
});

describe('costly requests', () => {
  const priorities = (script: Script, gfp: number, order: number): string[] => {
    const lines: string[] = [];
    const trace = compactionFtrace((event, text) => {
      if (event.endsWith('try_to_compact_pages')) lines.push(text.replace(/.*priority=/, ''));
    });
    scripted({ ...script, options: { trace } }).alloc(gfp | __GFP_NOWARN, order);
    return lines;
  };

  it('compact before they reclaim, and once after it', () => {
    expect(priorities({}, GFP_KERNEL, 4)).toEqual(['2', '1']);
    expect(priorities({ migratetype: 1 }, Gfp.GFP_HIGHUSER_MOVABLE, 4)).toEqual(['2', '1']);
  });

  it('order 1 to 3 compact early only if not movable', () => {
    const gfp = GFP_KERNEL | __GFP_NORETRY;
    expect(priorities({}, gfp, 2)).toEqual(['2', '1']);
    expect(priorities({ migratetype: 1 }, gfp, 2)).toEqual(['1']);
    expect(priorities({}, gfp, 0)).toEqual([]);
  });

  it('without __GFP_IO nothing is compacted', () => {
    const world = scripted();
    expect(world.alloc(GFP_NOIO | __GFP_NOWARN, 4)).toBe(-1);
    expect(priorities({}, GFP_NOIO, 4)).toEqual([]);
    expect(world.calls.filter((call) => call.startsWith('reclaim'))).toEqual(['reclaim 0']);
  });

  it('NORETRY gives up when early compaction was skipped', () => {
    const world = scripted({ migratetype: 1 });
    world.alloc(GFP_TRANSHUGE | __GFP_NORETRY | __GFP_NOWARN, 9);
    expect(world.calls).toEqual(['try 0x40']);
  });

  it('NORETRY goes on asynchronously when it was tried, but not with THISNODE', () => {
    // Watermark checks of order 0 pass: compaction runs, and finds nothing in an empty machine.
    const script: Script = { migratetype: 1, watermark: (order) => order === 0 };
    const gfp = GFP_TRANSHUGE | __GFP_NORETRY;
    expect(priorities(script, gfp, 9)).toEqual(['2', '2']);
    expect(priorities(script, gfp | __GFP_THISNODE, 9)).toEqual(['2']);
  });

  it('without RETRY_MAYFAIL reclaim runs once, with it until it is hopeless', () => {
    const rounds = (gfp: number): number => {
      const world = scripted({ freed: () => 1, reclaimable: 500, watermark: () => false });
      expect(world.alloc(gfp | __GFP_NOWARN, 5)).toBe(-1);
      return world.calls.filter((call) => call.startsWith('reclaim')).length;
    };
    expect(rounds(GFP_KERNEL)).toBe(1);
    expect(rounds(GFP_KERNEL | __GFP_RETRY_MAYFAIL)).toBe(1);
  });

  it('RETRY_MAYFAIL: 16 retries for reclaim, 4 for a compaction that succeeds, and no kill', () => {
    const oom = oneProcess(true);
    const world = scripted({
      freed: () => 1,
      reclaimable: 500,
      watermark: (_o, mark) => mark < 110,
      oom,
    });
    expect(world.alloc(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOWARN, 5)).toBe(-1);
    expect(world.calls.filter((call) => call.startsWith('reclaim')).length).toBe(21);
    expect(oom.killed).toEqual([]);
  });
});

describe('example 2a: retries of an order-0 request', () => {
  const run = (reclaimable: number) => {
    const lines: string[] = [];
    const trace = oomFtrace((event, text) => lines.push(`${event}: ${text}`));
    const oom = oneProcess(true);
    const world = scripted({
      reclaimable,
      oom,
      options: { trace },
      watermark: (_order, mark, free) => free > mark + 100,
      page: (_attempt, flags) => (oom.killed.length > 0 && flags === 0x840 ? 9 : -1),
    });
    expect(world.alloc(GFP_KERNEL, 0)).toBe(9);
    const reclaims = world.calls.filter((call) => call.startsWith('reclaim')).length;
    return { world, lines, reclaims };
  };

  it('reclaims 17 times while the zone could pass, then kills', () => {
    const { lines, reclaims, world } = run(300);
    expect(reclaims).toBe(17);
    const loops = lines.map((line) => /no_progress_loops=(\d+)/.exec(line)?.[1]);
    expect(loops.slice(0, 16)).toEqual(Array.from({ length: 16 }, (_, i) => `${i + 1}`));
    expect(world.calls).toContain('unreserve force');
    expect(world.calls.at(-4)).toBe('try 0x42');
  });

  it('kills in the first round when it could not', () => {
    expect(run(100).reclaims).toBe(1);
  });
});

describe('registers after a kill', () => {
  it('the count of rounds without progress starts anew, priorities stay', () => {
    const loops: string[] = [];
    const trace = oomFtrace((event, text) => {
      if (event === 'reclaim_retry_zone') loops.push(text.replace(/.*loops=(\d+).*/, '$1'));
    });
    const oom = oneProcess(false);
    const world = scripted({
      reclaimable: 300,
      oom,
      watermark: (_order, mark, free) => free > mark + 100,
      options: {
        trace,
        hooks: {
          onStall: ({ rounds }) => {
            if (rounds === 2) throw new Error('enough');
          },
        },
      },
    });
    expect(() => world.alloc(GFP_KERNEL, 0)).toThrow('enough');
    const once = Array.from({ length: 16 }, (_, i) => `${i + 1}`);
    expect(loops).toEqual([...once, ...once]);
    expect(oom.killed).toHaveLength(1);
  });
});

describe('OOM state (spec slowpath-compaction 4.10)', () => {
  it('a last look at the high mark may find a page', () => {
    const world = scripted({ page: (_attempt, flags) => (flags === 0x42 ? 3 : -1) });
    expect(world.alloc(GFP_KERNEL, 0)).toBe(3);
  });

  it('the last look has HARDWALL and no DIRECT_RECLAIM', () => {
    let gfp = 0;
    const world = scripted({
      page: (_attempt, flags, mask) => {
        if (flags !== 0x42) return -1;
        gfp = mask;
        return 3;
      },
    });
    world.alloc(GFP_KERNEL, 0);
    expect(gfp).toBe((GFP_KERNEL | Gfp.__GFP_HARDWALL) & ~Gfp.__GFP_DIRECT_RECLAIM);
  });

  it.each<[string, Script, number, (task: { pfDumpcore: boolean }) => void]>([
    ['RETRY_MAYFAIL', {}, __GFP_RETRY_MAYFAIL, () => {}],
    ['THISNODE', {}, __GFP_THISNODE, () => {}],
    ['a low zone', { highestZoneidx: 1 }, 0, () => {}],
    [
      'a core dump',
      {},
      0,
      (task) => {
        task.pfDumpcore = true;
      },
    ],
    ['suspended storage', { options: { hooks: { storageSuspended: () => true } } }, 0, () => {}],
  ])('nobody is killed for %s', (_name, script, gfp, prepare) => {
    const oom = oneProcess(true);
    const world = scripted({ ...script, oom });
    if (script.highestZoneidx === 1)
      world.request.zonelist = world.model.nodes.map((n) => n.zones[1]);
    prepare(world.task);
    expect(world.alloc(GFP_KERNEL | gfp | __GFP_NOWARN, 0)).toBe(-1);
    expect(oom.killed).toEqual([]);
  });

  it('a caller that was chosen before gets its reserve, then gives up', () => {
    const oom = oneProcess(true);
    const world = scripted({ oom });
    world.task.oomVictim = true;
    expect(world.alloc(GFP_KERNEL | __GFP_NOWARN, 0)).toBe(-1);
    expect(world.calls).toContain('try 0x808');
    expect(world.calls).not.toContain('try 0x804');
  });

  it('nobody to kill is a panic', () => {
    const world = scripted();
    expect(() => world.alloc(GFP_KERNEL, 0)).toThrow(KernelPanicError);
    expect(world.log.at(-1)).toBe('Kernel panic - not syncing: System is deadlocked on memory');
  });

  it('an allocation from within the killer waits for it: here, for ever', () => {
    const nested: string[] = [];
    const oom: OomHost = {
      ...oneProcess(true),
      kill() {
        try {
          world.alloc(GFP_KERNEL, 0);
        } catch (error) {
          nested.push((error as StallError).code);
        }
      },
    };
    const world = scripted({ oom, page: () => (nested.length > 0 ? 4 : -1) });
    expect(world.alloc(GFP_KERNEL, 0)).toBe(4);
    expect(nested).toEqual(['WOULD_LOOP']);
    // The nested call did not even look.
    expect(world.calls.filter((call) => call === 'try 0x42')).toHaveLength(1);
  });

  it('a killer that is switched off lets the request fail', () => {
    const world = scripted();
    world.slowPath.oomKillerDisabled = true;
    expect(world.slowPath.oomKillerDisabled).toBe(true);
    expect(world.alloc(GFP_KERNEL | __GFP_NOWARN, 0)).toBe(-1);
  });

  it('a request without __GFP_FS kills nobody and loops: the model says so', () => {
    const oom = oneProcess(true);
    const world = scripted({ oom });
    expect(() => world.alloc(Gfp.GFP_NOFS, 0)).toThrow(StallError);
    expect(oom.killed).toEqual([]);
  });
});

describe('NOFAIL', () => {
  it('gets the reserves in the OOM state: with the cpuset, then without', () => {
    const oom = oneProcess(true);
    const world = scripted({ oom, page: (_attempt, flags) => (flags === 0x4 ? 8 : -1) });
    expect(world.alloc(GFP_KERNEL | __GFP_NOFAIL, 0)).toBe(8);
    expect(world.calls.slice(-3)).toEqual(['try 0x42', 'try 0x44', 'try 0x4']);
  });

  it('gets half the mark where another request gives up', () => {
    const world = scripted({ page: (_attempt, flags) => (flags === 0x20 ? 8 : -1) });
    expect(world.alloc(GFP_KERNEL | __GFP_NOFAIL, 5)).toBe(8);
    expect(world.calls.slice(-3)).toEqual(['reclaim 0', 'try 0x60', 'try 0x20']);
    expect(world.log).toEqual(['WARNING: __GFP_NOFAIL of a costly order']);
  });

  it('goes round with its registers until there is a page', () => {
    const rounds: string[] = [];
    const world = scripted({
      page: (attempt) => (attempt > 12 ? 8 : -1),
      options: { hooks: { onStall: ({ cause, rounds: n }) => rounds.push(`${cause} ${n}`) } },
    });
    expect(world.alloc(GFP_KERNEL | __GFP_NOFAIL | __GFP_NOWARN, 5)).toBe(8);
    expect(rounds).toEqual(['nofail 1', 'nofail 2', 'nofail 3']);
    expect(world.log).toEqual([]);
  });

  it('fails without DIRECT_RECLAIM, with a complaint', () => {
    const world = scripted();
    expect(world.alloc(GFP_NOWAIT | __GFP_NOFAIL, 0)).toBe(-1);
    expect(world.log[0]).toBe('WARNING: __GFP_NOFAIL without __GFP_DIRECT_RECLAIM');
  });

  it('of a PF_MEMALLOC caller would spin: the model says so', () => {
    const world = scripted();
    world.task.pfMemalloc = true;
    expect(() => world.alloc(GFP_KERNEL | __GFP_NOFAIL, 0)).toThrow(StallError);
    expect(world.log).toEqual(['WARNING: __GFP_NOFAIL with PF_MEMALLOC']);
  });

  it('complains when the OOM killer is of no use', () => {
    const world = scripted({ page: (_attempt, flags) => (flags === 0x44 ? 8 : -1) });
    world.slowPath.state.oom.tunables.enabled = false;
    expect(world.alloc(GFP_KERNEL | __GFP_NOFAIL, 0)).toBe(8);
    expect(world.log).toEqual(['WARNING: __GFP_NOFAIL and the OOM killer cannot help']);
  });
});

describe('stalls', () => {
  it('a round that changed nothing is an error with its data', () => {
    const world = scripted();
    world.task.pfMemalloc = true;
    const call = () => world.alloc(GFP_KERNEL | __GFP_NOFAIL | __GFP_NOWARN, 3);
    expect(call).toThrow(expect.objectContaining({ code: 'WOULD_LOOP' }));
    try {
      call();
    } catch (error) {
      expect((error as StallError).data).toMatchObject({ order: 3, cause: 'nofail', rounds: 2 });
    }
  });

  it('a round that changed something is none, up to a thousand', () => {
    let rounds = 0;
    const world = scripted({
      page: () => {
        rounds++;
        world.model.vmstat.zone[0] = rounds;
        return -1;
      },
    });
    world.task.pfMemalloc = true;
    expect(() => world.alloc(GFP_KERNEL | __GFP_NOFAIL | __GFP_NOWARN, 0)).toThrow(StallError);
    expect(rounds).toBeGreaterThan(3000);
  });

  it('reclaim that always promises pages and frees none is noticed', () => {
    const causes = new Set<string>();
    const world = scripted({ freed: () => 5, reclaimable: 10_000 });
    expect(() => world.alloc(GFP_KERNEL, 0)).toThrow(StallError);
    const told = scripted({
      freed: () => 5,
      reclaimable: 10_000,
      options: {
        hooks: {
          onStall: ({ cause }) => {
            causes.add(cause);
            throw new Error('enough');
          },
        },
      },
    });
    expect(() => told.alloc(GFP_KERNEL, 0)).toThrow('enough');
    expect([...causes]).toEqual(['retry']);
  });

  it('PF_MEMALLOC is taken back when reclaim throws', () => {
    const world = scripted({
      freed: () => {
        throw new Error('disk on fire');
      },
    });
    expect(() => world.alloc(GFP_KERNEL, 0)).toThrow('disk on fire');
    expect(world.task.pfMemalloc).toBe(false);
  });
});
