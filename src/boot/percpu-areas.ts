import { ilog2, roundUpPowerOfTwo } from '../lib/bits.ts';
import { alignUp } from '../lib/units.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { bootAlloc, MAX_DMA_ADDRESS, SMP_CACHE_BYTES } from './boot-alloc.ts';

/** Per-CPU areas are cut from chunks of this size. */
const CHUNK_BYTES = 2n << 20n;

/** Bytes of a list head. */
const LIST_HEAD_BYTES = 16;
/** The first chunk's record and its maps of what is in use, for 32 KiB of dynamic part. */
const FIRST_CHUNK = [
  { what: 'per-CPU chunk', size: 0x80n },
  { what: 'per-CPU allocation map', size: 0x400n },
  { what: 'per-CPU bound map', size: 0x408n },
  { what: 'per-CPU blocks', size: 0x100n },
] as const;

/**
 * Takes the per-CPU areas: chunks of 2 MiB on the node of their CPUs, cut into as many units as a
 * power of two allows; what a unit does not need is given back. Then what is kept about them.
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
  const unitCount = [...groups.values()].reduce((sum, cpus) => sum + alignUp(cpus, units), 0);
  reserveTables(memblock, groups.size, unitCount, Number(unitSpan));
}

/** Offset and size of each group, number and offset of each unit, lists of chunks by free room. */
function reserveTables(memblock: Memblock, groups: number, units: number, unitBytes: number): void {
  const slots = ilog2(unitBytes) + 2;
  const tables = [groups * 8, groups * 8, units * 4, units * 8, slots * LIST_HEAD_BYTES];
  for (const bytes of tables) {
    const request = { what: 'per-CPU tables', size: BigInt(bytes), align: SMP_CACHE_BYTES };
    bootAlloc(memblock, request);
  }
  for (const part of FIRST_CHUNK) bootAlloc(memblock, { ...part, align: SMP_CACHE_BYTES });
}

function unitsPerChunk(cpus: number, unitBytes: bigint): number {
  let units = roundUpPowerOfTwo(cpus);
  while (units > 1 && CHUNK_BYTES / BigInt(units) < unitBytes) units /= 2;
  return units;
}
