import { checkInteger } from '../lib/errors.ts';
import { addrToPfn, hex, MAX_ORDER } from '../lib/units.ts';
import { MIGRATE_TYPES } from '../mm/migratetype.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  allocatedOrder,
  buddyOrder,
  compoundHead,
  isCompound,
  isOffListBlock,
  type PageMap,
} from '../mm/page-map.ts';
import { BuddyError } from './errors.ts';
import type { BuddyState } from './state.ts';

/** Users' lists that share the links of the free lists. */
const ON_USER_LIST = PageFlag.PG_lru | PageFlag.PG_slab;
/** Block state of a page that a list free took in, so that a second entry of it is seen. */
const BEING_FREED = 0x7f;

/** Checks the CPU of a call. @throws BuddyError `BAD_REQUEST` */
export function checkCpu(state: BuddyState, cpu: number): void {
  if (typeof cpu === 'number' && state.model.cpuNode[cpu] !== undefined) return;
  throw new BuddyError('BAD_REQUEST', `there is no CPU ${cpu}`, { cpu });
}

/** Checks the order of a block. @throws BuddyError `BAD_REQUEST` */
export function checkOrder(order: number): void {
  if (Number.isInteger(order) && order >= 0 && order < MAX_ORDER) return;
  const message = `an order is a whole number from 0 to ${MAX_ORDER - 1}, got ${order}`;
  throw new BuddyError('BAD_REQUEST', message, { order });
}

/** Checks a migratetype, one of the first `count`. @throws BuddyError `BAD_REQUEST` */
export function checkMigratetype(migratetype: number, count: number = MIGRATE_TYPES): void {
  if (Number.isInteger(migratetype) && migratetype >= 0 && migratetype < count) return;
  const message = `a migratetype is a whole number from 0 to ${count - 1} here, got ${migratetype}`;
  throw new BuddyError('BAD_REQUEST', message, { migratetype });
}

/** Checks that a page frame is one of a zone. @throws BuddyError `FOREIGN_PAGE` */
export function checkPage(map: PageMap, pfn: number): void {
  if (typeof pfn === 'number' && pfn < map.endPfn && map.zone[pfn] > 0) return;
  throw new BuddyError('FOREIGN_PAGE', `page frame ${pfn} belongs to no zone`, { pfn });
}

/**
 * Checks a physical address and gives its page frame.
 * @throws ArgumentError
 */
export function checkAddress(addr: number): number {
  checkInteger('addr', addr, 0, Number.MAX_SAFE_INTEGER);
  return addrToPfn(addr);
}

/** Checks that a free block starts at a page frame. @throws BuddyError `FOREIGN_PAGE`, `BAD_STATE` */
export function checkFreeBlock(map: PageMap, pfn: number, order: number): void {
  checkOrder(order);
  checkPage(map, pfn);
  if (buddyOrder(map, pfn) === order) return;
  const message = `no free block of order ${order} starts at page frame ${hex(pfn)}`;
  throw new BuddyError('BAD_STATE', message, { pfn, order });
}

/** Checks that a block lies in a zone. @throws BuddyError `BAD_REQUEST`, `FOREIGN_PAGE` */
export function checkBlock(map: PageMap, pfn: number, order: number): void {
  checkOrder(order);
  checkPage(map, pfn);
  checkPage(map, pfn + (1 << order) - 1);
  if ((pfn & ((1 << order) - 1)) === 0) return;
  const message = `no block of order ${order} can start at ${hex(pfn)}`;
  throw new BuddyError('BAD_REQUEST', message, { pfn, order });
}

/**
 * Checks that a caller may free a block: it is one, it has a holder, and it is on nobody's list.
 * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`, `WRONG_ORDER`, `PAGE_ON_LIST`
 */
export function checkFree(state: BuddyState, pfn: number, order: number): void {
  const { map } = state;
  if (
    typeof pfn === 'number' &&
    map.refcount[pfn] > 0 &&
    (map.blockState[pfn] & 0x7f) === (0x70 | (order + 1)) &&
    map.flags[pfn] === 0
  ) {
    return;
  }
  checkFreeSlowly(map, pfn, order);
}

function checkFreeSlowly(map: PageMap, pfn: number, order: number): void {
  checkOrder(order);
  checkPage(map, pfn);
  if (!(map.refcount[pfn] > 0)) throw notAllocated(map, pfn, order);
  const handedOut = allocatedOrder(map, pfn);
  const remembered = handedOut >= 0 || isCompound(map, pfn);
  const right = remembered ? handedOut === order : isPlainBlock(map, pfn, order);
  if (!right) throw wrongOrder(map, pfn, order, handedOut);
  if ((map.flags[pfn] & ON_USER_LIST) !== 0) throw onUserList(map, pfn);
}

function onUserList(map: PageMap, pfn: number): BuddyError {
  const message = `page frame ${hex(pfn)} is still on a list of its user`;
  return new BuddyError('PAGE_ON_LIST', message, { pfn, flags: map.flags[pfn] });
}

/**
 * Checks that a page has a holder.
 * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`
 */
export function checkReferenced(state: BuddyState, pfn: number): void {
  const { map } = state;
  checkPage(map, pfn);
  if (!(map.refcount[compoundHead(map, pfn)] > 0)) throw notAllocated(map, pfn, 0);
}

/**
 * Checks that a page has a holder, and that dropping its last reference would free it whole.
 * @throws BuddyError `FOREIGN_PAGE`, `DOUBLE_FREE`, `WRONG_ORDER`, `PAGE_ON_LIST`
 */
export function checkPut(state: BuddyState, pfn: number): void {
  checkReferenced(state, pfn);
  const { map } = state;
  const head = compoundHead(map, pfn);
  if (map.refcount[head] > 1) return;
  const order = allocatedOrder(map, head);
  if (!isCompound(map, head) && order > 0) throw wrongOrder(map, head, 0, order);
  if ((map.flags[head] & ON_USER_LIST) !== 0) throw onUserList(map, head);
}

/** Whether pages that were never handed out (boot memory) can be given back as one block. */
function isPlainBlock(map: PageMap, pfn: number, order: number): boolean {
  if ((pfn & ((1 << order) - 1)) !== 0 || pfn + (1 << order) > map.endPfn) return false;
  for (let page = pfn + 1; page < pfn + (1 << order); page++) {
    if (map.zone[page] !== map.zone[pfn] || map.refcount[page] !== 0) return false;
    if (map.blockState[page] !== 0) return false;
  }
  return true;
}

function wrongOrder(map: PageMap, pfn: number, order: number, handedOut: number): BuddyError {
  const head = compoundHead(map, pfn);
  if (head !== pfn) {
    const message = `page frame ${hex(pfn)} is part of the compound page at ${hex(head)}`;
    return new BuddyError('WRONG_ORDER', message, { pfn, order, head });
  }
  const was = handedOut < 0 ? 'was not handed out as a block' : `was handed out with ${handedOut}`;
  const message = `page frame ${hex(pfn)} ${was}, freed with order ${order}`;
  return new BuddyError('WRONG_ORDER', message, { pfn, order, handedOut });
}

/** Says where a page without references is. */
function notAllocated(map: PageMap, pfn: number, order: number): BuddyError {
  const head = compoundHead(map, pfn);
  if (head !== pfn && map.refcount[head] > 0) return wrongOrder(map, pfn, order, -1);
  for (let size = 0; size < MAX_ORDER; size++) {
    const block = pfn & -(1 << size);
    const free = buddyOrder(map, block);
    if (free >= size) {
      const message = `page frame ${hex(pfn)} is free already, in the order-${free} block ${hex(block)}`;
      return new BuddyError('DOUBLE_FREE', message, { pfn, order, block, blockOrder: free });
    }
    const owner = allocatedOrder(map, block);
    if (size > 0 && owner >= size && map.refcount[block] > 0) {
      const message = `page frame ${hex(pfn)} is in the middle of the order-${owner} block ${hex(block)}`;
      return new BuddyError('WRONG_ORDER', message, { pfn, order, block, blockOrder: owner });
    }
  }
  const where = isOffListBlock(map, pfn) ? 'free already, on a per-CPU list' : 'not allocated';
  return new BuddyError('DOUBLE_FREE', `page frame ${hex(pfn)} is ${where}`, { pfn, order });
}

/**
 * Checks a block whose last reference was just dropped.
 * @throws BuddyError as for a free
 */
export function checkUnreferenced(state: BuddyState, pfn: number, order: number): void {
  const { map } = state;
  checkOrder(order);
  const error = unreferencedError(map, pfn, order);
  if (error !== null) throw error;
}

/**
 * Checks the pages of a list whose last references were just dropped, and marks them so that a page
 * that is on it twice is seen.
 * @throws BuddyError as for a free; then no page is marked
 */
export function checkUnreferencedList(state: BuddyState, pfns: ArrayLike<number>): void {
  const { map } = state;
  for (let i = 0; i < pfns.length; i++) {
    const error = unreferencedError(map, pfns[i], 0);
    if (error === null) {
      map.blockState[pfns[i]] = BEING_FREED;
      continue;
    }
    for (let j = 0; j < i; j++) map.blockState[pfns[j]] = 0x71;
    throw error;
  }
}

function unreferencedError(map: PageMap, pfn: number, order: number): BuddyError | null {
  if (!(pfn < map.endPfn && map.zone[pfn] > 0)) {
    return new BuddyError('FOREIGN_PAGE', `page frame ${pfn} belongs to no zone`, { pfn });
  }
  if (map.refcount[pfn] !== 0) {
    const message = `page frame ${hex(pfn)} still has references`;
    return new BuddyError('BAD_STATE', message, { pfn, refcount: map.refcount[pfn] });
  }
  if ((map.flags[pfn] & ON_USER_LIST) !== 0) return onUserList(map, pfn);
  const handedOut = allocatedOrder(map, pfn);
  if (handedOut === order) return null;
  if (handedOut >= 0 || isCompound(map, pfn)) return wrongOrder(map, pfn, order, handedOut);
  const plain = map.blockState[pfn] === 0 && !insideBlock(map, pfn);
  return plain && isPlainBlock(map, pfn, order) ? null : notAllocated(map, pfn, order);
}

/** Whether a page without a state of its own is in the middle of a free or allocated block. */
function insideBlock(map: PageMap, pfn: number): boolean {
  for (let size = 1; size < MAX_ORDER; size++) {
    const block = pfn & -(1 << size);
    if (buddyOrder(map, block) >= size || allocatedOrder(map, block) >= size) return true;
  }
  return false;
}
