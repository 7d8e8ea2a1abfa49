// covers: src/mm/ftrace-vmscan.ts
import { expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';

const { GFP_HIGHUSER_MOVABLE, GFP_KERNEL, __GFP_COMP, __GFP_NOWARN, __GFP_ZERO } = Gfp;

test('the examples of spec reclaim 5.1, and one line of every other event', () => {
  const lines: string[] = [];
  const trace = vmscanFtrace((event, text) => lines.push(`${event}: ${text}`));
  const counts = {
    nrDirty: 1,
    nrWriteback: 2,
    nrCongested: 3,
    nrImmediate: 4,
    nrActivateAnon: 5,
    nrActivateFile: 6,
    nrRefKeep: 7,
    nrUnmapFail: 8,
  };
  trace.mmVmscanKswapdSleep(0);
  trace.mmVmscanKswapdWake(0, 3, 2);
  trace.mmVmscanWakeupKswapd(0, 3, 2, GFP_KERNEL | __GFP_NOWARN | __GFP_COMP);
  trace.mmVmscanDirectReclaimBegin(0, GFP_HIGHUSER_MOVABLE | __GFP_ZERO);
  trace.mmVmscanDirectReclaimEnd(47);
  trace.mmVmscanLruIsolate(3, 0, 32, 40, 8, 32, 0, 3);
  trace.mmVmscanLruShrinkActive(0, 32, 3, 29, 3, 11, true);
  trace.mmVmscanLruShrinkInactive(1, 32, 9, counts, 6, false);
  trace.mmVmscanThrottled(0, 100000, 100000, 0);
  trace.mmShrinkSlabStart('my_scan+0x0/0x40', 0xc0ffee11, 0, 30, GFP_KERNEL, 1000, 124, 125, 4);
  trace.mmShrinkSlabEnd('my_scan+0x0/0x40', 0xc0ffee11, 0, 0, 30, 154, 125);
  trace.mmVmscanNodeReclaimBegin(1, 0, GFP_KERNEL);
  trace.mmVmscanNodeReclaimEnd(5);
  trace.mmVmscanWriteFolio(0x1234, true);
  trace.mmLruActivate(0x1234);
  expect(lines).toEqual([
    'mm_vmscan_kswapd_sleep: nid=0',
    'mm_vmscan_kswapd_wake: nid=0 order=2',
    'mm_vmscan_wakeup_kswapd: nid=0 order=2 gfp_flags=GFP_KERNEL|__GFP_NOWARN|__GFP_COMP',
    'mm_vmscan_direct_reclaim_begin: order=0 gfp_flags=GFP_HIGHUSER_MOVABLE|__GFP_ZERO',
    'mm_vmscan_direct_reclaim_end: nr_reclaimed=47',
    'mm_vmscan_lru_isolate: isolate_mode=0 classzone=3 order=0 nr_requested=32 nr_scanned=40 nr_skipped=8 nr_taken=32 lru=active_file',
    'mm_vmscan_lru_shrink_active: nid=0 nr_taken=32 nr_active=3 nr_deactivated=29 nr_referenced=3 priority=11 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC',
    'mm_vmscan_lru_shrink_inactive: nid=1 nr_scanned=32 nr_reclaimed=9 nr_dirty=1 nr_writeback=2 nr_congested=3 nr_immediate=4 nr_activate_anon=5 nr_activate_file=6 nr_ref_keep=7 nr_unmap_fail=8 priority=6 flags=RECLAIM_WB_ANON|RECLAIM_WB_ASYNC',
    'mm_vmscan_throttled: nid=0 usec_timeout=100000 usect_delayed=100000 reason=VMSCAN_THROTTLE_WRITEBACK',
    'mm_shrink_slab_start: my_scan+0x0/0x40 00000000c0ffee11: nid: 0 objects to shrink 30 gfp_flags GFP_KERNEL cache items 1000 delta 124 total_scan 125 priority 4',
    'mm_shrink_slab_end: my_scan+0x0/0x40 00000000c0ffee11: nid: 0 unused scan count 30 new scan count 154 total_scan 125 last shrinker return val 0',
    'mm_vmscan_node_reclaim_begin: nid=1 order=0 gfp_flags=GFP_KERNEL',
    'mm_vmscan_node_reclaim_end: nr_reclaimed=5',
    'mm_vmscan_write_folio: page=ffffea0000048d00 pfn=0x1234 flags=RECLAIM_WB_FILE|RECLAIM_WB_ASYNC',
    'mm_lru_activate: folio=ffffea0000048d00 pfn=0x1234',
  ]);
});

test('the letters of an insertion', () => {
  const letters = (flags: number, mapcount: number): string => {
    let text = '';
    vmscanFtrace((_, payload) => {
      text = payload.split('flags=')[1];
    }).mmLruInsertion(1, 2, flags, mapcount);
    return text;
  };
  const { MAPPING, MAPPING_ANON } = PageMark;
  const { PG_mappedtodisk, PG_owner_priv_1, PG_private, PG_swapbacked } = PageFlag;
  expect(letters(MAPPING, 0)).toBe(' f    ');
  expect(letters(MAPPING | PG_mappedtodisk | PG_private, 1)).toBe('Mf  dB');
  expect(letters(MAPPING | MAPPING_ANON | PG_swapbacked, 2)).toBe('Ma b  ');
  expect(letters(MAPPING | MAPPING_ANON | PG_swapbacked | PG_owner_priv_1, 0)).toBe(' asb  ');
  // The swap cache bit means something else on pages without swap.
  expect(letters(MAPPING | PG_owner_priv_1, 0)).toBe(' f    ');
});
