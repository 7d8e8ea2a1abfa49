// covers: src/reclaim/pageout.ts
import { expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { PgdatFlag } from '../../src/reclaim/constants.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import { World } from './support.ts';

/** Writes one page out as kswapd; the flags that the tracepoint prints. */
function flagsOfWrite(lru: number, make: (world: World) => void): string {
  const flags: string[] = [];
  const trace = vmscanFtrace((event, text) => {
    if (event === 'mm_vmscan_write_folio') flags.push(text.replace(/^.* flags=/, ''));
  });
  const world = new World({ trace, swapPages: 4, host: { writepage: () => 0 } });
  make(world);
  world.state.pgdatFlags[0] = PgdatFlag.PGDAT_DIRTY;
  const sc = Object.assign(new ScanControl(), {
    gfpMask: 0xcc0,
    mayUnmap: true,
    mayWritepage: true,
    maySwap: true,
  });
  world.asKswapd(() => shrinkInactiveList(world.state, 0, lru, 32, sc, 0));
  expect(flags).toHaveLength(1);
  return flags[0];
}

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
