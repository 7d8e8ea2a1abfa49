import { describe, expect, test } from 'vitest';
import { listDel } from '../../src/lib/list.ts';
import { FrameOwner } from '../../src/machine/owners.ts';
import { freeListHead } from '../../src/mm/free-area.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { bootOf, bootTwoNodes, problems } from './support.ts';

describe('owners', () => {
  test('every frame has one', () => {
    const machine = bootTwoNodes(32, { slab: 'slub' });
    const { pageCache, processes } = machine;
    const file = pageCache.createFile();
    const process = processes.spawn({ comm: 'demo' });
    const region = processes.mmap(process, 8);
    const filePfn = pageCache.read(file, 0);
    const anonPfn = processes.touch(process, region, 0);
    const object = machine.kmalloc(64) ?? 0;
    const block = machine.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_COMP, 3, 1) ?? -1;
    machine.freePages(machine.allocPages(Gfp.GFP_KERNEL, 0) ?? -1, 0);
    const { of, pages, blocks, violations } = machine.owners();
    expect(of[filePfn]).toBe(FrameOwner.FILE);
    expect(of[anonPfn]).toBe(FrameOwner.ANON);
    expect(of[Math.floor(object / 4096)]).toBe(FrameOwner.SLAB);
    expect(
      [...of.subarray(block, block + 9)].filter((owner) => owner === FrameOwner.CALLER),
    ).toHaveLength(8);
    expect(of[0]).toBe(FrameOwner.RESERVED);
    expect(blocks).toEqual([[block, 3]]);
    expect(pages).toMatchObject({ file: 1, anon: 1, caller: 8, lost: 0, batch: 0 });
    expect(pages.pcp).toBeGreaterThan(0);
    const { endPfn } = machine.model.map;
    expect(Object.values(pages).reduce((sum, count) => sum + count, 0)).toBe(endPfn);
    expect(violations).toEqual([]);
  });

  test('a page that only a batch refers to belongs to the batch', () => {
    const machine = bootOf(32);
    const { pageCache } = machine;
    const file = pageCache.createFile();
    const pfn = pageCache.read(file, 0);
    pageCache.truncate(file);
    expect(machine.owners().of[pfn]).toBe(FrameOwner.BATCH);
    expect(machine.owners().blocks).toEqual([]);
    machine.reclaim.lruAddDrainAll();
    expect(machine.owners().pages.batch).toBe(0);
  });

  test('MACHINE-1: a frame with two owners is found', () => {
    const machine = bootOf(32);
    const { areas, map } = machine.model;
    const block = map.next[freeListHead(areas, 1, 10, 1)];
    map.blockState[block + 5] = 0x71;
    map.refcount[block + 5] = 1;
    expect(machine.owners().violations).toEqual([]);
    // The same block once more, as a smaller one on the list of order 0.
    const head = freeListHead(areas, 1, 0, 1);
    map.next[head] = block + 3;
    map.next[block + 3] = head;
    expect(machine.owners().violations[0]).toMatchObject({ rule: 'MACHINE-1' });
  });

  test('MACHINE-1: a list that does not end is found', () => {
    const machine = bootOf(32);
    const { areas, map } = machine.model;
    const block = map.next[freeListHead(areas, 1, 10, 1)];
    map.next[block] = block;
    expect(machine.owners().violations[0]?.message).toMatch(/broken at/);
  });

  test('MACHINE-2: a frame that is nowhere is found', () => {
    const machine = bootOf(32);
    const { areas, map } = machine.model;
    const block = map.next[freeListHead(areas, 1, 10, 1)];
    listDel(map, block);
    map.blockState[block] = 0;
    const rules = machine.owners().violations.map(({ rule }) => rule);
    expect(new Set(rules)).toEqual(new Set(['MACHINE-2']));
    expect(machine.owners().pages.lost).toBe(1024);
    expect(problems(machine)).not.toEqual([]);
  });

  test('MACHINE-2: a reserved page that was handed over is found', () => {
    const machine = bootOf(32);
    const pfn = machine.allocPages(Gfp.GFP_KERNEL, 0) ?? -1;
    machine.model.map.blockState[pfn] = 0;
    machine.model.map.flags[pfn] |= PageFlag.PG_reserved;
    expect(machine.owners().violations).toMatchObject([{ rule: 'MACHINE-2' }]);
  });
});
