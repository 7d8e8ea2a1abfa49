import type { RandomSource } from '../lib/random.ts';
import { alignUp, MAX_ORDER, MAX_ORDER_NR_PAGES } from '../lib/units.ts';
import type { MemoryModel } from './memory-model.ts';
import { isBuddyOfOrder, type PageMap, pageblockMigratetype, zoneIdOf } from './page-map.ts';
import { type Zone, zoneEndPfn } from './zone.ts';

/** How often another block is looked for. @kernel SHUFFLE_RETRY */
const SHUFFLE_RETRY = 10;

/**
 * Swaps list positions of the largest free blocks of a zone at random.
 * @param random where numbers come from; without it results could not be repeated
 * @returns number of swaps
 * @kernel __shuffle_zone (spec memory-model 4.12)
 */
export function shuffleZone(model: MemoryModel, zone: Zone, random: RandomSource): number {
  const { map } = model;
  const end = zoneEndPfn(zone);
  const start = alignUp(zone.startPfn, MAX_ORDER_NR_PAGES);
  let swaps = 0;
  for (let pfn = start; pfn < end; pfn += MAX_ORDER_NR_PAGES) {
    if (!isFreeBlock(map, zone, pfn)) continue;
    const other = findOther(map, zone, pfn, random);
    if (other < 0 || pageblockMigratetype(map, pfn) !== pageblockMigratetype(map, other)) continue;
    swapPositions(map, pfn, other);
    swaps++;
  }
  return swaps;
}

function findOther(map: PageMap, zone: Zone, pfn: number, random: RandomSource): number {
  for (let attempt = 0; attempt < SHUFFLE_RETRY; attempt++) {
    const offset = random.nextU32() % zone.spannedPages;
    const other = zone.startPfn + offset - (offset % MAX_ORDER_NR_PAGES);
    if (other !== pfn && isFreeBlock(map, zone, other)) return other;
  }
  return -1;
}

/** A block start that is no multiple of the block size is never free as one. */
function isFreeBlock(map: PageMap, zone: Zone, pfn: number): boolean {
  return isBuddyOfOrder(map, pfn, MAX_ORDER - 1) && zoneIdOf(map, pfn) === zone.id;
}

/** Exchanges two elements of lists on the same links. @kernel list_swap */
function swapPositions({ next, prev }: PageMap, a: number, b: number): void {
  if (next[a] === b || next[b] === a) {
    swapNeighbours({ next, prev }, next[a] === b ? a : b, next[a] === b ? b : a);
    return;
  }
  const [beforeA, afterA, beforeB, afterB] = [prev[a], next[a], prev[b], next[b]];
  link(next, prev, beforeA, b, afterA);
  link(next, prev, beforeB, a, afterB);
}

/** `second` directly follows `first` on a list with a head; afterwards it directly precedes it. */
function swapNeighbours(
  { next, prev }: Pick<PageMap, 'next' | 'prev'>,
  first: number,
  second: number,
): void {
  const before = prev[first];
  const after = next[second];
  next[before] = second;
  prev[second] = before;
  next[second] = first;
  prev[first] = second;
  next[first] = after;
  prev[after] = first;
}

function link(
  next: Int32Array,
  prev: Int32Array,
  before: number,
  element: number,
  after: number,
): void {
  next[before] = element;
  prev[element] = before;
  next[element] = after;
  prev[after] = element;
}
