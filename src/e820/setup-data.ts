import { E820Error } from './errors.ts';
import { formatE820Map, HEADER_EXTENDED } from './format.ts';
import { logInfo, logInfoLines } from './log.ts';
import { e820MemorySetupExtended } from './memory-setup.ts';
import { e820RangeUpdate } from './range.ts';
import { E820_ENTRY_BYTES, parseE820Records } from './records.ts';
import type { E820State } from './state.ts';
import { type AddressRange, E820Type, type LogSink, type SetupDataNode } from './types.ts';
import { checkNumber, checkU64, U32_MAX, wrap64 } from './u64.ts';
import { e820UpdateTable } from './update-table.ts';

/** Kinds of setup_data nodes, with the kernel's names and values. @kernel SETUP_E820_EXT */
export const SetupDataType = {
  /** Nothing. */
  NONE: 0,
  /** More E820 entries. */
  E820_EXT: 1,
  /** A device tree. */
  DTB: 2,
  /** A PCI option ROM. */
  PCI: 3,
  /** EFI configuration for kexec. */
  EFI: 4,
  /** Properties of Apple devices. */
  APPLE_PROPERTIES: 5,
  /** Configuration of the Jailhouse hypervisor. */
  JAILHOUSE: 6,
  /** Blob of confidential computing. */
  CC_BLOB: 7,
  /** IMA measurements of the kernel before a kexec. */
  IMA: 8,
  /** Seed of the random number generator. */
  RNG_SEED: 9,
  /** The data lies elsewhere. */
  INDIRECT: 0x80000000,
} as const;
/** One of the kinds with a name. */
export type SetupDataType = (typeof SetupDataType)[keyof typeof SetupDataType];

/** Length of a node's header in bytes. */
export const SETUP_DATA_HEADER_BYTES = 16n;
const SETUP_INDIRECT_BYTES = 24;

/**
 * Reads physical memory.
 * @param address first byte
 * @param length number of bytes
 * @returns the bytes; fewer where there is no memory
 */
export type ReadPhysical = (address: bigint, length: number) => Uint8Array;

/**
 * Reads a setup_data list from memory.
 * @param head address of the first node, 0 for an empty list
 * @param read how to read memory
 * @returns the nodes in list order
 * @throws E820Error `BAD_SETUP_DATA` for a list that bites its tail, a node that lies outside
 * memory or an INDIRECT node that is too short; `data.position` is the node's address
 * @kernel struct setup_data, spec e820 2.2
 */
export function readSetupData(head: bigint, read: ReadPhysical): SetupDataNode[] {
  const nodes: SetupDataNode[] = [];
  const seen = new Set<bigint>();
  for (let address = head; address !== 0n; ) {
    if (seen.has(address)) throw badNode(address, 'occurs twice in the list', address);
    seen.add(address);
    const header = readView(read, address, Number(SETUP_DATA_HEADER_BYTES), address);
    nodes.push(readNode(address, header, read));
    address = header.getBigUint64(0, true);
  }
  return nodes;
}

function badNode(address: bigint, problem: string, value: unknown): E820Error {
  const message = `the setup_data node at 0x${address.toString(16)} ${problem}`;
  return new E820Error('BAD_SETUP_DATA', message, { position: address, value });
}

function readView(read: ReadPhysical, from: bigint, length: number, node: bigint): DataView {
  const bytes = read(from, length);
  if (bytes.length < length) throw badNode(node, 'lies outside memory', bytes.length);
  return new DataView(bytes.buffer, bytes.byteOffset, length);
}

function readNode(address: bigint, header: DataView, read: ReadPhysical): SetupDataNode {
  const type = header.getUint32(8, true);
  const length = header.getUint32(12, true);
  const data = wrap64(address + SETUP_DATA_HEADER_BYTES);
  if (type === SetupDataType.E820_EXT) {
    const used = length - (length % E820_ENTRY_BYTES);
    const view = readView(read, data, used, address);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, used);
    return { address, type, length, entries: parseE820Records(bytes) };
  }
  if (type === SetupDataType.INDIRECT) {
    if (length < SETUP_INDIRECT_BYTES) throw badNode(address, 'is too short', length);
    const view = readView(read, data, SETUP_INDIRECT_BYTES, address);
    const indirect = {
      type: view.getUint32(0, true),
      length: view.getBigUint64(8, true),
      address: view.getBigUint64(16, true),
    };
    return { address, type, length, indirect };
  }
  return { address, type, length };
}

/** What {@link parseSetupData} leaves. */
export interface ParsedSetupData {
  /** The nodes as they are now: an RNG_SEED node has length 0 after its use. */
  readonly nodes: readonly SetupDataNode[];
  /** Buffers of IMA nodes, to be reserved in memblock. */
  readonly imaBuffers: readonly AddressRange[];
}

/**
 * Handles the nodes in list order: E820_EXT entries go into the map, seeds are used up.
 * @param state its tables may get more entries
 * @param nodes the list
 * @param log takes the lines
 * @throws E820Error `BAD_SETUP_DATA` for a node that does not fit its kind, before anything changed
 * @kernel parse_setup_data, spec e820 4.11, 4.22 step 5
 */
export function parseSetupData(
  state: E820State,
  nodes: readonly SetupDataNode[],
  log?: LogSink,
): ParsedSetupData {
  for (const node of nodes) checkNode(node);
  const after: SetupDataNode[] = [];
  const imaBuffers: AddressRange[] = [];
  for (const node of nodes) {
    if (node.type === SetupDataType.E820_EXT) {
      e820MemorySetupExtended(state, node.entries ?? [], log);
    }
    if (node.type === SetupDataType.IMA && node.imaBuffer !== undefined) {
      imaBuffers.push(node.imaBuffer);
    }
    after.push(node.type === SetupDataType.RNG_SEED ? { ...node, length: 0 } : node);
  }
  return { nodes: after, imaBuffers };
}

/** Checks the numbers of a node that a caller made. */
export function checkNode(node: SetupDataNode): void {
  const { address, type, length, entries = [], indirect } = node;
  checkU64('address', address);
  checkNumber('type', type, 0, U32_MAX);
  checkNumber('length', length, 0, U32_MAX);
  if (type === SetupDataType.E820_EXT) {
    const count = Math.floor(length / E820_ENTRY_BYTES);
    if (entries.length === count) return;
    throw badNode(address, `has room for ${count} entries, not ${entries.length}`, entries.length);
  }
  if (type === SetupDataType.INDIRECT) {
    if (indirect === undefined) throw badNode(address, 'does not say where its data lies', type);
    checkU64('indirect.address', indirect.address);
    checkU64('indirect.length', indirect.length);
    checkNumber('indirect.type', indirect.type, 0, U32_MAX);
  }
}

/** The range of an INDIRECT node's data, null for other nodes and for indirect to indirect. */
export function indirectRange(node: SetupDataNode): SetupDataNode['indirect'] | null {
  const { type, indirect } = node;
  if (type !== SetupDataType.INDIRECT || indirect === undefined) return null;
  return indirect.type === SetupDataType.INDIRECT ? null : indirect;
}

/** Nodes that a kexec'ed kernel is not to find. */
function isLeftOutForKexec(type: number): boolean {
  return (
    type === SetupDataType.EFI || type === SetupDataType.IMA || type === SetupDataType.RNG_SEED
  );
}

/**
 * Marks the memory that holds setup data as RESERVED_KERN, in the working map and in that for
 * kexec, sanitises both and prints the map. Nothing happens for an empty list.
 * @param state its tables are edited
 * @param nodes the list as {@link parseSetupData} left it
 * @param log takes the lines
 * @throws E820Error `BAD_SETUP_DATA`, `FROZEN`
 * @kernel e820__reserve_setup_data, spec e820 4.11
 */
export function e820ReserveSetupData(
  state: E820State,
  nodes: readonly SetupDataNode[],
  log?: LogSink,
): void {
  if (nodes.length === 0) return;
  for (const node of nodes) checkNode(node);
  const { table, tableKexec } = state;
  const { RAM, RESERVED_KERN } = E820Type;
  for (const node of nodes) {
    const { address, length, type } = node;
    const size = SETUP_DATA_HEADER_BYTES + BigInt(length);
    e820RangeUpdate(table, address, size, RAM, RESERVED_KERN, log);
    if (!isLeftOutForKexec(type)) {
      e820RangeUpdate(tableKexec, address, size, RAM, RESERVED_KERN, log);
    }
    const inner = indirectRange(node);
    if (!inner) continue;
    e820RangeUpdate(table, inner.address, inner.length, RAM, RESERVED_KERN, log);
    e820RangeUpdate(tableKexec, inner.address, inner.length, RAM, RESERVED_KERN, log);
  }
  e820UpdateTable(table);
  e820UpdateTable(tableKexec);
  logInfo(log, HEADER_EXTENDED);
  logInfoLines(log, formatE820Map(table.entries, 'reserve setup_data'));
}
