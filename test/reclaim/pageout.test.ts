// covers: src/reclaim/pageout.ts
import { expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import { PgdatFlag } from '../../src/reclaim/constants.ts';
import { enterSwapCache } from '../../src/reclaim/remove-mapping.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import { World } from './support.ts';

const CONTROL = { gfpMask: Gfp.GFP_KERNEL, mayUnmap: true, mayWritepage: true, maySwap: true };

/** Writes one page out as kswapd; the flags that the tracepoint prints. */
function flagsOfWrite(lru: number, make: (world: World) => void): string {
  const flags: string[] = [];
  const trace = vmscanFtrace((event, text) => {
    if (event === 'mm_vmscan_write_folio') flags.push(text.replace(/^.* flags=/, ''));
  });
  const world = new World({ trace, swapPages: 4, host: { writepage: () => 0 } });
  make(world);
  world.state.pgdatFlags[0] = PgdatFlag.PGDAT_DIRTY;
  const sc = Object.assign(new ScanControl(), CONTROL);
  world.asKswapd(() => shrinkInactiveList(world.state, 0, lru, 32, sc, 0));
  expect(flags).toHaveLength(1);
  return flags[0];
}

test('a slot that no swap entry names is given up instead of written (spec 4.23)', () => {
  const world = new World({ swapPages: 4 });
  const { map, vmstat } = world.model;
  const pfn = world.page({ anon: true, mapped: 0, extra: 1, dirty: true });
  enterSwapCache(world.state, pfn, world.state.swap.alloc(), 0);
  world.reclaim.folioAddLru(pfn);
  world.reclaim.folioPut(pfn);
  world.reclaim.lruAddDrain();
  expect(map.refcount[pfn]).toBe(1);
  const sc = Object.assign(new ScanControl(), CONTROL);
  // Kept as a plain dirty page; the cache's reference was the last one, so the put-back frees it.
  expect(shrinkInactiveList(world.state, 0, 0, 32, sc, 0)).toBe(0);
  expect(world.pages.freed).toEqual([pfn]);
  expect(world.state.swap.nrFree).toBe(4);
  expect(world.event('pswpout')).toBe(0);
  expect(nodeState(vmstat, 0, NodeStatItem.nr_vmscan_write)).toBe(1);
  expect(nodeState(vmstat, 0, NodeStatItem.nr_swapcached)).toBe(0);
  expect(world.state.stat.nrPageout).toBe(1);
});

test('a page that turns out clean is not written (spec 4.23)', () => {
  const world = new World({ host: { hasWritepage: clean } });
  function clean(pfn: number): boolean {
    return world.reclaim.folioClearDirtyForIo(pfn);
  }
  world.state.pgdatFlags[0] = PgdatFlag.PGDAT_DIRTY;
  world.lruPage({ dirty: true, reclaim: true });
  const sc = Object.assign(new ScanControl(), CONTROL);
  expect(world.asKswapd(() => shrinkInactiveList(world.state, 0, 2, 32, sc, 0))).toBe(1);
  expect(nodeState(world.model.vmstat, 0, NodeStatItem.nr_vmscan_write)).toBe(0);
});

/** "File LRU" is about PG_swapbacked (spec 2.3), and so are the flags of the tracepoints (5.1). */
test('a write is traced by the list that the page lives on', () => {
  const file = flagsOfWrite(2, (world) => void world.lruPage({ dirty: true, reclaim: true }));
  expect(file).toBe('RECLAIM_WB_FILE|RECLAIM_WB_ASYNC');
  const swapped = flagsOfWrite(0, (world) => void world.lruPage({ anon: true }));
  expect(swapped).toBe('RECLAIM_WB_ANON|RECLAIM_WB_ASYNC');
  const shared = flagsOfWrite(0, (world) => {
    const pfn = world.page({ dirty: true });
    world.model.map.flags[pfn] |= PageFlag.PG_swapbacked;
    world.reclaim.folioAddLru(pfn);
  });
  expect(shared).toBe('RECLAIM_WB_ANON|RECLAIM_WB_ASYNC');
});
