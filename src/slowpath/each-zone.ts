import type { Zone } from '../mm/zone.ts';
import type { SlowPathRequest } from './types.ts';

/**
 * Zones of a request from the start of its zonelist.
 * @kernel for_each_zone_zonelist_nodemask (spec slowpath-compaction 2.2)
 */
export function eachZone(request: SlowPathRequest): Zone[] {
  return request.zonelist.filter((zone) => mayUse(request, zone));
}

/**
 * Lets the attempts of a request start at its first eligible zone.
 * @kernel first_zones_zonelist (spec slowpath-compaction 4.5)
 */
export function resetPreferredZone(request: SlowPathRequest): void {
  const first = request.zonelist.findIndex((zone) => mayUse(request, zone));
  request.preferredZoneref = first < 0 ? request.zonelist.length : first;
}

function mayUse({ highestZoneidx, nodemask }: SlowPathRequest, zone: Zone): boolean {
  return zone.index <= highestZoneidx && (nodemask === null || nodemask[zone.node] !== 0);
}
