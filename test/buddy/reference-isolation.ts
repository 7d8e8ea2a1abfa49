import type { ReferenceBuddy } from './reference.ts';
import { I, M, type RefZone } from './reference-lists.ts';

// The second reading of spec buddy, its end: 4.34 and 4.35, where nothing is migrated.

const EBUSY = -16;

/** 4.34, the check of one pageblock */
function hasUnmovable(buddy: ReferenceBuddy, zone: RefZone, start: number): boolean {
  for (let pfn = start; pfn < start + buddy.blockPages; ) {
    const head = buddy.heads.get(pfn);
    if (buddy.zoneOf.get(pfn) === undefined) return true;
    if (zone.index === 3) pfn++;
    else if (head !== undefined) {
      if (!buddy.onLru.has(head)) return true;
      pfn = head + 2 ** (buddy.compoundOrders.get(head) as number);
    } else if (buddy.refcount.get(pfn) === 0) pfn += 2 ** (buddy.buddies.get(pfn) ?? 0);
    else if (buddy.onLru.has(pfn)) pfn++;
    else return true;
  }
  return false;
}

function isolate(buddy: ReferenceBuddy, block: number, cpu: number): boolean {
  const zone = buddy.zoneOf.get(block);
  if (zone === undefined || buddy.typeOf(block) === I) return false;
  if (hasUnmovable(buddy, zone, block)) return false;
  buddy.setType(block, I);
  zone.isolated++;
  buddy.countFree(zone, cpu, -buddy.moveBlock(zone, block, I)[0]);
  return true;
}

/** 4.34, `__isolate_free_page` */
function takeFree(buddy: ReferenceBuddy, pfn: number, order: number, cpu: number): boolean {
  const zone = buddy.zoneOf.get(pfn) as RefZone;
  if (buddy.typeOf(pfn) !== I) {
    if (!buddy.watermarkOk(zone, 0, zone.watermark[0] + 2 ** order, 0, 0x80)) return false;
    buddy.countFree(zone, cpu, -(2 ** order));
  }
  buddy.remove(zone, order, pfn);
  if (order < buddy.pageblockOrder - 1) return true;
  for (let page = pfn; page < pfn + 2 ** order; page += buddy.blockPages) {
    if (buddy.typeOf(page) < 3) buddy.setType(page, M);
  }
  return true;
}

function unisolate(buddy: ReferenceBuddy, block: number, type: number, cpu: number): void {
  const zone = buddy.zoneOf.get(block);
  if (zone === undefined || buddy.typeOf(block) !== I) return;
  const order = buddy.buddies.get(block) ?? -1;
  const other = block ^ (1 << order);
  const large = order >= buddy.pageblockOrder && order < 10;
  const mends = large && buddy.isAvailable(other, order, block) && buddy.typeOf(other) !== I;
  if (mends && takeFree(buddy, block, order, cpu)) {
    buddy.setType(block, type);
    buddy.freeOnePage(block, order, type, true, cpu);
  } else {
    buddy.countFree(zone, cpu, buddy.moveBlock(zone, block, type)[0]);
    buddy.setType(block, type);
  }
  zone.isolated--;
}

/** 4.34, `split_free_page` */
function split(
  buddy: ReferenceBuddy,
  pfn: number,
  order: number,
  offset: number,
  cpu: number,
): void {
  const zone = buddy.zoneOf.get(pfn) as RefZone;
  if (buddy.typeOf(pfn) !== I) buddy.countFree(zone, cpu, -(2 ** order));
  buddy.remove(zone, order, pfn);
  for (const [start, end] of [
    [pfn, pfn + offset],
    [pfn + offset, pfn + 2 ** order],
  ]) {
    for (let piece = start; piece < end; ) {
      let size = 0;
      while (piece % 2 ** (size + 1) === 0 && piece + 2 ** (size + 1) <= end) size++;
      buddy.freeOnePage(piece, size, buddy.typeOf(piece), false, cpu);
      piece += 2 ** size;
    }
  }
}

/** 4.34, what straddles a boundary. @returns false for a compound page */
function splitAt(buddy: ReferenceBuddy, block: number, boundary: number, cpu: number): boolean {
  const zone = buddy.zoneOf.get(block) as RefZone;
  for (let pfn = Math.max(block - (block % 1024), zone.start); pfn < boundary; ) {
    const order = buddy.buddies.get(pfn);
    const head = buddy.heads.get(pfn);
    if (order !== undefined && pfn + 2 ** order > boundary) {
      split(buddy, pfn, order, boundary - pfn, cpu);
    } else if (order !== undefined) pfn += 2 ** order;
    else if (head === undefined) pfn++;
    else {
      pfn = head + 2 ** (buddy.compoundOrders.get(head) as number);
      if (pfn > boundary) return false;
    }
  }
  return true;
}

/** 4.34, `start_isolate_page_range` */
export function startIsolation(
  buddy: ReferenceBuddy,
  start: number,
  end: number,
  type: number,
  cpu: number,
): number {
  const size = buddy.blockPages;
  const first = start - (start % size);
  const last = end - 1 - ((end - 1) % size);
  const done = new Set<number>();
  const take = (block: number): boolean => {
    if (done.has(block)) return true;
    if (isolate(buddy, block, cpu)) done.add(block);
    return done.has(block);
  };
  let fine = take(first) && splitAt(buddy, first, first, cpu);
  fine = fine && take(last) && splitAt(buddy, last, last + size, cpu);
  for (let block = first + size; fine && block < last; block += size) fine = take(block);
  if (fine) return 0;
  for (const block of [...done].sort((a, b) => a - b)) unisolate(buddy, block, type, cpu);
  return EBUSY;
}

/** 4.34, `undo_isolate_page_range` */
export function undoIsolation(
  buddy: ReferenceBuddy,
  start: number,
  end: number,
  type: number,
  cpu: number,
): void {
  for (let pfn = start - (start % buddy.blockPages); pfn < end; pfn += buddy.blockPages) {
    unisolate(buddy, pfn, type, cpu);
  }
}

/** 4.35, `alloc_contig_range` */
export function allocContig(
  buddy: ReferenceBuddy,
  start: number,
  end: number,
  type: number,
  cpu: number,
): number {
  let error = startIsolation(buddy, start, end, type, cpu);
  if (error === 0) {
    const zone = buddy.zoneOf.get(start) as RefZone;
    buddy.drain([...buddy.cpuNode.keys()], cpu, [zone]);
    error = takeRange(buddy, start, end, cpu);
  }
  undoIsolation(buddy, start, end, type, cpu);
  return error;
}

/** 4.35, steps 4 to 7 */
function takeRange(buddy: ReferenceBuddy, start: number, end: number, cpu: number): number {
  let outer = start;
  for (let order = 0; order <= 10 && !buddy.buddies.has(outer); order++) {
    outer = start - (start % 2 ** order);
  }
  const found = buddy.buddies.get(outer);
  if (found === undefined || outer + 2 ** found <= start) outer = start;
  let outerEnd = outer;
  while (outerEnd < end && buddy.typeOf(outerEnd) === I) {
    const order = buddy.buddies.get(outerEnd);
    if (order === undefined) break;
    outerEnd += 2 ** order;
  }
  const hex = [outer, end, outerEnd].map((pfn) => pfn.toString(16));
  buddy.events.push(`isolated ${hex.join(' ')}`);
  if (outerEnd < end) return EBUSY;
  for (let pfn = outer; pfn < outerEnd; ) {
    const order = buddy.buddies.get(pfn) as number;
    takeFree(buddy, pfn, order, cpu);
    for (let page = pfn; page < pfn + 2 ** order; page++) buddy.refcount.set(page, 1);
    pfn += 2 ** order;
  }
  for (let pfn = outer; pfn < start; pfn++) buddy.free(pfn, 0, cpu);
  for (let pfn = end; pfn < outerEnd; pfn++) buddy.free(pfn, 0, cpu);
  return 0;
}
