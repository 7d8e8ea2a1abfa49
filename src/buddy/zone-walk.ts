import { NIL } from '../lib/units.ts';
import { nodeDistance } from '../mm/memory-model.ts';
import type { Zone } from '../mm/zone.ts';
import { type AllocContext, nextZoneref } from './alloc-context.ts';
import { AllocFlag, severalNodesOnline } from './alloc-flags.ts';
import { reserveHighatomicPageblock } from './high-atomic.ts';
import { prepNewPage, prepTakenPage } from './new-page.ts';
import { nodeDirtyOk } from './node-dirty.ts';
import { rmqueue } from './rmqueue.ts';
import type { BuddyState } from './state.ts';
import { zoneWatermarkFast, zoneWatermarkOk } from './watermark.ts';

/** Farthest node that zone reclaim bothers with. @kernel node_reclaim_distance */
const NODE_RECLAIM_DISTANCE = 30;
/** `node_reclaim` found nothing worth a try. */
const NODE_RECLAIM_FULL = -1;

/**
 * Walks the zones of a request in order of preference and takes a block from the first that may give
 * one.
 * @param allocFlags bits of `AllocFlag`
 * @returns first page frame of a prepared block, -1 for none
 * @kernel get_page_from_freelist (spec buddy 4.18)
 */
export function getPageFromFreelist(
  state: BuddyState,
  gfp: number,
  order: number,
  allocFlags: number,
  ac: AllocContext,
  cpu: number,
): number {
  state.trace?.functionEntry?.('get_page_from_freelist', {
    gfp_mask: gfp,
    order,
    alloc_flags: allocFlags,
  });
  const { zonelist, preferredZoneref } = ac;
  if (preferredZoneref >= zonelist.length) return NIL;
  const preferred = zonelist[preferredZoneref];
  let flags = allocFlags;
  let position = preferredZoneref;
  let dirtyNode = NIL;
  let dirtyOk = true;
  for (;;) {
    const atEnd = position >= zonelist.length;
    const zone = atEnd ? preferred : zonelist[position];
    if (!atEnd && ac.spreadDirtyPages && zone.node !== dirtyNode) {
      dirtyNode = zone.node;
      dirtyOk = nodeDirtyOk(state, dirtyNode);
    }
    const skip = !atEnd && (!dirtyOk || !cpusetAllows(state, zone, gfp, flags));
    if (atEnd || (!skip && leavesNode(state, flags, preferred, zone))) {
      if ((flags & AllocFlag.ALLOC_NOFRAGMENT) === 0) return NIL;
      // Rather break a foreign pageblock near by than go to another node or without.
      flags &= ~AllocFlag.ALLOC_NOFRAGMENT;
      position = preferredZoneref;
      continue;
    }
    if (!skip && mayUseZone(state, gfp, order, flags, ac, zone, cpu)) {
      const pfn = rmqueue(state, preferred, zone, order, flags, ac.migratetype, cpu);
      if (pfn !== NIL) {
        if (state.memory === null) prepNewPage(state, pfn, order, gfp, flags);
        else prepTakenPage(state, preferred, zone, pfn, order, gfp, flags, ac.migratetype, cpu);
        if ((flags & AllocFlag.ALLOC_HIGHATOMIC) !== 0) {
          reserveHighatomicPageblock(state, zone, pfn);
        }
        return pfn;
      }
    }
    position = nextZoneref(zonelist, position + 1, ac.highestZoneidx, ac.nodemask);
  }
}

/** Whether the walk would go to another node only to avoid fragmentation. */
function leavesNode(state: BuddyState, flags: number, preferred: Zone, zone: Zone): boolean {
  if ((flags & AllocFlag.ALLOC_NOFRAGMENT) === 0 || zone.node === preferred.node) return false;
  return severalNodesOnline(state);
}

function cpusetAllows(state: BuddyState, zone: Zone, gfp: number, flags: number): boolean {
  const { cpusets } = state;
  if (cpusets === null || (flags & AllocFlag.ALLOC_CPUSET) === 0) return true;
  return cpusets.nodeAllowed(zone.node, gfp);
}

/** The watermark of a zone, with node reclaim as a second chance. */
function mayUseZone(
  state: BuddyState,
  gfp: number,
  order: number,
  flags: number,
  ac: AllocContext,
  zone: Zone,
  cpu: number,
): boolean {
  const mark = zone.watermark[flags & AllocFlag.ALLOC_WMARK_MASK] + zone.watermarkBoost;
  if (zoneWatermarkFast(state, zone, order, mark, ac.highestZoneidx, flags, gfp)) return true;
  if ((flags & AllocFlag.ALLOC_NO_WATERMARKS) !== 0) return true;
  if (state.model.tunables.nodeReclaimMode === 0) return false;
  const preferred = ac.zonelist[ac.preferredZoneref];
  if (nodeDistance(state.model, preferred.node, zone.node) > NODE_RECLAIM_DISTANCE) return false;
  const reclaim = state.hooks.nodeReclaim;
  const result = reclaim?.(zone.node, gfp, order, cpu) ?? NODE_RECLAIM_FULL;
  if (result <= NODE_RECLAIM_FULL) return false;
  return zoneWatermarkOk(state, zone, order, mark, ac.highestZoneidx, flags);
}
