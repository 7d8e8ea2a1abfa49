import type { Memblock } from '../memblock/memblock.ts';
import { BootError } from './errors.ts';
import type { BootAllocation } from './reservations.ts';

/** Alignment of boot allocations that ask for none: a cache line. */
export const SMP_CACHE_BYTES = 64n;

/** Lowest address of allocations that leave ZONE_DMA alone. @kernel __pa(MAX_DMA_ADDRESS) */
export const MAX_DMA_ADDRESS = 0x100_0000n;

/**
 * Takes memory that the kernel cannot do without.
 * @param node preferred node, -1 for any
 * @returns physical address
 * @throws BootError `OUT_OF_BOOT_MEMORY` where the kernel would panic
 */
export function bootAlloc(memblock: Memblock, request: BootAllocation, node = -1): bigint {
  const { what, size, align, minAddr = 0n } = request;
  const addr = memblock.allocTryNid(size, align, minAddr, 0n, node, what);
  if (addr !== null) return addr;
  throw new BootError('OUT_OF_BOOT_MEMORY', `no room for ${what}: ${size} bytes`, {
    what,
    size,
    align,
    node,
  });
}

/** Takes the allocations of a list, in its order. */
export function bootAllocAll(memblock: Memblock, requests: readonly BootAllocation[]): void {
  for (const request of requests) bootAlloc(memblock, request);
}
