import { PAGE_SIZE } from '../lib/units.ts';
import { PAGE_FLAGS_MASK, PageFlag } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { TaintFlag, taintText } from '../mm/taint.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import {
  freelistOf,
  freePointerOf,
  metadataEnd,
  readTrack,
  sizeFromObject,
} from './debug-object.ts';
import { indexOfAddress, virtualHigh, virtualLow } from './pointer.ts';
import type { SlubState } from './state.ts';
import { TrackItem } from './track.ts';
import type { SlubReport } from './types.ts';

const RULE_WIDTH = 77;
/** A report's reason is formatted into 100 bytes. */
const REASON_CHARACTERS = 99;
/** Bytes in one row of a dump, and the width of their hexadecimal part. */
const ROW_BYTES = 16;
const ROW_HEX_WIDTH = 49;

/** A 64-bit value as 16 hexadecimal digits. @kernel %p */
export function hex64(high: number, low: number): string {
  return high.toString(16).padStart(8, '0') + low.toString(16).padStart(8, '0');
}

/** The virtual address of a physical one as `%p` prints it; 16 zeros for 0. */
export function pointerText(state: SlubState, address: number): string {
  return address === 0
    ? hex64(0, 0)
    : hex64(virtualHigh(state, address), virtualLow(state, address));
}

/** Prints a line, unless texts are suppressed. */
export function print(state: SlubState, line: string): void {
  if (state.quietReports < 0) state.log?.(line);
}

/** Tells `onReport`, or counts it while texts are suppressed. */
export function notify(
  state: SlubState,
  kind: SlubReport['kind'],
  cache: CacheState,
  text: string,
  slab: number,
  object: number,
): void {
  cache.damaged = true;
  if (state.quietReports >= 0) {
    state.quietReports++;
    return;
  }
  const pfn = slab < 0 ? -1 : state.slabs.pfn[slab];
  state.onReport?.({ kind, cache: cache.name, text, pfn, address: object });
}

/** Prints a stack dump where the host has one. @kernel dump_stack */
export function dumpStack(state: SlubState): void {
  if (state.stackDump === null || state.quietReports >= 0) return;
  for (const line of state.stackDump()) print(state, line);
}

function setTaint(state: SlubState): void {
  if (state.quietReports >= 0) return;
  if (!state.lockDebuggingOff) {
    state.lockDebuggingOff = true;
    print(state, 'Disabling lock debugging due to kernel taint');
  }
  state.taint |= TaintFlag.TAINT_BAD_PAGE;
}

/** The head of a report. A reason that ends with a newline gives an empty line. @kernel slab_bug */
function printHead(state: SlubState, cache: CacheState, reason: string): void {
  print(state, '='.repeat(RULE_WIDTH));
  const lines = `BUG ${cache.name} (${taintText(state.taint)}): ${reason}`.split('\n');
  for (const line of lines) print(state, line);
  print(state, '-'.repeat(RULE_WIDTH));
  print(state, '');
}

const FLAG_NAMES: readonly (readonly [string, number])[] = Object.entries(PageFlag).map(
  ([name, bit]) => [name.slice('PG_'.length), bit] as const,
);

/** Page flags as `%pGp` prints them: 6 bits of node above 2 of zone, then the flags. */
function pageFlagsText(state: SlubState, pfn: number, node: number): string {
  const low = (state.map.flags[pfn] & PAGE_FLAGS_MASK) >>> 0;
  const zone = state.map.zone[pfn] === 0 ? 0 : (state.map.zone[pfn] - 1) % MAX_NR_ZONES;
  const high = node * 0x4000000 + zone * 0x1000000;
  const names = FLAG_NAMES.filter(([, bit]) => (low & bit) !== 0).map(([name]) => name);
  const parts = [...names, `node=${node}`, `zone=${zone}`];
  return `0x${hex64(high, low).replace(/^0+(?=.)/, '')}(${parts.join('|')})`;
}

/** @kernel print_slab_info */
function printSlabInfo(state: SlubState, cache: CacheState, slab: number): void {
  const { slabs } = state;
  const pfn = slabs.pfn[slab];
  freelistOf(state, cache, slab);
  const fp = hex64(state.pointerHigh, state.pointerLow);
  const descriptor = (state.vmemmap + 64n * BigInt(pfn)).toString(16).padStart(16, '0');
  const flags = pageFlagsText(state, pfn, slabs.node[slab]);
  print(
    state,
    `Slab 0x${descriptor} objects=${slabs.objects[slab]} used=${slabs.inuse[slab]} fp=0x${fp} flags=${flags}`,
  );
}

function printTrack(state: SlubState, cache: CacheState, object: number, item: number): void {
  const track = readTrack(state, cache, object, item);
  if (track.addressHigh === 0 && track.addressLow === 0) return;
  const what = item === TrackItem.ALLOC ? 'Allocated' : 'Freed';
  const symbol = state.tracks.symbol(track.addressHigh, track.addressLow);
  const age = state.jiffies() - track.when;
  print(state, `${what} in ${symbol} age=${age} cpu=${track.cpu} pid=${track.pid | 0}`);
  if (!state.config.stackDepot) return;
  const stack = track.handle === 0 ? null : state.tracks.stack(track.handle);
  if (stack === null) print(state, 'object allocation/free stack trace missing');
  else for (const frame of stack) print(state, ` ${frame}`);
}

/** @kernel print_tracking */
export function printTracking(state: SlubState, cache: CacheState, object: number): void {
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) return;
  printTrack(state, cache, object, TrackItem.ALLOC);
  printTrack(state, cache, object, TrackItem.FREE);
}

/** Prints bytes of memory in rows. @kernel print_section */
export function printSection(
  state: SlubState,
  prefix: string,
  address: number,
  length: number,
): void {
  for (let row = 0; row < length; row += ROW_BYTES) {
    const cells: string[] = [];
    let characters = '';
    for (let i = row; i < Math.min(row + ROW_BYTES, length); i++) {
      const byte = state.memory.readU8(address + i);
      cells.push(byte.toString(16).padStart(2, '0'));
      characters += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
    }
    const where = pointerText(state, address + row);
    print(state, `${prefix}${where}: ${cells.join(' ').padEnd(ROW_HEX_WIDTH)}${characters}`);
  }
}

/** Tracks, slab, object and dumps of a valid object. @kernel print_trailer */
function printTrailer(state: SlubState, cache: CacheState, slab: number, object: number): void {
  printTracking(state, cache, object);
  printSlabInfo(state, cache, slab);
  const start = state.slabs.pfn[slab] * PAGE_SIZE;
  freePointerOf(state, cache, slab, object);
  const fp = hex64(state.pointerHigh, state.pointerLow);
  print(state, `Object 0x${pointerText(state, object)} @offset=${object - start} fp=0x${fp}`);
  print(state, '');
  const redZone = hasFlag(cache, SlabFlag.SLAB_RED_ZONE);
  if (redZone) printSection(state, 'Redzone  ', object - cache.pad, cache.pad);
  else if (object > start + ROW_BYTES) {
    printSection(state, 'Bytes b4 ', object - ROW_BYTES, ROW_BYTES);
  }
  printSection(state, 'Object   ', object, Math.min(cache.objectSize, PAGE_SIZE));
  if (redZone) {
    printSection(state, 'Redzone  ', object + cache.objectSize, cache.inuse - cache.objectSize);
  }
  const end = metadataEnd(state, cache);
  const slotEnd = sizeFromObject(cache);
  if (end !== slotEnd) printSection(state, 'Padding  ', object + end, slotEnd - end);
}

/**
 * Reports something wrong with an object.
 * @param object physical address; one that is no object of the slab gives the short form
 * @param detail the line that byte checks add, null for none
 * @kernel object_err, check_bytes_and_report (spec slub 5.6)
 */
export function reportObject(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  reason: string,
  detail: string | null = null,
): void {
  notify(state, 'object', cache, reason, slab, object);
  if (state.quietReports >= 0) return;
  printHead(state, cache, reason);
  if (detail !== null) print(state, detail);
  if (indexOfAddress(state, cache, slab, object) >= 0) {
    printTrailer(state, cache, slab, object);
    dumpStack(state);
  } else {
    printSlabInfo(state, cache, slab);
    print(state, `Invalid pointer 0x${pointerText(state, object)}`);
  }
  setTaint(state);
}

/** Reports something wrong with a slab. @kernel slab_err (spec slub 5.7) */
export function reportSlab(state: SlubState, cache: CacheState, slab: number, text: string): void {
  const reason = text.slice(0, REASON_CHARACTERS);
  notify(state, 'slab', cache, reason.trimEnd(), slab, -1);
  if (state.quietReports >= 0) return;
  printHead(state, cache, reason);
  printSlabInfo(state, cache, slab);
  dumpStack(state);
  setTaint(state);
}

/** Reports a repair, or that nothing was freed. @kernel slab_fix */
export function reportFix(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  text: string,
): void {
  notify(state, 'fix', cache, text, slab, object);
  print(state, `FIX ${cache.name}: ${text}`);
}

/** Reports a counter that is off, in `validate`. (spec slub 4.25) */
export function reportCount(state: SlubState, cache: CacheState, line: string): void {
  notify(state, 'count', cache, line, -1, -1);
  print(state, line);
}
