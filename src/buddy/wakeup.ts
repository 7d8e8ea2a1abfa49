import { isManaged } from '../mm/zone.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import type { AllocContext } from './alloc-context.ts';
import { nextZoneref } from './alloc-context.ts';
import type { BuddyState } from './state.ts';

/**
 * Tells kswapd of a zone's node what is wanted: through the hook, or by what a kswapd that never
 * runs leaves behind.
 * @kernel wakeup_kswapd (spec buddy 4.20, reclaim 4.15)
 */
export function wakeupKswapd(
  state: BuddyState,
  zoneId: number,
  gfp: number,
  order: number,
  highestZoneidx: number,
): void {
  const hook = state.hooks.wakeupKswapd;
  if (hook !== undefined) {
    hook(zoneId, gfp, order, highestZoneidx);
    return;
  }
  const zone = state.zones[zoneId];
  if (!isManaged(zone)) return;
  const node = state.model.nodes[zone.node];
  const current = node.kswapdHighestZoneidx;
  if (current === MAX_NR_ZONES || current < highestZoneidx) {
    node.kswapdHighestZoneidx = highestZoneidx;
  }
  if (node.kswapdOrder < order) node.kswapdOrder = order;
}

/**
 * Wakes the kswapd of every node that a request could use.
 * @kernel wake_all_kswapds (spec buddy 4.20)
 */
export function wakeAllKswapds(
  state: BuddyState,
  gfp: number,
  order: number,
  ac: AllocContext,
): void {
  const { zonelist, highestZoneidx, nodemask } = ac;
  let lastNode = -1;
  for (let position = 0; ; position++) {
    position = nextZoneref(zonelist, position, highestZoneidx, nodemask);
    if (position >= zonelist.length) return;
    const zone = zonelist[position];
    if (!isManaged(zone) || zone.node === lastNode) continue;
    wakeupKswapd(state, zone.id, gfp, order, highestZoneidx);
    lastNode = zone.node;
  }
}
