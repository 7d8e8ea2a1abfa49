import type { MemoryModel } from '../mm/memory-model.ts';
import { Migratetype } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  buddyOrder,
  pageblockMigratetype,
  pageblockSkip,
  setPageblockSkip,
  zoneIdOf,
} from '../mm/page-map.ts';
import { isPopulated, type Zone, zoneEndPfn } from '../mm/zone.ts';
import type { CompactControl } from './compact-control.ts';
import type { CompactionContext } from './compaction-context.ts';
import { isHugeCompound, pageblockEndPfn, pageblockStartPfn } from './pageblock.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** Every how many pages a block is sampled. */
const SAMPLE_STRIDE = 8;

/** Whether the migration scanner has to pass over the block that holds `pfn`. @kernel isolation_suitable (inverted) */
export function isSkipped(model: MemoryModel, cc: CompactControl, pfn: number): boolean {
  return !cc.ignoreSkipHint && pageblockSkip(model.map, pfn);
}

/**
 * Raises the restart position of the migration scanner. The position given is already the end of a
 * block, so the cache moves one block too far, as the kernel's does.
 * @kernel update_cached_migrate (spec slowpath-compaction 4.17)
 */
export function updateCachedMigrate(model: MemoryModel, cc: CompactControl, pfn: number): void {
  const end = pageblockEndPfn(model.map, pfn);
  const cached = cc.state.cachedMigratePfn;
  if (end > cached[0]) cached[0] = end;
  if (cc.sync && end > cached[1]) cached[1] = end;
}

/** Marks a block as without targets and lowers the restart position of the free scanner. @kernel update_pageblock_skip */
export function updatePageblockSkip(model: MemoryModel, cc: CompactControl, pfn: number): void {
  setPageblockSkip(model.map, pfn, true);
  if (pfn < cc.state.cachedFreePfn) cc.state.cachedFreePfn = pfn;
}

/**
 * Clears the skip hints of a zone where a sample shows sources or targets, walking from both ends.
 * @kernel __reset_isolation_suitable (spec slowpath-compaction 4.23)
 */
export function resetZoneIsolationSuitable(
  model: MemoryModel,
  zone: Zone,
  state: ZoneCompaction,
): void {
  if (!state.blockskipFlush) return;
  state.blockskipFlush = false;
  const step = 1 << model.map.pageblockOrder;
  let migratePfn = zone.startPfn;
  let freePfn = zoneEndPfn(zone) - 1;
  let lowestSource = freePfn;
  let highestTarget = migratePfn;
  let sourceSet = false;
  let targetSet = false;
  while (migratePfn < freePfn) {
    if (resetIsolationPfn(model, zone, migratePfn, true, sourceSet) && migratePfn < lowestSource) {
      sourceSet = true;
      lowestSource = migratePfn;
      state.initMigratePfn = migratePfn;
      state.cachedMigratePfn[0] = migratePfn;
      state.cachedMigratePfn[1] = migratePfn;
    }
    if (resetIsolationPfn(model, zone, freePfn, targetSet, true) && freePfn > highestTarget) {
      targetSet = true;
      highestTarget = freePfn;
      state.initFreePfn = freePfn;
      state.cachedFreePfn = freePfn;
    }
    migratePfn += step;
    freePfn -= step;
  }
  if (lowestSource >= highestTarget) {
    state.cachedMigratePfn[0] = migratePfn;
    state.cachedMigratePfn[1] = migratePfn;
    state.cachedFreePfn = freePfn;
  }
}

/**
 * Clears the skip hints of all zones of a node, where they ask for it.
 * @kernel reset_isolation_suitable (spec slowpath-compaction 4.23)
 */
export function resetIsolationSuitable(ctx: CompactionContext, nodeId: number): void {
  for (const zone of ctx.model.nodes[nodeId].zones) {
    if (isPopulated(zone)) resetZoneIsolationSuitable(ctx.model, zone, ctx.zones[zone.id]);
  }
}

/**
 * Whether a block shows a source or a target, clearing its skip hint if so.
 * @kernel __reset_isolation_pfn (spec slowpath-compaction 4.23)
 */
function resetIsolationPfn(
  model: MemoryModel,
  zone: Zone,
  pfn: number,
  wantSource: boolean,
  wantTarget: boolean,
): boolean {
  const { map } = model;
  if (zoneIdOf(map, pfn) !== zone.id || isHugeCompound(map, pfn)) return false;
  if (wantSource && wantTarget && !pageblockSkip(map, pfn)) return true;
  if (!wantSource && pageblockMigratetype(map, pfn) !== Migratetype.MIGRATE_MOVABLE) return false;
  const end = Math.min(pageblockEndPfn(map, pfn), zoneEndPfn(zone)) - 1;
  const start = Math.max(pageblockStartPfn(map, pfn), zone.startPfn);
  for (let sample = start; sample <= end; sample += SAMPLE_STRIDE) {
    const source = wantSource && (map.flags[sample] & PageFlag.PG_lru) !== 0;
    if (source || (wantTarget && buddyOrder(map, sample) >= 0)) {
      setPageblockSkip(map, pfn, false);
      return true;
    }
  }
  return false;
}
