import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { VmEvent } from '../mm/vm-items.ts';
import { vmEvent } from '../mm/vmstat.ts';
import { isPopulated, type Zone, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import type { CompactionContext } from './compaction-context.ts';
import { COMPACT_MAX_DEFER_SHIFT } from './constants.ts';
import type { SlowPathState } from './state.ts';

type Report = (rule: string, message: string) => void;

/**
 * Checks the rules that hold between two calls. Numbers: spec slowpath-compaction 6; the others are
 * about one run or one call, for tests to check.
 * @returns all broken rules, empty when there are none
 */
export function checkInvariants(state: SlowPathState): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule, message });
  const { compaction: ctx } = state;
  checkNoRun(ctx, report);
  for (const zone of ctx.model.zones) {
    if (!isPopulated(zone)) continue;
    checkDeferral(ctx, zone, report);
    checkPositions(ctx, zone, report);
    checkReserve(ctx, zone, report);
  }
  checkStalls(ctx, report);
  return violations;
}

/** Throws an `InvariantError` that lists all broken rules, if there is any. */
export function assertInvariants(state: SlowPathState): void {
  assertNoViolations(checkInvariants(state));
}

function nameOf(zone: Zone): string {
  return `node ${zone.node} zone ${ZONE_NAMES[zone.index]}`;
}

/** SLOWPATH-1: no run is left open, so no page is on a private list, and no free can be captured. */
function checkNoRun({ pages, runs }: CompactionContext, report: Report): void {
  if (runs !== 0) report('SLOWPATH-1', `${runs} runs of compaction are under way`);
  if (pages.captureControl !== null) report('SLOWPATH-1', 'a capture is left published');
}

/** SLOWPATH-6: limits of the deferral. */
function checkDeferral({ zones }: CompactionContext, zone: Zone, report: Report): void {
  const { considered, deferShift, orderFailed } = zones[zone.id];
  const sound =
    deferShift >= 0 &&
    deferShift <= COMPACT_MAX_DEFER_SHIFT &&
    considered >= 0 &&
    considered <= 1 << deferShift &&
    orderFailed >= 0 &&
    orderFailed <= MAX_ORDER;
  if (sound) return;
  const text = `considered ${considered}, shift ${deferShift}, order failed ${orderFailed}`;
  report('SLOWPATH-6', `${nameOf(zone)}: ${text}`);
}

/**
 * SLOWPATH-7: the async scanner is never behind the sync one; positions reach one block too far at
 * most, unless that of the free scanner wrapped below page frame 0.
 */
function checkPositions({ model, zones }: CompactionContext, zone: Zone, report: Report): void {
  const [async, sync] = zones[zone.id].cachedMigratePfn;
  if (async < sync) report('SLOWPATH-7', `${nameOf(zone)}: async ${async} is behind sync ${sync}`);
  const block = 1 << model.map.pageblockOrder;
  const end = zoneEndPfn(zone) + 2 * block;
  const { cachedFreePfn } = zones[zone.id];
  const wrapped = cachedFreePfn >= 2 ** 63;
  if (async < end && (cachedFreePfn < end || wrapped)) return;
  report('SLOWPATH-7', `${nameOf(zone)}: positions ${async} and ${cachedFreePfn}, end ${end}`);
}

/** SLOWPATH-9: every stall ended in success or failure. */
function checkStalls({ model }: CompactionContext, report: Report): void {
  const count = (item: number): number => vmEvent(model.vmstat, item);
  const stalls = count(VmEvent.compact_stall);
  const ends = count(VmEvent.compact_success) + count(VmEvent.compact_fail);
  if (stalls !== ends) report('SLOWPATH-9', `${stalls} stalls, ${ends} ends of stalls`);
}

/** SLOWPATH-15: the HIGHATOMIC reserve is a sum of pageblocks. */
function checkReserve({ model }: CompactionContext, zone: Zone, report: Report): void {
  const block = 1 << model.map.pageblockOrder;
  const { nrReservedHighatomic } = zone;
  if (nrReservedHighatomic >= 0 && nrReservedHighatomic % block === 0) return;
  report('SLOWPATH-15', `${nameOf(zone)}: ${nrReservedHighatomic} pages are reserved`);
}
