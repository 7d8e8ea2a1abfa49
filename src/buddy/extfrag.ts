import { MAX_ORDER } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { isPopulated, type Zone } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { fragmentationIndex, unusableFreeIndex } from './frag-index.ts';
import { badText, linesOf, matchLine, right } from './text.ts';

/** One line of `extfrag/extfrag_index` or `extfrag/unusable_index`. */
export interface ExtfragLine {
  /** Node id. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** Index by order, 1/1000. */
  readonly index: readonly number[];
}

/** `extfrag/extfrag_index`: why requests of each order would fail. @kernel extfrag_show (spec buddy 5.5) */
export function formatExtfragIndex(model: MemoryModel): string {
  return indexText(model, 2, (zone, order) => fragmentationIndex(model.areas, zone.id, order));
}

/** `extfrag/unusable_index`: which part of the free memory each order cannot use. @kernel unusable_show (spec buddy 5.5) */
export function formatUnusableIndex(model: MemoryModel): string {
  return indexText(model, 1, (zone, order) => unusableFreeIndex(model.areas, zone.id, order));
}

function indexText(
  { zones }: MemoryModel,
  width: number,
  indexOf: (zone: Zone, order: number) => number,
): string {
  let text = '';
  for (const zone of zones) {
    if (!isPopulated(zone)) continue;
    text += `Node ${zone.node}, zone ${right(ZONE_NAMES[zone.index], 8)} `;
    for (let order = 0; order < MAX_ORDER; order++) {
      text += `${formatIndex(indexOf(zone, order), width)} `;
    }
    text += '\n';
  }
  return text;
}

/** Both parts are truncated towards zero and keep the sign, so -500 is ` 0.-500`. */
function formatIndex(index: number, width: number): string {
  const fraction = index % 1000;
  const digits = String(Math.abs(fraction)).padStart(fraction < 0 ? 2 : 3, '0');
  return `${right(Math.trunc(index / 1000), width)}.${fraction < 0 ? '-' : ''}${digits}`;
}

/**
 * Reads `extfrag/extfrag_index` or `extfrag/unusable_index` back.
 * @throws BuddyError `BAD_TEXT` for a line of another form
 */
export function parseExtfrag(text: string): ExtfragLine[] {
  return linesOf(text).map((line) => {
    const [node, zone, rest] = matchLine('extfrag', line, /^Node +(\d+), zone +(\S+) (.*)$/);
    const words = rest.trim().split(/ +/);
    if (words.length !== MAX_ORDER) throw badText('extfrag', line);
    return { node: Number(node), zone, index: words.map((word) => parseIndex(line, word)) };
  });
}

function parseIndex(line: string, word: string): number {
  const match = /^(-?\d+)\.(-?\d+)$/.exec(word);
  if (match === null) throw badText('extfrag', line);
  return Number(match[1]) * 1000 + Number(match[2]);
}
