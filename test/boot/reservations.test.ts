// covers: src/boot/reservations.ts src/boot/command-line-copies.ts src/boot/boot-alloc.ts src/boot/direct-map.ts src/boot/large-hashes.ts src/boot/percpu-areas.ts src/boot/sparse-memmap.ts src/boot/swiotlb.ts
import { describe, expect, test } from 'vitest';
import { bootAlloc, bootAllocAll } from '../../src/boot/boot-alloc.ts';
import { reserveCommandLines } from '../../src/boot/command-line-copies.ts';
import { directMapPages } from '../../src/boot/direct-map.ts';
import { reserveLargeHashes } from '../../src/boot/large-hashes.ts';
import { memoryRanges } from '../../src/boot/memblock-ranges.ts';
import { reservePercpuAreas } from '../../src/boot/percpu-areas.ts';
import { defaultReservations, noReservations } from '../../src/boot/reservations.ts';
import { reserveSparseMemmap } from '../../src/boot/sparse-memmap.ts';
import { reserveSwiotlb } from '../../src/boot/swiotlb.ts';
import { boot } from '../../src/machine.ts';
import { memblockOf, reservedText } from './support.ts';

describe('boot allocations', () => {
  test('are taken from the top, in order', () => {
    const memblock = memblockOf('100000-200000');
    bootAllocAll(memblock, [
      { what: 'a', size: 0x100n, align: 64n },
      { what: 'b', size: 0x1000n, align: 4096n },
    ]);
    expect(reservedText(memblock)).toBe('1fe000-1ff000 1fff00-200000');
  });

  test('without room are an error that says what for', () => {
    const memblock = memblockOf('100000-101000');
    const request = { what: 'page map', size: 0x2000n, align: 4096n };
    expect(() => bootAlloc(memblock, request)).toThrowError(/no room for page map: 8192 bytes/);
  });
});

describe('page map (spec memory-model 4.1)', () => {
  test('one section: root table, section root, usage, 2 MiB, two page tables', () => {
    const memblock = memblockOf('1000-9f000 100000-3fe0000', '0-100000 3fdc000-3fe0000');
    reserveSparseMemmap(memblock, memoryRanges(memblock));
    expect(reservedText(memblock)).toBe(
      '0-100000 3c00000-3e00000 3fd4000-3fd6000 3fd6fc0-3fd6ff8 3fd7000-3fe0000',
    );
  });

  test('two nodes: each has its part', () => {
    const memblock = memblockOf('0:1000000-20000000 1:20000000-40000000');
    reserveSparseMemmap(memblock, memoryRanges(memblock));
    const large = memblock.regions('reserved').filter(({ size }) => size >= 8n << 20n);
    // Four sections of each node, 2 MiB each.
    expect(large.map(({ base, size }) => [base.toString(16), size >> 20n])).toEqual([
      ['1f600000', 8n],
      ['3f600000', 8n],
    ]);
    // As recorded (boot-12): the usage structures of both lie on node 0, whose id is what the data
    // of every node says at that time. 4 sections of 56 bytes each.
    expect(reservedText(memblock)).toContain(' 1fffee00-1fffeee0 1fffef00-1fffefe0 1ffff000-');
  });

  test('usage structures are smaller with pageblocks of 4 MiB: 40 bytes instead of 56', () => {
    const memblock = memblockOf('1000-9f000 100000-ffe0000', '0-100000 ffdc000-ffe0000');
    reserveSparseMemmap(memblock, memoryRanges(memblock), 10);
    // As recorded (boot-11), for two sections.
    expect(reservedText(memblock)).toContain(' ffd6f80-ffd6fd0 ');
  });

  test('tables grow with memory: a root per 32 GiB, a table per 64 GiB', () => {
    const memblock = memblockOf('1000000-3000000000');
    reserveSparseMemmap(memblock, memoryRanges(memblock));
    const small = memblock.regions('reserved').reduce((sum, { size }) => sum + size, 0n);
    const memmap = 1536n * (2n << 20n);
    const usage = 1536n * 56n;
    expect(small - memmap - usage).toBe(16384n + 6n * 4096n + (1n + 3n) * 4096n);
  });

  test('nothing without memory', () => {
    const memblock = memblockOf('');
    reserveSparseMemmap(memblock, []);
    expect(reservedText(memblock)).toBe('');
  });
});

describe('per-CPU areas', () => {
  /** The areas alone: what is kept about them is smaller. */
  const areas = (memory: string, cpuNode: number[]) => {
    const memblock = memblockOf(memory);
    reservePercpuAreas(memblock, cpuNode, 0x2f000n);
    return reservedText(memblock)
      .split(' ')
      .filter((part) => {
        const [start, end] = part.split('-').map((text) => Number.parseInt(text, 16));
        return end - start === 0x2f000;
      })
      .join(' ');
  };

  test.each([
    // Sizes as recorded (boot-01, boot-03, boot-12), from the top: group offsets, group sizes, unit
    // map, unit offsets; 23 or 22 lists, chunk and allocation map; bound map and blocks.
    [[0], '3001900-3001ef0 3001f00-3001f08 3001f40-3001f44 3001f80-3001f88 3001fc0-3001fc8'],
    [[0, 0], '3001900-3001ee0 3001f00-3001f10 3001f40-3001f48 3001f80-3001f88 3001fc0-3001fc8'],
    [
      [0, 0, 1, 1],
      '3001900-3001ee0 3001f00-3001f20 3001f40-3001f50 3001f80-3001f90 3001fc0-3001fd0',
    ],
  ])('tables for the CPUs of nodes %j', (cpuNode, tables) => {
    const memblock = memblockOf('0:1000000-1200000 1:2000000-2200000 1:3000000-3002000');
    reservePercpuAreas(memblock, cpuNode, 0x2f000n);
    expect(reservedText(memblock)).toContain(` 30013c0-30018c8 ${tables}`);
  });

  test('one CPU has a chunk of its own, two share one', () => {
    expect(areas('1000000-20000000', [0])).toBe('1fe00000-1fe2f000');
    expect(areas('1000000-20000000', [0, 0])).toBe('1fe00000-1fe2f000 1ff00000-1ff2f000');
  });

  test('three CPUs leave a unit of their chunk free', () => {
    expect(areas('1000000-20000000', [0, 0, 0])).toBe(
      '1fe00000-1fe2f000 1fe80000-1feaf000 1ff00000-1ff2f000',
    );
  });

  test('more CPUs than units in a chunk take several', () => {
    expect(areas('1000000-20000000', new Array(9).fill(0)).split(' ')).toHaveLength(9);
  });

  test('lie on the nodes of their CPUs', () => {
    expect(areas('0:1000000-20000000 1:20000000-40000000', [0, 1, 0, 1])).toBe(
      '1fe00000-1fe2f000 1ff00000-1ff2f000 3fe00000-3fe2f000 3ff00000-3ff2f000',
    );
  });

  test('none when they are empty', () => {
    const memblock = memblockOf('1000000-20000000');
    reservePercpuAreas(memblock, [0], 0n);
    expect(reservedText(memblock)).toBe('');
  });
});

describe('hash tables', () => {
  const bytes = (totalPages: number, nodes = 1) => {
    const memblock = memblockOf('100000-10000000000');
    reserveLargeHashes(memblock, totalPages, nodes);
    return memblock.regions('reserved').reduce((sum, { size }) => sum + size, 0n);
  };

  test.each([
    [15840, 0x18000n],
    [31968, 0x30000n],
    [251712, 0x180000n],
    [773856, 0x600000n],
    [1548000, 0xc00000n],
  ])('of %d pages', (totalPages, expected) => {
    expect(bytes(totalPages)).toBe(expected);
  });

  test('grow half as fast beyond 64 GiB, and are not taken with several nodes', () => {
    expect(bytes(2 ** 24)).toBe(96n << 20n);
    expect(bytes(2 ** 26)).toBe(192n << 20n);
    expect(bytes(2 ** 24, 2)).toBe(0n);
  });
});

describe('bounce buffer', () => {
  const buffer = (
    maxPfn: number,
    bytes: bigint,
    memory = '100000-c0000000 100000000-140000000',
  ) => {
    const memblock = memblockOf(memory);
    reserveSwiotlb(memblock, maxPfn, bytes, 3);
    return reservedText(memblock);
  };

  test('lies below 4 GiB, its slots and areas anywhere', () => {
    // 32768 slots of 24 bytes; 4 areas of 16 bytes for 3 CPUs.
    expect(buffer(0x140000, 64n << 20n)).toBe('bc000000-c0000000 13ff3ffc0-140000000');
  });

  test('is for machines with RAM above 4 GiB, and only when asked for', () => {
    expect(buffer(0x100000, 64n << 20n)).toBe('');
    expect(buffer(0x140000, 0n)).toBe('');
  });

  test('is left out when there is no room below 4 GiB', () => {
    expect(buffer(0x140000, 64n << 20n, '100000-200000 100000000-140000000')).toBe('');
  });
});

test('the command line is kept twice, with what stands in front of it', () => {
  const kept = (chars: number | null, cmdline: string) => {
    const memblock = memblockOf('1000-2000');
    reserveCommandLines(memblock, chars, cmdline);
    return reservedText(memblock);
  };
  // As recorded (boot-01, boot-08).
  expect(kept(52, '')).toBe('1f80-1fb5 1fc0-1ff5');
  expect(kept(52, 'mem=700M')).toBe('1f80-1fbe 1fc0-1ffe');
  expect(kept(0, 'abc')).toBe('1f80-1f84 1fc0-1fc4');
  expect(kept(null, 'abc')).toBe('');
});

test.each([
  ['100000-40000000', 0],
  ['100000-bffe0000', 0],
  // The last GiB is cut, and its last 2 MiB too.
  ['100000-bffe0000 100000000-1c0000000', 2],
  ['100000-3fe0000 100000000-102000000', 1],
  ['100000-bfe00000 100000000-1c0000000', 1],
  ['100000-c0000000 100000000-1c0000000', 0],
  ['100000000-1c0000000', 0],
])('page tables of the direct mapping of %s: %d', (memory, pages) => {
  expect(directMapPages(memblockOf(memory))).toBe(pages);
});

describe('machines of other sizes have the managed pages that other recordings start from', () => {
  // In those, 4 pages of DMA32 came later: code for machines with one CPU.
  const FREED_LATER = 4;

  test.each([
    ['5 GiB (watermark-02)', 0xc0000000n, 0x80000000n, '', [3840, 759774, 500432]],
    ['4500 MiB (buddy-07)', 0xc0000000n, 0x59400000n, '', [3840, 759774, 343760]],
    ['64 + 32 MiB (buddy-10)', 0x4000000n, 0x2000000n, 'swiotlb=noforce', [3840, 6110, 7009]],
  ])('%s', (_, low, high, cmdline, managed) => {
    const machine = boot({
      e820: [
        { addr: 0n, size: 0x9fc00n, type: 1 },
        { addr: 0x9fc00n, size: 0x400n, type: 2 },
        { addr: 0xf0000n, size: 0x10000n, type: 2 },
        { addr: 0x100000n, size: low - 0x120000n, type: 1 },
        { addr: low - 0x20000n, size: 0x20000n, type: 2 },
        { addr: 0xfffc0000n, size: 0x40000n, type: 2 },
        { addr: 1n << 32n, size: high, type: 1 },
        { addr: 0xfd00000000n, size: 0x300000000n, type: 2 },
      ],
      cpus: 2,
      cmdline,
      until: 'release',
    });
    const [dma, dma32, normal] = machine.model.zones.map((zone) => zone.managedPages);
    expect([dma, dma32 + FREED_LATER, normal]).toEqual(managed);
  });
});

describe('profiles', () => {
  const e820 = [{ addr: 0x1000n, size: 0x3fff000n, type: 1 }];

  test('nothing reserved but low memory', () => {
    const machine = boot({
      e820: [...e820, { addr: 0xf000_0000n, size: 0x1000n, type: 2 }],
      reservations: noReservations(),
      cmdline: 'swiotlb=noforce',
    });
    const free = machine.model.totalramPages;
    // What e820 set-up records of the map itself takes the last page.
    expect(machine.e820?.finish.nosave).toEqual([]);
    expect(free).toBe(0x4000 - 0x100 - 1);
  });

  test('with hibernation each range that it leaves out has a record and a line', () => {
    const machine = boot({
      e820: [...e820, { addr: 0xf000_0000n, size: 0x1000n, type: 2 }],
      reservations: { hibernation: true },
    });
    expect(machine.e820?.finish.nosave).toEqual([
      { startPfn: 0, endPfn: 1 },
      { startPfn: 0xa0, endPfn: 0x100 },
    ]);
    expect(machine.dmesg()).toContain(
      'PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]',
    );
  });

  test('parts can be replaced one by one', () => {
    const big = { ...defaultReservations().imageSizes, kernelCode: 99999 };
    const machine = boot({
      e820: [...e820, { addr: 0xf000_0000n, size: 0x1000n, type: 2 }],
      reservations: { imageSizes: big, initrd: { start: 0x3000000n, end: 0x3100001n } },
    });
    expect(machine.dmesg().join('\n')).toContain('99999K kernel code');
    expect(machine.memblock.isReserved(0x3100fffn)).toBe(true);
    expect(machine.memblock.isReserved(0x3101000n)).toBe(false);
  });
});
