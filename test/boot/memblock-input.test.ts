import { describe, expect, test } from 'vitest';
import { defaultBootParams } from '../../src/boot/command-line.ts';
import {
  endPfnOfRegions,
  layoutFromRegions,
  memblockFromRegions,
} from '../../src/boot/memblock-input.ts';
import type { MemblockBootOptions } from '../../src/boot/types.ts';
import { regions, reservedText, textLog } from './support.ts';

function memblock(options: Partial<MemblockBootOptions>) {
  const whole = { memblockMemory: [], memblockReserved: [], ...options };
  return memblockFromRegions(whole, defaultBootParams(), textLog().log);
}

test('takes regions with flags and nodes, whatever their number', () => {
  const memory = Array.from({ length: 300 }, (_, i) => ({
    base: BigInt(i + 1) << 24n,
    size: 0x1000n,
    flags: i % 2,
    nid: i % 3,
  }));
  const reserved = memory.map(({ base }) => ({ base, size: 0x10n, nid: -1 }));
  const made = memblock({ memblockMemory: memory, memblockReserved: reserved });
  expect(
    made.regions('memory').map(({ base, size, flags, nid }) => ({ base, size, flags, nid })),
  ).toEqual(memory);
  expect(made.regions('reserved')).toHaveLength(300);
  expect(endPfnOfRegions(made)).toBe((300 << 12) + 1);
});

test('memory without a node is of node 0, reservations keep theirs', () => {
  const made = memblock({
    memblockMemory: [{ base: 0x1000n, size: 0x1000n, nid: -1 }],
    memblockReserved: [{ base: 0x1000n, size: 0x10n, nid: 0 }],
  });
  expect(made.regions('memory')[0].nid).toBe(0);
  expect(made.regions('reserved')[0].nid).toBe(0);
  expect(reservedText(made)).toBe('1000-1010');
});

describe('refused are', () => {
  test.each([
    { base: -1n, size: 1n },
    { base: 1n, size: -1n },
    { base: (1n << 64n) - 1n, size: 2n },
    { base: 0n, size: 1n, nid: 63 },
    { base: 0n, size: 1n, nid: 0.5 },
    { base: 0n, size: 1n, nid: Number.NaN },
    { base: 0n, size: 1n, flags: Number.NaN },
  ])('%o', (region) => {
    const bad = expect.objectContaining({ code: 'BAD_REGION' });
    expect(() => memblock({ memblockMemory: [region] })).toThrowError(bad);
    expect(() => memblock({ memblockReserved: [region] })).toThrowError(bad);
  });
});

describe('layout', () => {
  const layout = (options: Partial<MemblockBootOptions>) => {
    const whole = {
      memblockMemory: regions('1:1000-2000 2:2000-3000'),
      memblockReserved: [],
      ...options,
    };
    return layoutFromRegions(whole, memblock(whole));
  };

  test('has as many nodes as are named, and CPUs on node 0', () => {
    expect(layout({ cpus: 2 })).toEqual({
      nodeCount: 3,
      cpuNode: [0, 0],
      nodeCpus: [[0, 1], [], []],
      distance: undefined,
    });
  });

  test('takes CPUs, masks and distances as given', () => {
    const given = { cpuNode: [4, 0], nodeCpus: [[0, 1]], distance: [[10]] };
    expect(layout(given)).toEqual({ nodeCount: 5, ...given });
  });

  test.each([
    { nodeCount: 2 },
    { cpuNode: [3], nodeCount: 3 },
    { cpuNode: [-1] },
    { nodeCount: 64 },
  ])('refuses %o', (options) => {
    expect(() => layout(options)).toThrowError(expect.objectContaining({ code: 'BAD_NODES' }));
  });
});
