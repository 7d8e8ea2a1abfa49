import type { Memblock } from '../memblock/memblock.ts';
import { regionsOf } from './memblock-ranges.ts';

/** What one page table of each level maps, in bytes. */
const PTE_TABLE_BYTES = 2n << 20n;
const PMD_TABLE_BYTES = 1n << 30n;
const PUD_TABLE_BYTES = 512n << 30n;
/** Tables that the kernel image has room for. */
const TABLES_IN_IMAGE = 7;

/**
 * Page tables of the direct mapping that have to be allocated: one per GiB that holds RAM, one per
 * 512 GiB, and one for each 2 MiB that RAM fills only in part.
 * @kernel init_mem_mapping
 */
export function directMapPages(memblock: Memblock): number {
  const tables = new Set<string>();
  for (const { base, end } of regionsOf(memblock, 'memory')) {
    for (let at = base / PMD_TABLE_BYTES; at * PMD_TABLE_BYTES < end; at++) tables.add(`pmd ${at}`);
    for (let at = base / PUD_TABLE_BYTES; at * PUD_TABLE_BYTES < end; at++) tables.add(`pud ${at}`);
    if (base % PTE_TABLE_BYTES !== 0n) tables.add(`pte ${base / PTE_TABLE_BYTES}`);
    if (end % PTE_TABLE_BYTES !== 0n) tables.add(`pte ${end / PTE_TABLE_BYTES}`);
  }
  return Math.max(0, tables.size - TABLES_IN_IMAGE);
}
