import type { InvariantViolation } from '../lib/errors.ts';
import { broken } from './invariants.ts';
import { createE820Table } from './table.ts';
import { type E820Table, E820Type } from './types.ts';
import { sanitisedEntries } from './update-table.ts';

/** A memory region of memblock, as far as the rules see it. */
export interface MemoryRegion {
  /** First byte. */
  readonly base: bigint;
  /** Length in bytes. */
  readonly size: bigint;
}

/**
 * Checks memblock's memory regions right after the hand-over: E820-15 and 16.
 * @param table the working map
 * @param regions memblock's memory regions
 * @param totalSize memblock's `memory.total_size`, in bytes
 * @returns all broken rules
 */
export function checkMemblockSetup(
  table: E820Table,
  regions: readonly MemoryRegion[],
  totalSize: bigint,
): InvariantViolation[] {
  const found: InvariantViolation[] = [];
  const memory = memoryUnion(table);
  let sum = 0n;
  for (const { base, size } of regions) {
    const name = `memory region 0x${base.toString(16)}`;
    if (base % 4096n !== 0n || size % 4096n !== 0n) {
      found.push(broken(15, `${name} is not page aligned`));
    }
    const isInside = memory.some(([start, end]) => start <= base && base + size <= end);
    if (!isInside) found.push(broken(15, `${name} does not lie in RAM`));
    sum += size;
  }
  let covered = 0n;
  for (const [start, end] of memory) covered += end - start;
  if (totalSize < sum) found.push(broken(16, `total ${totalSize} is below the sum ${sum}`));
  if (totalSize > covered) found.push(broken(16, `total ${totalSize} is above RAM, ${covered}`));
  return found;
}

/** RAM and RESERVED_KERN as one kind, joined where they touch. */
function memoryUnion(table: E820Table): [bigint, bigint][] {
  const { RAM, RESERVED_KERN } = E820Type;
  const ram = table.entries
    .filter(({ type }) => type === RAM || type === RESERVED_KERN)
    .map((entry) => ({ ...entry, type: RAM }));
  const { entries, capacity } = createE820Table(ram, table.capacity);
  const joined = sanitisedEntries(entries, capacity) ?? entries;
  return joined.map(({ addr, size }) => [addr, addr + size]);
}
