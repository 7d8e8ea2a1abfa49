import { describe, expect, test } from 'vitest';
import { dummyNumaLayout, firmwareNumaLayout } from '../../src/boot/numa.ts';
import { registerNodes } from '../../src/boot/register-nodes.ts';
import type { BootNode } from '../../src/boot/types.ts';
import { isHotpluggable } from '../../src/memblock/index.ts';
import { memblockOf, reservedText, textLog } from './support.ts';

const MIB = 1n << 20n;

function twoNodes(hotplug: boolean): BootNode[] {
  return [
    { memory: [{ start: 0n, end: 512n * MIB }] },
    { memory: [{ start: 512n * MIB, end: 1024n * MIB, hotplug }] },
  ];
}

test('one node: its data lies at the end of memory', () => {
  const memblock = memblockOf('1000-9f000 100000-3fe0000', '0-100000');
  const { log, lines } = textLog();
  registerNodes(memblock, dummyNumaLayout(0x3fe0000n, 1, log), 0x4000n, log);
  expect(lines.at(-1)).toBe('NODE_DATA(0) allocated [mem 0x03fdc000-0x03fdffff]');
  expect(memblock.regions('memory').map(({ nid }) => nid)).toEqual([0, 0]);
  expect(memblock.regions('reserved').map(({ nid }) => nid)).toEqual([0, 64]);
});

describe('two nodes', () => {
  const register = (hotplug: boolean, reserved: string, distance?: number[][]) => {
    const memblock = memblockOf('100000-40000000', reserved);
    const { log, lines } = textLog();
    const layout = firmwareNumaLayout(twoNodes(hotplug), distance, 1024n * MIB, 1, log);
    registerNodes(memblock, layout, 0x4000n, log);
    return { memblock, lines };
  };

  test('cut memory and reservations at their border, and each has its data', () => {
    const { memblock, lines } = register(false, '1ff00000-20100000');
    const memory = memblock.regions('memory').map(({ base, nid }) => [base, nid]);
    expect(memory).toEqual([
      [0x100000n, 0],
      [0x20000000n, 1],
    ]);
    expect(lines).toEqual([
      'NODE_DATA(0) allocated [mem 0x1fefc000-0x1fefffff]',
      'NODE_DATA(1) allocated [mem 0x3fffc000-0x3fffffff]',
    ]);
  });

  test('with distances take a table of one byte per pair first', () => {
    const { memblock, lines } = register(false, '', [
      [10, 20],
      [20, 10],
    ]);
    expect(lines[1]).toBe('NODE_DATA(1) allocated [mem 0x3fffb000-0x3fffefff]');
    expect(reservedText(memblock)).toContain('3ffff000-3ffff004');
  });

  test('data lies on another node when its own has no room', () => {
    const { lines } = register(false, '100000-20000000');
    expect(lines).toEqual([
      'NODE_DATA(0) allocated [mem 0x3fffc000-0x3fffffff]',
      '    NODE_DATA(0) on node 1',
      'NODE_DATA(1) allocated [mem 0x3fff8000-0x3fffbfff]',
    ]);
  });

  test('a node that holds something of the kernel cannot be unplugged', () => {
    const free = register(true, '100000-200000').memblock;
    expect(free.regions('memory').map(isHotpluggable)).toEqual([false, true]);
    const used = register(true, '30000000-30001000').memblock;
    expect(used.regions('memory').map(isHotpluggable)).toEqual([false, false]);
  });
});

test('RAM without a node is refused before anything changed', () => {
  const memblock = memblockOf('100000-50000000');
  const { log } = textLog();
  const layout = firmwareNumaLayout(twoNodes(false), undefined, 0x50000000n, 1, log);
  const before = memblock.snapshot();
  expect(() => registerNodes(memblock, layout, 0x4000n, log)).toThrowError(
    expect.objectContaining({ code: 'BAD_NODES' }),
  );
  expect(memblock.snapshot()).toEqual(before);
});

test('less than a page of RAM without a node is no error, a page is', () => {
  const register = (memory: string) => {
    const memblock = memblockOf(memory);
    const { log } = textLog();
    registerNodes(memblock, dummyNumaLayout(0x200000n, 1, log), 0n, log);
  };
  expect(() => register('100000-200fff')).not.toThrow();
  expect(() => register('100000-201000')).toThrowError(/belongs to no node/);
});

test('no room for the data of a node is an error', () => {
  const memblock = memblockOf('100000-104000', '100000-102000');
  const { log } = textLog();
  const layout = dummyNumaLayout(0x104000n, 1, log);
  expect(() => registerNodes(memblock, layout, 0x4000n, log)).toThrowError(
    expect.objectContaining({ code: 'OUT_OF_BOOT_MEMORY' }),
  );
});
