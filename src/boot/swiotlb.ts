import { roundUpPowerOfTwo } from '../lib/bits.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { MAX_DMA32_PFN } from '../mm/zone-types.ts';
import { bootAlloc, SMP_CACHE_BYTES } from './boot-alloc.ts';

const PAGE_BYTES = 4096n;
/** Bytes of the buffer that one slot stands for. */
const SLOT_BYTES = 2048n;
/** Bytes of a slot's record. @kernel struct io_tlb_slot */
const SLOT_RECORD_BYTES = 24n;
/** Bytes of the record of an area; there is one for each CPU, rounded up to a power of two. */
const AREA_RECORD_BYTES = 16;

/**
 * Takes the bounce buffer for devices that reach only 4 GiB, on machines with RAM above that, and
 * the tables of its slots and areas. Without room below 4 GiB there is none, as in the kernel.
 * @param maxPfn one past the highest page frame of RAM
 * @param bytes length of the buffer, 0 for none
 * @param cpus number of CPUs
 * @kernel swiotlb_init (spec memory-model 4.0 step 10)
 */
export function reserveSwiotlb(
  memblock: Memblock,
  maxPfn: number,
  bytes: bigint,
  cpus: number,
): void {
  if (bytes === 0n || maxPfn <= MAX_DMA32_PFN) return;
  const size = pageAlign(bytes);
  if (memblock.allocLow(size, PAGE_BYTES, 'swiotlb') === null) return;
  const records = pageAlign((size / SLOT_BYTES) * SLOT_RECORD_BYTES);
  bootAlloc(memblock, { what: 'swiotlb slots', size: records, align: PAGE_BYTES });
  const areas = BigInt(roundUpPowerOfTwo(cpus) * AREA_RECORD_BYTES);
  bootAlloc(memblock, { what: 'swiotlb areas', size: areas, align: SMP_CACHE_BYTES });
}

function pageAlign(bytes: bigint): bigint {
  return ((bytes + PAGE_BYTES - 1n) / PAGE_BYTES) * PAGE_BYTES;
}
