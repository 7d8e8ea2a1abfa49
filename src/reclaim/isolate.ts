import { type Links, listIsEmpty, listMove, listSplice } from '../lib/list.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { MAX_NR_ZONES, zoneId } from '../mm/zone-types.ts';
import { updateLruSize } from './lru.ts';
import type { ScanControl } from './scan-control.ts';
import { lruHead, type ReclaimState, ScratchList, scratchHead } from './state.ts';

/** First of the events `pgskip_dma` to `pgskip_movable`. */
const PGSKIP = VmEvent.pgskip_dma;
/** Mapped pages are left alone. @kernel ISOLATE_UNMAPPED */
const ISOLATE_UNMAPPED = 2;

/**
 * Takes pages from the tail of an LRU list to the private ISOLATED list, with a reference each.
 * Pages of zones beyond `reclaimIdx` are passed over and end at the head of their list; mapped ones
 * stay if they may not be unmapped.
 * @param nrToScan how many eligible pages to look at
 * The counts go to `state.isolation`.
 * @kernel isolate_lru_folios (spec reclaim 4.21)
 */
export function isolateLruFolios(
  state: ReclaimState,
  node: number,
  lru: number,
  nrToScan: number,
  sc: ScanControl,
  cpu: number,
): void {
  state.trace?.functionEntry?.('isolate_lru_folios', { nr_to_scan: nrToScan, lru });
  const { map, takenByZone: taken } = state;
  const { flags, mapcount, prev, refcount, zone } = map;
  const source = lruHead(state, node, lru);
  const isolated = scratchHead(state, ScratchList.ISOLATED);
  const skipped = scratchHead(state, ScratchList.SKIPPED);
  const lastZone = zoneId(node, sc.reclaimIdx) + 1;
  const firstZone = zoneId(node, 0) + 1;
  const { mayUnmap } = sc;
  taken.fill(0);
  let scanned = 0;
  let eligible = 0;
  let nrTaken = 0;
  let pfn = prev[source];
  // Pages that are taken keep their order, so they stay where they are: at the end they are the
  // last piece of the list, which moves as a whole.
  while (eligible < nrToScan && pfn !== source) {
    const before = prev[pfn];
    const pageZone = zone[pfn];
    scanned++;
    if (pageZone > lastZone) {
      taken[MAX_NR_ZONES + pageZone - firstZone]++;
      listMove(map, skipped, pfn);
      pfn = before;
      continue;
    }
    eligible++;
    if ((!mayUnmap && mapcount[pfn] !== 0) || refcount[pfn] === 0) {
      listMove(map, source, pfn);
      if (before !== source) pfn = before;
      continue;
    }
    refcount[pfn]++;
    flags[pfn] &= ~PageFlag.PG_lru;
    taken[pageZone - firstZone]++;
    nrTaken++;
    pfn = before;
  }
  if (nrTaken > 0) moveTail(map, pfn, source, isolated);
  const nrSkipped = finishIsolation(state, node, lru, cpu);
  state.isolation.scanned = scanned;
  state.isolation.taken = nrTaken;
  state.isolation.freed = 0;
  state.trace?.mmVmscanLruIsolate?.(
    sc.reclaimIdx,
    sc.order,
    nrToScan,
    scanned,
    nrSkipped,
    nrTaken,
    mayUnmap ? 0 : ISOLATE_UNMAPPED,
    lru,
  );
}

/** Gives skipped pages back and settles the sizes. @returns pages skipped */
function finishIsolation(state: ReclaimState, node: number, lru: number, cpu: number): number {
  const { map, takenByZone: taken, vm } = state;
  const skipped = scratchHead(state, ScratchList.SKIPPED);
  let nrSkipped = 0;
  if (!listIsEmpty(map, skipped)) {
    listSplice(map, lruHead(state, node, lru), skipped);
    for (let index = 0; index < MAX_NR_ZONES; index++) {
      const count = taken[MAX_NR_ZONES + index];
      if (count === 0) continue;
      countVmEvents(vm, cpu, PGSKIP + index, count);
      nrSkipped += count;
    }
  }
  for (let index = 0; index < MAX_NR_ZONES; index++) {
    if (taken[index] !== 0) updateLruSize(state, zoneId(node, index), lru, -taken[index], cpu);
  }
  return nrSkipped;
}

/** Moves what follows `after` on the list of `source` to the empty list of `target`. */
function moveTail({ next, prev }: Links, after: number, source: number, target: number): void {
  const first = next[after];
  const last = prev[source];
  next[after] = source;
  prev[source] = after;
  next[target] = first;
  prev[first] = target;
  next[last] = target;
  prev[target] = last;
}
