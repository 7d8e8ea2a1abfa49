import { roundUpPowerOfTwo } from '../lib/bits.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { bootAlloc, MAX_DMA_ADDRESS } from './boot-alloc.ts';

/** Per-CPU areas are cut from chunks of this size. */
const CHUNK_BYTES = 2n << 20n;

/**
 * Takes the per-CPU areas: chunks of 2 MiB on the node of their CPUs, cut into as many units as a
 * power of two allows; what a unit does not need is given back.
 * @param cpuNode node of each CPU while the system comes up
 * @param unitBytes bytes that each CPU needs, at most 2 MiB
 * @kernel setup_per_cpu_areas, pcpu_embed_first_chunk
 */
export function reservePercpuAreas(
  memblock: Memblock,
  cpuNode: readonly number[],
  unitBytes: bigint,
): void {
  if (unitBytes === 0n) return;
  const groups = new Map<number, number>();
  for (const node of cpuNode) groups.set(node, (groups.get(node) ?? 0) + 1);
  const units = unitsPerChunk(Math.max(...groups.values()), unitBytes);
  const unitSpan = CHUNK_BYTES / BigInt(units);
  for (const [node, cpus] of groups) {
    for (let left = cpus; left > 0; left -= units) {
      const request = {
        what: 'per-CPU area',
        size: CHUNK_BYTES,
        align: CHUNK_BYTES,
        minAddr: MAX_DMA_ADDRESS,
      };
      const base = bootAlloc(memblock, request, node);
      for (let unit = 0; unit < units; unit++) {
        const used = unit < left ? unitBytes : 0n;
        const start = base + unitSpan * BigInt(unit);
        if (used < unitSpan) memblock.physFree(start + used, unitSpan - used);
      }
    }
  }
}

function unitsPerChunk(cpus: number, unitBytes: bigint): number {
  let units = roundUpPowerOfTwo(cpus);
  while (units > 1 && CHUNK_BYTES / BigInt(units) < unitBytes) units /= 2;
  return units;
}
