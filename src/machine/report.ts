import { formatBuddyinfo } from '../buddy/buddyinfo.ts';
import { VM_EVENT_NAMES, VmEvent, ZoneStatItem } from '../mm/vm-items.ts';
import { vmEvent, zoneStateSnapshot } from '../mm/vmstat.ts';
import { isPopulated, WatermarkIndex, wmarkPages } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import type { Machine } from './machine.ts';

/** Counters of the LRU lists that a zone keeps, with short names. */
const LRU_COUNTERS = [
  ['inactive_anon', ZoneStatItem.NR_ZONE_INACTIVE_ANON],
  ['active_anon', ZoneStatItem.NR_ZONE_ACTIVE_ANON],
  ['inactive_file', ZoneStatItem.NR_ZONE_INACTIVE_FILE],
  ['active_file', ZoneStatItem.NR_ZONE_ACTIVE_FILE],
  ['unevictable', ZoneStatItem.NR_ZONE_UNEVICTABLE],
] as const;

/**
 * The memory of a machine in a few lines: per zone free pages, watermarks and LRU pages, then free
 * blocks by order as `/proc/buddyinfo` shows them.
 */
export function memoryReport({ model }: Machine): string[] {
  const zones = model.zones.filter(isPopulated).flatMap((zone) => {
    const count = (item: number): number => zoneStateSnapshot(model.vmstat, zone.id, item);
    const { WMARK_MIN, WMARK_LOW, WMARK_HIGH } = WatermarkIndex;
    const [min, low, high] = [WMARK_MIN, WMARK_LOW, WMARK_HIGH].map((i) => wmarkPages(zone, i));
    const name = `Node ${zone.node}, zone ${ZONE_NAMES[zone.index].padStart(8)}`;
    const lists = LRU_COUNTERS.map(([list, item]) => `${list} ${count(item)}`).join('  ');
    return [
      `${name}  free ${count(ZoneStatItem.NR_FREE_PAGES)}  min ${min}  low ${low}  high ${high}`,
      `${' '.repeat(name.length)}  ${lists}`,
    ];
  });
  return [...zones, ...formatBuddyinfo(model).trimEnd().split('\n')];
}

/** All event counters of a machine now, by their names in `/proc/vmstat`. */
export function vmEvents({ model }: Machine): ReadonlyMap<string, number> {
  return new Map(VM_EVENT_NAMES.map((name) => [name, vmEvent(model.vmstat, VmEvent[name])]));
}

/** Event counters that grew since, as `name +count`. */
export function vmEventsSince(machine: Machine, before: ReadonlyMap<string, number>): string[] {
  return [...vmEvents(machine)].flatMap(([name, count]) => {
    const grown = count - (before.get(name) ?? 0);
    return grown === 0 ? [] : [`${name} +${grown}`];
  });
}
