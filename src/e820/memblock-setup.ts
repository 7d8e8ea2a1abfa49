import { logInfo } from './log.ts';
import { memparse } from './memparse.ts';
import { e820RangeUpdate } from './range.ts';
import type { E820State } from './state.ts';
import { type E820Table, E820Type, type LogSink } from './types.ts';
import { e820UpdateTable } from './update-table.ts';

/** What the hand-over asks of memblock. */
export interface E820MemblockTarget {
  /** Lets the region arrays grow from now on. @kernel memblock_allow_resize */
  allowResize(): void;
  /** Adds memory. @kernel memblock_add */
  add(base: bigint, size: bigint): void;
  /** Reserves memory. @kernel memblock_reserve */
  reserve(base: bigint, size: bigint): void;
  /** Rounds the memory regions inwards. @kernel memblock_trim_memory */
  trimMemory(align: bigint): void;
  /** Prints both arrays if `memblock=debug` is on. @kernel memblock_dump_all */
  dumpAll(): void;
}

/**
 * Hands RAM over to memblock, with unrounded borders: rounding happens once, after touching ranges
 * were merged.
 * @param table the working map
 * @param memblock who takes it
 * @kernel e820__memblock_setup, spec e820 4.15
 */
export function e820MemblockSetup(table: E820Table, memblock: E820MemblockTarget): void {
  memblock.allowResize();
  for (const { addr, size, type } of table.entries) {
    if (type === E820Type.SOFT_RESERVED) memblock.reserve(addr, size);
    else if (type === E820Type.RAM || type === E820Type.RESERVED_KERN) memblock.add(addr, size);
  }
  memblock.trimMemory(4096n);
  memblock.dumpAll();
}

/**
 * Allocates memory that a kexec'ed kernel will find reserved.
 * @param state its map for kexec is edited
 * @param size length in bytes
 * @param align alignment in bytes
 * @param alloc memblock's physical allocation, 0 for none
 * @param log takes the lines
 * @returns the address, 0 if there was no memory
 * @throws E820Error `BAD_ADDRESS`, `FROZEN`
 * @kernel e820__memblock_alloc_reserved, spec e820 4.16
 */
export function e820MemblockAllocReserved(
  state: E820State,
  size: bigint,
  align: bigint,
  alloc: (size: bigint, align: bigint) => bigint,
  log?: LogSink,
): bigint {
  const address = alloc(size, align);
  if (address === 0n) return 0n;
  e820RangeUpdate(state.tableKexec, address, size, E820Type.RAM, E820Type.RESERVED, log);
  logInfo(log, 'update e820_table_kexec for e820__memblock_alloc_reserved()');
  e820UpdateTable(state.tableKexec);
  return address;
}

/**
 * Reads the early parameter `alloc_mptable[=size]`.
 * @param value text after the `=`, null without one
 * @returns the size in bytes
 * @kernel parse_alloc_mptable_opt, spec e820 3
 */
export function parseAllocMptable(value: string | null): bigint {
  return value === null ? MPC_NEW_DEFAULT_BYTES : memparse(value).value;
}

/** Size of the MP table copy that `alloc_mptable` without a value asks for. */
export const MPC_NEW_DEFAULT_BYTES = 4096n;

/**
 * Allocates room for a copy of the MP table below 1 MiB, if `alloc_mptable` was given.
 * @param state its map for kexec is edited
 * @param size bytes, as {@link parseAllocMptable} read them; 0: nothing is done
 * @param alloc memblock's physical allocation, with its limit at 1 MiB
 * @param log takes the lines
 * @returns the address, 0 for none
 * @kernel e820__memblock_alloc_reserved_mpc_new, spec e820 4.16
 */
export function e820MemblockAllocReservedMpcNew(
  state: E820State,
  size: bigint,
  alloc: (size: bigint, align: bigint) => bigint,
  log?: LogSink,
): bigint {
  return size === 0n ? 0n : e820MemblockAllocReserved(state, size, 4n, alloc, log);
}
