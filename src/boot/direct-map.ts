import type { Memblock } from '../memblock/memblock.ts';
import { regionsOf } from './memblock-ranges.ts';

/** What one page table of the lowest level maps, in bytes. */
const PTE_TABLE_BYTES = 2n << 20n;
/** The same one level up; a page of this size needs no table. */
const PMD_TABLE_BYTES = 1n << 30n;
const FOUR_GIB = 4n << 30n;

/**
 * Page tables of the direct mapping that have to be allocated, on a CPU with pages of 1 GiB. The
 * kernel image has room for those of a machine without RAM above 4 GiB, and for those above it. What
 * remains are the tables of the last GiB of the RAM below, if RAM fills it only in part.
 * @kernel init_mem_mapping
 */
export function directMapPages(memblock: Memblock): number {
  const regions = regionsOf(memblock, 'memory');
  const low = regions.filter(({ base }) => base < FOUR_GIB).at(-1);
  if (low === undefined || low === regions.at(-1)) return 0;
  const hasOwnGib = low.end > PMD_TABLE_BYTES && low.end % PMD_TABLE_BYTES !== 0n;
  return Number(hasOwnGib) + Number(low.end % PTE_TABLE_BYTES !== 0n);
}
