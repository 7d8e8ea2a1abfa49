import { roundUpPowerOfTwo } from '../lib/bits.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { bootAlloc, SMP_CACHE_BYTES } from './boot-alloc.ts';

/** Bytes of an entry: one pointer. */
const ENTRY_BYTES = 8;
/** Pages (64 GiB) up to which tables grow with memory; beyond, they grow half as fast. */
const ADAPT_PAGES = 2 ** 24;

/** The tables that are taken from memblock, and how many bytes of memory one entry stands for. */
const TABLES = [
  { what: 'dentry hash table', bytesPerEntry: 2 ** 13 },
  { what: 'inode hash table', bytesPerEntry: 2 ** 14 },
] as const;

/**
 * Takes the hash tables of the file system caches, sized by memory. With memory on more than one
 * node they are spread over the nodes, and come from vmalloc later.
 * @param totalPages the estimate that the `Built ... zonelists` line shows
 * @param nodes number of nodes with memory
 * @kernel alloc_large_system_hash
 */
export function reserveLargeHashes(memblock: Memblock, totalPages: number, nodes: number): void {
  if (nodes > 1) return;
  for (const { what, bytesPerEntry } of TABLES) {
    const size = BigInt(hashEntries(totalPages, bytesPerEntry) * ENTRY_BYTES);
    bootAlloc(memblock, { what, size, align: SMP_CACHE_BYTES });
  }
}

function hashEntries(totalPages: number, bytesPerEntry: number): number {
  let perEntry = bytesPerEntry;
  for (let pages = ADAPT_PAGES; pages < totalPages; pages *= 4) perEntry *= 2;
  return roundUpPowerOfTwo(Math.max(1, Math.floor((totalPages * 4096) / perEntry)));
}
