import { SlabFlag } from '../mm/slab-flags.ts';
import { TaintFlag, taintText } from '../mm/taint.ts';
import type { CacheState } from './cache-state.ts';
import {
  POISON_END,
  POISON_FREE,
  redzone1Address,
  redzone2Address,
  userwordAddress,
} from './debug-layout.ts';
import { objectAddress, slotAddress } from './freelist.ts';
import { INDEX_MASK } from './slab-table.ts';
import { type SlabState, virtualAddress } from './state.ts';

/** Bytes in a line of a report. */
const LINE_BYTES = 16;
/** Damaged lines that a report shows at most. */
const DAMAGED_LINES_MAX = 6;
/** Lines of a neighbour that a report shows. */
const NEIGHBOUR_LINES = 2;
/** Column of the characters in a line of bytes. */
const ASCII_COLUMN = 49;

/** An address as reports print it: 16 hexadecimal digits. */
export function reportAddress(state: SlabState, address: number): string {
  return virtualAddress(state, address).toString(16).padStart(16, '0');
}

/** The first line of most reports, a stack dump, and taint. @kernel slab_error (spec slab 5.4) */
export function slabError(cache: CacheState, func: string, message: string): void {
  const { state } = cache;
  state.log?.(`slab error in ${func}(): cache \`${cache.name}': ${message}`);
  for (const line of state.stackDump?.() ?? []) state.log?.(line);
  if (!state.warnedOnce.has('lock debugging')) {
    state.warnedOnce.add('lock debugging');
    state.log?.('Disabling lock debugging due to kernel taint');
  }
  state.taint |= TaintFlag.TAINT_BAD_PAGE;
}

/** A 64-bit word of memory. */
export function readWord({ state }: CacheState, at: number): bigint {
  return (BigInt(state.memory.readU32(at + 4)) << 32n) | BigInt(state.memory.readU32(at));
}

/** The line with both red zones of an object. (spec slab 5.4) */
export function reportRedzones(cache: CacheState, object: number): void {
  const first = readWord(cache, redzone1Address(cache, object)).toString(16);
  const second = readWord(cache, redzone2Address(cache, object)).toString(16);
  const at = reportAddress(cache.state, slotAddress(cache, object));
  cache.state.log?.(`${at}: redzone 1:0x${first}, redzone 2:0x${second}`);
}

/**
 * Reports bytes of a free object that are not the pattern of one.
 * @kernel check_poison_obj (spec slab 5.4)
 */
export function checkPoison(cache: CacheState, object: number): void {
  const { state, objectSize } = cache;
  const at = objectAddress(cache, object);
  let lines = 0;
  for (let i = 0; i < objectSize; i++) {
    const expected = i === objectSize - 1 ? POISON_END : POISON_FREE;
    if (state.memory.readU8(at + i) === expected) continue;
    if (lines === 0) reportCorruption(cache, object);
    const line = Math.floor(i / LINE_BYTES) * LINE_BYTES;
    reportLine(cache, at, line);
    lines++;
    if (lines === DAMAGED_LINES_MAX) break;
    // The kernel's loop steps once more after the line: the first byte of the next is not looked at.
    i = line + LINE_BYTES;
  }
  if (lines > 0) reportNeighbours(cache, object);
}

function reportCorruption(cache: CacheState, object: number): void {
  const { state } = cache;
  const at = reportAddress(state, objectAddress(cache, object));
  const length = cache.objectSize;
  state.log?.(
    `Slab corruption (${taintText(state.taint)}): ${cache.name} start=${at}, len=${length}`,
  );
  reportObjectInfo(cache, object, 0);
}

/** @kernel print_objinfo */
function reportObjectInfo(cache: CacheState, object: number, lines: number): void {
  const { state } = cache;
  if ((cache.flags & SlabFlag.SLAB_RED_ZONE) !== 0) {
    const first = readWord(cache, redzone1Address(cache, object)).toString(16);
    const second = readWord(cache, redzone2Address(cache, object)).toString(16);
    state.log?.(`Redzone: 0x${first}/0x${second}`);
  }
  if ((cache.flags & SlabFlag.SLAB_STORE_USER) !== 0) {
    const user = readWord(cache, userwordAddress(cache, object));
    state.log?.(`Last user: (${state.callSite.symbolOf(user)})`);
  }
  const at = objectAddress(cache, object);
  for (let i = 0; i < lines && i * LINE_BYTES < cache.objectSize; i++) {
    reportLine(cache, at, i * LINE_BYTES);
  }
}

function reportNeighbours(cache: CacheState, object: number): void {
  const { state } = cache;
  const index = object & INDEX_MASK;
  const show = (label: string, neighbour: number): void => {
    const at = reportAddress(state, objectAddress(cache, neighbour));
    state.log?.(`${label} obj: start=${at}, len=${cache.objectSize}`);
    reportObjectInfo(cache, neighbour, NEIGHBOUR_LINES);
  };
  if (index > 0) show('Prev', object - 1);
  if (index + 1 < cache.num) show('Next', object + 1);
}

/** One line of bytes, and whether it looks like a broken memory chip. @kernel dump_line */
function reportLine(cache: CacheState, at: number, offset: number): void {
  const { state, objectSize } = cache;
  const bytes: number[] = [];
  for (let i = offset; i < Math.min(offset + LINE_BYTES, objectSize); i++) {
    bytes.push(state.memory.readU8(at + i));
  }
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(' ');
  const text = bytes.map((byte) => (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.'));
  const head = offset.toString(16).padStart(3, '0');
  state.log?.(`${head}: ${hex.padEnd(ASCII_COLUMN)}${text.join('')}`);
  const wrong = bytes.filter((byte) => byte !== POISON_FREE);
  const flipped = wrong[0] ^ POISON_FREE;
  if (wrong.length !== 1 || (flipped & (flipped - 1)) !== 0) return;
  state.log?.('Single bit error detected. Probably bad RAM.');
  state.log?.('Run memtest86+ or a similar memory test tool.');
}
