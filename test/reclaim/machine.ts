import { expect } from 'vitest';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { nodeState } from '../../src/mm/vmstat.ts';
import type { AnonRegion } from '../../src/reclaim/anon-memory.ts';
import type { CachedFile } from '../../src/reclaim/cached-file.ts';
import { NR_LRU_BATCHES, PAGEVEC_SIZE } from '../../src/reclaim/constants.ts';
import { inSwapcache } from '../../src/reclaim/folio.ts';
import { checkInvariants } from '../../src/reclaim/invariants.ts';
import { PageCache, type PageCacheOptions } from '../../src/reclaim/page-cache.ts';
import { World } from './support.ts';

/** The error that a failing host throws. */
export class HostFailure extends Error {}

/** A page cache that can be told to fail. */
export class FailingCache extends PageCache {
  /** Callbacks until the one that fails; negative for never. */
  fuse = -1;
  /** Callbacks made so far. */
  callbacks = 0;

  #burn(): void {
    this.callbacks++;
    if (this.fuse-- === 0) throw new HostFailure('the host fails');
  }

  override hasWritepage(pfn: number): boolean {
    this.#burn();
    return super.hasWritepage(pfn);
  }

  override writepage(pfn: number, cpu: number): number {
    this.#burn();
    return super.writepage(pfn, cpu);
  }

  override tryToUnmap(pfn: number, cpu: number): void {
    this.#burn();
    super.tryToUnmap(pfn, cpu);
  }

  override removeFromCache(pfn: number, age: number, workingset: boolean, cpu: number): void {
    this.#burn();
    super.removeFromCache(pfn, age, workingset, cpu);
  }

  override throttle(node: number, reason: number, timeout: number): number {
    this.#burn();
    return super.throttle(node, reason, timeout);
  }

  override wakeupFlusherThreads(): void {
    this.#burn();
    super.wakeupFlusherThreads();
  }
}

/** A small machine with files, anonymous memory, swap and kswapd. */
export class SmallMachine {
  readonly world: World;
  readonly cache: FailingCache;
  readonly files: CachedFile[];
  readonly regions: AnonRegion[];
  /** Pages that the test holds a reference of. */
  readonly pinned: number[] = [];

  constructor(options: Partial<PageCacheOptions> = {}) {
    this.world = new World({
      nodes: [[0, 24, 40, 32]],
      cpuNode: [0, 0],
      swapPages: 24,
      hz: 100,
      checks: 'basic',
    });
    const { model, pages, reclaim } = this.world;
    for (const zone of model.zones) {
      if (zone.managedPages > 0) zone.watermark.set([2, 4, 7, 10]);
    }
    this.cache = new FailingCache(reclaim, { pages, writeJiffies: 2, ...options });
    this.files = [
      this.cache.createFile(),
      this.cache.createFile({ dirtyAccounting: false }),
      this.cache.createFile({ swapBacked: true, dirtyAccounting: false }),
      this.cache.createFile({ writepage: false }),
    ];
    this.regions = [
      this.cache.anon.create(40),
      this.cache.anon.create(6, true),
      this.cache.anon.create(20),
    ];
    reclaim.startKswapd();
  }

  /** Nothing is lost: every page is free or has exactly the references that its owners hold. */
  check(): void {
    const { model, pages, reclaim, state } = this.world;
    const { map } = model;
    expect(checkInvariants(state)).toEqual([]);
    for (const item of [NodeStatItem.nr_isolated_anon, NodeStatItem.nr_isolated_file]) {
      expect(nodeState(model.vmstat, 0, item)).toBe(0);
    }
    const owners = new Map<number, number>();
    const own = (pfn: number, references = 1): void => {
      owners.set(pfn, (owners.get(pfn) ?? 0) + references);
    };
    for (const file of this.files) {
      for (const index of file.entries()) if (file.page(index) >= 0) own(file.page(index));
    }
    for (let pfn = 1; pfn < map.endPfn; pfn++) {
      if (map.mapcount[pfn] > 0) own(pfn, map.mapcount[pfn]);
      if (map.refcount[pfn] > 0 && inSwapcache(map.flags[pfn])) own(pfn);
    }
    for (let cell = 0; cell < model.cpuCount * NR_LRU_BATCHES; cell++) {
      for (let i = 0; i < state.batchCount[cell]; i++) {
        own(state.batchPages[cell * PAGEVEC_SIZE + i]);
      }
    }
    for (const pfn of this.pinned) own(pfn);
    const free = new Set(pages.free.flat());
    expect(free.size).toBe(pages.free.flat().length);
    const wrong: unknown[] = [];
    for (let pfn = 1; pfn < map.endPfn; pfn++) {
      const references = owners.get(pfn) ?? 0;
      const onList = (map.flags[pfn] & PageFlag.PG_lru) !== 0;
      if (map.refcount[pfn] === references && free.has(pfn) === (references === 0)) {
        if (!onList || references > 0) continue;
      }
      wrong.push({ pfn, references, got: map.refcount[pfn], free: free.has(pfn), onList });
    }
    expect(wrong).toEqual([]);
    expect(reclaim.task.pfMemalloc).toBe(false);
    expect(reclaim.task.pfKswapd).toBe(false);
  }
}
