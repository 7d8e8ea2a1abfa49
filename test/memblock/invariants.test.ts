import { expect, test } from 'vitest';
import {
  assertInvariants,
  checkInvariants,
  Memblock,
  type MemblockState,
  type RegionArray,
} from '../../src/memblock/index.ts';

function example(): MemblockState {
  const m = new Memblock({ initReservedRegions: 2, physMap: true });
  m.add(0x1000n, 0x1000n);
  m.add(0x4000n, 0x10000n);
  m.allowResize();
  for (let k = 0n; k < 3n; k++) m.reserve(0x100000n + k * 0x2000n, 0x1000n);
  m.physmemAdd(0x1000n, 0x1000n);
  return m.state;
}

const region = (base: bigint, end: bigint, flags = 0, nid = 64) => {
  return { base, end, size: end - base, flags, nid };
};

/** Replaces the entries of an array and keeps its total right. */
function put(type: RegionArray, ...regions: ReturnType<typeof region>[]): void {
  type.regions = regions;
  type.totalSize = regions.reduce((sum, { size }) => sum + size, 0n);
}

test('all rules hold in the beginning and after some use', () => {
  expect(checkInvariants(new Memblock().state)).toEqual([]);
  expect(checkInvariants(example())).toEqual([]);
});

test.each<[string, (state: MemblockState) => void]>([
  ['MEMBLOCK-1', (s) => put(s.memory, region(0x1000n, 0x3000n), region(0x2000n, 0x4000n))],
  ['MEMBLOCK-1', (s) => put(s.memory, region(0x5000n, 0x6000n), region(0x2000n, 0x4000n))],
  ['MEMBLOCK-2', (s) => put(s.memory, region(0x1000n, 0x1000n), region(0x2000n, 0x4000n))],
  ['MEMBLOCK-2', (s) => put(s.memory, region(0n, 0n, 1))],
  ['MEMBLOCK-2', (s) => put(s.memory, region(0x1000n, 0x1000n))],
  ['MEMBLOCK-2', (s) => put(s.memory, { ...region(0x1000n, 0x2000n), end: 0x3000n })],
  ['MEMBLOCK-3', (s) => put(s.memory)],
  ['MEMBLOCK-3', (s) => Object.assign(s.memory, { max: 1 })],
  ['MEMBLOCK-3', (s) => Object.assign(s.memory, { max: 200 })],
  ['MEMBLOCK-4', (s) => put(s.memory, region(0x1000n, 2n ** 64n))],
  ['MEMBLOCK-5', (s) => Object.assign(s.reserved, { totalSize: 1n })],
  ['MEMBLOCK-5', (s) => Object.assign(s.memory, { totalDrift: 1n })],
  ['MEMBLOCK-6', (s) => put(s.memory, region(0x1000n, 0x2000n), region(0x2000n, 0x4000n))],
  ['MEMBLOCK-17', (s) => Object.assign(s, { canResize: false })],
  ['MEMBLOCK-18', (s) => put(s.reserved, region(0x100000n, 0x101000n))],
])('%s is noticed', (rule, damage) => {
  const state = example();
  damage(state);
  expect(checkInvariants(state).map((violation) => violation.rule)).toContain(rule);
  expect(() => assertInvariants(state)).toThrow(rule);
});

test('full checks run after each call that changes something', () => {
  const m = new Memblock({ checks: 'full' });
  m.add(0x1000n, 0x1000n);
  m.state.memory.totalSize = 5n;
  expect(() => m.reserve(0x1000n, 0x1000n)).toThrow('MEMBLOCK-5');
  expect(() => m.physAlloc(0x10n, 0x10n)).toThrow('MEMBLOCK-5');
});
