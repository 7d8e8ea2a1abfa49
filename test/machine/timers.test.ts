import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { bootOf, bootTwoNodes, problems } from './support.ts';

function pendingCounters({ model }: ReturnType<typeof bootOf>): number {
  const { zoneDiff, nodeDiff } = model.vmstat;
  return [...zoneDiff, ...nodeDiff].filter((difference) => difference !== 0).length;
}

describe('once a second', () => {
  test.each(['full', 'short'] as const)('CPUs give their counters, slow path %s', (slowPath) => {
    const machine = bootTwoNodes(64, { slowPath, hz: 250 });
    machine.allocPages(Gfp.GFP_KERNEL, 0, -1, 0);
    machine.allocPages(Gfp.GFP_KERNEL, 0, -1, 1);
    expect(pendingCounters(machine)).toBeGreaterThan(0);
    machine.tick(249);
    expect(pendingCounters(machine)).toBeGreaterThan(0);
    machine.tick(1);
    expect(pendingCounters(machine)).toBe(0);
    expect(machine.jiffies).toBe(250);
    machine.allocPages(Gfp.GFP_KERNEL, 0);
    machine.tick(250);
    expect(pendingCounters(machine)).toBe(0);
  });
});

test('SLAB reaps what lies idle', () => {
  const machine = bootOf(32, { slab: 'slab' });
  const cache = machine.slab.createCache('demo', { size: 500 });
  const objects = Array.from({ length: 400 }, () => cache?.alloc() ?? 0);
  for (const address of objects) cache?.free(address);
  const { slab } = machine.owners().pages;
  machine.tick(60 * machine.model.hz);
  expect(machine.slab).toBeInstanceOf(SlabAllocator);
  expect(machine.owners().pages.slab).toBeLessThan(slab);
  expect(problems(machine)).toEqual([]);
});

test('old dirty pages are written', () => {
  const machine = bootOf(32, { disk: { dirtyExpireJiffies: 50 } });
  const file = machine.pageCache.createFile();
  machine.pageCache.write(file, 0);
  machine.tick(49);
  expect(machine.pageCache.writing).toBe(0);
  machine.tick(1);
  expect(machine.pageCache.writing).toBe(1);
  machine.tick(1);
  expect(machine.pageCache.writing).toBe(0);
});

test('the disk takes so many writes at a time, and the flusher comes back', () => {
  const machine = bootOf(32, { disk: { queueDepth: 3, writeJiffies: 2 } });
  const file = machine.pageCache.createFile();
  for (let i = 0; i < 8; i++) machine.pageCache.write(file, i);
  machine.pageCache.sync();
  const writing: number[] = [];
  for (let i = 0; i < 7; i++) {
    writing.push(machine.pageCache.writing);
    machine.tick(1);
  }
  expect(writing).toEqual([3, 3, 3, 3, 2, 2, 0]);
});

test('reclaim waits for the oldest write when the disk is full', () => {
  const machine = bootOf(32, { swapPages: 1000, disk: { queueDepth: 4, writeJiffies: 5 } });
  const { processes } = machine;
  const process = processes.spawn({ comm: 'demo' });
  const memory = processes.mmap(process, 100);
  for (let i = 0; i < 100; i++) processes.touch(process, memory, i);
  machine.reclaim.lruAddDrainAll();
  machine.reclaim.shrinkAllMemory(50);
  expect(machine.jiffies).toBeGreaterThanOrEqual(5);
  expect(machine.pageCache.writing).toBeLessThanOrEqual(4);
  expect(problems(machine)).toEqual([]);
});

test('kcompactd looks at the fragmentation score now and then', () => {
  const machine = bootOf(32);
  const sleeps: number[] = [];
  machine.trace = { mmCompactionKcompactdSleep: () => sleeps.push(machine.jiffies) };
  machine.tick(200);
  expect(sleeps).toEqual([50, 100, 150, 200]);
});
