import type { BuddyAllocator } from '../../src/buddy/index.ts';
import { H, I, M, ReferenceLists, type RefPageset, type RefZone, U } from './reference-lists.ts';

// The second reading of spec buddy, continued: 4.11 to 4.15, 4.18 to 4.35, for requests that cannot
// block.

/** A prepared request. */
interface Request {
  readonly highest: number;
  readonly type: number;
  zones: RefZone[];
}

/** 4.15 of spec memory-model: highest zone by the low four bits of the mask. */
const ZONE_OF_MODIFIERS = [2, 0, 2, 0, 1, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0];

export class ReferenceBuddy extends ReferenceLists {
  /** Zonelists by node: with fallback, this node only. */
  readonly zonelists: RefZone[][][];
  readonly cpuNode: readonly number[];
  readonly onlineNodes: number;
  readonly kswapdOrder: number[];
  readonly counts: Map<string, number> = new Map();

  constructor(buddy: BuddyAllocator) {
    super(buddy);
    const { model } = buddy.state;
    const byId = new Map(this.zones.map((zone) => [zone.id, zone]));
    this.zonelists = model.nodes.map((node) =>
      node.zonelists.map((list) => list.map(({ id }) => byId.get(id) as RefZone)),
    );
    this.cpuNode = [...model.cpuNode];
    this.onlineNodes = model.nodes.filter((node) => node.online).length;
    this.kswapdOrder = model.nodes.map((node) => node.kswapdOrder);
  }

  count(name: string, by: number): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + by);
  }

  /** 4.12, 4.11, and 4.13 steps 3 and 4 */
  takeFromPcp(zone: RefZone, order: number, type: number, flags: number, cpu: number): number {
    const pageset = zone.pagesets[cpu];
    const list = pageset.lists[pindexOf(order, type)];
    if (list.length === 0) {
      const blocks = pageset.batch > 1 ? Math.max(pageset.batch >> order, 2) : 1;
      while (list.length < blocks) {
        const pfn = this.takeBlock(zone, order, type, flags);
        if (pfn < 0) break;
        list.push(pfn);
      }
      this.countFree(zone, cpu, -list.length * 2 ** order);
      pageset.count += list.length * 2 ** order;
    }
    const pfn = list.shift();
    if (pfn === undefined) return -1;
    pageset.count -= 2 ** order;
    return pfn;
  }

  /** 4.15 */
  rmqueue(zone: RefZone, order: number, flags: number, type: number, cpu: number): number {
    let pfn = -1;
    if (this.hasPcpLists(order)) {
      zone.pagesets[cpu].freeFactor >>= 1;
      pfn = this.takeFromPcp(zone, order, type, flags, cpu);
    }
    if (pfn < 0) pfn = this.rmqueueBuddy(zone, order, flags, type, cpu);
    if (pfn >= 0) this.count(`pgalloc ${zone.index}`, 2 ** order);
    if ((zone.flags & 1) !== 0) zone.flags -= 1;
    return pfn;
  }

  /** 4.14 */
  rmqueueBuddy(zone: RefZone, order: number, flags: number, type: number, cpu: number): number {
    let pfn = (flags & 0x200) !== 0 ? this.takeSmallest(zone, order, H) : -1;
    if (pfn < 0) pfn = this.takeBlock(zone, order, type, flags);
    if (pfn < 0 && (flags & 0x18) !== 0) pfn = this.takeSmallest(zone, order, H);
    if (pfn >= 0) this.countFree(zone, cpu, -(2 ** order));
    return pfn;
  }

  /** 4.18 */
  walk(gfp: number, order: number, allocFlags: number, request: Request, cpu: number): number {
    const { zones, highest, type } = request;
    const [preferred] = zones;
    let flags = allocFlags;
    for (let i = 0; i <= zones.length; i++) {
      const zone = zones[i];
      const leaves = zone === undefined || (this.onlineNodes > 1 && zone.node !== preferred.node);
      if (leaves && (flags & 0x100) !== 0) {
        flags -= 0x100;
        i = -1;
        continue;
      }
      if (zone === undefined) break;
      const mark = zone.watermark[flags & 3] + zone.boost;
      const fine = this.watermarkFast(zone, order, mark, highest, flags, gfp);
      if (!fine && (flags & 4) === 0) continue;
      const pfn = this.rmqueue(zone, order, flags, type, cpu);
      if (pfn < 0) continue;
      this.prepare(pfn, order, gfp);
      if ((flags & 0x200) !== 0) this.reserve(zone, pfn);
      return pfn;
    }
    return -1;
  }

  /** 4.21 */
  prepare(pfn: number, order: number, gfp: number): void {
    this.refcount.set(pfn, 1);
    this.cached.delete(pfn);
    if (order === 0 || (gfp & 0x40000) === 0) return;
    this.compoundOrders.set(pfn, order);
    for (let page = pfn; page < pfn + 2 ** order; page++) this.heads.set(page, pfn);
  }

  requestOf(gfp: number, node: number): Request {
    const highest = ZONE_OF_MODIFIERS[gfp & 0xf];
    const list = this.zonelists[node][(gfp & 0x200000) === 0 ? 0 : 1];
    const type = this.mobilityDisabled ? U : (gfp >> 3) & 3;
    return { highest, type, zones: list.filter((zone) => zone.index <= highest) };
  }

  /** 4.19, 4.20 */
  alloc(gfp: number, order: number, node: number, cpu: number): number {
    const request = this.requestOf(gfp, node);
    const [preferred] = request.zones;
    let pfn = -1;
    if (preferred !== undefined) {
      const hasDma32 = this.zones.some((zone) => zone.node === preferred.node && zone.index === 1);
      const nofragment = preferred.index === 2 && (this.onlineNodes === 1 || hasDma32);
      const flags = 1 | (gfp & 0x800) | (nofragment ? 0x100 : 0);
      pfn = this.walk(gfp, order, flags, request, cpu);
      if (pfn < 0) pfn = this.slow(gfp, order, request, cpu);
    }
    const text = pfn < 0 ? 'none' : pfn.toString(16);
    this.events.push(`alloc ${text} ${order} ${gfp.toString(16)} ${request.type}`);
    return pfn;
  }

  /** 4.20, the whole slow path of requests that cannot block */
  slow(gfp: number, order: number, request: Request, cpu: number): number {
    let flags = 0x40 | (gfp & 0x820);
    const minReserve = (gfp & 0x20) !== 0;
    if ((gfp & 0x80000) === 0) flags |= order > 0 && minReserve ? 0x210 : 0x10;
    if (minReserve) flags -= 0x40;
    this.wakeAll(flags, order, request);
    const pfn = this.walk(gfp, order, flags, request, cpu);
    if (pfn >= 0) return pfn;
    this.wakeAll(flags, order, request);
    const memalloc = (gfp & 0x80000) === 0 && (gfp & 0x20000) !== 0;
    return this.walk(gfp, order, memalloc ? 4 | (flags & 0x800) : flags, request, cpu);
  }

  wakeAll(flags: number, order: number, { zones }: Request): void {
    if ((flags & 0x800) === 0) return;
    for (const { node } of zones.filter((zone) => zone.managed > 0)) {
      this.kswapdOrder[node] = Math.max(this.kswapdOrder[node], order);
    }
  }

  /** 4.22 */
  bulk(gfp: number, node: number, count: number, cpu: number): number[] {
    const single = (): number[] => {
      const pfn = this.alloc(gfp, 0, node, cpu);
      return pfn < 0 ? [] : [pfn];
    };
    if (count === 0) return [];
    const { zones, type } = this.requestOf(gfp, node);
    const [preferred] = zones;
    if (count === 1 || preferred === undefined) return single();
    const zone = zones.find(
      (each) =>
        (this.onlineNodes > 1 && each.node !== preferred.node) ||
        this.watermarkFast(
          each,
          0,
          each.watermark[1] + each.boost + count,
          preferred.index,
          1,
          gfp,
        ),
    );
    if (zone === undefined || zone.node !== preferred.node) return single();
    const taken: number[] = [];
    while (taken.length < count) {
      const pfn = this.takeFromPcp(zone, 0, type, 1, cpu);
      if (pfn < 0) break;
      this.prepare(pfn, 0, gfp);
      taken.push(pfn);
    }
    if (taken.length === 0) return single();
    this.count(`pgalloc ${zone.index}`, taken.length);
    return taken;
  }

  /** 4.23 */
  exact(gfp: number, pages: number, cpu: number): number {
    const order = Math.ceil(Math.log2(pages));
    const pfn = this.alloc(gfp & ~0x40002, order, this.cpuNode[cpu], cpu);
    if (pfn < 0) return pfn;
    for (let page = pfn + 1; page < pfn + pages; page++) this.refcount.set(page, 1);
    for (let page = pfn + pages; page < pfn + 2 ** order; page++) this.freeOk(page, 0, true, cpu);
    return pfn;
  }

  /** 4.24, as far as lists depend on it */
  prepareFree(pfn: number, order: number): void {
    this.events.push(`free ${pfn.toString(16)} ${order}`);
    this.refcount.set(pfn, 0);
    if (!this.compoundOrders.delete(pfn)) return;
    for (let page = pfn; page < pfn + 2 ** order; page++) this.heads.delete(page);
  }

  /** 4.25 */
  freeOk(pfn: number, order: number, toTail: boolean, cpu: number): void {
    this.prepareFree(pfn, order);
    this.freeOnePage(pfn, order, this.typeOf(pfn), toTail, cpu);
    this.count('pgfree', 2 ** order);
  }

  free(pfn: number, order: number, cpu: number): void {
    const left = (this.refcount.get(pfn) as number) - 1;
    this.refcount.set(pfn, left);
    if (left === 0) this.freeThePage(pfn, order, cpu);
    else if (!this.compoundOrders.has(pfn)) {
      for (let k = order - 1; k >= 0; k--) this.freeThePage(pfn + 2 ** k, k, cpu);
    }
  }

  freeThePage(pfn: number, order: number, cpu: number): void {
    if (!this.hasPcpLists(order)) this.freeOk(pfn, order, false, cpu);
    else {
      this.prepareFree(pfn, order);
      this.cached.set(pfn, this.typeOf(pfn));
      this.commit(pfn, order, cpu);
    }
  }

  /** 4.26 */
  commit(pfn: number, order: number, cpu: number): void {
    const zone = this.zoneOf.get(pfn) as RefZone;
    const type = this.cached.get(pfn) as number;
    if (type === I) {
      this.freeOnePage(pfn, order, I, false, cpu);
      return;
    }
    const pageset = zone.pagesets[cpu];
    const list = pindexOf(order, type >= H ? M : type);
    this.count('pgfree', 2 ** order);
    pageset.lists[list].unshift(pfn);
    pageset.count += 2 ** order;
    const freeHigh = pageset.freeFactor > 0 && order >= 1 && order <= 3;
    let high = pageset.high === 0 || freeHigh ? 0 : pageset.high;
    if (high > 0 && (zone.flags & 2) !== 0) high = Math.min(4 * pageset.batch, high);
    if (pageset.count < high) return;
    const pages = freeHigh ? pageset.count : flushSize(pageset, high);
    this.flush(zone, pages, pageset, list, cpu);
  }

  /** 4.27 */
  flush(zone: RefZone, pages: number, pageset: RefPageset, start: number, cpu: number): void {
    let left = Math.min(pages, pageset.count);
    const isolated = zone.isolated > 0;
    for (let index = start; left > 0; index = (index + 1) % 14) {
      const list = pageset.lists[index];
      const order = index < 12 ? Math.floor(index / 3) : this.pageblockOrder;
      while (left > 0 && list.length > 0) {
        const pfn = list.pop() as number;
        left -= 2 ** order;
        pageset.count -= 2 ** order;
        const type = isolated ? this.typeOf(pfn) : (this.cached.get(pfn) as number);
        this.freeOnePage(pfn, order, type, false, cpu);
        this.events.push(`drain ${pfn.toString(16)} ${order} ${type}`);
      }
    }
  }

  /** 4.28 */
  freeList(pfns: readonly number[], cpu: number): void {
    for (const pfn of pfns) {
      this.prepareFree(pfn, 0);
      this.cached.set(pfn, this.typeOf(pfn));
      if (this.typeOf(pfn) === I) this.commit(pfn, 0, cpu);
    }
    for (const pfn of pfns.filter((each) => this.cached.get(each) !== I)) {
      this.events.push(`batched ${pfn.toString(16)}`);
      this.commit(pfn, 0, cpu);
    }
  }

  /** 4.29 */
  drain(owners: readonly number[], cpu: number, zones: readonly RefZone[] = this.zones): void {
    for (const owner of owners) {
      for (const zone of zones) {
        const pageset = zone.pagesets[owner];
        while (pageset.count > 0) {
          const pages = Math.min(pageset.count, pageset.batch << 5);
          this.flush(zone, pages, pageset, 0, cpu);
        }
      }
    }
  }

  /** 4.33 */
  fold(cpu: number): number {
    let changes = 0;
    for (const zone of this.zones) {
      const pageset = zone.pagesets[cpu];
      if (pageset.difference !== 0) {
        zone.nrFree += pageset.difference;
        pageset.difference = 0;
        pageset.expire = 3;
        changes++;
      }
      if (pageset.expire === 0 || pageset.count === 0) continue;
      if (zone.node === this.cpuNode[cpu]) pageset.expire = 0;
      else if (--pageset.expire === 0) {
        this.flush(zone, Math.min(pageset.count, pageset.batch), pageset, 0, cpu);
        changes++;
      }
    }
    return changes;
  }
}

/** 2.4 */
function pindexOf(order: number, type: number): number {
  if (order <= 3) return 3 * order + type;
  return type === M ? 13 : 12;
}

/** 4.26, `nr_pcp_free`; raises free_factor. */
function flushSize(pageset: RefPageset, high: number): number {
  const { batch, freeFactor } = pageset;
  if (high < batch) return 1;
  const wanted = batch << freeFactor;
  if (wanted < high - batch && freeFactor < 5) pageset.freeFactor++;
  return Math.min(Math.max(wanted, batch), high - batch);
}
