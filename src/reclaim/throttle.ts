import { NodeStatItem, ZoneStatItem } from '../mm/vm-items.ts';
import { nodeState, zoneStateSnapshot } from '../mm/vmstat.ts';
import { isManaged } from '../mm/zone.ts';
import { zoneReclaimablePages } from './balanced.ts';
import { MAX_RECLAIM_RETRIES, VmscanThrottle } from './constants.ts';
import type { ReclaimState } from './state.ts';

/** Microseconds in a second. */
const USEC_PER_SEC = 1000000;

/**
 * Puts the running task to sleep for a while because reclaim gets nowhere; how long the sleep really
 * lasts says the host. Kernel threads other than kswapd are never held up.
 * @param reason a `VmscanThrottle`
 * @kernel reclaim_throttle (spec reclaim 4.28)
 */
export function reclaimThrottle(state: ReclaimState, node: number, reason: number): void {
  const { host, model, task } = state;
  if (!task.pfKswapd && (task.pfIoWorker || task.pfKthread)) return;
  const writeback = reason === VmscanThrottle.VMSCAN_THROTTLE_WRITEBACK;
  let timeout = 1;
  if (writeback) {
    timeout = Math.floor(model.hz / 10);
    if (++state.nrWritebackThrottled[node] === 1) {
      const written = nodeState(state.vm, node, NodeStatItem.nr_throttled_written);
      state.nrReclaimStart[node] = written;
      state.writebackWoken[node] = 0;
    }
  } else if (reason === VmscanThrottle.VMSCAN_THROTTLE_ISOLATED) {
    timeout = Math.floor(model.hz / 50);
  } else if (skipThrottle(state, node)) {
    return;
  }
  let slept = timeout;
  try {
    slept = host.throttle(node, reason, timeout);
  } finally {
    if (writeback) state.nrWritebackThrottled[node]--;
  }
  const usec = Math.floor(USEC_PER_SEC / model.hz);
  state.trace?.mmVmscanThrottled?.(node, timeout * usec, slept * usec, reason);
}

/** Whether waiting would not help: nothing is being written. @kernel skip_throttle_noprogress */
function skipThrottle(state: ReclaimState, node: number): boolean {
  const { model, vm } = state;
  if (model.nodes[node].kswapdFailures >= MAX_RECLAIM_RETRIES) return true;
  let reclaimable = 0;
  let writePending = 0;
  for (const zone of model.nodes[node].zones) {
    if (!isManaged(zone)) continue;
    reclaimable += zoneReclaimablePages(state, zone.id);
    writePending += zoneStateSnapshot(vm, zone.id, ZoneStatItem.NR_ZONE_WRITE_PENDING);
  }
  return 2 * writePending <= reclaimable;
}
