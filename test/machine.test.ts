// covers: src/machine.ts src/boot/build-model.ts src/boot/finish-boot.ts
import { describe, expect, test } from 'vitest';
import { reservedRanges } from '../src/boot/memblock-ranges.ts';
import type { BootRegion, MemblockBootOptions } from '../src/boot/types.ts';
import { seededRandom } from '../src/lib/random.ts';
import { boot, bootFromMemblock, type Machine } from '../src/machine.ts';
import { noMemory, sparseMemory } from '../src/memory/index.ts';
import {
  freeListHead,
  Gfp,
  listToArray,
  MAX_ORDER,
  setWatermarkScaleFactor,
} from '../src/mm/index.ts';
import { firstDifference } from '../src/recording/difference.ts';
import type { KernelState } from '../src/recording/kernel-state.ts';
import { kernelStateOf } from '../src/recording/state-compare.ts';
import { BOOT_RECORDINGS, bootRecording, regions } from './boot/support.ts';

/** Free blocks as `ZONE/ORDER/TYPE: pfn pfn ...` in hex. */
function freeLists({ model }: Machine): string[] {
  const names = ['DMA', 'DMA32', 'Normal', 'Movable'];
  return model.zones.flatMap((zone) =>
    Array.from({ length: MAX_ORDER * 5 }, (_, i) => {
      const [order, type] = [Math.floor(i / 5), i % 5];
      const pfns = listToArray(model.map, freeListHead(model.areas, zone.id, order, type));
      const shown = pfns.map((pfn) => pfn.toString(16)).join(' ');
      return pfns.length === 0 ? '' : `${names[zone.index]}/${order}/${type}: ${shown}`;
    }).filter((line) => line !== ''),
  );
}

/** The machine of spec memory-model 7.1. */
function small(options: Partial<MemblockBootOptions> = {}): Machine {
  return bootFromMemblock({
    memblockMemory: regions('1000-9f000 100000-4000000'),
    memblockReserved: regions(
      '0-100000 1000000-1c05000 3a00000-3c00000 3ffa840-3fff000 3fff640-4000000',
    ),
    ...options,
  });
}

describe('64 MiB from its regions (spec memory-model 7.1)', () => {
  test('free lists, head to tail', () => {
    expect(freeLists(small())).toEqual([
      'DMA/8/0: 100',
      'DMA/9/1: 200',
      'DMA/10/1: 400 800 c00',
      'DMA32/0/1: 1c05',
      'DMA32/1/1: 1c06 3ff8',
      'DMA32/3/1: 1c08 3ff0',
      'DMA32/4/1: 1c10 3fe0',
      'DMA32/5/1: 1c20 3fc0',
      'DMA32/6/1: 1c40 3f80',
      'DMA32/7/1: 1c80 3f00',
      'DMA32/8/1: 1d00 3e00',
      'DMA32/9/1: 1e00 3800 3c00',
      'DMA32/10/1: 2000 2400 2800 2c00 3000 3400',
    ]);
  });

  test('log', () => {
    expect(small().dmesg()).toEqual([
      'Zone ranges:',
      '  DMA      [mem 0x0000000000001000-0x0000000000ffffff]',
      '  DMA32    [mem 0x0000000001000000-0x0000000003ffffff]',
      '  Normal   empty',
      'Movable zone start for each node',
      'Early memory node ranges',
      '  node   0: [mem 0x0000000000001000-0x000000000009efff]',
      '  node   0: [mem 0x0000000000100000-0x0000000003ffffff]',
      'Initmem setup node 0 [mem 0x0000000000001000-0x0000000003ffffff]',
      'On node 0, zone DMA: 1 pages in unavailable ranges',
      'On node 0, zone DMA: 97 pages in unavailable ranges',
      'On node 0, zone DMA32: 16384 pages in unavailable ranges',
      'Fallback order for Node 0: 0 ',
      'Built 1 zonelists, mobility grouping on.  Total pages: 15872',
      'Policy zone: DMA32',
      'mem auto-init: stack:off, heap alloc:off, heap free:off',
      'Memory: 49876K/65144K available (6146K kernel code, 954K rwdata, 932K rodata, 804K init, ' +
        '11180K bss, 15012K reserved, 0K cma-reserved)',
    ]);
  });

  test('sizes', () => {
    const { model, totalPages } = small();
    expect(model.zones.map((zone) => zone.managedPages)).toEqual([3840, 8693, 0, 0]);
    expect(model.totalramPages).toBe(12533);
    expect(totalPages).toBe(15872);
    expect(model.zones.map((zone) => zone.contiguous)).toEqual([true, true, false, false]);
  });

  test('with the page tables of vmalloc: the first pages of the first largest block', () => {
    const machine = small({ vmallocPages: true });
    const { map } = machine.model;
    expect([0x2000, 0x203f].map((pfn) => map.refcount[pfn])).toEqual([1, 1]);
    expect(freeLists(machine)).toContain('DMA32/6/0: 2040');
    expect(freeLists(machine)).toContain('DMA32/7/0: 2080');
    expect(freeLists(machine)).toContain('DMA32/8/0: 2100');
    expect(freeLists(machine)).toContain('DMA32/9/0: 2200');
    expect(machine.dmesg().at(-1)).toContain('Memory: 49876K/65144K available');
  });

  test('until the release there are no watermarks and no per-CPU lists', () => {
    const { model } = small({ until: 'release', cpus: 2 });
    expect([...model.zones[1].watermark]).toEqual([0, 0, 0, 0]);
    expect(model.zones[1]).toMatchObject({ pagesetHigh: 0, pagesetBatch: 1, percpuDriftMark: 0 });
    expect(model.tunables.minFreeKbytes).toBe(1024);
  });
});

test('hole inside a pageblock (spec memory-model 7.6)', () => {
  const machine = bootFromMemblock({
    memblockMemory: regions('10000000-11000000 11300000-12001000'),
    memblockReserved: [],
  });
  const lists = freeLists(machine).filter((line) => !line.includes(': 10000'));
  expect(lists).toEqual(['DMA32/0/1: 12000', 'DMA32/8/0: 11300']);
  expect(freeLists(machine)).toContain('DMA32/10/1: 10000 10400 10800 10c00 11400 11800 11c00');
});

test('deferred initialisation from the regions (spec memory-model 7.7)', () => {
  const machine = bootFromMemblock({
    memblockMemory: regions('1000-9f000 100000-c0000000 100000000-140000000'),
    memblockReserved: regions('0-100000 120000000-120c30000'),
    deferredInit: true,
    until: 'release',
  });
  expect(machine.model.zones[2].managedPages).toBe(32768);
  const late = bootFromMemblock({
    memblockMemory: regions('1000-9f000 100000-c0000000 100000000-140000000'),
    memblockReserved: regions('0-100000 120000000-120c30000'),
    deferredInit: true,
  });
  expect(late.model.zones[2].managedPages).toBe(0x40000 - 0xc30);
  expect(freeLists(late)).toContain('Normal/4/0: 120c30');
  const early = bootFromMemblock({
    memblockMemory: regions('100000000-140000000'),
    memblockReserved: [],
    deferredInit: true,
    cmdline: 'early_page_ext',
    until: 'release',
  });
  expect(early.model.zones[2].managedPages).toBe(0x40000);
});

test('grouping by mobility is off on a tiny machine, whose lists are MOVABLE all the same', () => {
  const machine = bootFromMemblock({
    memblockMemory: regions('1000-9f000 100000-900000'),
    memblockReserved: regions('0-100000'),
  });
  expect(machine.model.mobilityDisabled).toBe(true);
  expect(freeLists(machine)).toContain('DMA/10/1: 400');
});

describe('from the firmware map alone', () => {
  /** The parts of a state that exist right after the release. */
  const released = (state: KernelState) => ({
    ...state,
    cpuNode: 0,
    nodeCpus: 0,
    zones: state.zones.map((zone) => ({ ...zone, pcp: [] })),
    events: null,
  });

  test.each(BOOT_RECORDINGS)(
    '%s: all that is reserved, and the free lists, as recorded',
    (name) => {
      const { meta, e820Firmware, memblock, afterFreeAll, dmesg, e820 } = bootRecording(name);
      const acpi = memblock.value.reserved.map(({ base, size }) => ({
        start: base,
        end: base + size,
      }));
      // ACPI tables lie in the first reserved range of the firmware above 1 MiB.
      const table = e820Firmware.value.find(({ addr, type }) => type === 2 && addr > 0x100000n);
      const tables = acpi.filter(
        ({ start, end }) => table && start <= table.addr && end > table.addr,
      );
      const split = memblock.value.memory.find(({ nid }) => nid === 1)?.base;
      const isSrat = split !== undefined && !meta.cmdline.includes('numa=fake');
      const machine = boot({
        e820: e820Firmware.value,
        cmdline: meta.cmdline,
        cpus: meta.cpus,
        hugetlb: meta.hugetlb,
        memoryIsolation: false,
        until: 'release',
        reservations: { firmware: tables.map(({ end }) => ({ start: table?.addr ?? 0n, end })) },
        ...(isSrat && {
          nodes: [
            {
              memory: [
                { start: 0n, end: 0xa0000n },
                { start: 0x100000n, end: split },
              ],
              cpus: [0, 1],
            },
            { memory: [{ start: split, end: 1n << 40n }], cpus: [2, 3] },
          ],
          distance: [
            [10, 20],
            [20, 10],
          ],
        }),
      });
      const got = kernelStateOf(machine.model);
      expect(firstDifference(released(afterFreeAll.value), released(got))).toBeNull();
      const reservedOf = (list: readonly Required<BootRegion>[]) =>
        list.map(({ base, size, nid }) => ({ base, size, nid }));
      const none = machine.memblock.state.maxNumnodes;
      const reserved = machine.memblock
        .regions('reserved')
        .map((region) => ({ ...region, nid: region.nid === none ? -1 : region.nid }));
      expect(reservedOf(reserved)).toEqual(reservedOf(memblock.value.reserved));
      expect(machine.e820?.setup.state.table.entries).toEqual(e820.value);
      const printed = new Set(machine.dmesg().map((line) => line.trimEnd()));
      const missing = dmesg.value.filter((line) => !printed.has(line));
      const sizes = meta.hugetlb ? [] : dmesg.value.filter((line) => line.startsWith('Memory:'));
      const table0 = dmesg.value.filter((line) => line.startsWith('found SMP MP-table'));
      expect(missing).toEqual([...table0, ...sizes]);
    },
  );
});

const PC = [
  { addr: 0n, size: 0x9fc00n, type: 1 },
  { addr: 0x9fc00n, size: 0x400n, type: 2 },
  { addr: 0x100000n, size: 0xbfee0000n, type: 1 },
  { addr: 0xbffe0000n, size: 0x20000n, type: 2 },
  { addr: 0x100000000n, size: 0x80000000n, type: 1 },
];

describe('a booted PC', () => {
  test('has watermarks, per-CPU lists and thresholds of a running kernel', () => {
    const { model } = boot({ e820: PC, cpus: 4 });
    expect(model.tunables.minFreeKbytes).toBe(67584);
    expect(model.zones[2].pagesetBatch).toBe(63);
    expect(model.zones[2].pagesetHigh).toBe(Math.floor(model.zones[2].watermark[1] / 4));
    expect(model.vmstat.zoneThreshold[2]).toBe(30);
    expect(model.zones[2].contiguous).toBe(true);
    // Marks of DMA32 and Normal are those of the last CPU that came up: 4 * 36 and 4 * 30.
    expect(model.zones.map((zone) => zone.percpuDriftMark).slice(1)).toEqual([144, 120, 0]);
  });

  test('without THP the size of min_free_kbytes is the computed one', () => {
    const none = boot({ e820: PC, thp: null }).model.tunables.minFreeKbytes;
    const never = boot({ e820: PC, cmdline: 'transparent_hugepage=never' });
    expect(none).toBe(8994);
    expect(never.model.tunables.minFreeKbytes).toBeLessThan(none);
    expect(boot({ e820: PC, thp: 'never' }).model.tunables).toEqual(never.model.tunables);
  });

  test('allocates and frees', () => {
    const { buddy, model } = boot({ e820: PC });
    const pfn = buddy.allocPages(Gfp.GFP_KERNEL, 3);
    expect(pfn).not.toBeNull();
    buddy.freePages(pfn as number, 3);
    setWatermarkScaleFactor(model, 100);
    expect(model.zones[2].watermark[1]).toBeGreaterThan(model.zones[2].watermark[0]);
  });

  test('prints debug lines on request only, and hands each line to a sink', () => {
    const seen: string[] = [];
    const machine = boot({ e820: PC, log: ({ text }) => seen.push(text) });
    expect(seen).toEqual(machine.dmesg(7));
    expect(machine.dmesg()).not.toContain(
      'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
    );
    expect(machine.dmesg(7)).toContain(
      'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
    );
    expect(machine.dmesg()).toContain('[mem 0xc0000000-0xffffffff] available for PCI devices');
  });

  test('is shuffled with page_alloc.shuffle=1 and a source of numbers, the same for a seed', () => {
    const lists = (seed: number, cmdline: string) =>
      freeLists(boot({ e820: PC, cmdline, random: seededRandom(seed) }));
    expect(lists(1, 'page_alloc.shuffle=1')).toEqual(lists(1, 'page_alloc.shuffle=1'));
    expect(lists(1, 'page_alloc.shuffle=1')).not.toEqual(lists(1, ''));
    expect(freeLists(boot({ e820: PC, cmdline: 'page_alloc.shuffle=1' }))).toEqual(lists(1, ''));
  });

  test('poisons or zeroes free memory when asked to', () => {
    const memory = () => {
      const content = sparseMemory(1 << 26);
      content.fill(0, 1 << 26, 0x11);
      return content;
    };
    const e820 = [PC[0], { addr: 0x100000n, size: 0x3f00000n, type: 1 }];
    const poisoned = boot({ e820, memory: memory(), cmdline: 'page_poison=1' });
    const free = listToArray(poisoned.model.map, freeListHead(poisoned.model.areas, 1, 10, 1))[0];
    expect(poisoned.memory?.readU8(free * 4096 + 5)).toBe(0xaa);
    const zeroed = boot({ e820, memory: memory(), cmdline: 'init_on_free=1' });
    expect(zeroed.memory?.readU8(free * 4096 + 5)).toBe(0);
    expect(zeroed.dmesg()).toContain('mem auto-init: stack:off, heap alloc:off, heap free:on');
    const plain = boot({ e820, memory: memory() });
    expect(plain.memory?.readU8(free * 4096 + 5)).toBe(0x11);
  });

  test('a CPU on a memoryless node uses the nearest memory', () => {
    const end = 1n << 40n;
    const { model } = boot({
      e820: PC,
      cpus: 2,
      nodes: [
        { memory: [{ start: 0n, end }], cpus: [0] },
        { memory: [], cpus: [1] },
      ],
    });
    expect(model.nodes.map(({ online }) => online)).toEqual([true, true]);
    expect(model.nodes[1].zonelists[0].map(({ node }) => node)).toEqual([0, 0, 0]);
  });

  test('a node with neither memory nor CPUs stays offline', () => {
    const machine = boot({
      e820: PC,
      nodes: [{ memory: [{ start: 0n, end: 1n << 40n }] }, { memory: [] }],
    });
    expect(machine.model.nodes.map(({ online }) => online)).toEqual([true, false]);
    expect(machine.dmesg().some((line) => line.startsWith('Built 1 zonelists'))).toBe(true);
  });

  test('numa=off makes one node of several', () => {
    const nodes = [
      { memory: [{ start: 0n, end: 1n << 32n }] },
      { memory: [{ start: 1n << 32n, end: 1n << 40n }] },
    ];
    expect(boot({ e820: PC, nodes }).model.nodes).toHaveLength(2);
    expect(boot({ e820: PC, nodes, cmdline: 'numa=off' }).model.nodes).toHaveLength(1);
  });

  test('two machines share nothing', () => {
    const [a, b] = [boot({ e820: PC }), boot({ e820: PC })];
    a.buddy.allocPages(Gfp.GFP_KERNEL, 0);
    a.task.pfMemalloc = true;
    expect(b.task.pfMemalloc).toBe(false);
    expect(freeLists(b)).toEqual(freeLists(boot({ e820: PC })));
  });

  test('what is reserved is in use, and the rest is free', () => {
    const { memblock, model } = boot({ e820: PC });
    const reserved = reservedRanges(memblock).reduce((sum, r) => sum + r.endPfn - r.startPfn, 0);
    expect(reserved).toBeGreaterThan(20000);
    expect(model.totalramPages).toBe(model.zones.reduce((sum, zone) => sum + zone.managedPages, 0));
  });
});

describe('bad input is refused before anything is built', () => {
  const code = (value: string) => expect.objectContaining({ code: value });

  test.each([
    ['no RAM', { e820: [PC[1], PC[3]] }, 'NO_RAM'],
    [
      'less than a page of RAM',
      { e820: [PC[1], { addr: 0x100000n, size: 0xfffn, type: 1 }] },
      'NO_RAM',
    ],
    ['RAM only below 1 MiB', { e820: [{ addr: 0n, size: 0x100fffn, type: 1 }, PC[1]] }, 'NO_RAM'],
    ['a map of one entry', { e820: [{ addr: 0n, size: 1n << 30n, type: 1 }] }, 'NO_RAM'],
    ['a log without a map', { e820: 'hello' }, 'NO_MAP'],
    [
      'a user map that panics',
      { e820: PC, cmdline: 'memmap=exactmap memmap=8M@16M' },
      'INVALID_USER_MAP',
    ],
    ['a small backend', { e820: PC, memory: noMemory(1 << 20) }, 'MEMORY_TOO_SMALL'],
    ['no CPU', { e820: PC, cpus: 0 }, 'BAD_ARGUMENT'],
    ['CPUs that are no number', { e820: PC, cpus: Number.NaN }, 'BAD_ARGUMENT'],
    ['infinitely many CPUs', { e820: PC, cpus: Number.POSITIVE_INFINITY }, 'BAD_ARGUMENT'],
    [
      'RAM past 4 TiB',
      { e820: [PC[0], { addr: 1n << 42n, size: 1n << 30n, type: 1 }] },
      'TOO_LARGE',
    ],
    [
      'RAM without a node',
      { e820: PC, nodes: [{ memory: [{ start: 0n, end: 4096n }] }] },
      'BAD_NODES',
    ],
    [
      'a bad distance',
      { e820: PC, nodes: [{ memory: [{ start: 0n, end: 1n << 40n }] }], distance: [[-1]] },
      'BAD_ARGUMENT',
    ],
    [
      'no room for the kernel',
      { e820: [PC[0], { addr: 0x100000n, size: 0x100000n, type: 1 }] },
      'OUT_OF_BOOT_MEMORY',
    ],
  ])('%s', (_, options, expected) => {
    expect(() => boot(options)).toThrowError(code(expected));
  });

  test.each([
    ['no memory', { memblockMemory: [] }, 'NO_RAM'],
    ['a scrap of memory', { memblockMemory: regions('1800-2800') }, 'NO_RAM'],
    [
      'memory past 4 TiB',
      { memblockMemory: regions('1000-2000 40000000000-40000001000') },
      'TOO_LARGE',
    ],
    ['a region that is none', { memblockMemory: [{ base: -1n, size: 4096n }] }, 'BAD_REGION'],
    ['a small backend', { memory: noMemory(4096) }, 'MEMORY_TOO_SMALL'],
    ['an end that is no number', { maxLowPfn: Number.NaN }, 'BAD_ARGUMENT'],
    ['no CPU', { cpuNode: [] }, 'BAD_ARGUMENT'],
    ['a CPU of an unknown node', { cpuNode: [2], nodeCount: 1 }, 'BAD_NODES'],
  ])('from regions: %s', (_, options, expected) => {
    expect(() => small(options as Partial<MemblockBootOptions>)).toThrowError(code(expected));
  });
});
