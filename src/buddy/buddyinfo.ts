import { MAX_ORDER } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { isPopulated } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { linesOf, matchLine, readNumbers, right } from './text.ts';

/** One line of `/proc/buddyinfo`. */
export interface BuddyinfoLine {
  /** Node id. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** Free blocks by order. */
  readonly nrFree: readonly number[];
}

/** `/proc/buddyinfo`: free blocks by order, of all populated zones. @kernel frag_show (spec buddy 5.1) */
export function formatBuddyinfo({ zones, areas }: MemoryModel): string {
  let text = '';
  for (const zone of zones) {
    if (!isPopulated(zone)) continue;
    text += `Node ${zone.node}, zone ${right(ZONE_NAMES[zone.index], 8)} `;
    for (let order = 0; order < MAX_ORDER; order++) {
      text += `${right(areas.nrFree[zone.id * MAX_ORDER + order], 6)} `;
    }
    text += '\n';
  }
  return text;
}

/**
 * Reads `/proc/buddyinfo` back.
 * @throws BuddyError `BAD_TEXT` for a line of another form
 */
export function parseBuddyinfo(text: string): BuddyinfoLine[] {
  return linesOf(text).map((line) => {
    const [node, zone, rest] = matchLine('buddyinfo', line, /^Node +(\d+), zone +(\S+) (.*)$/);
    return { node: Number(node), zone, nrFree: readNumbers('buddyinfo', rest, MAX_ORDER) };
  });
}
