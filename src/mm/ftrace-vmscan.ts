import { hex } from '../lib/units.ts';
import type { EmitEvent } from './ftrace-compaction.ts';
import { formatGfpTrace } from './gfp.ts';
import { PageFlag, PageMark } from './page-flags.ts';
import type { VmscanTrace } from './trace-vmscan.ts';

/** Names of the LRU lists, by number. */
const LRU_NAMES = ['inactive_anon', 'active_anon', 'inactive_file', 'active_file', 'unevictable'];

/** Names of the throttle reasons, by value. */
const THROTTLE_NAMES = [
  'VMSCAN_THROTTLE_WRITEBACK',
  'VMSCAN_THROTTLE_ISOLATED',
  'VMSCAN_THROTTLE_NOPROGRESS',
  'VMSCAN_THROTTLE_CONGESTED',
];

/** Where the page map lies in a kernel without address randomisation; an entry takes 64 bytes. */
const VMEMMAP_START = 0xffffea0000000000n;
const STRUCT_PAGE_BYTES = 64n;

const SWAPCACHE = PageFlag.PG_owner_priv_1 | PageFlag.PG_swapbacked;

/** An address as `%p` prints it; the kernel prints a hash of it, so that only the pfn compares. */
function pagePointer(pfn: number): string {
  return pointer(VMEMMAP_START + BigInt(pfn) * STRUCT_PAGE_BYTES);
}

function pointer(address: bigint): string {
  return address.toString(16).padStart(16, '0');
}

/** A page's address and frame number, as the events print them. */
function folio(label: string, pfn: number): string {
  return `${label}=${pagePointer(pfn)} pfn=${hex(pfn)}`;
}

function shrinkFlags(file: boolean): string {
  return `RECLAIM_WB_${file ? 'FILE' : 'ANON'}|RECLAIM_WB_ASYNC`;
}

/** The six letters of `mm_lru_insertion`, a blank for each that is off. */
function insertionFlags(flags: number, mapcount: number): string {
  const on = (letter: string, set: boolean): string => (set ? letter : ' ');
  return [
    on('M', mapcount > 0),
    (flags & PageMark.MAPPING_ANON) !== 0 ? 'a' : 'f',
    on('s', (flags & SWAPCACHE) === SWAPCACHE),
    on('b', (flags & PageFlag.PG_swapbacked) !== 0),
    on('d', (flags & PageFlag.PG_mappedtodisk) !== 0),
    on('B', (flags & PageFlag.PG_private) !== 0),
  ].join('');
}

/**
 * Tracepoints of page reclaim as the kernel's ftrace prints them.
 * @param emit takes an event's name and its text
 * @kernel trace/events/vmscan.h, pagemap.h (spec reclaim 5.1)
 */
export function vmscanFtrace(emit: EmitEvent): VmscanTrace {
  return { ...threadFtrace(emit), ...listFtrace(emit), ...shrinkerFtrace(emit) };
}

type ListEvents =
  | 'mmVmscanLruIsolate'
  | 'mmVmscanLruShrinkInactive'
  | 'mmVmscanLruShrinkActive'
  | 'mmVmscanWriteFolio'
  | 'mmLruInsertion'
  | 'mmLruActivate';
type ShrinkerEvents = 'mmShrinkSlabStart' | 'mmShrinkSlabEnd';

/** Who reclaims, and when. */
function threadFtrace(emit: EmitEvent): Omit<VmscanTrace, ListEvents | ShrinkerEvents> {
  return {
    mmVmscanKswapdSleep(node) {
      emit('mm_vmscan_kswapd_sleep', `nid=${node}`);
    },
    mmVmscanKswapdWake(node, _highest, order) {
      emit('mm_vmscan_kswapd_wake', `nid=${node} order=${order}`);
    },
    mmVmscanWakeupKswapd(node, _highest, order, gfp) {
      const text = `nid=${node} order=${order} gfp_flags=${formatGfpTrace(gfp)}`;
      emit('mm_vmscan_wakeup_kswapd', text);
    },
    mmVmscanDirectReclaimBegin(order, gfp) {
      const text = `order=${order} gfp_flags=${formatGfpTrace(gfp)}`;
      emit('mm_vmscan_direct_reclaim_begin', text);
    },
    mmVmscanDirectReclaimEnd(nrReclaimed) {
      emit('mm_vmscan_direct_reclaim_end', `nr_reclaimed=${nrReclaimed}`);
    },
    mmVmscanNodeReclaimBegin(node, order, gfp) {
      const text = `nid=${node} order=${order} gfp_flags=${formatGfpTrace(gfp)}`;
      emit('mm_vmscan_node_reclaim_begin', text);
    },
    mmVmscanNodeReclaimEnd(nrReclaimed) {
      emit('mm_vmscan_node_reclaim_end', `nr_reclaimed=${nrReclaimed}`);
    },
    mmVmscanThrottled(node, usecTimeout, usecDelayed, reason) {
      // The odd spelling is the kernel's.
      const times = `usec_timeout=${usecTimeout} usect_delayed=${usecDelayed}`;
      emit('mm_vmscan_throttled', `nid=${node} ${times} reason=${THROTTLE_NAMES[reason]}`);
    },
  };
}

/** What happens to pages and lists. */
function listFtrace(emit: EmitEvent): Pick<VmscanTrace, ListEvents> {
  return {
    mmVmscanLruIsolate(highest, order, requested, scanned, skipped, taken, mode, lru) {
      const what = `isolate_mode=${mode} classzone=${highest} order=${order}`;
      const pages = `nr_requested=${requested} nr_scanned=${scanned} nr_skipped=${skipped}`;
      emit('mm_vmscan_lru_isolate', `${what} ${pages} nr_taken=${taken} lru=${LRU_NAMES[lru]}`);
    },
    mmVmscanLruShrinkInactive(node, scanned, reclaimed, counts, priority, file) {
      const text = [
        `nid=${node} nr_scanned=${scanned} nr_reclaimed=${reclaimed}`,
        `nr_dirty=${counts.nrDirty} nr_writeback=${counts.nrWriteback}`,
        `nr_congested=${counts.nrCongested} nr_immediate=${counts.nrImmediate}`,
        `nr_activate_anon=${counts.nrActivateAnon} nr_activate_file=${counts.nrActivateFile}`,
        `nr_ref_keep=${counts.nrRefKeep} nr_unmap_fail=${counts.nrUnmapFail}`,
        `priority=${priority} flags=${shrinkFlags(file)}`,
      ];
      emit('mm_vmscan_lru_shrink_inactive', text.join(' '));
    },
    mmVmscanLruShrinkActive(node, taken, active, deactivated, referenced, priority, file) {
      const pages = `nr_taken=${taken} nr_active=${active} nr_deactivated=${deactivated}`;
      const how = `priority=${priority} flags=${shrinkFlags(file)}`;
      const text = `nid=${node} ${pages} nr_referenced=${referenced} ${how}`;
      emit('mm_vmscan_lru_shrink_active', text);
    },
    mmVmscanWriteFolio(pfn, file) {
      emit('mm_vmscan_write_folio', `${folio('page', pfn)} flags=${shrinkFlags(file)}`);
    },
    mmLruInsertion(pfn, lru, flags, mapcount) {
      const text = `${folio('folio', pfn)} lru=${lru} flags=${insertionFlags(flags, mapcount)}`;
      emit('mm_lru_insertion', text);
    },
    mmLruActivate(pfn) {
      emit('mm_lru_activate', folio('folio', pfn));
    },
  };
}

/** How shrinkers are asked. */
function shrinkerFtrace(emit: EmitEvent): Pick<VmscanTrace, ShrinkerEvents> {
  const shrinker = (name: string, id: number, node: number): string =>
    `${name} ${pointer(BigInt(id))}: nid: ${node}`;
  return {
    mmShrinkSlabStart(name, id, node, deferred, gfp, freeable, delta, total, priority) {
      const what = `objects to shrink ${deferred} gfp_flags ${formatGfpTrace(gfp)}`;
      const how = `cache items ${freeable} delta ${delta} total_scan ${total} priority ${priority}`;
      emit('mm_shrink_slab_start', `${shrinker(name, id, node)} ${what} ${how}`);
    },
    mmShrinkSlabEnd(name, id, node, freed, before, after, total) {
      const what = `unused scan count ${before} new scan count ${after}`;
      const how = `total_scan ${total} last shrinker return val ${freed}`;
      emit('mm_shrink_slab_end', `${shrinker(name, id, node)} ${what} ${how}`);
    },
  };
}
