// covers: src/slowpath/state.ts
import { describe, expect, it } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { PageCache } from '../../src/reclaim/page-cache.ts';
import { Reclaim } from '../../src/reclaim/reclaim.ts';
import { KernelPanicError, SlowPath, StallError } from '../../src/slowpath/index.ts';
import { wrongOwners } from './world.ts';

/** Page allocator, reclaim, page cache and slow path of a machine of 16 MiB. */
function joined() {
  const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 4096 }], minFreeKbytes: 256 });
  const { model, task } = buddy;
  const reclaim = new Reclaim({ model, allocator: buddy, task });
  const host = new PageCache(reclaim, { pages: buddy, directReclaim: false, kswapd: 'deferred' });
  const slowPath = new SlowPath({
    model,
    pages: buddy,
    lru: reclaim,
    reclaim,
    host,
    task,
    checks: 'full',
  });
  buddy.slowPath = slowPath;
  return { buddy, reclaim, cache: host, slowPath };
}

describe('SlowPath', () => {
  it('joins page allocator, reclaim and page cache', () => {
    const { buddy, cache, slowPath } = joined();
    const file = cache.createFile();
    for (let index = 0; index < 5000; index++) cache.read(file, index);
    const blocks = Array.from({ length: 10 }, () => buddy.allocPages(Gfp.GFP_KERNEL, 3));
    expect(blocks).not.toContain(null);
    expect(vmEvent(buddy.model.vmstat, VmEvent.pgsteal_direct)).toBeGreaterThan(0);
    expect(buddy.allocPages(Gfp.GFP_TRANSHUGE, 9)).not.toBeNull();
    slowPath.compactMemory();
    expect(vmEvent(buddy.model.vmstat, VmEvent.pgmigrate_success)).toBeGreaterThan(0);
    for (const index of file.entries()) {
      const pfn = file.page(index);
      if (pfn >= 0) expect(cache.fileOf(pfn)).toBe(file);
    }
  });

  it('kswapd that runs keeps proactive compaction away', () => {
    const { slowPath, reclaim } = joined();
    const { kswapdIsRunning } = slowPath.state.compaction;
    expect(kswapdIsRunning(0)).toBe(false);
    reclaim.startKswapd();
    reclaim.state.kswapd[0].phase = 'run';
    expect(kswapdIsRunning(0)).toBe(true);
  });

  it('has the kernel’s tunables with the kernel’s ranges', () => {
    const { slowPath } = joined();
    const { extfragThreshold, compactionProactiveness, compactUnevictableAllowed } = slowPath;
    const { panicOnOom, oomKillAllocatingTask, oomDumpTasks } = slowPath;
    expect([extfragThreshold, compactionProactiveness, compactUnevictableAllowed]).toEqual([
      500, 20, 1,
    ]);
    expect([panicOnOom, oomKillAllocatingTask, oomDumpTasks]).toEqual([0, 0, 1]);
    const refused = expect.objectContaining({ code: 'BAD_ARGUMENT' });
    const writes: [string, number, number[]][] = [
      ['extfragThreshold', 1000, [-1, 1001]],
      ['compactionProactiveness', 100, [-1, 101, 0.5]],
      ['compactUnevictableAllowed', 0, [-1, 2]],
      ['panicOnOom', 2, [-1, 3]],
      ['oomKillAllocatingTask', -5, [2 ** 31]],
      ['oomDumpTasks', 7, [Number.NaN]],
    ];
    for (const [name, good, bad] of writes) {
      const write = (value: number) => {
        Object.assign(slowPath, { [name]: value });
      };
      write(good);
      expect(Reflect.get(slowPath, name)).toBe(good);
      for (const value of bad) expect(() => write(value)).toThrow(refused);
      expect(Reflect.get(slowPath, name)).toBe(good);
    }
  });

  it('refuses nodes and zones that are not there', () => {
    const { slowPath } = joined();
    const refused = expect.objectContaining({ code: 'BAD_REQUEST' });
    for (const call of [
      () => slowPath.wakeupKcompactd(1, 3, 2),
      () => slowPath.kcompactdState(-1),
      () => slowPath.runKcompactd(1),
      () => slowPath.resetIsolationSuitable(9),
      () => slowPath.compactNode(0.5),
      () => slowPath.compactionSuitable(77, 3, 2),
    ]) {
      expect(call).toThrow(refused);
    }
  });

  it('answers reclaim: suitability by zone or id, fresh hints', () => {
    const { slowPath } = joined();
    const zone = slowPath.model.zones[2];
    expect(slowPath.compactionSuitable(zone, 3, 2)).toBe(
      slowPath.compactionSuitable(zone.id, 3, 2),
    );
    const state = slowPath.state.compaction.zones[zone.id];
    state.blockskipFlush = true;
    slowPath.resetIsolationSuitable(0);
    expect(state.blockskipFlush).toBe(false);
  });

  it('trace and log can be changed', () => {
    const { slowPath } = joined();
    expect([slowPath.trace, slowPath.log]).toEqual([null, null]);
    const events: number[] = [];
    slowPath.trace = { mmCompactionSuitable: (node) => events.push(node) };
    slowPath.compactionSuitable(2, 3, 2);
    expect(events).toEqual([0]);
    const lines: string[] = [];
    slowPath.log = (line) => lines.push(line);
    expect(slowPath.oomKill()).toBe(false);
    expect(lines.at(-1)).toBe('OOM request ignored. No task eligible');
  });

  it('a shrinker that lies ends in an error, with every page frame where it was', () => {
    const { buddy, reclaim } = joined();
    const { model } = buddy;
    const blocks: (readonly [number, number])[] = [];
    const gfp = Gfp.GFP_KERNEL | Gfp.__GFP_NORETRY | Gfp.__GFP_NOWARN;
    for (let pfn = buddy.allocPages(gfp, 0); pfn !== null; pfn = buddy.allocPages(gfp, 0)) {
      blocks.push([pfn, 0]);
    }
    // It always has as much as ever, and says that it freed it.
    reclaim.registerShrinker({
      name: 'liar',
      countObjects: () => 100_000,
      scanObjects: (sc) => {
        reclaim.state.reclaimState.reclaimedSlab += sc.nrToScan;
        return sc.nrToScan;
      },
    });
    expect(() => buddy.allocPages(Gfp.GFP_KERNEL, 0)).toThrow(StallError);
    expect(() => buddy.allocPages(Gfp.GFP_NOFS, 0)).toThrow(StallError);
    expect(wrongOwners(model, blocks)).toEqual([]);
    expect(buddy.task.pfMemalloc).toBe(false);
  });

  it('limits of zero', () => {
    const { buddy, slowPath, cache } = joined();
    slowPath.extfragThreshold = 0;
    slowPath.compactionProactiveness = 0;
    for (const zone of buddy.model.zones) zone.watermark.fill(0);
    buddy.model.pagesets.high.fill(0);
    const file = cache.createFile();
    for (let index = 0; index < 5000; index++) cache.read(file, index);
    for (let order = 0; order <= 3; order++) {
      expect(buddy.allocPages(Gfp.GFP_KERNEL, order)).not.toBeNull();
    }
    expect(buddy.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_RETRY_MAYFAIL, 9)).not.toBeNull();
    slowPath.compactMemory();
    expect(slowPath.runKcompactd(0)).toBe(false);
  });

  it('works without reclaim, host, tasks, clock: what is left out does nothing', () => {
    const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 1024 }], minFreeKbytes: 64 });
    buddy.slowPath = new SlowPath({ model: buddy.model, pages: buddy });
    const retry = Gfp.GFP_KERNEL | Gfp.__GFP_RETRY_MAYFAIL;
    let pages = 0;
    while (buddy.allocPages(retry, 0) !== null) pages++;
    expect(pages).toBeGreaterThan(900);
    expect(buddy.model.nodes[0].kswapdHighestZoneidx).toBe(2);
    expect(() => buddy.allocPages(Gfp.GFP_KERNEL, 0)).toThrow(KernelPanicError);
  });
});
