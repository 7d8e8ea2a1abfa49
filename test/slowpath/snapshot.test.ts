import { describe, expect, it } from 'vitest';
import { createOomMm, createOomTask } from '../../src/slowpath/oom-types.ts';
import { restoreState, snapshotState } from '../../src/slowpath/snapshot.ts';
import { createWorld } from './world.ts';

const world = () =>
  createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [8, 10, 12],
    kind: (pfn) => (pfn % 2 === 0 ? 'lru' : 'free'),
  });

describe('snapshot', () => {
  it('is plain data and holds everything beside the model', () => {
    const { slowPath, ctx, zone } = world();
    slowPath.wakeupKcompactd(0, 3, 1);
    slowPath.compactionProactiveness = 33;
    slowPath.compactUnevictableAllowed = 0;
    slowPath.panicOnOom = 1;
    slowPath.oomKillAllocatingTask = 2;
    slowPath.oomDumpTasks = 0;
    slowPath.state.warned.add('something');
    slowPath.state.failureReport.limit.allows(7, () => {});
    Object.assign(ctx.zones[zone.id], { cachedFreePfn: 0x1600, considered: 1, deferShift: 2 });
    ctx.zones[zone.id].cachedMigratePfn[0] = 0x1200;
    const copy = structuredClone(slowPath.snapshot());
    const other = world().slowPath;
    other.restore(copy);
    expect(other.snapshot()).toEqual(copy);
    expect(other.compactionProactiveness).toBe(33);
    expect(other.panicOnOom).toBe(1);
    expect(other.kcompactdState(0)).toBe('running');
    expect(other.state.compaction.zones[zone.id].cachedMigratePfn).toEqual([0x1200, 0]);
    expect(other.state.compaction.zones[zone.id]).toMatchObject({ deferShift: 2 });
  });

  it('a restored machine goes on with the same results', () => {
    const a = world();
    const b = world();
    a.slowPath.compactMemory();
    b.slowPath.compactMemory();
    // Forget what b remembers, then take it from a.
    restoreState(b.slowPath.state, snapshotState(world().slowPath.state));
    restoreState(b.slowPath.state, structuredClone(snapshotState(a.slowPath.state)));
    a.events.length = 0;
    b.events.length = 0;
    const results = [a, b].map((of) => of.buddy.allocPages(0xcc0, 4));
    expect(results[0]).toBe(results[1]);
    expect(a.events).toEqual(b.events);
  });

  it('victims are still reaped in time', () => {
    const clock = { now: 0 };
    const mm = createOomMm({ rssAnon: 50 });
    const tasks = [createOomTask({ pid: 10, comm: 'hog', mm })];
    const oom = { tasks, current: null, kill() {} };
    const make = () =>
      createWorld({
        startPfn: 0x1000,
        endPfn: 0x1800,
        watermark: [8, 10, 12],
        kind: () => 'fixed',
        options: { oom, now: () => clock.now },
      });
    const first = make().slowPath;
    first.oomKill();
    const other = make().slowPath;
    other.restore(structuredClone(first.snapshot()));
    clock.now = 2000;
    other.tick();
    expect(mm).toMatchObject({ rssAnon: 0, oomSkip: true });
  });

  it('of another machine is refused', () => {
    const { state } = world().slowPath;
    const copy = snapshotState(state);
    expect(() => restoreState(state, { ...copy, zones: [] })).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
  });
});
