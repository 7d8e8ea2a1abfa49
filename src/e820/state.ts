import { copyE820Table, createE820Table, E820_MAX_ENTRIES, freezeE820Table } from './table.ts';
import type { E820Table } from './types.ts';
import { checkNumber, U64_MAX } from './u64.ts';

/** Everything the kernel keeps about the E820 map. Plain data: `structuredClone` copies it. */
export interface E820State {
  /** The working map: what `mem=`, `memmap=` and the kernel's own edits act on. @kernel e820_table */
  readonly table: E820Table;
  /** The map for a kexec'ed kernel. @kernel e820_table_kexec */
  readonly tableKexec: E820Table;
  /** The map as firmware or the loader gave it, sanitised. @kernel e820_table_firmware */
  readonly tableFirmware: E820Table;
  /** First page frame that can never exist: 2^34, or 2^40 with 5-level paging. @kernel MAX_ARCH_PFN */
  readonly maxArchPfn: number;
  /** Whether `mem=` or `memmap=` changed the map. @kernel userdef */
  userdef: boolean;
  /** First page frame after RAM. */
  maxPfn: number;
  /**
   * The same below 4 GiB, if RAM reaches beyond it; else `maxPfn`. Once the direct mapping is built
   * (step 26) the kernel sets it to `maxPfn`.
   */
  maxLowPfn: number;
  /** `maxPfn` as it was found at boot. */
  maxPossiblePfn: number;
  /** Start of the address space for PCI devices. @kernel pci_mem_start */
  pciMemStart: bigint;
  /** Limit that `mem=` sets for memory hot-add, in bytes. @kernel max_mem_size */
  maxMemSize: bigint;
}

/** What a state is made for. */
export interface E820StateOptions {
  /** Capacity of each table, default 320; see `e820MaxEntries`. */
  readonly maxEntries?: number;
  /** Physical address bits of the kernel: 46 (default), or 52 with 5-level paging. */
  readonly maxPhysmemBits?: number;
}

/** Value of `pci_mem_start` before the gap was searched. */
export const PCI_MEM_START_UNSET = 0xaeed_baben;

/**
 * The state before anything is known about memory: three empty tables.
 * @throws E820Error `BAD_NUMBER`
 */
export function createE820State(options: E820StateOptions = {}): E820State {
  const { maxEntries = E820_MAX_ENTRIES, maxPhysmemBits = 46 } = options;
  checkNumber('maxPhysmemBits', maxPhysmemBits, 32, 52);
  return {
    table: createE820Table([], maxEntries),
    tableKexec: createE820Table([], maxEntries),
    tableFirmware: createE820Table([], maxEntries),
    maxArchPfn: 2 ** (maxPhysmemBits - 12),
    userdef: false,
    maxPfn: 0,
    maxLowPfn: 0,
    maxPossiblePfn: 0,
    pciMemStart: PCI_MEM_START_UNSET,
    maxMemSize: U64_MAX,
  };
}

/** Copies the working map over the other two tables. Spec e820 2.4. */
export function copyToOtherTables(state: E820State): void {
  copyE820Table(state.tableKexec, state.table);
  copyE820Table(state.tableFirmware, state.table);
}

/**
 * Re-allocates the three tables at their exact size. No operation edits them afterwards.
 * @kernel e820__reallocate_tables, spec e820 2.4
 */
export function e820ReallocateTables(state: E820State): void {
  freezeE820Table(state.table);
  freezeE820Table(state.tableKexec);
  freezeE820Table(state.tableFirmware);
}
