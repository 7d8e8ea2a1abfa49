// covers: src/buddy/alloc-context.ts src/buddy/alloc-flags.ts src/buddy/alloc.ts src/buddy/boot-release.ts src/buddy/bulk.ts src/buddy/contig.ts src/buddy/cpu-hotplug.ts src/buddy/create.ts src/buddy/drain.ts src/buddy/exact.ts src/buddy/free.ts src/buddy/free-list-of-pages.ts src/buddy/free-list.ts src/buddy/free-prepare.ts src/buddy/isolate-free-page.ts src/buddy/isolation.ts src/buddy/unmovable.ts src/buddy/mempolicy.ts src/buddy/misuse.ts src/buddy/new-page.ts src/buddy/numa-events.ts src/buddy/page-frag.ts src/buddy/poison.ts src/buddy/bad-page.ts src/buddy/state.ts src/buddy/snapshot.ts src/buddy/invariants.ts src/buddy/vmstat-fold.ts src/buddy/locate.ts src/buddy/explain.ts src/mm/memory-snapshot.ts
import { describe, expect, test } from 'vitest';
import {
  type BuddyAllocator,
  BuddyError,
  type BuddyOptions,
  type CreateBuddyOptions,
  checkInvariants,
  createBuddy,
  Mempolicy,
  PageFragCache,
} from '../../src/buddy/index.ts';
import { sparseMemory } from '../../src/memory/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { nodeOfPage } from '../../src/mm/memory-model.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { NumaStatItem, VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent, zoneNumaEvent } from '../../src/mm/vmstat.ts';

const START = 0x100000;
const PAGES = 8192;
const { GFP_KERNEL, GFP_HIGHUSER_MOVABLE } = Gfp;

function one(options: Partial<CreateBuddyOptions> = {}): BuddyAllocator {
  return createBuddy({ zones: [{ startPfn: START, pages: PAGES }], cpuNode: [0, 0], ...options });
}

function twoNodes(options: BuddyOptions = {}): BuddyAllocator {
  return createBuddy({
    ...options,
    zones: [
      { node: 0, startPfn: START, pages: PAGES },
      { node: 1, startPfn: START + PAGES, pages: PAGES },
    ],
    cpuNode: [0, 1],
  });
}

/** All pages that are free anywhere, after the CPUs' lists were emptied. */
function freePages(buddy: BuddyAllocator): number {
  buddy.drainAllPages();
  const { nrFree } = buddy.model.areas;
  return nrFree.reduce((sum, blocks, cell) => sum + blocks * 2 ** (cell % 11), 0);
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof BuddyError) return error.code;
    throw error;
  }
  return 'nothing thrown';
}

/** A block that is there, or the test fails. */
function must<T>(value: T | null): T {
  if (value === null) throw new Error('out of memory');
  return value;
}

describe('misuse is refused before anything changes (spec buddy 4.25)', () => {
  test.each([
    ['a second free', (b: BuddyAllocator, pfn: number) => b.freePages(pfn, 2), 'DOUBLE_FREE', true],
    [
      'another order',
      (b: BuddyAllocator, pfn: number) => b.freePages(pfn, 1),
      'WRONG_ORDER',
      false,
    ],
    ['a foreign page', (b: BuddyAllocator) => b.freePages(5, 0), 'FOREIGN_PAGE', false],
    [
      'an order of 12',
      (b: BuddyAllocator, pfn: number) => b.freePages(pfn, 12),
      'BAD_REQUEST',
      false,
    ],
    [
      'a CPU that is not there',
      (b: BuddyAllocator) => b.allocPages(GFP_KERNEL, 0, -1, 7),
      'BAD_REQUEST',
      false,
    ],
    ['half an order', (b: BuddyAllocator) => b.allocPages(GFP_KERNEL, 0.5), 'BAD_REQUEST', false],
    ['movable and reclaimable', (b: BuddyAllocator) => b.allocPages(0x18, 0), 'BAD_REQUEST', false],
  ])('%s', (_name, wrong, code, freeFirst) => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_KERNEL, 2));
    if (freeFirst) buddy.freePages(pfn, 2);
    const before = structuredClone(buddy.snapshot());
    expect(codeOf(() => wrong(buddy, pfn))).toBe(code);
    expect(buddy.snapshot()).toEqual(before);
  });

  test('a page on an LRU list is not freed', () => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_HIGHUSER_MOVABLE, 0));
    buddy.setPageLru(pfn, true);
    expect(codeOf(() => buddy.freePages(pfn, 0))).toBe('PAGE_ON_LIST');
    buddy.setPageLru(pfn, false);
    buddy.freePages(pfn, 0);
    expect(freePages(buddy)).toBe(PAGES);
  });
});

describe('entry points (spec buddy 4.22, 4.23, 4.28)', () => {
  test('a bulk request fills the empty slots in order', () => {
    const buddy = one();
    const slots = [-1, -1, -1, -1, -1];
    expect(buddy.allocPagesBulk(GFP_KERNEL, -1, slots)).toBe(5);
    expect(new Set(slots).size).toBe(5);
    buddy.putPagesList(slots);
    const list: number[] = [];
    expect(buddy.allocPagesBulkList(GFP_KERNEL, -1, 5, list)).toBe(5);
    // Pages of a list go to its head; the frees put the last one at the head of the CPU's list.
    expect(list).toEqual(slots);
    buddy.releasePages(list);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('an exact request gives the tail back, straight to the free lists', () => {
    const buddy = one();
    const addr = must(buddy.allocPagesExact(5 * 4096 - 1, GFP_KERNEL));
    expect(addr % (8 * 4096)).toBe(0);
    expect(freePages(buddy)).toBe(PAGES - 5);
    buddy.freePagesExact(addr, 5 * 4096 - 1);
    expect(freePages(buddy)).toBe(PAGES);
    expect(buddy.allocPagesExact(0, GFP_KERNEL)).toBe(null);
  });

  test('a split block is freed page by page', () => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_KERNEL, 3));
    buddy.splitPage(pfn, 3);
    for (let page = pfn; page < pfn + 8; page++) buddy.freePages(page, 0);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('an extra reference keeps only the first page of a block (7.13)', () => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_KERNEL, 3));
    buddy.getPage(pfn);
    const freed = vmEvent(buddy.model.vmstat, VmEvent.pgfree);
    buddy.freePages(pfn, 3);
    expect(vmEvent(buddy.model.vmstat, VmEvent.pgfree) - freed).toBe(7);
    buddy.putPage(pfn);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('page fragments are carved downwards and reuse their page (4.31)', () => {
    const buddy = one();
    const cache = new PageFragCache();
    const first = must(buddy.pageFragAlloc(cache, 1000, GFP_KERNEL));
    const second = must(buddy.pageFragAlloc(cache, 1000, GFP_KERNEL));
    expect(first - second).toBe(1000);
    buddy.pageFragFree(first);
    buddy.pageFragFree(second);
    buddy.pageFragCacheDrain(cache);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('zeroed pages are zeroed in memory', () => {
    const memory = sparseMemory((START + PAGES) * 4096);
    const buddy = one({ memory });
    const addr = must(buddy.getFreePages(GFP_KERNEL, 0));
    memory.fill(addr, 4096, 0x5a);
    buddy.freePagesAt(addr, 0);
    expect(buddy.getZeroedPage(GFP_KERNEL)).toBe(addr);
    expect(memory.readU32(addr + 4092)).toBe(0);
  });
});

describe('ranges (spec buddy 4.34, 4.35)', () => {
  test('a contiguous range is taken out of the free lists and given back', () => {
    const buddy = one();
    const taken = must(buddy.allocPages(GFP_KERNEL, 0));
    buddy.freePages(taken, 0);
    const from = START + 4096;
    expect(buddy.allocContigRange(from, from + 700)).toBe(0);
    expect(freePages(buddy)).toBe(PAGES - 700);
    expect(checkInvariants(buddy.state)).toEqual([]);
    buddy.freeContigRange(from, 700);
    expect(freePages(buddy)).toBe(PAGES);
    const pages = must(buddy.allocContigPages(1024, GFP_HIGHUSER_MOVABLE));
    buddy.freeContigRange(pages, 1024);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('a range with an unmovable page is busy and stays as it was', () => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_KERNEL, 0));
    const type = pageblockMigratetype(buddy.model.map, pfn);
    expect(buddy.allocContigRange(pfn, pfn + 16)).toBe(-16);
    expect(pageblockMigratetype(buddy.model.map, pfn)).toBe(type);
    buddy.freePages(pfn, 0);
    expect(freePages(buddy)).toBe(PAGES);
  });

  test('pages of an isolated block are not handed out', () => {
    const buddy = createBuddy({ zones: [{ startPfn: START, pages: 2048 }] });
    expect(buddy.startIsolatePageRange(START, START + 1024)).toBe(0);
    for (let i = 0; i < 900; i++) {
      const pfn = buddy.allocPages(GFP_KERNEL, 0);
      if (pfn !== null) expect(pfn).toBeGreaterThanOrEqual(START + 1024);
    }
    buddy.undoIsolatePageRange(START, START + 1024);
    expect(checkInvariants(buddy.state)).toEqual([]);
    expect(buddy.model.zones[2].nrIsolatePageblock).toBe(0);
  });
});

describe('nodes (spec buddy 4.32, 4.33)', () => {
  test('a CPU gets pages of its own node, counted as hits', () => {
    const buddy = twoNodes();
    for (const cpu of [0, 1]) {
      const pfn = must(buddy.allocPages(GFP_KERNEL, 0, -1, cpu));
      expect(nodeOfPage(buddy.model, pfn)).toBe(cpu);
      expect(zoneNumaEvent(buddy.model.vmstat, cpu * 4 + 2, NumaStatItem.NUMA_LOCAL)).toBe(1);
    }
    const far = must(buddy.allocPages(GFP_KERNEL, 0, 1, 0));
    expect(nodeOfPage(buddy.model, far)).toBe(1);
    expect(zoneNumaEvent(buddy.model.vmstat, 6, NumaStatItem.NUMA_OTHER)).toBe(1);
  });

  test('interleaving goes round its nodes', () => {
    const buddy = twoNodes();
    const policy = new Mempolicy('interleave', [0, 1]);
    const nodes = Array.from({ length: 4 }, () =>
      nodeOfPage(buddy.model, must(buddy.allocPagesPolicy(GFP_KERNEL, 0, policy))),
    );
    expect(nodes).toEqual([0, 1, 0, 1]);
  });

  // Spec 4.22: "nr/nodes pages per node, the first (nr mod nodes) nodes get one more; one bulk call per
  // node in interleave order, each writing after what was obtained so far", and of each bulk call:
  // "non-empty slots are skipped and counted".
  test('a bulk request is divided among the nodes of an interleaving policy', () => {
    const buddy = twoNodes();
    const policy = new Mempolicy('interleave', [0, 1]);
    const nodesOf = (slots: readonly number[]): number[] =>
      slots.map((pfn) => nodeOfPage(buddy.model, pfn));
    const slots = new Array<number>(5).fill(-1);
    expect(buddy.allocPagesBulkPolicy(GFP_KERNEL, policy, slots)).toBe(5);
    expect(nodesOf(slots)).toEqual([0, 0, 0, 1, 1]);
    const [kept] = slots;
    const more = [kept, -1, -1, -1, -1];
    expect(buddy.allocPagesBulkPolicy(GFP_KERNEL, policy, more)).toBe(5);
    expect(more[0]).toBe(kept);
    expect(nodesOf(more)).toEqual([0, 0, 0, 1, 1]);
    expect(new Set([...slots, ...more]).size).toBe(9);
  });

  // Spec 4.19 step 3, which 4.22 step 3 refers to: "With cpusets in use, __GFP_HARDWALL is added to the
  // mask used for the first pass, and the task's allowed nodes replace a missing nodemask in task
  // context (otherwise ALLOC_CPUSET is set)."
  test('in an interrupt the cpuset is asked, with __GFP_HARDWALL', () => {
    const asked: number[] = [];
    const nodeAllowed = (node: number, gfp: number): boolean => {
      asked.push(gfp);
      return node === 1;
    };
    const buddy = twoNodes({ cpusets: { memsAllowed: () => [1], nodeAllowed } });
    const nodes = (): number[] => {
      const slots = [-1, -1, -1];
      expect(buddy.allocPagesBulk(Gfp.GFP_NOWAIT, -1, slots)).toBeGreaterThan(0);
      return slots.filter((pfn) => pfn >= 0).map((pfn) => nodeOfPage(buddy.model, pfn));
    };
    expect(nodes()).toEqual([1, 1, 1]);
    expect(asked).toEqual([]);
    buddy.task.inInterrupt = true;
    // Node 0 is preferred and not allowed: one page, from another node.
    expect(nodes()).toEqual([1]);
    expect(asked.length).toBeGreaterThan(0);
    expect(asked.every((gfp) => (gfp & Gfp.__GFP_HARDWALL) !== 0)).toBe(true);
  });

  test('a policy does not count in a softirq (4.32)', () => {
    const buddy = twoNodes();
    const policy = new Mempolicy('preferred', [1]);
    const node = (): number =>
      nodeOfPage(buddy.model, must(buddy.allocPagesPolicy(GFP_KERNEL, 0, policy)));
    expect(node()).toBe(1);
    buddy.task.inServingSoftirq = true;
    expect(node()).toBe(0);
  });

  test('a nodemask keeps a request on its nodes', () => {
    const buddy = twoNodes();
    const pfn = must(buddy.allocPagesNodemask(GFP_KERNEL, 0, 0, [1]));
    expect(nodeOfPage(buddy.model, pfn)).toBe(1);
  });
});

describe('upkeep', () => {
  test('folding moves all differences of a CPU', () => {
    const buddy = one();
    buddy.allocPages(GFP_KERNEL, 0, -1, 1);
    expect(buddy.needsVmstatUpdate(1)).toBe(true);
    expect(buddy.refreshCpuVmStats(1)).toBeGreaterThan(0);
    expect(buddy.needsVmstatUpdate(1)).toBe(false);
    expect(buddy.statRefresh()).toBe(0);
  });

  test('a CPU that dies gives its pages back', () => {
    const buddy = one();
    const pfn = must(buddy.allocPages(GFP_KERNEL, 0, -1, 1));
    buddy.freePages(pfn, 0, 1);
    expect(buddy.locate(pfn)).toMatchObject({ place: 'pcp', cpu: 1 });
    buddy.cpuDead(1, 0);
    expect(buddy.locate(pfn).place).toBe('buddy');
    buddy.cpuOnline(1);
    expect(checkInvariants(buddy.state)).toEqual([]);
  });

  // Spec reclaim 4.1: refresh_zone_stat_thresholds runs "on every CPU online/offline"; the threshold is
  // min(125, 2 * fls(n) * (1 + fls(managed_pages >> 15))): 2 * 3 * 1 for 4 CPUs, 2 * 2 * 1 for 3.
  test('the thresholds of the counters follow from the CPUs that are online', () => {
    const buddy = one({ cpuNode: [0, 0, 0, 0] });
    const thresholds = (): number[] =>
      [0, 2, 3].map((cpu) => buddy.model.vmstat.zoneThreshold[cpu * 4 + 2]);
    expect(thresholds()).toEqual([6, 6, 6]);
    buddy.cpuDead(1);
    expect(thresholds()).toEqual([4, 4, 4]);
    buddy.cpuOnline(1);
    expect(thresholds()).toEqual([6, 6, 6]);
  });

  test('a snapshot brings identical results back', () => {
    const buddy = one();
    const held = Array.from({ length: 50 }, (_, i) => must(buddy.allocPages(GFP_KERNEL, i % 4)));
    buddy.freePages(held[10], 2);
    const snapshot = structuredClone(buddy.snapshot());
    const next = (): (number | null)[] =>
      Array.from({ length: 40 }, (_, i) =>
        buddy.allocPages(GFP_HIGHUSER_MOVABLE, i % 5, -1, i % 2),
      );
    const first = next();
    buddy.restore(snapshot);
    expect(next()).toEqual(first);
    expect(checkInvariants(buddy.state)).toEqual([]);
  });

  test('broken poison is reported when the page is handed out', () => {
    const memory = sparseMemory((START + PAGES) * 4096);
    const log: string[] = [];
    const buddy = one({ memory, pagePoison: true, log: (line) => log.push(line) });
    const addr = must(buddy.getFreePages(GFP_KERNEL, 0));
    buddy.freePagesAt(addr, 0);
    memory.writeU8(addr + 17, 0xab);
    expect(buddy.getFreePages(GFP_KERNEL, 0)).toBe(addr);
    expect(log[0]).toBe('pagealloc: single bit error');
  });

  test('a broken counter is found', () => {
    const buddy = one();
    buddy.model.areas.nrFree[2 * 11 + 10]++;
    expect(checkInvariants(buddy.state).map(({ rule }) => rule)).toContain('BUDDY-3');
  });

  test('explain says what an allocation then does', () => {
    const buddy = one();
    for (const order of [0, 1, 4, 9]) {
      const { from } = buddy.explain(GFP_KERNEL, order);
      expect(from).toMatchObject({ zone: 'Normal', node: 0 });
      const pfn = must(buddy.allocPages(GFP_KERNEL, order));
      expect(buddy.locate(pfn)).toMatchObject({ place: 'allocated', zone: 'Normal', order });
    }
  });
});
