// covers: src/buddy/alloc-context.ts src/buddy/alloc-flags.ts src/buddy/short-slow-path.ts src/buddy/wakeup.ts src/buddy/zone-walk.ts src/buddy/node-dirty.ts src/buddy/numa-events.ts src/buddy/high-atomic.ts
import { describe, expect, test } from 'vitest';
import {
  allocFlagsNofragment,
  currentGfpContext,
  gfpPfmemallocFlags,
  gfpToAllocFlags,
} from '../../src/buddy/alloc-flags.ts';
import { AllocContext, type BuddyAllocator, type BuddyOptions } from '../../src/buddy/index.ts';
import { nodeDirtyLimit, nodeDirtyOk } from '../../src/buddy/node-dirty.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { defaultTask } from '../../src/mm/task.ts';
import { NodeStatItem, NR_VM_ZONE_STAT_ITEMS, NumaStatItem } from '../../src/mm/vm-items.ts';
import { zoneNumaEvent } from '../../src/mm/vmstat.ts';
import { codeOf, freeLists, idOf, pcpList, recorder, world } from './world.ts';

const NORMAL = idOf('Normal');
const MOVABLE = Gfp.__GFP_MOVABLE;

/** One zone, 1024 pages, all free. */
function oneZone(options: BuddyOptions = {}, watermark: [number, number, number] = [0, 0, 0]) {
  return world({
    zones: [{ start: 0x10000, pages: 1024, watermark, free: { M10: [0x10000] } }],
    batch: 7,
    high: 28,
    options,
  });
}

describe('flags of an attempt', () => {
  const { state } = oneZone();

  test('follow the mask in the slow path (spec buddy 4.20)', () => {
    const flags = (gfp: number, order = 0): string =>
      gfpToAllocFlags(state, gfp, order).toString(16);
    expect(flags(Gfp.GFP_KERNEL)).toBe('840');
    expect(flags(Gfp.GFP_NOWAIT)).toBe('850');
    expect(flags(Gfp.GFP_ATOMIC)).toBe('830');
    expect(flags(Gfp.GFP_ATOMIC, 2)).toBe('a30');
    expect(flags(Gfp.GFP_ATOMIC | Gfp.__GFP_NOMEMALLOC, 2)).toBe('820');
    expect(flags(Gfp.__GFP_HIGH | Gfp.GFP_KERNEL)).toBe('860');
    expect(flags(0)).toBe('50');
  });

  test('a real-time task gets part of the reserve, but not in an interrupt', () => {
    const { state: own } = oneZone({ task: { ...defaultTask(), rtTask: true } });
    expect(gfpToAllocFlags(own, Gfp.GFP_KERNEL, 0)).toBe(0x860);
    own.task.inInterrupt = true;
    expect(gfpToAllocFlags(own, Gfp.GFP_KERNEL, 0)).toBe(0x840);
  });

  test('reserves that a context opens', () => {
    const flags = (gfp: number, task: object): number => {
      state.task = { ...defaultTask(), ...task };
      return gfpPfmemallocFlags(state, gfp);
    };
    expect(flags(0, {})).toBe(0);
    expect(flags(Gfp.__GFP_MEMALLOC, {})).toBe(4);
    expect(flags(Gfp.__GFP_MEMALLOC | Gfp.__GFP_NOMEMALLOC, {})).toBe(0);
    expect(flags(0, { pfMemalloc: true })).toBe(4);
    expect(flags(0, { pfMemalloc: true, inInterrupt: true })).toBe(0);
    expect(flags(0, { pfMemalloc: true, inServingSoftirq: true })).toBe(4);
    expect(flags(0, { oomVictim: true })).toBe(8);
    expect(flags(0, { oomVictim: true, inServingSoftirq: true })).toBe(0);
    state.task = defaultTask();
  });

  test('scopes of the task narrow the mask', () => {
    const mask = (task: object): number => {
      state.task = { ...defaultTask(), ...task };
      return currentGfpContext(state, Gfp.GFP_KERNEL | MOVABLE);
    };
    expect(mask({ pfMemallocNoio: true, pfMemallocNofs: true })).toBe(Gfp.GFP_NOIO | MOVABLE);
    expect(mask({ pfMemallocNofs: true })).toBe(Gfp.GFP_NOFS | MOVABLE);
    expect(mask({ pfMemallocPin: true })).toBe(Gfp.GFP_KERNEL);
    state.task = defaultTask();
  });

  test('NOFRAGMENT needs a preferred Normal zone and a DMA32 zone to turn to', () => {
    const normal = state.zones[NORMAL];
    expect(allocFlagsNofragment(state, normal, Gfp.GFP_KERNEL)).toBe(0x900);
    expect(allocFlagsNofragment(state, state.zones[idOf('DMA32')], 0)).toBe(0);
    const two = world({
      zones: [
        { start: 0x10000, pages: 512 },
        { node: 1, start: 0x10400, pages: 512 },
        { node: 1, name: 'DMA32', start: 0x8000, pages: 512 },
      ],
      cpuNode: [0, 1],
    });
    expect(allocFlagsNofragment(two.state, two.state.zones[NORMAL], 0)).toBe(0);
    expect(allocFlagsNofragment(two.state, two.state.zones[idOf('Normal', 1)], 0)).toBe(0x100);
  });
});

describe('a request', () => {
  test('beyond the largest order gives nothing and is complained about once', () => {
    const lines: string[] = [];
    const buddy = oneZone({ log: (line) => lines.push(line) });
    expect([11, 12, 11].map((order) => buddy.allocPages(0, order))).toEqual([null, null, null]);
    expect(lines).toHaveLength(1);
    const quiet = oneZone({ log: (line) => lines.push(line) });
    expect(quiet.allocPages(Gfp.__GFP_NOWARN, 11)).toBeNull();
    expect(lines).toHaveLength(1);
  });

  test('of nonsense is refused before anything changes', () => {
    const buddy = oneZone();
    const before = freeLists(buddy);
    const calls = [
      () => buddy.allocPages(0, -1),
      () => buddy.allocPages(0, 0.5),
      () => buddy.allocPages(0, Number.NaN),
      () => buddy.allocPages(0, 0, 1),
      () => buddy.allocPages(0, 0, -2),
      () => buddy.allocPages(0, 0, 0.5),
      () => buddy.allocPages(0, 0, -1, 1),
      () => buddy.allocPages(0, 0, -1, -1),
      () => buddy.allocPages(0, 0, -1, 0.5),
      () => buddy.allocPages(MOVABLE | Gfp.__GFP_RECLAIMABLE, 0),
    ];
    buddy.freePages(buddy.allocPages(0, 0) as number, 0);
    buddy.drainAllPages();
    expect(freeLists(buddy)).not.toEqual([]);
    const drained = freeLists(buddy);
    expect(calls.map(codeOf)).toEqual(calls.map(() => 'BAD_REQUEST'));
    expect(freeLists(buddy)).toEqual(drained);
    expect(before).toEqual(['M10 [10000]']);
  });

  test('ends in one tracepoint, also when it fails', () => {
    const { trace, events } = recorder();
    const buddy = oneZone({ trace }, [5000, 5000, 5000]);
    expect(buddy.allocPages(Gfp.GFP_ATOMIC, 1)).toBeNull();
    expect(events).toEqual(['alloc none 1 a20 0']);
  });

  test('that may block and must not fail has nobody to reclaim for it', () => {
    const buddy = oneZone({}, [5000, 5000, 5000]);
    expect(buddy.allocPages(Gfp.GFP_KERNEL, 0)).toBeNull();
    expect(codeOf(() => buddy.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_NOFAIL, 0))).toBe('WOULD_LOOP');
    expect(buddy.allocPages(Gfp.GFP_ATOMIC | Gfp.__GFP_NOFAIL, 0)).toBeNull();
    expect(buddy.state.depth).toBe(0);
  });

  test('wakes kswapd on its way to the min watermark, which is what it leaves behind', () => {
    const buddy = oneZone({}, [100, 1100, 1200]);
    expect(buddy.allocPages(Gfp.GFP_NOWAIT, 3)).not.toBeNull();
    expect(buddy.model.nodes[0].kswapdOrder).toBe(3);
    expect(buddy.model.nodes[0].kswapdHighestZoneidx).toBe(2);
    expect(buddy.allocPages(Gfp.GFP_NOWAIT, 1)).not.toBeNull();
    expect(buddy.model.nodes[0].kswapdOrder).toBe(3);
    expect(buddy.allocPages(Gfp.__GFP_HIGH, 5)).not.toBeNull();
    expect(buddy.model.nodes[0].kswapdOrder).toBe(3);
  });

  test('goes to the attached slow path with what the fast path prepared', () => {
    const calls: unknown[] = [];
    const buddy = oneZone({
      slowPath: {
        allocPagesSlowpath: (gfp, order, ac, cpu) => {
          calls.push([gfp, order, ac.migratetype, ac.highestZoneidx, ac.spreadDirtyPages, cpu]);
          return -1;
        },
      },
    });
    buddy.state.zones[NORMAL].watermark.fill(5000);
    const gfp = Gfp.GFP_KERNEL | MOVABLE | Gfp.__GFP_WRITE;
    expect(buddy.allocPages(gfp, 2)).toBeNull();
    expect(calls).toEqual([[gfp, 2, 1, 2, false, 0]]);
  });

  test('of a slow path may allocate again', () => {
    let inner: number | null = null;
    const buddy: BuddyAllocator = oneZone({
      slowPath: {
        allocPagesSlowpath: (_gfp, order, ac) => {
          buddy.state.zones[NORMAL].watermark.fill(0);
          inner = buddy.allocPages(Gfp.__GFP_RECLAIMABLE, 0);
          return buddy.getPageFromFreelist(0, order, 0, ac, 0);
        },
      },
    });
    buddy.state.zones[NORMAL].watermark.fill(5000);
    expect(buddy.allocPages(MOVABLE, 0)).not.toBeNull();
    expect(inner).not.toBeNull();
    expect(pcpList(buddy, 1)).not.toBe('[]');
  });

  test('without mobility grouping is unmovable', () => {
    const { trace, events } = recorder();
    const buddy = oneZone({ trace });
    buddy.model.mobilityDisabled = true;
    buddy.allocPages(MOVABLE, 0);
    expect(events[events.length - 1]).toMatch(/ 0$/);
  });

  test('before interrupts are on keeps no reclaim bits', () => {
    const { trace, events } = recorder();
    const buddy = oneZone({ trace });
    buddy.gfpAllowedMask = Gfp.GFP_BOOT_MASK;
    buddy.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_ZERO, 0);
    expect(events[events.length - 1]).toMatch(/ 100 0$/);
  });
});

describe('the walk over zones', () => {
  /** Two nodes with a Normal zone each, CPU 0 on node 0, CPU 1 on node 1. */
  function twoNodes(options: BuddyOptions = {}) {
    return world({
      zones: [
        { start: 0x10000, pages: 1024, free: { M10: [0x10000] } },
        { node: 1, start: 0x20000, pages: 1024, free: { M10: [0x20000] } },
      ],
      cpuNode: [0, 1],
      options,
    });
  }

  test('prefers the node of the CPU, then the one that is asked for, then others', () => {
    const buddy = twoNodes();
    expect(buddy.allocPages(MOVABLE, 0, -1, 1)).toBe(0x20000);
    expect(buddy.allocPages(MOVABLE, 0, 0, 1)).toBe(0x10000);
    expect(buddy.allocPagesNodemask(MOVABLE, 0, 0, [1], 0)).toBe(0x20001);
    buddy.state.zones[NORMAL].watermark.fill(5000);
    expect(buddy.allocPages(MOVABLE, 0, 0)).toBe(0x20002);
    expect(buddy.allocPages(MOVABLE | Gfp.__GFP_THISNODE, 0, 0)).toBeNull();
    const { vmstat } = buddy.state;
    const events = (node: number): number[] =>
      Object.values(NumaStatItem).map((item) => zoneNumaEvent(vmstat, idOf('Normal', node), item));
    expect(events(0)).toEqual([1, 0, 1, 0, 0, 1]);
    expect(events(1)).toEqual([2, 1, 0, 0, 1, 2]);
    buddy.model.tunables.numaStat = 0;
    buddy.allocPages(MOVABLE, 0, 1, 1);
    expect(events(1)).toEqual([2, 1, 0, 0, 1, 2]);
  });

  test('skips a node over its dirty limit for pages that will be dirtied', () => {
    const buddy = twoNodes();
    const { vmstat } = buddy.state;
    expect(nodeDirtyLimit(buddy.state, 0)).toBe(204);
    expect(nodeDirtyOk(buddy.state, 0)).toBe(true);
    vmstat.node[NodeStatItem.nr_dirty] = 200;
    vmstat.node[NodeStatItem.nr_writeback] = 5;
    expect(nodeDirtyOk(buddy.state, 0)).toBe(false);
    expect(buddy.allocPages(MOVABLE | Gfp.__GFP_WRITE, 0)).toBe(0x20000);
    expect(buddy.allocPages(MOVABLE, 0)).toBe(0x10000);
    buddy.state.task.rtTask = true;
    expect(nodeDirtyOk(buddy.state, 0)).toBe(true);
    buddy.state.task.rtTask = false;
    buddy.state.dirtyBytes = 4096 * 100;
    expect(nodeDirtyLimit(buddy.state, 0)).toBe(50);
  });

  test('asks the cpuset', () => {
    const buddy = twoNodes({
      cpusets: { memsAllowed: () => [1], nodeAllowed: (node) => node === 1 },
    });
    expect(buddy.allocPages(MOVABLE, 0)).toBe(0x20000);
    // In an interrupt the zones are asked one by one; an atomic request then gives up on cpusets.
    buddy.task.inInterrupt = true;
    expect(buddy.allocPages(MOVABLE | Gfp.GFP_KERNEL, 0)).toBe(0x20001);
    buddy.state.zones[idOf('Normal', 1)].watermark.fill(5000);
    expect(buddy.allocPages(MOVABLE | Gfp.GFP_KERNEL, 0)).toBeNull();
    expect(buddy.allocPages(MOVABLE | Gfp.GFP_ATOMIC, 0)).toBe(0x10000);
  });

  test('lets zone reclaim try where it is switched on', () => {
    const asked: number[][] = [];
    const free = NORMAL * NR_VM_ZONE_STAT_ITEMS;
    const buddy = twoNodes({
      hooks: {
        nodeReclaim: (node, gfp, order) => {
          asked.push([node, gfp, order]);
          buddy.state.vmstat.zone[free] += 5000;
          return 1;
        },
      },
    });
    buddy.state.zones[NORMAL].watermark.fill(5000);
    expect(buddy.allocPages(MOVABLE, 0)).toBe(0x20000);
    buddy.model.tunables.nodeReclaimMode = 1;
    expect(buddy.allocPages(MOVABLE, 0)).toBe(0x10000);
    expect(asked).toEqual([[0, MOVABLE, 0]]);
    buddy.state.vmstat.zone[free] -= 5000;
    buddy.hooks = { nodeReclaim: () => -1 };
    expect(buddy.allocPages(MOVABLE, 0)).toBe(0x20001);
  });

  test('gives up NOFRAGMENT rather than go to another node', () => {
    const buddy = world({
      zones: [
        { name: 'DMA32', start: 0x8000, pages: 1024, free: {} },
        { start: 0x10000, pages: 1024, free: { M8: [0x10300] } },
        { node: 1, start: 0x20000, pages: 1024, free: { M10: [0x20000] } },
      ],
      cpuNode: [0, 1],
    });
    expect(buddy.allocPages(0, 0)).toBe(0x10300);
  });

  test('gives up when there is no eligible zone', () => {
    const buddy = twoNodes();
    expect(buddy.allocPages(Gfp.GFP_DMA, 0)).toBeNull();
    const ac = new AllocContext();
    expect(buddy.getPageFromFreelist(0, 0, 0, ac, 0)).toBe(-1);
  });
});

describe('the HIGHATOMIC reserve', () => {
  test('is a last resort for requests that cannot block', () => {
    const buddy = world({
      zones: [{ start: 0x10000, pages: 512, types: { 65536: 3 }, free: { H2: [0x10000] } }],
    });
    buddy.state.zones[NORMAL].nrReservedHighatomic = 512;
    expect(buddy.allocPages(Gfp.GFP_KERNEL, 0)).toBeNull();
    expect(buddy.allocPages(Gfp.GFP_NOWAIT, 0)).toBe(0x10000);
    expect(freeLists(buddy)).toEqual(['H0 [10001]', 'H1 [10002]']);
  });
});
