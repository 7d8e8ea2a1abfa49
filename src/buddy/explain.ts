import { hex, MAX_ORDER, NIL } from '../lib/units.ts';
import { formatGfp, Gfp } from '../mm/gfp.ts';
import { MIGRATETYPE_NAMES, Migratetype } from '../mm/migratetype.ts';
import { NR_PCP_LISTS } from '../mm/pageset.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { zoneState } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { prepareFastPath } from './alloc.ts';
import { AllocContext, nextZoneref } from './alloc-context.ts';
import {
  AllocFlag,
  allocFlagsNofragment,
  currentGfpContext,
  gfpPfmemallocFlags,
  gfpToAllocFlags,
  severalNodesOnline,
} from './alloc-flags.ts';
import { fallbackOrder, findSuitableFallback } from './fallback.ts';
import { getPageFromFreeArea } from './free-list.ts';
import { nodeDirtyOk } from './node-dirty.ts';
import { orderToPindex, pcpAllowedOrder } from './pcp-index.ts';
import type { BuddyState } from './state.ts';
import { lowerMark, unusableFree, zoneWatermarkFast } from './watermark.ts';

/**
 * What became of a zone: it gives the block, it is too low on memory, it has enough memory but no
 * block, it is left out by the cpuset or because too much of its node is dirty, or the walk starts
 * again at the preferred zone rather than go to another node.
 */
export type ZoneVerdict =
  | 'gives'
  | 'below-watermark'
  | 'no-block'
  | 'cpuset'
  | 'dirty-limit'
  | 'other-node';

/** Where a zone takes a block from. */
export interface BlockSource {
  /** A per-CPU list, a free list of the type, of another type, or of the HIGHATOMIC reserve. */
  readonly from: 'pcp' | 'free-list' | 'fallback' | 'highatomic';
  /** First page frame of the block at the head of that list. */
  readonly block: number;
  /** Order of that block. */
  readonly order: number;
  /** Migratetype of that list. */
  readonly migratetype: number;
}

/** One zone of one walk. */
export interface ExplainedZone {
  /** Node id. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** What became of it. */
  readonly verdict: ZoneVerdict;
  /** Which watermark: min, low or high. */
  readonly watermark: string;
  /** That watermark, boost included, in pages. */
  readonly mark: number;
  /** Pages of it that are boost. */
  readonly boost: number;
  /** What is left of it after the discounts of the flags, in pages. */
  readonly min: number;
  /** Pages kept from requests that could use a higher zone. */
  readonly lowmemReserve: number;
  /** Free pages by the cheap reading that decides. */
  readonly freePages: number;
  /** Pages of them that the request cannot use: rest of the block, HIGHATOMIC reserve. */
  readonly unusable: number;
  /** Where the block comes from, null if there is none. */
  readonly source: BlockSource | null;
}

/** One walk over the zones. */
export interface ExplainedWalk {
  /** Which: `fast path`, `slow path`, `slow path with reserves`. */
  readonly name: string;
  /** Bits of `AllocFlag` that it starts with. */
  readonly allocFlags: number;
  /** Zones in the order in which they are tried; twice when NOFRAGMENT is given up. */
  readonly zones: readonly ExplainedZone[];
}

/** The answer to "what would this request get, and why?". */
export interface Explanation {
  /** Mask of the request after the task's scope flags. */
  readonly gfp: number;
  /** log2 of the number of pages. */
  readonly order: number;
  /** Migratetype that is wanted. */
  readonly migratetype: number;
  /** Highest zone that may be used. */
  readonly highestZone: string;
  /** Preferred node. */
  readonly node: number;
  /** The CPU that asks. */
  readonly cpu: number;
  /** Walks until one succeeds; without reclaim there are at most three. */
  readonly walks: readonly ExplainedWalk[];
  /** The zone that gives the block, null if none does. */
  readonly from: ExplainedZone | null;
}

const WATERMARK_NAMES = ['min', 'low', 'high', 'high'] as const;

/**
 * Goes through a request zone by zone without making it: which watermark, which reserve, which list,
 * why not. It stops where reclaim would begin.
 * @param node preferred node
 */
export function explain(
  state: BuddyState,
  gfp: number,
  order: number,
  node: number,
  cpu: number,
): Explanation {
  const mask = currentGfpContext(state, gfp & state.gfpAllowedMask);
  const ac = new AllocContext();
  let flags = prepareFastPath(state, ac, mask, node, null);
  const walks: ExplainedWalk[] = [];
  if (ac.preferredZoneref < ac.zonelist.length) {
    flags |= allocFlagsNofragment(state, ac.zonelist[ac.preferredZoneref], mask);
    walks.push(walk(state, 'fast path', mask, order, flags, ac, cpu));
    if (!succeeded(walks)) explainSlowPath(state, mask, order, ac, cpu, walks);
  }
  const last = walks[walks.length - 1]?.zones ?? [];
  const from = last.find(({ verdict }) => verdict === 'gives') ?? null;
  const highestZone = ZONE_NAMES[ac.highestZoneidx];
  return { gfp: mask, order, migratetype: ac.migratetype, highestZone, node, cpu, walks, from };
}

function succeeded(walks: readonly ExplainedWalk[]): boolean {
  return walks[walks.length - 1].zones.some(({ verdict }) => verdict === 'gives');
}

function explainSlowPath(
  state: BuddyState,
  gfp: number,
  order: number,
  ac: AllocContext,
  cpu: number,
  walks: ExplainedWalk[],
): void {
  const flags = gfpToAllocFlags(state, gfp, order);
  ac.spreadDirtyPages = false;
  ac.nodemask = null;
  ac.preferredZoneref = nextZoneref(ac.zonelist, 0, ac.highestZoneidx, null);
  walks.push(walk(state, 'slow path', gfp, order, flags, ac, cpu));
  const reserves = gfpPfmemallocFlags(state, gfp);
  if (succeeded(walks) || reserves === 0) return;
  const deeper = reserves | (flags & AllocFlag.ALLOC_KSWAPD);
  walks.push(walk(state, 'slow path with reserves', gfp, order, deeper, ac, cpu));
}

/** The walk of `getPageFromFreelist`, without its effects. */
function walk(
  state: BuddyState,
  name: string,
  gfp: number,
  order: number,
  allocFlags: number,
  ac: AllocContext,
  cpu: number,
): ExplainedWalk {
  const { zonelist, highestZoneidx, nodemask } = ac;
  const zones: ExplainedZone[] = [];
  let flags = allocFlags;
  let position = ac.preferredZoneref;
  for (;;) {
    let restart = position >= zonelist.length;
    if (!restart) {
      const zone = explainZone(state, gfp, order, flags, ac, zonelist[position], cpu);
      zones.push(zone);
      if (zone.verdict === 'gives') break;
      restart = zone.verdict === 'other-node';
    }
    if (restart) {
      if ((flags & AllocFlag.ALLOC_NOFRAGMENT) === 0) break;
      flags &= ~AllocFlag.ALLOC_NOFRAGMENT;
      position = ac.preferredZoneref;
    } else {
      position = nextZoneref(zonelist, position + 1, highestZoneidx, nodemask);
    }
  }
  return { name, allocFlags, zones };
}

function explainZone(
  state: BuddyState,
  gfp: number,
  order: number,
  flags: number,
  ac: AllocContext,
  zone: Zone,
  cpu: number,
): ExplainedZone {
  const index = flags & AllocFlag.ALLOC_WMARK_MASK;
  const mark = zone.watermark[index] + zone.watermarkBoost;
  const verdict = verdictOf(state, gfp, order, flags, ac, zone, mark);
  const source = verdict === 'gives' ? findSource(state, order, flags, ac, zone, cpu) : null;
  return {
    node: zone.node,
    zone: ZONE_NAMES[zone.index],
    verdict: verdict === 'gives' && source === null ? 'no-block' : verdict,
    watermark: WATERMARK_NAMES[index],
    mark,
    boost: zone.watermarkBoost,
    min: lowerMark(mark, flags),
    lowmemReserve: zone.lowmemReserve[ac.highestZoneidx],
    freePages: zoneState(state.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES),
    unusable: unusableFree(zone, order, flags),
    source,
  };
}

function verdictOf(
  state: BuddyState,
  gfp: number,
  order: number,
  flags: number,
  ac: AllocContext,
  zone: Zone,
  mark: number,
): ZoneVerdict {
  const { cpusets } = state;
  const preferred = ac.zonelist[ac.preferredZoneref];
  if (cpusets !== null && (flags & AllocFlag.ALLOC_CPUSET) !== 0) {
    if (!cpusets.nodeAllowed(zone.node, gfp)) return 'cpuset';
  }
  if (ac.spreadDirtyPages && !nodeDirtyOk(state, zone.node)) return 'dirty-limit';
  const nofragment = (flags & AllocFlag.ALLOC_NOFRAGMENT) !== 0;
  if (nofragment && zone.node !== preferred.node && severalNodesOnline(state)) return 'other-node';
  if ((flags & AllocFlag.ALLOC_NO_WATERMARKS) !== 0) return 'gives';
  const fine = zoneWatermarkFast(state, zone, order, mark, ac.highestZoneidx, flags, gfp);
  return fine ? 'gives' : 'below-watermark';
}

/** Where `rmqueue` would find a block. */
function findSource(
  state: BuddyState,
  order: number,
  flags: number,
  ac: AllocContext,
  zone: Zone,
  cpu: number,
): BlockSource | null {
  const { map, pagesets } = state;
  const { migratetype } = ac;
  if (pcpAllowedOrder(state, order)) {
    const cell = cpu * pagesets.zoneCount + zone.id;
    const head = pagesets.firstHead + cell * NR_PCP_LISTS + orderToPindex(migratetype, order);
    const block = map.next[head];
    if (block !== head) return { from: 'pcp', block, order, migratetype };
  }
  const highatomic = Migratetype.MIGRATE_HIGHATOMIC;
  const reserveFirst = (flags & AllocFlag.ALLOC_HIGHATOMIC) !== 0 && !pcpAllowedOrder(state, order);
  const reserve = smallest(state, zone, order, highatomic, 'highatomic');
  if (reserveFirst && reserve !== null) return reserve;
  const own = smallest(state, zone, order, migratetype, 'free-list');
  if (own !== null) return own;
  const foreign = fallbackSource(state, zone, order, migratetype, flags);
  if (foreign !== null) return foreign;
  const lastResort = AllocFlag.ALLOC_HIGHATOMIC | AllocFlag.ALLOC_OOM | AllocFlag.ALLOC_NON_BLOCK;
  return (flags & lastResort) !== 0 ? reserve : null;
}

function smallest(
  state: BuddyState,
  zone: Zone,
  order: number,
  migratetype: number,
  from: BlockSource['from'],
): BlockSource | null {
  for (let current = order; current < MAX_ORDER; current++) {
    const block = getPageFromFreeArea(state.areas, zone.id, current, migratetype);
    if (block !== NIL) return { from, block, order: current, migratetype };
  }
  return null;
}

function fallbackSource(
  state: BuddyState,
  zone: Zone,
  order: number,
  migratetype: number,
  flags: number,
): BlockSource | null {
  const nofragment = (flags & AllocFlag.ALLOC_NOFRAGMENT) !== 0;
  const least = nofragment ? Math.max(order, state.pageblockOrder) : order;
  const current = fallbackOrder(state, zone.id, order, migratetype, least);
  if (current === NIL) return null;
  const type = findSuitableFallback(state, zone.id, current, migratetype, false);
  const block = getPageFromFreeArea(state.areas, zone.id, current, type);
  return { from: 'fallback', block, order: current, migratetype: type };
}

/** An explanation as text, one line per element. */
export function formatExplanation(explanation: Explanation): string[] {
  const { gfp, order, migratetype, highestZone, node, cpu, walks, from } = explanation;
  const mask = formatGfp(gfp) || '0';
  return [
    `order ${order}, ${mask}: ${MIGRATETYPE_NAMES[migratetype]}, up to zone ${highestZone}, node ${node}, cpu ${cpu}`,
    ...walks.flatMap(({ name, allocFlags, zones }) => [
      `${name}, alloc_flags ${hex(allocFlags)}`,
      ...zones.map((zone) => `  ${zoneText(zone)}`),
    ]),
    outcome(gfp, from),
  ];
}

function outcome(gfp: number, from: ExplainedZone | null): string {
  if (from !== null) return `the page comes from node ${from.node} zone ${from.zone}`;
  const blocks = (gfp & Gfp.__GFP_DIRECT_RECLAIM) !== 0;
  return blocks ? 'no page without reclaim' : 'the request fails';
}

function zoneText(zone: ExplainedZone): string {
  const { mark, boost, min, lowmemReserve, freePages, unusable } = zone;
  const boosted = boost > 0 ? `, ${boost} of it boost` : '';
  const needed = `${zone.watermark} mark ${mark}${boosted}, lowered to ${min}, reserve ${lowmemReserve}`;
  const free = `free ${freePages}, unusable ${unusable}`;
  return `node ${zone.node} ${zone.zone.padEnd(7)} ${zone.verdict}: ${free}; ${needed}${sourceText(zone.source)}`;
}

function sourceText(source: BlockSource | null): string {
  if (source === null) return '';
  const type = MIGRATETYPE_NAMES[source.migratetype];
  return `; ${source.from}: order ${source.order} ${type} block ${hex(source.block)}`;
}
