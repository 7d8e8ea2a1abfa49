import { hex } from '../lib/units.ts';
import type { MemblockState, RegionArray } from './state.ts';
import type { MemblockRegion } from './types.ts';
import { wrap64 } from './u64.ts';

// The kernel's text, byte for byte (spec memblock 5). END is always inclusive and wraps.

/** An address or size as `%pa` prints it: `0x` and 16 hex digits. */
export function formatAddress(value: bigint): string {
  return hex(value, 16);
}

/** `BASE-END` of a range, END being the last byte with the uncapped size. */
export function formatSpan(base: bigint, size: bigint): string {
  return `${formatAddress(base)}-${formatAddress(wrap64(base + size - 1n))}`;
}

/** Debug line of a call on a range. @kernel memblock_dbg */
export function formatRangeCall(name: string, base: bigint, size: bigint, caller: string): string {
  return `${name}: [${formatSpan(base, size)}] ${caller}`;
}

/** Debug line of `memblock_add_node`. */
export function formatAddNode(
  base: bigint,
  size: bigint,
  nid: number,
  flags: number,
  caller: string,
): string {
  const what = `nid=${nid} flags=${flags.toString(16)}`;
  return `memblock_add_node: [${formatSpan(base, size)}] ${what} ${caller}`;
}

/** Arguments of an allocation, as given. */
export interface AllocCall {
  /** Bytes asked for. */
  readonly size: bigint;
  /** Alignment in bytes. */
  readonly align: bigint;
  /** Lower bound. */
  readonly from: bigint;
  /** Upper bound; 0 stands for the current limit. */
  readonly maxAddr: bigint;
}

/** Debug line of an allocation; the node is left out of physical ones. */
export function formatAllocCall(
  name: string,
  { size, align, from, maxAddr }: AllocCall,
  nid: number | null,
  caller: string,
): string {
  const node = nid === null ? '' : ` nid=${nid}`;
  const bounds = `from=${formatAddress(from)} max_addr=${formatAddress(maxAddr)}`;
  return `${name}: ${size} bytes align=${hex(align)}${node} ${bounds} ${caller}`;
}

/** Debug line of a growth; END is that of the bytes used, not of the pages reserved. */
export function formatDoubled(name: string, max: number, addr: bigint, usedBytes: bigint): string {
  return `memblock: ${name} is doubled to ${max} at [${formatSpan(addr, usedBytes)}]`;
}

/** Error line of a growth that found no room. */
export function formatDoubleFailed(name: string, max: number): string {
  return `memblock: Failed to double ${name} array from ${max} to ${max * 2} entries !`;
}

/** Warning that mirrored memory ran out. */
export function formatMirrorWarning(size: bigint): string {
  return `Could not allocate ${formatAddress(size)} bytes of mirrored memory`;
}

/** Warning of a cap before any memory is known. */
export const CAP_WITHOUT_MEMORY: string = 'memblock_cap_memory_range: No memory registered yet';

/** One entry in the dump. */
export function formatDumpRegion(
  name: string,
  index: number,
  { base, size, flags, nid }: MemblockRegion,
  showNode: boolean,
): string {
  const node = showNode ? ` on node ${nid}` : '';
  const what = `${formatAddress(size)} bytes${node} flags: ${hex(flags)}`;
  return ` ${name}[${hex(index)}]\t[${formatSpan(base, size)}], ${what}`;
}

function dumpArray(state: MemblockState, { name, regions }: RegionArray, lines: string[]): void {
  lines.push(` ${name}.cnt  = ${hex(regions.length)}`);
  for (let index = 0; index < regions.length; index++) {
    const region = regions[index];
    const showNode = state.numa && region.nid !== state.maxNumnodes;
    lines.push(formatDumpRegion(name, index, region, showNode));
  }
}

/** Lines of a dump, whether debug mode is on or not. @kernel __memblock_dump_all (spec memblock 5.3) */
export function formatDump(state: MemblockState): string[] {
  const memory = formatAddress(state.memory.totalSize);
  const reserved = formatAddress(state.reserved.totalSize);
  const lines = ['MEMBLOCK configuration:', ` memory size = ${memory} reserved size = ${reserved}`];
  dumpArray(state, state.memory, lines);
  dumpArray(state, state.reserved, lines);
  if (state.physmem !== null) dumpArray(state, state.physmem, lines);
  return lines;
}

/** Text of a debugfs file, a line per entry. @kernel memblock_debug_show (spec memblock 5.5) */
export function formatDebugfs({ regions }: RegionArray): string {
  let text = '';
  for (let index = 0; index < regions.length; index++) {
    const { base, size } = regions[index];
    const last = formatAddress(wrap64(base + size - 1n));
    text += `${String(index).padStart(4)}: ${formatAddress(base)}..${last}\n`;
  }
  return text;
}

/** Whether the text of the boot parameter `memblock=` turns debug mode on. @kernel early_memblock */
export function parseMemblockParam(text: string): boolean {
  return text.includes('debug');
}
