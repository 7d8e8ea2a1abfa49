import type { BuddyAllocator } from '../../src/buddy/index.ts';
import { listToArray } from '../../src/lib/list.ts';
import { freeListToArray } from '../../src/mm/free-area.ts';
import { pageblockMigratetype } from '../../src/mm/page-map.ts';
import { pagesetIndex, pcpListHead } from '../../src/mm/pageset.ts';
import { NR_VM_ZONE_STAT_ITEMS } from '../../src/mm/vm-items.ts';

// A second, plain reading of the rules of spec buddy, made from the specification alone: arrays and
// maps, no short cut, one step of the text after the other. What it shares with the model is the
// state that it is loaded from, nothing else. This file: 4.1 to 4.10, 4.16, 4.17.

const ORDERS = 11;
export const [U, M, E, H, I] = [0, 1, 2, 3, 4];

/** Per-CPU pages of a zone, and the CPU's part of its free counter. */
export interface RefPageset {
  count: number;
  high: number;
  batch: number;
  freeFactor: number;
  expire: number;
  difference: number;
  readonly threshold: number;
  /** Fourteen lists, heads first. */
  readonly lists: number[][];
}

export interface RefZone {
  readonly id: number;
  readonly node: number;
  readonly index: number;
  readonly start: number;
  readonly end: number;
  readonly managed: number;
  /** min, low, high. */
  readonly watermark: readonly number[];
  readonly lowmemReserve: readonly number[];
  boost: number;
  flags: number;
  nrFree: number;
  reserved: number;
  isolated: number;
  /** Lists by order and type, heads first. */
  readonly free: number[][][];
  readonly pagesets: RefPageset[];
}

/** Pages, lists and the moves between them. */
export class ReferenceLists {
  readonly zones: RefZone[];
  readonly pageblockOrder: number;
  readonly boostFactor: number;
  readonly mobilityDisabled: boolean;
  /** Zone of every page that has one. */
  readonly zoneOf: Map<number, RefZone> = new Map();
  /** Order of each free block. */
  readonly buddies: Map<number, number> = new Map();
  /** Cached migratetype of blocks off the free lists. */
  readonly cached: Map<number, number> = new Map();
  readonly refcount: Map<number, number> = new Map();
  /** Head of every page of a compound page, order of every head. */
  readonly heads: Map<number, number> = new Map();
  readonly compoundOrders: Map<number, number> = new Map();
  readonly onLru: Set<number> = new Set();
  readonly types: Map<number, number> = new Map();
  readonly events: string[] = [];

  constructor({ state }: BuddyAllocator) {
    const { model, map } = state;
    this.pageblockOrder = map.pageblockOrder;
    this.boostFactor = model.tunables.watermarkBoostFactor;
    this.mobilityDisabled = model.mobilityDisabled;
    this.zones = model.zones
      .filter((zone) => zone.presentPages > 0)
      .map((zone) => ({
        id: zone.id,
        node: zone.node,
        index: zone.index,
        start: zone.startPfn,
        end: zone.startPfn + zone.spannedPages,
        managed: zone.managedPages,
        watermark: [...zone.watermark],
        lowmemReserve: [...zone.lowmemReserve],
        boost: zone.watermarkBoost,
        flags: zone.flags,
        nrFree: model.vmstat.zone[zone.id * NR_VM_ZONE_STAT_ITEMS],
        reserved: zone.nrReservedHighatomic,
        isolated: zone.nrIsolatePageblock,
        free: Array.from({ length: ORDERS }, (_, order) =>
          [U, M, E, H, I].map((type) => freeListToArray(state.areas, zone.id, order, type)),
        ),
        pagesets: Array.from(model.cpuNode, (_, cpu) => pagesetOf(state, zone.id, cpu)),
      }));
    for (const zone of this.zones) {
      for (let pfn = zone.start; pfn < zone.end; pfn++) {
        this.zoneOf.set(pfn, zone);
        this.refcount.set(pfn, map.refcount[pfn]);
        this.types.set(pfn >> this.pageblockOrder, pageblockMigratetype(map, pfn));
      }
      zone.free.forEach((lists, order) => {
        for (const pfn of lists.flat()) this.buddies.set(pfn, order);
      });
    }
  }

  get blockPages(): number {
    return 2 ** this.pageblockOrder;
  }

  typeOf(pfn: number): number {
    return this.types.get(pfn >> this.pageblockOrder) ?? U;
  }

  setType(pfn: number, type: number): void {
    const stored = this.mobilityDisabled && type < H ? U : type;
    this.types.set(pfn >> this.pageblockOrder, stored);
  }

  /** 4.33: one update of NR_FREE_PAGES on a CPU. */
  countFree(zone: RefZone, cpu: number, delta: number): void {
    const pageset = zone.pagesets[cpu];
    const sum = pageset.difference + delta;
    const folds = Math.abs(sum) > pageset.threshold;
    if (folds) zone.nrFree += sum;
    pageset.difference = folds ? 0 : sum;
  }

  /** 4.1: takes a block off whatever list it is on. */
  unlink(zone: RefZone, order: number, pfn: number): void {
    const list = zone.free[order].find((each) => each.includes(pfn));
    list?.splice(list.indexOf(pfn), 1);
  }

  remove(zone: RefZone, order: number, pfn: number): void {
    this.unlink(zone, order, pfn);
    this.buddies.delete(pfn);
  }

  moveToTail(zone: RefZone, order: number, pfn: number, type: number): void {
    this.unlink(zone, order, pfn);
    zone.free[order][type].push(pfn);
  }

  /** 4.2: whether a free block of exactly `order` is at `pfn`, in the zone of page `like`. */
  isAvailable(pfn: number, order: number, like: number): boolean {
    return this.buddies.get(pfn) === order && this.zoneOf.get(pfn) === this.zoneOf.get(like);
  }

  /** 4.3 */
  freeOnePage(pfn: number, order: number, type: number, toTail: boolean, cpu: number): void {
    const zone = this.zoneOf.get(pfn) as RefZone;
    if (type !== I) this.countFree(zone, cpu, 2 ** order);
    let [block, grown] = [pfn, order];
    while (grown < 10) {
      const buddy = block ^ (1 << grown);
      if (!this.isAvailable(buddy, grown, block)) break;
      const other = this.typeOf(buddy);
      if (grown >= this.pageblockOrder && other !== type && (other >= H || type >= H)) break;
      this.remove(zone, grown, buddy);
      block &= buddy;
      grown++;
    }
    this.buddies.set(block, grown);
    const list = zone.free[grown][type];
    if (toTail || this.isMergeLikely(block, grown)) list.push(block);
    else list.unshift(block);
  }

  isMergeLikely(block: number, order: number): boolean {
    if (order >= 9) return false;
    const parent = block & (block ^ (1 << order));
    return this.isAvailable(parent ^ (1 << (order + 1)), order + 1, parent);
  }

  /** 4.4, 4.5 */
  takeSmallest(zone: RefZone, order: number, type: number): number {
    for (let high = order; high < ORDERS; high++) {
      const [pfn] = zone.free[high][type];
      if (pfn === undefined) continue;
      this.remove(zone, high, pfn);
      for (let half = high - 1; half >= order; half--) {
        zone.free[half][type].unshift(pfn + 2 ** half);
        this.buddies.set(pfn + 2 ** half, half);
      }
      this.cached.set(pfn, type);
      const refill = this.hasPcpLists(order) && type < H ? 1 : 0;
      this.events.push(`locked ${pfn.toString(16)} ${order} ${type} ${refill}`);
      return pfn;
    }
    return -1;
  }

  /** 2.4 */
  hasPcpLists(order: number): boolean {
    return order <= 3 || order === this.pageblockOrder;
  }

  /** 4.6: pages moved, pages in use that can be moved. */
  moveBlock(zone: RefZone, pfn: number, type: number): [number, number] {
    const first = pfn - (pfn % this.blockPages);
    const last = first + this.blockPages - 1;
    if (last >= zone.end) return [0, 0];
    let [moved, movable] = [0, 0];
    for (let page = first < zone.start ? pfn : first; page <= last; ) {
      const order = this.buddies.get(page);
      if (order === undefined) {
        if (this.onLru.has(this.heads.get(page) ?? page)) movable++;
        page++;
      } else {
        this.moveToTail(zone, order, page, type);
        moved += 2 ** order;
        page += 2 ** order;
      }
    }
    return [moved, movable];
  }

  /** 4.7 */
  canSteal(order: number, wanted: number): boolean {
    return order >= Math.floor(this.pageblockOrder / 2) || wanted !== M || this.mobilityDisabled;
  }

  fallbackType(zone: RefZone, order: number, wanted: number): number | undefined {
    const candidates = [
      [E, M],
      [E, U],
      [U, M],
    ][wanted];
    return candidates.find((type) => zone.free[order][type].length > 0);
  }

  /** 4.9 */
  fallback(zone: RefZone, order: number, wanted: number, flags: number): boolean {
    const nofragment = (flags & 0x100) !== 0 && order < this.pageblockOrder;
    const least = nofragment ? this.pageblockOrder : order;
    let at = 10;
    while (at >= least && this.fallbackType(zone, at, wanted) === undefined) at--;
    if (at < least) return false;
    if (!this.canSteal(at, wanted) && at > order) {
      at = order;
      while (this.fallbackType(zone, at, wanted) === undefined) at++;
    }
    const type = this.fallbackType(zone, at, wanted) as number;
    const [pfn] = zone.free[at][type];
    this.steal(zone, pfn, at, flags, wanted);
    const owns = this.typeOf(pfn) === wanted ? 1 : 0;
    this.events.push(`extfrag ${pfn.toString(16)} ${order} ${at} ${wanted} ${type} ${owns}`);
    return true;
  }

  /** 4.8 */
  steal(zone: RefZone, pfn: number, order: number, flags: number, wanted: number): void {
    const old = this.typeOf(pfn);
    if (old === H) {
      this.moveToTail(zone, order, pfn, wanted);
      return;
    }
    if (order >= this.pageblockOrder) {
      for (let page = pfn; page < pfn + 2 ** order; page += this.blockPages) {
        this.setType(page, wanted);
      }
      this.moveToTail(zone, order, pfn, wanted);
      return;
    }
    if (this.boost(zone) && (flags & 0x800) !== 0) zone.flags |= 1;
    const [free, movable] = this.canSteal(order, wanted)
      ? this.moveBlock(zone, pfn, wanted)
      : [0, 0];
    if (free === 0) {
      this.moveToTail(zone, order, pfn, wanted);
      return;
    }
    let alike = 0;
    if (wanted === M) alike = movable;
    else if (old === M) alike = this.blockPages - (free + movable);
    if (free + alike >= this.blockPages / 2 || this.mobilityDisabled) this.setType(pfn, wanted);
  }

  boost(zone: RefZone): boolean {
    if (this.boostFactor === 0 || 4 * this.blockPages > zone.managed) return false;
    const high = zone.watermark[2];
    const whole = Math.floor(high / 10000) * this.boostFactor;
    const most = whole + Math.floor(((high % 10000) * this.boostFactor) / 10000);
    if (most === 0) return false;
    zone.boost = Math.min(zone.boost + this.blockPages, Math.max(this.blockPages, most));
    return true;
  }

  /** 4.10 */
  takeBlock(zone: RefZone, order: number, type: number, flags: number): number {
    for (;;) {
      const pfn = this.takeSmallest(zone, order, type);
      if (pfn >= 0 || !this.fallback(zone, order, type, flags)) return pfn;
    }
  }

  /** 4.16 */
  reserve(zone: RefZone, pfn: number): void {
    if (zone.reserved >= Math.floor(zone.managed / 100) + this.blockPages) return;
    if (this.typeOf(pfn) >= H) return;
    zone.reserved += this.blockPages;
    this.setType(pfn, H);
    this.moveBlock(zone, pfn, H);
  }

  unreserve(zones: readonly RefZone[], type: number, force: boolean): boolean {
    for (const zone of zones) {
      if (!force && zone.reserved <= this.blockPages) continue;
      for (let order = 0; order < ORDERS; order++) {
        const [pfn] = zone.free[order][H];
        if (pfn === undefined) continue;
        if (this.typeOf(pfn) === H) zone.reserved -= Math.min(this.blockPages, zone.reserved);
        this.setType(pfn, type);
        if (this.moveBlock(zone, pfn, type)[0] > 0) return true;
      }
    }
    return false;
  }

  /** 4.17 */
  unusable(zone: RefZone, order: number, flags: number): number {
    return 2 ** order - 1 + ((flags & 0x238) === 0 ? zone.reserved : 0);
  }

  watermarkOk(zone: RefZone, order: number, mark: number, highest: number, flags: number): boolean {
    const free = Math.max(0, zone.nrFree) - this.unusable(zone, order, flags);
    let min = mark;
    if ((flags & 0x20) !== 0) {
      min -= Math.floor(min / 2);
      if ((flags & 0x10) !== 0) min -= Math.floor(min / 4);
    }
    if ((flags & 0x8) !== 0) min -= Math.floor(min / 2);
    if (free <= min + zone.lowmemReserve[highest]) return false;
    if (order === 0) return true;
    const open = (flags & 0x208) !== 0 ? [U, M, E, H] : [U, M, E];
    return zone.free.slice(order).some((lists) => open.some((type) => lists[type].length > 0));
  }

  watermarkFast(
    zone: RefZone,
    order: number,
    mark: number,
    highest: number,
    flags: number,
    gfp: number,
  ): boolean {
    const free = Math.max(0, zone.nrFree);
    if (order === 0) {
      const usable = free - Math.min(free, this.unusable(zone, 0, flags));
      if (usable > mark + zone.lowmemReserve[highest]) return true;
    }
    if (this.watermarkOk(zone, order, mark, highest, flags)) return true;
    if (order > 0 || (gfp & 0x200) === 0 || zone.boost === 0 || (flags & 3) !== 0) return false;
    return this.watermarkOk(zone, 0, zone.watermark[0], highest, flags);
  }
}

function pagesetOf(state: BuddyAllocator['state'], zone: number, cpu: number): RefPageset {
  const { pagesets, vmstat, map } = state;
  const cell = pagesetIndex(pagesets, cpu, zone);
  const perCpu = cpu * vmstat.zoneCount + zone;
  return {
    count: pagesets.count[cell],
    high: pagesets.high[cell],
    batch: pagesets.batch[cell],
    freeFactor: pagesets.freeFactor[cell],
    expire: pagesets.expire[cell],
    difference: vmstat.zoneDiff[perCpu * NR_VM_ZONE_STAT_ITEMS],
    threshold: vmstat.zoneThreshold[perCpu],
    lists: Array.from({ length: 14 }, (_, list) =>
      listToArray(map, pcpListHead(pagesets, cell, list)),
    ),
  };
}
