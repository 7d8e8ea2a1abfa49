import { NIL } from '../lib/units.ts';
import { isManaged } from '../mm/zone.ts';
import type { CompactionContext } from './compaction-context.ts';
import { eachZone } from './each-zone.ts';
import type { SlowPathReclaim, SlowPathRequest } from './types.ts';

/**
 * Wakes the kswapd of every node of a request, once per node that follows another one in its
 * zonelist.
 * @param gfp the request's mask
 * @kernel wake_all_kswapds (spec slowpath-compaction 4.4)
 */
export function wakeAllKswapds(
  { cpusets }: CompactionContext,
  reclaim: SlowPathReclaim,
  gfp: number,
  order: number,
  request: SlowPathRequest,
): void {
  let lastNode = NIL;
  for (const zone of eachZone(request)) {
    if (!isManaged(zone)) continue;
    if (zone.node !== lastNode && (cpusets?.nodeAllowed(zone.node, gfp) ?? true)) {
      reclaim.wakeupKswapd(zone.id, gfp, order, request.highestZoneidx);
    }
    lastNode = zone.node;
  }
}
