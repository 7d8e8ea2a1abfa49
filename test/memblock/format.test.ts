// covers: src/memblock/format.ts src/memblock/log.ts
import { describe, expect, test } from 'vitest';
import {
  formatDoubleFailed,
  formatDump,
  formatRangeCall,
  Memblock,
  parseMemblockParam,
} from '../../src/memblock/index.ts';
import { ALL_ONES, NOMAP, watched } from './show.ts';

describe('debug lines (spec memblock 5.2)', () => {
  test('the example of an allocation that makes a full array grow', () => {
    const { memblock: m, log } = watched({
      initReservedRegions: 2,
      callers: {
        allocRangeNid: 'memblock_alloc_range_nid+0xd8/0x16c',
        doubleArray: 'memblock_double_array+0x1f1/0x2d0',
      },
    });
    m.add(0x100000n, 0x3f00000n);
    m.reserve(0x1000000n, 0x1000n);
    m.reserve(0x1002000n, 0x1000n);
    m.allowResize();
    log.length = 0;
    m.alloc(100n, 0x40n, 'setup_thing+0x1c/0x90');
    expect(log).toEqual([
      'info memblock_alloc_try_nid: 100 bytes align=0x40 nid=-1 from=0x0000000000000000 max_addr=0x0000000000000000 setup_thing+0x1c/0x90',
      'info memblock_reserve: [0x0000000003ffff80-0x0000000003ffffe3] memblock_alloc_range_nid+0xd8/0x16c',
      'info memblock: reserved is doubled to 4 at [0x0000000003ffe000-0x0000000003ffe05f]',
      'info memblock_reserve: [0x0000000003ffe000-0x0000000003ffefff] memblock_double_array+0x1f1/0x2d0',
    ]);
  });

  test('every call that has one', () => {
    const { memblock: m, log } = watched({ physMap: true });
    m.add(0x1000n, 0x1000n, 'a');
    m.addNode(0x2000n, 0x1000n, 1, 0x9, 'b');
    m.remove(0x1000n, 0x1000n, 'c');
    m.reserve(0n, 0n, 'd');
    m.physFree(0x3000n, 0x1000n, 'e');
    m.free(0x3000n, 0x1000n, 'f');
    m.physmemAdd(0x1000n, 0x1000n, 'g');
    m.add(0n, 0n);
    expect(log).toEqual([
      'info memblock_add: [0x0000000000001000-0x0000000000001fff] a',
      'info memblock_add_node: [0x0000000000002000-0x0000000000002fff] nid=1 flags=9 b',
      'info memblock_remove: [0x0000000000001000-0x0000000000001fff] c',
      'info memblock_reserve: [0x0000000000000000-0xffffffffffffffff] d',
      'info memblock_phys_free: [0x0000000000003000-0x0000000000003fff] e',
      'info memblock_phys_free: [0x0000000000003000-0x0000000000003fff] f',
      'info memblock_physmem_add: [0x0000000000001000-0x0000000000001fff] g',
      'info memblock_add: [0x0000000000000000-0xffffffffffffffff] 0x0',
    ]);
  });

  test('the uncapped end wraps', () => {
    expect(formatRangeCall('memblock_reserve', 0x2000n, ALL_ONES, 'x')).toBe(
      'memblock_reserve: [0x0000000000002000-0x0000000000001ffe] x',
    );
  });

  test('calls without one, and debug mode off', () => {
    const { memblock: m, log } = watched();
    m.add(0x1000n, 0x10000n);
    log.length = 0;
    m.setNode(0n, ALL_ONES, 'memory', 1);
    m.markNomap(0x1000n, 0x1000n);
    m.trimMemory(0x1000n);
    m.enforceMemoryLimit(0x8000n);
    m.capMemoryRange(0n, 0x6000n);
    m.setCurrentLimit(0x8000n);
    expect(log).toEqual([]);
    m.setDebug(false);
    m.reserve(0x1000n, 0x1000n);
    m.dumpAll();
    expect(log).toEqual([]);
  });
});

describe('dump (spec memblock 5.3)', () => {
  const example = (numa: boolean) => {
    const world = watched({ numa });
    const { memblock: m } = world;
    m.addNode(0x1000n, 0x7000n, 0, 0);
    m.addNode(0x20000n, 0x8800n, 1, NOMAP);
    m.reserve(0x3000n, 0x2800n);
    world.log.length = 0;
    return world;
  };

  test('with nodes', () => {
    const { memblock: m, log } = example(true);
    m.dumpAll();
    expect(log.map((line) => line.replace('info ', ''))).toEqual([
      'MEMBLOCK configuration:',
      ' memory size = 0x000000000000f800 reserved size = 0x0000000000002800',
      ' memory.cnt  = 0x2',
      ' memory[0x0]\t[0x0000000000001000-0x0000000000007fff], 0x0000000000007000 bytes on node 0 flags: 0x0',
      ' memory[0x1]\t[0x0000000000020000-0x00000000000287ff], 0x0000000000008800 bytes on node 1 flags: 0x4',
      ' reserved.cnt  = 0x1',
      ' reserved[0x0]\t[0x0000000000003000-0x00000000000057ff], 0x0000000000002800 bytes flags: 0x0',
    ]);
  });

  test('without NUMA no node is shown', () => {
    expect(formatDump(example(false).memblock.state)[4]).toBe(
      ' memory[0x1]\t[0x0000000000020000-0x00000000000287ff], 0x0000000000008800 bytes flags: 0x4',
    );
  });

  test('the first dummy is on node 0, a later one on none; physmem comes last', () => {
    const m = new Memblock({ physMap: true });
    const empty = '[0x0000000000000000-0xffffffffffffffff], 0x0000000000000000 bytes';
    expect(formatDump(m.state).slice(2)).toEqual([
      ' memory.cnt  = 0x1',
      ` memory[0x0]\t${empty} on node 0 flags: 0x0`,
      ' reserved.cnt  = 0x1',
      ` reserved[0x0]\t${empty} on node 0 flags: 0x0`,
      ' physmem.cnt  = 0x1',
      ` physmem[0x0]\t${empty} on node 0 flags: 0x0`,
    ]);
    m.add(0x1000n, 0x1000n);
    m.remove(0x1000n, 0x1000n);
    expect(formatDump(m.state)[3]).toBe(` memory[0x0]\t${empty} flags: 0x0`);
  });
});

test('debugfs (spec memblock 5.5)', () => {
  const m = new Memblock();
  m.add(0x1000n, 0x7000n);
  m.add(0x20000n, 0x8800n);
  expect(m.debugfs('memory')).toBe(
    '   0: 0x0000000000001000..0x0000000000007fff\n   1: 0x0000000000020000..0x00000000000287ff\n',
  );
  expect(m.debugfs('reserved')).toBe('   0: 0x0000000000000000..0xffffffffffffffff\n');
});

test('the switch is the text "debug" anywhere', () => {
  expect(['debug', 'x,debugging', '', 'Debug'].map(parseMemblockParam)).toEqual([
    true,
    true,
    false,
    false,
  ]);
  expect(formatDoubleFailed('memory', 128)).toBe(
    'memblock: Failed to double memory array from 128 to 256 entries !',
  );
});

describe('the mirror warning (spec memblock 5.4)', () => {
  const mirrored = (jiffies?: () => number) => {
    const world = watched({
      mirroredKernelcore: true,
      debug: false,
      hz: 10,
      ...(jiffies && { jiffies }),
    });
    world.memblock.add(0x100000n, 0x100000n);
    world.memblock.markMirror(0n, 0n);
    return world;
  };

  test('comes ten times and then, while time stands still, no more', () => {
    const { memblock: m, log } = mirrored();
    for (let i = 0; i < 15; i++) m.physAlloc(0x10n, 0x10n);
    expect(log).toHaveLength(10);
  });

  test('comes again after five seconds', () => {
    let now = 1000;
    const { memblock: m, log } = mirrored(() => now);
    for (let i = 0; i < 15; i++) m.physAlloc(0x10n, 0x10n);
    now += 50;
    m.physAlloc(0x10n, 0x10n);
    expect(log).toHaveLength(10);
    now += 1;
    for (let i = 0; i < 15; i++) m.physAlloc(0x10n, 0x10n);
    expect(log).toHaveLength(20);
  });
});

test('nobody needs to listen', () => {
  const m = new Memblock({ debug: true });
  m.add(0x1000n, 0x1000n);
  m.dumpAll();
  expect(m.allocRangeNid(0x10n, 0n, 0n, 0n, 64, false)).toBe(0x1fc0n);
});
