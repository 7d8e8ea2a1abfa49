/**
 * Types of memory in an E820 map, with the kernel's names and values (spec e820 2.3). Any other
 * unsigned 32-bit number is a valid type too; 0 means "nothing" or "any".
 */
export const E820Type = {
  /** Usable memory. */
  RAM: 1,
  /** Not to be touched. */
  RESERVED: 2,
  /** ACPI tables, reclaimable in principle. */
  ACPI: 3,
  /** ACPI non-volatile storage, to be kept over a suspend. */
  NVS: 4,
  /** Memory with errors. */
  UNUSABLE: 5,
  /** Persistent memory (NVDIMM). */
  PMEM: 7,
  /** Persistent memory in the older, unofficial numbering. */
  PRAM: 12,
  /** Usable memory that holds something of the boot loader, such as setup data. */
  RESERVED_KERN: 128,
  /** Memory that firmware sets aside for a special purpose. */
  SOFT_RESERVED: 0xefffffff,
} as const;
/** One of the types with a name of their own. */
export type E820Type = (typeof E820Type)[keyof typeof E820Type];

/** One range of the map. @kernel struct e820_entry */
export interface E820Entry {
  /** First byte, an unsigned 64-bit physical address. */
  readonly addr: bigint;
  /** Length in bytes, an unsigned 64-bit number; may be 0. */
  readonly size: bigint;
  /** What the range is, an unsigned 32-bit number: {@link E820Type} or another one. */
  readonly type: number;
}

/** A table of ranges, in table order. Plain data: it may be cloned. @kernel struct e820_table */
export interface E820Table {
  /** Most entries the table can hold; more are dropped. @kernel E820_MAX_ENTRIES */
  capacity: number;
  /** The used entries. Entries are never changed in place, only replaced. */
  entries: E820Entry[];
  /** Whether the table was re-allocated at its exact size: then no operation may edit it. */
  frozen: boolean;
}

/** A half-open range of physical addresses. */
export interface AddressRange {
  /** First byte. */
  readonly start: bigint;
  /** First byte after the range. */
  readonly end: bigint;
}

/** Urgency of a log record, the kernel's numbers. @kernel KERN_ERR, KERN_INFO */
export const LogLevel = {
  /** An error. */
  ERR: 3,
  /** Something looks wrong. */
  WARNING: 4,
  /** Normal boot message. */
  INFO: 6,
  /** Detail: in the log buffer, but not on the console. */
  DEBUG: 7,
} as const;

/** One record of the kernel log. */
export interface LogLine {
  /** Urgency, a value of {@link LogLevel}. */
  readonly level: number;
  /** The text, without time stamp and line end. */
  readonly text: string;
}

/** Takes the log records of an operation, in order. */
export type LogSink = (line: LogLine) => void;

/** What firmware or a boot loader tells the kernel about memory (spec e820 4.1 to 4.3). */
export interface E820Firmware {
  /** The E820 entries in the order they were given, not sanitised. */
  readonly entries: readonly E820Entry[];
  /** KiB of memory above 1 MiB by INT 15h/E801, default 0. @kernel alt_mem_k */
  readonly altMemK?: number;
  /** KiB of memory above 1 MiB by INT 15h/88, default 0. @kernel ext_mem_k */
  readonly extMemK?: number;
  /**
   * When given, the entries come from a platform's own memory set-up and not from the zero page:
   * they are taken without the "at least 2" rule and the map is printed with this label.
   */
  readonly who?: string;
}

/** The inner part of an INDIRECT setup_data node. @kernel struct setup_indirect */
export interface SetupIndirect {
  /** Type of the data pointed to, a value of `SetupDataType`. */
  readonly type: number;
  /** Its length in bytes. */
  readonly length: bigint;
  /** Its physical address. */
  readonly address: bigint;
}

/** One node of the boot loader's setup_data list. @kernel struct setup_data */
export interface SetupDataNode {
  /** Physical address of the 16-byte header. */
  readonly address: bigint;
  /** Kind of node, a value of `SetupDataType`. */
  readonly type: number;
  /** Bytes of data after the header, an unsigned 32-bit number. */
  readonly length: number;
  /** E820_EXT only: the entries that the data holds, `floor(length / 20)` of them. */
  readonly entries?: readonly E820Entry[];
  /** INDIRECT only: where the data really lies. */
  readonly indirect?: SetupIndirect;
  /** IMA only: the buffer that memblock has to keep. */
  readonly imaBuffer?: AddressRange;
}
