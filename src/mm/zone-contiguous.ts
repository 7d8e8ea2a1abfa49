import type { MemoryModel } from './memory-model.ts';
import { zoneIdOf } from './page-map.ts';
import { pfnValid } from './sections.ts';
import { isPopulated, type Zone, zoneEndPfn } from './zone.ts';

/**
 * Finds out whether a zone has no holes and says so in `zone.contiguous`: the first and the last
 * page frame of each of its pageblocks have a memmap and are pages of the zone.
 * @kernel set_zone_contiguous (spec memory-model 4.13), MEMORY_HOTPLUG off
 */
export function setZoneContiguous(model: MemoryModel, zone: Zone): void {
  zone.contiguous = isPopulated(zone) && hasNoHoles(model, zone);
}

function hasNoHoles({ map, sections }: MemoryModel, zone: Zone): boolean {
  const end = zoneEndPfn(zone);
  for (let pfn = zone.startPfn; pfn < end; ) {
    const next = Math.min(((pfn >> map.pageblockOrder) + 1) << map.pageblockOrder, end);
    if (!pfnValid(sections, pfn) || !pfnValid(sections, next - 1)) return false;
    if (zoneIdOf(map, pfn) !== zone.id || zoneIdOf(map, next - 1) !== zone.id) return false;
    pfn = next;
  }
  return true;
}
