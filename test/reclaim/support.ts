import { gfpZone } from '../../src/mm/gfp.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { PageFlag, PageMark } from '../../src/mm/page-flags.ts';
import type { TraceSink } from '../../src/mm/trace.ts';
import { VmEvent, type VmEventName, ZoneStatItem } from '../../src/mm/vm-items.ts';
import { countVmEvents, modZoneState, vmEvent, zoneState } from '../../src/mm/vmstat.ts';
import { isPopulated, type Zone } from '../../src/mm/zone.ts';
import { lruvecAddFolio } from '../../src/reclaim/lru.ts';
import { Reclaim } from '../../src/reclaim/reclaim.ts';
import { pageAddRmap } from '../../src/reclaim/rmap-walk.ts';
import { Swap } from '../../src/reclaim/swap.ts';
import type { PageAllocatorForReclaim, ReclaimHost } from '../../src/reclaim/types.ts';

/** Shape of a small machine. */
export interface WorldOptions {
  /** Pages of the four zones, node by node. Default: one node with 4096 pages in zone Normal. */
  readonly nodes?: readonly (readonly [number, number, number, number])[];
  /** Node of each CPU. Default: one CPU on node 0. */
  readonly cpuNode?: readonly number[];
  /** Swap slots. Default 0. */
  readonly swapPages?: number;
  readonly host?: ReclaimHost;
  readonly trace?: TraceSink;
  readonly checks?: 'basic' | 'full';
  readonly hz?: number;
  readonly compaction?: boolean;
  readonly swapOnFileSystem?: boolean;
}

/** How a page on an LRU list is made. */
export interface PageOptions {
  readonly active?: boolean;
  readonly referenced?: boolean;
  readonly dirty?: boolean;
  readonly writeback?: boolean;
  readonly reclaim?: boolean;
  readonly workingset?: boolean;
  readonly mlocked?: boolean;
  readonly isPrivate?: boolean;
  /** Anonymous instead of file. */
  readonly anon?: boolean;
  /** Anonymous and droppable. */
  readonly lazyfree?: boolean;
  /** Mapped so often, with `young` accessed bits. Default: once if anonymous, else not at all. */
  readonly mapped?: number;
  readonly young?: number;
  /** `RmapMark` bits. */
  readonly marks?: number;
  /** References beyond those of cache and mappings. */
  readonly extra?: number;
  /** Zone index. Default: the highest zone with pages. */
  readonly zone?: number;
  readonly node?: number;
}

/** A page allocator as simple as can be: a stack of free pages per zone. */
export class NaivePages implements PageAllocatorForReclaim {
  readonly free: number[][];
  /** Every page that was given back, in order. */
  readonly freed: number[] = [];
  /** Whether a block of more than one page can be had. */
  hasBlocks = false;
  readonly #model: MemoryModel;

  constructor(model: MemoryModel) {
    this.#model = model;
    this.free = model.zones.map((zone) =>
      Array.from(
        { length: zone.spannedPages },
        (_, i) => zone.startPfn + zone.spannedPages - 1 - i,
      ),
    );
    for (const zone of model.zones) {
      modZoneState(model.vmstat, 0, zone.id, ZoneStatItem.NR_FREE_PAGES, zone.spannedPages);
    }
  }

  /** The next page of a zone, with one reference. */
  take(zone: Zone, cpu = 0): number {
    const pfn = this.free[zone.id].pop();
    if (pfn === undefined) throw new Error(`zone ${zone.id} has no page left`);
    const { map, vmstat } = this.#model;
    map.refcount[pfn] = 1;
    map.flags[pfn] = 0;
    modZoneState(vmstat, cpu, zone.id, ZoneStatItem.NR_FREE_PAGES, -1);
    return pfn;
  }

  allocPages(gfp: number, _order: number, _node = -1, cpu = 0): number | null {
    const { cpuNode, nodes, vmstat } = this.#model;
    for (const zone of nodes[cpuNode[cpu]].zonelists[0]) {
      if (zone.index > gfpZone(gfp)) continue;
      const free = zoneState(vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
      if (free > zone.watermark[0] && this.free[zone.id].length > 0) return this.take(zone, cpu);
    }
    return null;
  }

  freeUnrefPage(pfn: number, _order: number, cpu: number): void {
    const { map, vmstat } = this.#model;
    if (map.refcount[pfn] !== 0) throw new Error(`page ${pfn} is still in use`);
    const flags = map.flags[pfn];
    if ((flags & (PageFlag.PG_lru | PageFlag.PG_active | PageFlag.PG_unevictable)) !== 0) {
      throw new Error(`page ${pfn} is freed with flags ${flags.toString(16)}`);
    }
    const zone = map.zone[pfn] - 1;
    if ((flags & PageFlag.PG_mlocked) !== 0) {
      modZoneState(vmstat, cpu, zone, ZoneStatItem.NR_MLOCK, -1);
      countVmEvents(vmstat, cpu, VmEvent.unevictable_pgs_cleared, 1);
    }
    map.flags[pfn] = 0;
    map.private[pfn] = 0;
    modZoneState(vmstat, cpu, zone, ZoneStatItem.NR_FREE_PAGES, 1);
    this.free[zone].push(pfn);
    this.freed.push(pfn);
  }

  freeUnrefPageList(pfns: ArrayLike<number>, cpu: number): void {
    for (let i = 0; i < pfns.length; i++) this.freeUnrefPage(pfns[i], 0, cpu);
  }

  zoneWatermarkOk(zoneId: number, order: number, mark: number, highest: number): boolean {
    const zone = this.#model.zones[zoneId];
    const free = zoneState(this.#model.vmstat, zoneId, ZoneStatItem.NR_FREE_PAGES);
    if (free - (2 ** order - 1) <= mark + zone.lowmemReserve[highest]) return false;
    return order === 0 || this.hasBlocks;
  }

  zoneWatermarkOkSafe(zoneId: number, order: number, mark: number, highest: number): boolean {
    return this.zoneWatermarkOk(zoneId, order, mark, highest);
  }
}

/** A small machine with exact counters: every update shows at once. */
export class World {
  readonly model: MemoryModel;
  readonly pages: NaivePages;
  readonly reclaim: Reclaim;

  constructor(options: WorldOptions = {}) {
    const { nodes = [[0, 0, 4096, 0]], cpuNode = [0] } = options;
    const total = nodes.flat().reduce((sum, pages) => sum + pages, 0);
    this.model = new MemoryModel({
      endPfn: total + 1,
      nodeCount: nodes.length,
      cpuNode,
      hz: options.hz ?? 1000,
    });
    this.#makeZones(nodes);
    this.pages = new NaivePages(this.model);
    this.reclaim = new Reclaim({
      model: this.model,
      allocator: this.pages,
      swap: new Swap(options.swapPages ?? 0),
      checks: options.checks ?? 'full',
      ...(options.host === undefined ? {} : { host: options.host }),
      ...(options.trace === undefined ? {} : { trace: options.trace }),
      ...(options.compaction === undefined ? {} : { compaction: options.compaction }),
      ...(options.swapOnFileSystem === undefined
        ? {}
        : { swapOnFileSystem: options.swapOnFileSystem }),
    });
  }

  get state(): Reclaim['state'] {
    return this.reclaim.state;
  }

  zone(index = 2, node = 0): Zone {
    return this.model.nodes[node].zones[index];
  }

  /** Takes a page and puts it at the head of the LRU list that the options name. */
  lruPage(options: PageOptions = {}): number {
    const { map } = this.model;
    const pfn = this.page(options);
    map.flags[pfn] |= PageFlag.PG_lru;
    lruvecAddFolio(this.state, pfn, 0);
    return pfn;
  }

  /** Pages at the head of an LRU list, one after another. */
  lruPages(count: number, options: PageOptions = {}): number[] {
    return Array.from({ length: count }, () => this.lruPage(options));
  }

  /** Takes a page of a cache or of an anonymous mapping, on no list yet. */
  page(options: PageOptions = {}): number {
    const { map } = this.model;
    const { extra = 0, isPrivate = false } = options;
    const node = this.model.nodes[options.node ?? 0];
    const populated = node.zones.filter(isPopulated);
    const zone = options.zone === undefined ? populated.at(-1) : node.zones[options.zone];
    if (zone === undefined) throw new Error('no such zone');
    const pfn = this.pages.take(zone);
    const anon = options.anon === true || options.lazyfree === true;
    let flags: number = anon ? PageMark.MAPPING | PageMark.MAPPING_ANON : PageMark.MAPPING;
    if (options.anon) flags |= PageFlag.PG_swapbacked;
    if (options.active) flags |= PageFlag.PG_active;
    if (options.referenced) flags |= PageFlag.PG_referenced;
    if (options.dirty) flags |= PageFlag.PG_dirty;
    if (options.writeback) flags |= PageFlag.PG_writeback;
    if (options.reclaim) flags |= PageFlag.PG_reclaim;
    if (options.workingset) flags |= PageFlag.PG_workingset;
    if (options.mlocked) flags |= PageFlag.PG_mlocked;
    if (isPrivate) flags |= PageFlag.PG_private;
    map.flags[pfn] = flags;
    map.refcount[pfn] = (anon ? 0 : 1) + extra + (isPrivate ? 1 : 0);
    const mapped = options.mapped ?? (anon ? 1 : 0);
    for (let i = 0; i < mapped; i++) pageAddRmap(this.state, pfn, false, 0);
    this.state.rmap.young[pfn] = options.young ?? 0;
    this.state.rmap.marks[pfn] = options.marks ?? 0;
    return pfn;
  }

  /** How often an event happened. */
  event(name: VmEventName): number {
    return vmEvent(this.model.vmstat, VmEvent[name]);
  }

  has(pfn: number, flag: number): boolean {
    return (this.model.map.flags[pfn] & flag) !== 0;
  }

  /** Runs something as kswapd of node 0. */
  asKswapd<T>(work: () => T): T {
    this.reclaim.task.pfKswapd = true;
    try {
      return work();
    } finally {
      this.reclaim.task.pfKswapd = false;
    }
  }

  #makeZones(nodes: readonly (readonly number[])[]): void {
    const { map, nodes: made } = this.model;
    let pfn = 1;
    nodes.forEach((sizes, id) => {
      const node = made[id];
      node.startPfn = pfn;
      sizes.forEach((pages, index) => {
        const zone = node.zones[index];
        if (pages === 0) return;
        zone.startPfn = pfn;
        zone.spannedPages = pages;
        zone.presentPages = pages;
        zone.managedPages = pages;
        map.zone.fill(zone.id + 1, pfn, pfn + pages);
        node.nrZones = index + 1;
        node.presentPages += pages;
        node.spannedPages += pages;
        pfn += pages;
      });
    });
    for (const node of made) {
      const order = [node, ...made.filter((other) => other !== node)];
      const zones = order.flatMap((of) => of.zones.filter(isPopulated).toReversed());
      node.zonelists[0] = zones;
      node.zonelists[1] = node.zones.filter(isPopulated).toReversed();
    }
    this.model.totalramPages = pfn - 1;
  }
}
