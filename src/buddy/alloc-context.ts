import type { Zone } from '../mm/zone.ts';

/**
 * A request after preparation. One object is used again and again, so that a request costs no
 * garbage; it is valid until the call it was made for returns.
 *
 * @kernel struct alloc_context (spec buddy 2.5)
 */
export class AllocContext {
  /** Zones in order of preference. */
  zonelist: readonly Zone[] = [];
  /** Nodes that may be used (cell 1 per allowed node), null for all. */
  nodemask: Uint8Array | null = null;
  /** Position of the first eligible zone in the zonelist, its length if there is none. */
  preferredZoneref = 0;
  /** Migratetype that is wanted. */
  migratetype = 0;
  /** Highest zone index that may be used. */
  highestZoneidx = 0;
  /** Whether nodes over their dirty limit are skipped. */
  spreadDirtyPages = false;
}

/**
 * Position of the first zone from `from` on that a request may use, the list's length for none.
 * @kernel next_zones_zonelist (spec buddy 2.5)
 */
export function nextZoneref(
  zonelist: readonly Zone[],
  from: number,
  highestZoneidx: number,
  nodemask: Uint8Array | null,
): number {
  let position = from;
  for (; position < zonelist.length; position++) {
    const zone = zonelist[position];
    if (zone.index > highestZoneidx) continue;
    if (nodemask === null || nodemask[zone.node] !== 0) break;
  }
  return position;
}
