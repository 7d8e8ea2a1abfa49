// covers: src/slowpath/proactive.ts
import { describe, expect, it } from 'vitest';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import {
  fragmentationScoreNode,
  fragmentationScoreWmark,
  shouldProactiveCompactNode,
} from '../../src/slowpath/proactive.ts';
import { createWorld, type World, type WorldOptions } from './world.ts';

/** Every second page of the first and last block is free, the others of the first can move. */
function world(more: Partial<WorldOptions> = {}): World {
  return createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [8, 10, 12],
    kind: (pfn) => {
      if (pfn >= 0x1200 && pfn < 0x1600) return 'fixed';
      return pfn % 2 === 0 ? 'lru' : 'free';
    },
    ...more,
  });
}

const kcompactd = (of: World) => of.slowPath.state.kcompactd.nodes[0];
const names = (of: World): string[] => of.events.map((line) => line.replace(/:.*/, ''));

describe('wakeup_kcompactd (spec slowpath-compaction 4.24)', () => {
  it('notes the highest order and the lowest zone index, and wakes', () => {
    const of = world();
    of.slowPath.wakeupKcompactd(0, 3, 1);
    expect(kcompactd(of)).toMatchObject({ maxOrder: 3, highestZoneidx: 1, running: true });
    expect(of.events).toEqual([
      'mm_compaction_suitable: node=0 zone=DMA32    order=3 ret=continue',
      'mm_compaction_wakeup_kcompactd: nid=0 order=3 classzone_idx=DMA32   ',
    ]);
    of.slowPath.wakeupKcompactd(0, 5, 0);
    expect(kcompactd(of)).toMatchObject({ maxOrder: 5, highestZoneidx: 0 });
    expect(of.events).toHaveLength(2);
    expect(of.slowPath.kcompactdState(0)).toBe('running');
  });

  it('order 0 is nothing; no suitable zone is remembered only', () => {
    const of = world({ kind: () => 'fixed' });
    of.slowPath.wakeupKcompactd(0, 0, 1);
    expect(kcompactd(of).maxOrder).toBe(0);
    of.slowPath.wakeupKcompactd(0, 3, 1);
    expect(kcompactd(of)).toMatchObject({ maxOrder: 3, running: false });
    expect(of.slowPath.kcompactdState(0)).toBe('asleep');
    expect(names(of)).toEqual(['mm_compaction_suitable']);
  });
});

describe('kcompactd_do_work', () => {
  it('compacts as a kernel thread, and sleeps again', () => {
    const of = world();
    of.ctx.task.fatalSignalPending = true;
    of.slowPath.wakeupKcompactd(0, 3, 1);
    expect(of.slowPath.runKcompactd(0)).toBe(true);
    expect(of.ctx.task).toMatchObject({ fatalSignalPending: true, comm: 'swapper/0' });
    expect(kcompactd(of)).toMatchObject({ maxOrder: 0, highestZoneidx: 1, running: false });
    expect(names(of).slice(2, 6)).toEqual([
      'mm_compaction_kcompactd_wake',
      'mm_compaction_suitable',
      'mm_compaction_suitable',
      'mm_compaction_begin',
    ]);
    expect(of.events.at(-1)).toBe('mm_compaction_kcompactd_sleep: nid=0');
    const { vmstat } = of.model;
    expect(vmEvent(vmstat, VmEvent.compact_daemon_wake)).toBe(1);
    const scanned = vmEvent(vmstat, VmEvent.compact_migrate_scanned);
    expect(scanned).toBeGreaterThan(0);
    expect(vmEvent(vmstat, VmEvent.compact_daemon_migrate_scanned)).toBe(scanned);
    expect(vmEvent(vmstat, VmEvent.compact_daemon_free_scanned)).toBe(
      vmEvent(vmstat, VmEvent.compact_free_scanned),
    );
    expect(vmEvent(vmstat, VmEvent.compact_stall)).toBe(0);
    expect(of.ctx.zones[of.zone.id].orderFailed).toBe(4);
  });

  it('fails, drains all pages and defers', () => {
    const of = world({
      pcpHigh: 64,
      kind: (pfn) => (pfn % 2 === 0 ? 'fixed' : 'free'),
    });
    const pfn = of.buddy.allocPages(0x108, 0) ?? -1;
    of.buddy.freePages(pfn, 0);
    expect(of.model.pagesets.count[of.zone.id]).toBe(1);
    of.slowPath.wakeupKcompactd(0, 4, 1);
    of.slowPath.runKcompactd(0);
    expect(of.model.pagesets.count[of.zone.id]).toBe(0);
    expect(of.ctx.zones[of.zone.id].deferShift).toBe(1);
    // The next run is deferred.
    of.events.length = 0;
    of.slowPath.wakeupKcompactd(0, 4, 1);
    of.slowPath.runKcompactd(0);
    expect(names(of)).toContain('mm_compaction_deferred');
    expect(names(of)).not.toContain('mm_compaction_begin');
  });

  it('tests a zone with its own index first, then with the one asked for', () => {
    const of = world();
    of.zone.lowmemReserve[2] = 5000;
    Object.assign(kcompactd(of), { maxOrder: 3, highestZoneidx: 2 });
    of.slowPath.runKcompactd(0);
    expect(of.events.slice(1)).toEqual([
      'mm_compaction_suitable: node=0 zone=DMA32    order=3 ret=continue',
      'mm_compaction_suitable: node=0 zone=DMA32    order=3 ret=skipped',
      'mm_compaction_kcompactd_sleep: nid=0',
    ]);
  });

  it('an order raised meanwhile is worked on at once', () => {
    let raised = false;
    const of: World = world({
      host: {
        migrate: () => {
          if (!raised) of.slowPath.wakeupKcompactd(0, 4, 1);
          raised = true;
          return 0;
        },
      },
    });
    of.slowPath.wakeupKcompactd(0, 3, 1);
    of.slowPath.runKcompactd(0);
    const wakes = of.events.filter((line) => line.startsWith('mm_compaction_kcompactd_wake'));
    expect(wakes.map((line) => /order=(\d)/.exec(line)?.[1])).toEqual(['3', '4']);
  });

  it('a callback that throws ends it; it is asleep with its work', () => {
    const of = world({
      host: {
        migrate: () => {
          throw new Error('host is gone');
        },
      },
    });
    of.slowPath.wakeupKcompactd(0, 3, 1);
    expect(() => of.slowPath.runKcompactd(0)).toThrow('host is gone');
    expect(kcompactd(of)).toMatchObject({ maxOrder: 3, running: false });
    expect(of.ctx.task.comm).toBe('swapper/0');
  });
});

describe('proactive compaction (spec slowpath-compaction 4.25)', () => {
  it('example 11: weights the scores of the zones', () => {
    const model = new MemoryModel({ endPfn: 1024 });
    const [dma32, normal] = [model.zones[1], model.zones[2]];
    dma32.presentPages = 100_000;
    normal.presentPages = 900_000;
    model.nodes[0].presentPages = 1_000_000;
    const scores = new Map([
      [dma32.id, 95],
      [normal.id, 92],
    ]);
    const pages = { extfragForOrder: (zone: number) => scores.get(zone) ?? 0 };
    const ctx = { model, pages, proactiveness: 20, kswapdIsRunning: () => false };
    const of = ctx as unknown as World['ctx'];
    expect(fragmentationScoreNode(of, 0)).toBe(91);
    expect(shouldProactiveCompactNode(of, 0)).toBe(true);
    expect(shouldProactiveCompactNode({ ...of, kswapdIsRunning: () => true }, 0)).toBe(false);
    expect(shouldProactiveCompactNode({ ...of, proactiveness: 0 }, 0)).toBe(false);
    expect(shouldProactiveCompactNode({ ...of, proactiveness: 15 }, 0)).toBe(false);
  });

  it.each([
    [20, 80, 90],
    [100, 5, 15],
    [96, 5, 15],
    [1, 99, 100],
    [0, 100, 100],
  ])('proactiveness %i: low %i, high %i', (proactiveness, low, high) => {
    const ctx = { ...world().ctx, proactiveness };
    expect(fragmentationScoreWmark(ctx, true)).toBe(low);
    expect(fragmentationScoreWmark(ctx, false)).toBe(high);
  });

  it('runs when the score is high, without being woken', () => {
    const of = world({ pcpHigh: 0 });
    expect(of.slowPath.runKcompactd(0)).toBe(true);
    expect(of.events.some((line) => line.includes('order=-1'))).toBe(true);
    expect(of.moves).toHaveLength(256);
    expect(kcompactd(of).timeoutMs).toBe(500);
  });

  it('without effect it sleeps for 32 seconds', () => {
    const of = world({ kind: (pfn) => (pfn % 2 === 0 ? 'fixed' : 'free') });
    expect(of.slowPath.runKcompactd(0)).toBe(true);
    expect(kcompactd(of).timeoutMs).toBe(32_000);
  });

  it('is looked at with the timeout; a write looks at once; 0 is never', () => {
    let now = 0;
    const of = world({ kind: () => 'fixed', options: { now: () => now } });
    const looked = () => of.events.splice(0).filter((line) => line.includes('sleep')).length;
    of.slowPath.tick();
    expect(looked()).toBe(0);
    now = 500;
    of.slowPath.tick();
    expect(looked()).toBe(1);
    of.slowPath.compactionProactiveness = 30;
    expect(kcompactd(of).proactiveTrigger).toBe(true);
    of.slowPath.tick();
    expect(looked()).toBe(1);
    expect(kcompactd(of).proactiveTrigger).toBe(false);
    of.slowPath.compactionProactiveness = 0;
    now = 1100;
    of.slowPath.tick();
    expect(kcompactd(of).timeoutMs).toBe(Number.POSITIVE_INFINITY);
    looked();
    now = 1e9;
    of.slowPath.tick();
    expect(looked()).toBe(0);
  });

  it('a trigger goes before work', () => {
    const of = world();
    of.slowPath.wakeupKcompactd(0, 3, 1);
    of.slowPath.compactionProactiveness = 50;
    of.events.length = 0;
    expect(of.slowPath.runKcompactd(0)).toBe(true);
    const proactive = of.events.findIndex((line) => line.includes('order=-1'));
    const work = names(of).indexOf('mm_compaction_kcompactd_wake');
    expect(proactive).toBe(0);
    expect(work).toBeGreaterThan(proactive);
    expect(kcompactd(of)).toMatchObject({ maxOrder: 0, proactiveTrigger: false });
  });
});

describe('compact_memory (spec slowpath-compaction 4.26)', () => {
  it('compacts each online node once', () => {
    const of = world();
    of.slowPath.compactNode(0);
    expect(of.moves).toHaveLength(256);
    expect(() => of.slowPath.compactNode(7)).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
    of.model.nodes[0].online = false;
    of.events.length = 0;
    of.slowPath.compactMemory();
    expect(of.events).toEqual([]);
  });
});
