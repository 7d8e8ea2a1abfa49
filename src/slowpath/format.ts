import { divTrunc } from '../lib/bits.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { isPopulated, type Zone } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import type { CompactionContext } from './compaction-context.ts';

/** A line of one of the files: the zone, and a cell per order. */
function line(zone: Zone, cell: (order: number) => string): string {
  const cells = Array.from({ length: MAX_ORDER }, (_, order) => `${cell(order)} `).join('');
  return `Node ${zone.node}, zone ${ZONE_NAMES[zone.index].padStart(8)} ${cells}`;
}

/** Thousandths as the kernel splits them: both parts keep the sign of the whole. */
function thousandths(value: number, width: number): string {
  const whole = `${divTrunc(value, 1000)}`.padStart(width);
  const rest = value % 1000;
  const digits = `${Math.abs(rest)}`;
  // The sign counts as a digit: %03d of -5 is -05.
  return rest < 0 ? `${whole}.-${digits.padStart(2, '0')}` : `${whole}.${digits.padStart(3, '0')}`;
}

function populatedZones({ model }: CompactionContext): Zone[] {
  return model.zones.filter(isPopulated);
}

/**
 * The file `extfrag/extfrag_index` of debugfs, a line per zone.
 * @kernel extfrag_show (spec slowpath-compaction 5.5)
 */
export function formatExtfragIndex(ctx: CompactionContext): string[] {
  return populatedZones(ctx).map((zone) =>
    line(zone, (order) => thousandths(ctx.pages.fragmentationIndex(zone.id, order), 2)),
  );
}

/**
 * The file `extfrag/unusable_index` of debugfs, a line per zone.
 * @kernel unusable_show (spec slowpath-compaction 5.5)
 */
export function formatUnusableIndex(ctx: CompactionContext): string[] {
  return populatedZones(ctx).map((zone) =>
    line(zone, (order) => thousandths(unusableFreeIndex(ctx, zone, order), 0)),
  );
}

/** Part of the free memory that an order cannot use, in thousandths; 1000 without free memory. @kernel unusable_free_index */
function unusableFreeIndex(ctx: CompactionContext, zone: Zone, order: number): number {
  const { nrFree } = ctx.model.areas;
  let free = 0;
  let usable = 0;
  for (let each = 0; each < MAX_ORDER; each++) {
    const pages = nrFree[zone.id * MAX_ORDER + each] * 2 ** each;
    free += pages;
    if (each >= order) usable += pages;
  }
  return free === 0 ? 1000 : divTrunc((free - usable) * 1000, free);
}
