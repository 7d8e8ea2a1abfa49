import { PAGE_SIZE } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import {
  DebugByte,
  freelistOf,
  freePointerOf,
  metadataEnd,
  setFreePointer,
  sizeFromObject,
} from './debug-object.ts';
import { pointerText, printSection, reportFix, reportObject, reportSlab } from './debug-report.ts';
import { MAX_OBJS_PER_PAGE, orderObjects } from './order.ts';
import { indexOfAddress, objectAddress } from './pointer.ts';
import { FREELIST_END } from './slab-table.ts';
import { ContentMode, type SlubState } from './state.ts';

/** Whether the page of a slab is still marked as one. @kernel folio_test_slab */
export function isSlabPage(state: SlubState, slab: number): boolean {
  return (state.map.flags[state.slabs.pfn[slab]] & PageFlag.PG_slab) !== 0;
}

/** Whether an address is NULL (0) or an object of the slab. @kernel check_valid_pointer */
export function isValidPointer(
  state: SlubState,
  cache: CacheState,
  slab: number,
  address: number,
): boolean {
  return address === 0 || indexOfAddress(state, cache, slab, address) >= 0;
}

/** First address in a range whose byte differs, -1 for none. @kernel memchr_inv */
function firstWrong(state: SlubState, start: number, length: number, value: number): number {
  if (state.contentMode === ContentMode.NONE) return -1;
  for (let at = start; at < start + length; at++) {
    if (state.memory.readU8(at) !== value) return at;
  }
  return -1;
}

/** Last address in a range whose byte differs; there is one. */
function lastWrong(state: SlubState, start: number, length: number, value: number): number {
  let at = start + length - 1;
  while (at > start && state.memory.readU8(at) === value) at--;
  return at;
}

/** Overwrites wrong bytes and says so. @kernel restore_bytes */
function restoreBytes(
  state: SlubState,
  cache: CacheState,
  slab: number,
  what: string,
  first: number,
  last: number,
  value: number,
): void {
  const range = `0x${pointerText(state, first)}-0x${pointerText(state, last)}`;
  const text = `Restoring ${what} ${range}=0x${value.toString(16)}`;
  reportFix(state, cache, slab, -1, text);
  state.memory.fill(first, last - first + 1, value);
}

/** Whether all bytes of a part of an object are `value`; reports and repairs them if not. @kernel check_bytes_and_report */
function checkBytes(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  what: string,
  start: number,
  value: number,
  length: number,
): boolean {
  const first = firstWrong(state, start, length, value);
  if (first < 0) return true;
  const last = lastWrong(state, start, length, value);
  const offset = first - state.slabs.pfn[slab] * PAGE_SIZE;
  const found = state.memory.readU8(first).toString(16);
  const detail =
    `0x${pointerText(state, first)}-0x${pointerText(state, last)} @offset=${offset}. ` +
    `First byte 0x${found} instead of 0x${value.toString(16)}`;
  reportObject(state, cache, slab, object, `${what} overwritten`, detail);
  restoreBytes(state, cache, slab, what, first, last, value);
  return false;
}

/** Checks the waste behind the last object of a poisoned cache. @kernel slab_pad_check (spec slub 4.24) */
export function slabPadCheck(state: SlubState, cache: CacheState, slab: number): void {
  if (!hasFlag(cache, SlabFlag.SLAB_POISON)) return;
  const { slabs } = state;
  const start = slabs.pfn[slab] * PAGE_SIZE;
  const bytes = PAGE_SIZE * 2 ** slabs.order[slab];
  const waste = bytes % cache.size;
  const wasteStart = start + bytes - waste;
  const first = firstWrong(state, wasteStart, waste, DebugByte.POISON_INUSE);
  if (first < 0) return;
  const last = lastWrong(state, wasteStart, waste, DebugByte.POISON_INUSE);
  const range = `0x${pointerText(state, first)}-0x${pointerText(state, last)}`;
  reportSlab(state, cache, slab, `Padding overwritten. ${range} @offset=${first - start}`);
  printSection(state, 'Padding ', wasteStart, waste);
  restoreBytes(state, cache, slab, 'slab padding', first, last, DebugByte.POISON_INUSE);
}

/** Whether the bookkeeping of a slab makes sense. @kernel check_slab (spec slub 4.24) */
export function checkSlab(state: SlubState, cache: CacheState, slab: number): boolean {
  const { slabs } = state;
  const most = orderObjects(slabs.order[slab], cache.size);
  const objects = slabs.objects[slab];
  const inuse = slabs.inuse[slab];
  let reason = '';
  if (!isSlabPage(state, slab)) reason = 'Not a valid slab page';
  else if (objects > most) reason = `objects ${objects} > max ${most}`;
  else if (inuse > objects) reason = `inuse ${inuse} > max ${objects}`;
  else if (slabs.frozen[slab] === 1) {
    reason = 'Slab disabled since SLUB metadata consistency check failed';
  }
  if (reason !== '') {
    reportSlab(state, cache, slab, reason);
    return false;
  }
  slabPadCheck(state, cache, slab);
  return true;
}

function checkRedZones(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  value: number,
): boolean {
  const { pad, objectSize, inuse } = cache;
  const right = object + objectSize;
  const length = inuse - objectSize;
  return (
    checkBytes(state, cache, slab, object, 'Left Redzone', object - pad, value, pad) &&
    checkBytes(state, cache, slab, object, 'Right Redzone', right, value, length)
  );
}

function checkPoison(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  value: number,
): boolean {
  const { POISON_FREE, POISON_END, POISON_INUSE } = DebugByte;
  const last = object + cache.objectSize - 1;
  if (value === DebugByte.SLUB_RED_INACTIVE && hasFlag(cache, SlabFlag.__OBJECT_POISON)) {
    const body = cache.objectSize - 1;
    if (!checkBytes(state, cache, slab, object, 'Poison', object, POISON_FREE, body)) return false;
    if (!checkBytes(state, cache, slab, object, 'End Poison', last, POISON_END, 1)) return false;
  }
  const end = metadataEnd(state, cache);
  const length = sizeFromObject(cache) - end;
  checkBytes(state, cache, slab, object, 'Object padding', object + end, POISON_INUSE, length);
  return true;
}

/**
 * Whether an object looks as it should.
 * @param object address of an object of the slab
 * @param value SLUB_RED_ACTIVE for an allocated object, SLUB_RED_INACTIVE for a free one
 * @kernel check_object (spec slub 4.24)
 */
export function checkObject(
  state: SlubState,
  cache: CacheState,
  slab: number,
  object: number,
  value: number,
): boolean {
  const { objectSize, inuse } = cache;
  const poisoned = hasFlag(cache, SlabFlag.SLAB_POISON);
  if (hasFlag(cache, SlabFlag.SLAB_RED_ZONE)) {
    if (!checkRedZones(state, cache, slab, object, value)) return false;
  } else if (poisoned && objectSize < inuse) {
    const start = object + objectSize;
    const length = inuse - objectSize;
    const { POISON_INUSE } = DebugByte;
    checkBytes(state, cache, slab, object, 'Alignment padding', start, POISON_INUSE, length);
  }
  if (poisoned && !checkPoison(state, cache, slab, object, value)) return false;
  if (cache.offset < inuse && value === DebugByte.SLUB_RED_ACTIVE) return true;
  const next = freePointerOf(state, cache, slab, object);
  if (isValidPointer(state, cache, slab, next)) return true;
  reportObject(state, cache, slab, object, 'Freepointer corrupt');
  setFreePointer(state, cache, slab, object, 0);
  return false;
}

/**
 * Walks the freelist of a slab, repairing chain and counters.
 * @param search address of an object, or 0 to check the list as a whole
 * @returns for an object: whether it is on the list; for 0: whether the walk came to an end
 * @kernel on_freelist (spec slub 4.24)
 */
export function onFreelist(
  state: SlubState,
  cache: CacheState,
  slab: number,
  search: number,
): boolean {
  const { slabs } = state;
  let at = freelistOf(state, cache, slab);
  let previous = 0;
  let found = 0;
  while (at !== 0 && found <= slabs.objects[slab]) {
    if (at === search) return true;
    if (!isValidPointer(state, cache, slab, at)) {
      if (previous === 0) {
        reportSlab(state, cache, slab, 'Freepointer corrupt');
        slabs.freelist[slab] = FREELIST_END;
        state.badFreelists.delete(slab);
        slabs.inuse[slab] = slabs.objects[slab];
        reportFix(state, cache, slab, -1, 'Freelist cleared');
        return false;
      }
      reportObject(state, cache, slab, previous, 'Freechain corrupt');
      setFreePointer(state, cache, slab, previous, 0);
      break;
    }
    previous = at;
    at = freePointerOf(state, cache, slab, at);
    found++;
  }
  repairCounts(state, cache, slab, found);
  return search === 0;
}

/** Compares the counters of a slab with what its freelist says. */
function repairCounts(state: SlubState, cache: CacheState, slab: number, found: number): void {
  const { slabs } = state;
  const most = Math.min(orderObjects(slabs.order[slab], cache.size), MAX_OBJS_PER_PAGE);
  const objects = slabs.objects[slab];
  if (objects !== most) {
    const text = `Wrong number of objects. Found ${objects} but should be ${most}`;
    reportSlab(state, cache, slab, text);
    slabs.objects[slab] = most;
    reportFix(state, cache, slab, -1, 'Number of objects adjusted');
  }
  const inuse = slabs.inuse[slab];
  const counted = slabs.objects[slab] - found;
  if (inuse !== counted) {
    const text = `Wrong object count. Counter is ${inuse} but counted were ${counted}`;
    reportSlab(state, cache, slab, text);
    slabs.inuse[slab] = counted;
    reportFix(state, cache, slab, -1, 'Object count adjusted');
  }
}

/** The checks of a slab that goes back to the page source. (spec slub 4.20) */
export function slabPadCheckAndObjects(state: SlubState, cache: CacheState, slab: number): void {
  slabPadCheck(state, cache, slab);
  const objects = state.slabs.objects[slab];
  for (let index = 0; index < objects; index++) {
    const object = objectAddress(state, cache, slab, index);
    checkObject(state, cache, slab, object, DebugByte.SLUB_RED_INACTIVE);
  }
}
