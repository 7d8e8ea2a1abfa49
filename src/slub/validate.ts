import { KmemError } from '../mm/kmem-cache.ts';
import { EINVAL } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { flushAll } from './cpu-slab.ts';
import { checkObject, checkSlab, onFreelist } from './debug-check.ts';
import { DebugByte } from './debug-object.ts';
import { reportCount } from './debug-report.ts';
import { regularFreeMap } from './free-map.ts';
import { slabsOfList } from './node-lists.ts';
import { objectAddress } from './pointer.ts';
import type { SlubState } from './state.ts';

/** Checks one slab with all its objects; the first object that fails ends it. @kernel validate_slab */
function validateSlab(state: SlubState, cache: CacheState, slab: number): void {
  if (!checkSlab(state, cache, slab) || !onFreelist(state, cache, slab, 0)) return;
  const free = regularFreeMap(state, cache, slab);
  for (let index = 0; index < free.length; index++) {
    const value = free[index] === 1 ? DebugByte.SLUB_RED_INACTIVE : DebugByte.SLUB_RED_ACTIVE;
    const object = objectAddress(state, cache, slab, index);
    if (!checkObject(state, cache, slab, object, value)) return;
  }
}

/** Checks all slabs of a node; returns how many there are. @kernel validate_slab_node */
function validateNode(state: SlubState, cache: CacheState, node: number): number {
  const partial = slabsOfList(state, cache.partialHead[node]);
  for (const slab of partial) validateSlab(state, cache, slab);
  let count = partial.length;
  const counter = cache.nrPartial[node];
  if (count !== counter) {
    const text = `${count} partial slabs counted but counter=${counter}`;
    reportCount(state, cache, `SLUB ${cache.name}: ${text}`);
  }
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) return count;
  const full = slabsOfList(state, cache.fullHead[node]);
  for (const slab of full) validateSlab(state, cache, slab);
  count += full.length;
  const slabs = cache.nrSlabs[node];
  if (count !== slabs) {
    reportCount(state, cache, `SLUB: ${cache.name} ${count} slabs counted but counter=${slabs}`);
  }
  return count;
}

/**
 * Checks everything about a debug cache, reporting and repairing as the kernel does.
 * @returns number of slabs looked at
 * @throws KmemError `BAD_ATTRIBUTE` for a cache that is no debug cache
 * @kernel validate_slab_cache (spec slub 4.25)
 */
export function validateCache(state: SlubState, cache: CacheState): number {
  if (!cache.isDebug) {
    throw new KmemError('BAD_ATTRIBUTE', 'only debug caches can be validated', {
      cache: cache.name,
      errno: EINVAL,
    });
  }
  flushAll(state, cache);
  let count = 0;
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 1) count += validateNode(state, cache, node);
  }
  return count;
}

/**
 * Runs an action with reports suppressed, as the kernel's self-test does.
 * @returns how many reports, repairs and counter mismatches there were
 * @kernel slab_add_kunit_errors (spec slub 4.25)
 */
export function countReports(state: SlubState, action: () => void): number {
  const outer = state.quietReports;
  state.quietReports = 0;
  try {
    action();
    return state.quietReports;
  } finally {
    state.quietReports = outer;
  }
}
