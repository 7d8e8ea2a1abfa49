// covers: src/buddy/poison.ts src/buddy/new-page.ts src/buddy/bad-page.ts src/buddy/free-prepare.ts
import { describe, expect, test } from 'vitest';
import { type BuddyOptions, PageFragCache } from '../../src/buddy/index.ts';
import { PAGE_SIZE } from '../../src/lib/units.ts';
import { arrayBufferMemory } from '../../src/memory/index.ts';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { brokenRules, freeCounter, freeLists, idOf, pcpList, world } from './world.ts';

const NORMAL = idOf('Normal');
const MOVABLE = Gfp.__GFP_MOVABLE;

function withMemory(options: BuddyOptions = {}, batch = 4) {
  const memory = arrayBufferMemory(new ArrayBuffer(128 * PAGE_SIZE));
  const lines: string[] = [];
  const buddy = world({
    zones: [{ start: 64, pages: 64, free: { M6: [64] } }],
    pageblockOrder: 6,
    batch,
    high: 4 * batch,
    options: { memory, log: (line) => lines.push(line), ...options },
  });
  return { buddy, memory, lines };
}

function bytesOf(memory: PhysicalMemory, pfn: number): string {
  const seen = new Set<number>();
  for (let i = 0; i < PAGE_SIZE; i++) seen.add(memory.readU8(pfn * PAGE_SIZE + i));
  return [...seen].map((byte) => byte.toString(16)).join(' ');
}

describe('contents', () => {
  test('are zeroed when asked for, all pages of a block', () => {
    const { buddy, memory } = withMemory();
    memory.fill(64 * PAGE_SIZE, 64 * PAGE_SIZE, 0x55);
    expect(buddy.allocPages(MOVABLE | Gfp.__GFP_ZERO, 1)).toBe(64);
    expect([64, 65, 66].map((pfn) => bytesOf(memory, pfn))).toEqual(['0', '0', '55']);
    const addr = buddy.getZeroedPage(MOVABLE) as number;
    expect(bytesOf(memory, addr / PAGE_SIZE)).toBe('0');
    buddy.freePagesAt(addr, 0);
    buddy.freePagesAt(0, 0);
    // Highmem is no matter of linear addresses.
    expect(buddy.getFreePages(MOVABLE | Gfp.__GFP_HIGHMEM, 0)).toBe(addr);
  });

  test('are zeroed with init_on_alloc, and when freed with init_on_free', () => {
    const first = withMemory({ initOnAlloc: true });
    first.memory.fill(64 * PAGE_SIZE, 64 * PAGE_SIZE, 0x55);
    expect(first.buddy.allocPages(MOVABLE, 0)).toBe(64);
    expect(bytesOf(first.memory, 64)).toBe('0');
    const second = withMemory({ initOnFree: true });
    const page = second.buddy.allocPages(MOVABLE, 0) as number;
    second.memory.fill(page * PAGE_SIZE, PAGE_SIZE, 0x55);
    second.buddy.freePages(page, 0);
    expect(bytesOf(second.memory, page)).toBe('0');
    // Not zeroed again when handed out, even if asked for: it was done when it was freed.
    second.memory.fill(page * PAGE_SIZE, PAGE_SIZE, 0x66);
    expect(second.buddy.allocPages(MOVABLE | Gfp.__GFP_ZERO, 0)).toBe(page);
    expect(bytesOf(second.memory, page)).toBe('66');
  });

  test('are poisoned, and a write after the free is reported', () => {
    const { buddy, memory, lines } = withMemory({ pagePoison: true, initOnAlloc: true });
    memory.fill(64 * PAGE_SIZE, 64 * PAGE_SIZE, 0xaa);
    const page = buddy.allocPages(MOVABLE, 0) as number;
    memory.fill(page * PAGE_SIZE, PAGE_SIZE, 0x11);
    buddy.freePages(page, 0);
    expect(bytesOf(memory, page)).toBe('aa');
    memory.writeU8(page * PAGE_SIZE + 5, 0xab);
    expect(buddy.allocPages(MOVABLE, 0)).toBe(page);
    expect(lines[0]).toBe('pagealloc: single bit error');
    expect(lines[1]).toMatch(/^ffff888000040005: ab +\.$/);
    expect(lines[lines.length - 1]).toBe('page dumped because: pagealloc: corrupted page details');
    lines.length = 0;
    buddy.freePages(page, 0);
    memory.writeU8(page * PAGE_SIZE + 7, 0x41);
    memory.writeU8(page * PAGE_SIZE + 9, 0x42);
    buddy.allocPages(MOVABLE, 0);
    expect(lines.slice(0, 2)).toEqual([
      'pagealloc: memory corruption',
      `ffff888000040007: ${'41 aa 42'.padEnd(48)} A.B`,
    ]);
  });

  test('reports of poison are limited to ten in five seconds', () => {
    let now = 0;
    const { buddy, memory, lines } = withMemory({
      pagePoison: true,
      hooks: { jiffies: () => now },
    });
    memory.fill(64 * PAGE_SIZE, 64 * PAGE_SIZE, 0xaa);
    const count = (): number => lines.filter((line) => line.startsWith('pagealloc:')).length;
    const spoil = (): void => {
      const page = buddy.allocPages(MOVABLE, 0) as number;
      buddy.freePages(page, 0);
      memory.writeU8(page * PAGE_SIZE, 1);
      lines.length = 0;
      buddy.freePages(buddy.allocPages(MOVABLE, 0) as number, 0);
    };
    now = 1000;
    const reported = Array.from({ length: 12 }, () => {
      spoil();
      return count();
    });
    expect(reported.filter((reports) => reports > 0)).toHaveLength(10);
    now = 1500;
    spoil();
    expect(count()).toBe(1);
  });
});

describe('a backend that throws', () => {
  /** Works until `broken` is set. */
  function fragile() {
    const inner = arrayBufferMemory(new ArrayBuffer(128 * PAGE_SIZE));
    const memory = {
      broken: false,
      sizeBytes: inner.sizeBytes,
      readU8: (addr: number) => inner.readU8(addr),
      writeU8: (addr: number, value: number) => inner.writeU8(addr, value),
      readU32: (addr: number) => inner.readU32(addr),
      writeU32: (addr: number, value: number) => inner.writeU32(addr, value),
      fill(addr: number, length: number, byte: number) {
        if (memory.broken) throw new Error('the backend is broken');
        inner.fill(addr, length, byte);
      },
      copy: (to: number, from: number, length: number) => inner.copy(to, from, length),
    };
    return memory;
  }

  const counters = ({ buddy }: ReturnType<typeof withMemory>): unknown => [
    vmEvent(buddy.state.vmstat, VmEvent.pgalloc_normal),
    vmEvent(buddy.state.vmstat, VmEvent.pgfree),
    [...buddy.state.vmstat.numa],
  ];

  test.each([
    ['order 0', (b) => b.allocPages(MOVABLE | Gfp.__GFP_ZERO, 0)],
    ['order 4', (b) => b.allocPages(MOVABLE | Gfp.__GFP_ZERO, 4)],
    ['bulk', (b) => b.allocPagesBulk(MOVABLE | Gfp.__GFP_ZERO, -1, [-1, -1])],
    ['exact', (b) => b.allocPagesExact(5000, MOVABLE | Gfp.__GFP_ZERO)],
  ] as [string, (b: ReturnType<typeof withMemory>['buddy']) => unknown][])(
    'leaves an allocation of %s undone',
    (_, call) => {
      const memory = fragile();
      const made = withMemory({ memory });
      const { buddy } = made;
      buddy.freePages(buddy.allocPages(MOVABLE, 0) as number, 0);
      const before = counters(made);
      memory.broken = true;
      expect(() => call(buddy)).toThrow('the backend is broken');
      expect(counters(made)).toEqual(before);
      expect(brokenRules(buddy.state)).toEqual([]);
      buddy.drainAllPages();
      expect(freeLists(buddy)).toEqual(['M6 [40]']);
      expect(freeCounter(buddy)[0]).toBe(64);
    },
  );

  test('leaves a free undone: the caller still holds the pages', () => {
    const memory = fragile();
    const made = withMemory({ memory, initOnFree: true });
    const { buddy } = made;
    const [page, other] = [buddy.allocPages(MOVABLE, 0), buddy.allocPages(MOVABLE, 0)] as number[];
    const compound = buddy.allocPages(MOVABLE | Gfp.__GFP_COMP, 2) as number;
    const cache = new PageFragCache();
    const before = counters(made);
    memory.broken = true;
    const calls = [
      () => buddy.freePages(page, 0),
      () => buddy.putPage(compound),
      () => buddy.putPagesList([page, other]),
      () => buddy.releasePages([page, other]),
    ];
    for (const call of calls) expect(call).toThrow('the backend is broken');
    expect(counters(made)).toEqual(before);
    memory.broken = false;
    for (const pfn of [page, other]) buddy.freePages(pfn, 0);
    buddy.freePages(compound, 2);
    buddy.pageFragCacheDrain(cache);
    buddy.drainAllPages();
    expect(freeLists(buddy)).toEqual(['M6 [40]']);
  });
});

describe('bad pages', () => {
  test('are reported when a block goes to the free lists, and leaked', () => {
    const { buddy, lines } = withMemory();
    const block = buddy.allocPages(MOVABLE, 4) as number;
    const before = freeCounter(buddy)[0];
    buddy.state.map.flags[block + 3] |= PageFlag.PG_locked;
    buddy.freePages(block, 4);
    expect(lines).toEqual([
      'BUG: Bad page state in process swapper/0  pfn:00043',
      'page:(____ptrval____) refcount:0 mapcount:0 mapping:0000000000000000 index:0 pfn:0x43',
      'flags: 0x200000000000001(locked|node=0|zone=2)',
      'page dumped because: PAGE_FLAGS_CHECK_AT_FREE flag(s) set',
    ]);
    expect(freeCounter(buddy)[0]).toBe(before);
    expect(vmEvent(buddy.state.vmstat, VmEvent.pgfree)).toBe(0);
    expect(buddy.locate(block)).toMatchObject({ place: 'off-list' });
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('give the last reason that applies', () => {
    const reasons = (
      change: (map: ReturnType<typeof withMemory>['buddy']['state']['map'], pfn: number) => void,
    ) => {
      const { buddy, lines } = withMemory();
      const block = buddy.allocPages(MOVABLE, 4) as number;
      change(buddy.state.map, block + 1);
      buddy.freePages(block, 4);
      return lines[lines.length - 1];
    };
    expect(reasons((map, pfn) => (map.mapcount[pfn] = 1))).toMatch(/nonzero mapcount$/);
    expect(reasons((map, pfn) => (map.flags[pfn] |= PageMark.MAPPING))).toMatch(
      /non-NULL mapping$/,
    );
    expect(
      reasons((map, pfn) => {
        map.refcount[pfn] = 1;
        map.mapcount[pfn] = 1;
      }),
    ).toMatch(/nonzero _refcount$/);
  });

  test('on a per-CPU list are found by the flush', () => {
    const { buddy, lines } = withMemory();
    const page = buddy.allocPages(MOVABLE, 0) as number;
    buddy.freePages(page, 0);
    buddy.state.map.mapcount[page] = 1;
    buddy.drainAllPages();
    expect(lines[lines.length - 1]).toMatch(/nonzero mapcount$/);
    expect(buddy.state.map.mapcount[page]).toBe(0);
    expect(freeLists(buddy)[0]).toMatch(/^M0/);
    expect(freeCounter(buddy)[0]).toBe(63);
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('in the free lists are found by the refill and lost', () => {
    const { buddy, lines } = withMemory({}, 8);
    buddy.state.map.flags[66] |= PageFlag.PG_dirty;
    const pages = Array.from({ length: 7 }, () => buddy.allocPages(MOVABLE, 0));
    expect(pages).toEqual([64, 65, 67, 68, 69, 70, 71]);
    expect(lines[lines.length - 1]).toMatch(/PAGE_FLAGS_CHECK_AT_PREP flag\(s\) set$/);
    lines.length = 0;
    buddy.state.map.flags[80] |= PageFlag.PG_hwpoison;
    expect(buddy.allocPages(MOVABLE, 4)).toBe(96);
    expect(lines).toEqual([]);
    expect(freeCounter(buddy)[0]).toBe(64 - 8 - 32);
    expect(brokenRules(buddy.state)).toEqual([]);
  });

  test('that are hardware-poisoned disappear when freed', () => {
    const { buddy, lines } = withMemory();
    const page = buddy.allocPages(MOVABLE, 0) as number;
    buddy.state.map.flags[page] |= PageFlag.PG_hwpoison;
    buddy.freePages(page, 0);
    expect(lines).toEqual([]);
    expect(pcpList(buddy, 1)).not.toContain(page.toString(16));
  });

  test('are reported at most sixty times a minute', () => {
    let now = 0;
    const lines: string[] = [];
    const buddy = world({
      zones: [{ start: 0x10000, pages: 1024, free: {} }],
      options: { log: (line) => lines.push(line), hooks: { jiffies: () => now } },
    });
    const { map } = buddy.state;
    const report = (from: number, count: number): number => {
      lines.length = 0;
      for (let pfn = from; pfn < from + count; pfn++) {
        map.mapcount[pfn] = 1;
        buddy.freePages(pfn, 0);
      }
      return lines.filter((line) => line.startsWith('BUG: Bad page state in')).length;
    };
    expect(report(0x10000, 70)).toBe(60);
    now = 6001;
    expect(report(0x10100, 1)).toBe(1);
    expect(lines[0]).toBe('BUG: Bad page state: 10 messages suppressed');
  });

  test('mlocked leftovers are cleared and counted', () => {
    const { buddy } = withMemory();
    const page = buddy.allocPages(MOVABLE, 0) as number;
    buddy.state.map.flags[page] |= PageFlag.PG_mlocked | PageMark.MAPPING | PageMark.MAPPING_ANON;
    buddy.freePages(page, 0);
    expect(buddy.state.map.flags[page]).toBe(0);
    expect(vmEvent(buddy.state.vmstat, VmEvent.unevictable_pgs_cleared)).toBe(1);
    expect(buddy.state.zones[NORMAL].managedPages).toBe(64);
  });
});
