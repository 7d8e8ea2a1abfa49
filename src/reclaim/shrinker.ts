import { Gfp } from '../mm/gfp.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { countVmEvents } from '../mm/vmstat.ts';
import { ReclaimError } from './errors.ts';
import type { ReclaimState } from './state.ts';
import type { ShrinkControl, Shrinker, ShrinkerOptions } from './types.ts';

/** Objects asked for at a time when a shrinker says nothing. @kernel SHRINK_BATCH */
const SHRINK_BATCH = 128;
/** Price of an object to make again, as most shrinkers give it. @kernel DEFAULT_SEEKS */
export const DEFAULT_SEEKS = 2;
/** What `scanObjects` answers when it can do nothing now (the kernel's 2^64 - 1). */
export const SHRINK_STOP = -1;
/** What `countObjects` answers when there is nothing at all (the kernel's 2^64 - 2). */
export const SHRINK_EMPTY = -2;

/**
 * Makes a shrinker, not yet registered.
 * @param id tells it from others of its name
 */
export function makeShrinker(options: ShrinkerOptions, nodeCount: number, id: number): Shrinker {
  const { name, batch = 0, seeks = DEFAULT_SEEKS, numaAware = false } = options;
  return {
    id,
    name,
    batch: batch === 0 ? SHRINK_BATCH : batch,
    seeks,
    numaAware,
    countObjects: (sc) => options.countObjects(sc),
    scanObjects: (sc) => options.scanObjects(sc),
    nrDeferred: new Float64Array(numaAware ? nodeCount : 1),
  };
}

/**
 * Asks every shrinker for objects, in proportion to the pressure.
 * @param priority 0 to 12; the smaller, the more
 * @returns objects freed
 * @throws ReclaimError `SHRINKER_STUCK`
 * @kernel shrink_slab (spec reclaim 4.24)
 */
export function shrinkSlab(
  state: ReclaimState,
  gfpMask: number,
  nid: number,
  priority: number,
  cpu: number,
): number {
  let freed = 0;
  if (state.shrinkers.length === 0) return 0;
  const sc: ShrinkControl = { gfpMask, nid, nrToScan: 0, nrScanned: 0, cpu };
  for (const shrinker of state.shrinkers.slice()) {
    const result = doShrinkSlab(state, sc, shrinker, priority);
    if (result !== SHRINK_EMPTY) freed += result;
  }
  return freed;
}

/**
 * Asks one shrinker: how much follows from what it holds, what was put off before, and the priority.
 * @returns objects freed; `SHRINK_EMPTY` if it said so
 * @throws ReclaimError `SHRINKER_STUCK` when a scan that looked at nothing did not say `SHRINK_STOP`
 * @kernel do_shrink_slab (spec reclaim 4.24)
 */
export function doShrinkSlab(
  state: ReclaimState,
  sc: ShrinkControl,
  shrinker: Shrinker,
  priority: number,
): number {
  state.trace?.functionEntry?.('do_shrink_slab', { shrinker: shrinker.name, priority });
  const { batch, nrDeferred, seeks } = shrinker;
  const cell = shrinker.numaAware ? sc.nid : 0;
  const freeable = shrinker.countObjects(sc);
  if (freeable === 0 || freeable === SHRINK_EMPTY) return freeable;
  const nr = nrDeferred[cell];
  nrDeferred[cell] = 0;
  const delta = scanDelta(freeable, seeks, priority);
  let left = Math.min(Math.floor(nr / 2 ** priority) + delta, 2 * freeable);
  state.trace?.mmShrinkSlabStart?.(
    shrinker.name,
    shrinker.id,
    sc.nid,
    nr,
    sc.gfpMask,
    freeable,
    delta,
    left,
    priority,
  );
  let freed = 0;
  let scanned = 0;
  try {
    while (left >= batch || left >= freeable) {
      const wanted = Math.min(batch, left);
      sc.nrToScan = wanted;
      sc.nrScanned = wanted;
      const result = shrinker.scanObjects(sc);
      if (result === SHRINK_STOP) break;
      if (sc.nrScanned <= 0) throw stuck(shrinker.name);
      freed += result;
      countVmEvents(state.vm, sc.cpu, VmEvent.slabs_scanned, sc.nrScanned);
      left -= sc.nrScanned;
      scanned += sc.nrScanned;
    }
  } finally {
    nrDeferred[cell] += Math.min(Math.max(nr + delta - scanned, 0), 2 * freeable);
  }
  const after = nrDeferred[cell];
  state.trace?.mmShrinkSlabEnd?.(shrinker.name, shrinker.id, sc.nid, freed, nr, after, left);
  return freed;
}

function scanDelta(freeable: number, seeks: number, priority: number): number {
  // Objects that cost nothing to make again: half of them at any pressure.
  if (seeks === 0) return Math.floor(freeable / 2);
  return Math.floor((Math.floor(freeable / 2 ** priority) * 4) / seeks);
}

function stuck(name: string): ReclaimError {
  const message = `shrinker ${name} looked at nothing and did not answer SHRINK_STOP`;
  return new ReclaimError('SHRINKER_STUCK', message, { name });
}

/**
 * Empties the caches of all nodes, as far as their shrinkers can.
 * @kernel drop_slab (spec reclaim 4.24)
 */
export function dropSlab(state: ReclaimState, cpu: number): void {
  for (const node of state.model.nodes) {
    if (!node.online) continue;
    let freed = 0;
    let shift = 0;
    do {
      freed = shrinkSlab(state, Gfp.GFP_KERNEL, node.id, 0, cpu);
    } while (Math.floor(freed / 2 ** shift++) > 1);
  }
}
