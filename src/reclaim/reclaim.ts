import { listToArray } from '../lib/list.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { foldNodeStats, foldZoneStats } from '../mm/vmstat.ts';
import type { Zone } from '../mm/zone.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { balancePgdat } from './balance-pgdat.ts';
import {
  compactionSuitable,
  pgdatBalanced,
  pgdatWatermarkBoosted,
  zoneReclaimablePages,
} from './balanced.ts';
import { DEF_PRIORITY, EVICTABLE_LRU_LISTS } from './constants.ts';
import { tryToFreePages } from './direct.ts';
import {
  asKswapd,
  kswapdCpu,
  kswapdRun,
  kswapdShortSleepElapsed,
  kswapdState,
  kswapdStop,
  runKswapd,
} from './kswapd.ts';
import { allowDirectReclaim, wakeAllKswapds, wakeupKswapd } from './kswapd-wake.ts';
import { snapshotRefaults } from './lru.ts';
import { LruOperations } from './lru-operations.ts';
import {
  badState,
  checkCpu,
  checkNode,
  checkPage,
  checkRange,
  checkRequest,
  checkZone,
} from './misuse.ts';
import { nodeReclaim } from './node-reclaim.ts';
import { reclaimCleanPagesFromList, reclaimPages, shrinkAllMemory } from './reclaim-pages.ts';
import type { ScanControl } from './scan-control.ts';
import { shrinkNode } from './shrink-node.ts';
import { dropSlab, makeShrinker, shrinkSlab } from './shrinker.ts';
import { type ReclaimSnapshot, restoreState, snapshotState } from './snapshot.ts';
import { lruHead } from './state.ts';
import type { KswapdState, Shrinker, ShrinkerOptions } from './types.ts';

/**
 * Page reclaim of Linux 6.1 over a memory model and a page allocator: LRU lists, kswapd, direct
 * reclaim, node reclaim, shrinkers. The same pages are freed in the same order as by the kernel.
 *
 * kswapd runs only when the host says so: `startKswapd` puts it to sleep, `wakeupKswapd` (the page
 * allocator's hook) wakes it, `runKswapd` lets it work until it sleeps again.
 *
 * @kernel mm/vmscan, mm/swap, mm/workingset, mm/mlock (spec reclaim 4)
 */
export class Reclaim extends LruOperations {
  #nextShrinkerId = 1;

  /**
   * Reclaims pages for a caller that may wait; run it with PF_MEMALLOC set in the task.
   * @param zonelist zones in order of preference
   * @param order log2 of the pages of the request
   * @param gfp its mask
   * @param nodemask nodes that may be used (cell 1 per allowed node), null for all
   * @param cpu the CPU that reclaims
   * @returns pages freed, 0 for none; 1 may be only a hint that a retry makes sense
   * @throws ReclaimError `BAD_REQUEST`, `REENTERED`, `SHRINKER_STUCK`; what a host callback throws
   * @kernel try_to_free_pages (spec reclaim 4.26)
   */
  tryToFreePages(
    zonelist: readonly Zone[],
    order: number,
    gfp: number,
    nodemask: Uint8Array | null = null,
    cpu = 0,
  ): number {
    checkCpu(this.state, cpu);
    checkRequest(order, 0);
    const freed = tryToFreePages(this.state, zonelist, order, gfp, nodemask, cpu);
    this.verify();
    return freed;
  }

  /**
   * One reclaim pass over a node, with a scan control of the caller's.
   * @kernel shrink_node (spec reclaim 4.17)
   */
  shrinkNode(node: number, sc: ScanControl, cpu = 0): void {
    checkCpu(this.state, cpu);
    checkNode(this.state, node);
    checkRange('priority', sc.priority, 0, DEF_PRIORITY);
    checkRequest(sc.order, sc.reclaimIdx);
    shrinkNode(this.state, node, sc, cpu);
    this.verify();
  }

  /**
   * Wakes kswapd of a zone's node if that would help; fits the page allocator's hook.
   * @param zone id of the zone that is low
   * @param gfp mask of the request
   * @param order order of the request
   * @param highestZoneidx highest zone index that the request could use
   * @kernel wakeup_kswapd (spec reclaim 4.15)
   */
  wakeupKswapd(zone: number, gfp: number, order: number, highestZoneidx: number): void {
    const { id } = checkZone(this.state, zone);
    checkRequest(order, highestZoneidx);
    wakeupKswapd(this.state, id, gfp, order, highestZoneidx);
  }

  /** Wakes kswapd of every node of a zonelist. @kernel wake_all_kswapds (spec reclaim 4.15) */
  wakeAllKswapds(
    order: number,
    gfp: number,
    zonelist: readonly Zone[],
    highestZoneidx: number,
    nodemask: Uint8Array | null = null,
  ): void {
    checkRequest(order, highestZoneidx);
    wakeAllKswapds(this.state, order, gfp, zonelist, highestZoneidx, nodemask);
  }

  /**
   * Starts kswapd of all online nodes and lets each run until it is in its long sleep.
   * @kernel kswapd_init (spec reclaim 4.15)
   */
  startKswapd(): void {
    for (const { id, online } of this.state.model.nodes) {
      if (!online) continue;
      kswapdRun(this.state, id);
      this.settleKswapd(id);
    }
  }

  /** Stops kswapd of a node: wake-ups then only note what is wanted. @kernel kswapd_stop */
  stopKswapd(node: number): void {
    checkNode(this.state, node);
    kswapdStop(this.state, node);
  }

  /** What kswapd of a node is doing. */
  kswapdState(node: number): KswapdState {
    checkNode(this.state, node);
    return kswapdState(this.state, node);
  }

  /**
   * Lets kswapd of a node run until it sleeps; does nothing if it is asleep and was not woken.
   * @param maxRounds balancing rounds after which it is interrupted. Default: no limit
   * @returns what it is doing then
   * @kernel kswapd (spec reclaim 4.15)
   */
  runKswapd(node: number, maxRounds: number = Number.POSITIVE_INFINITY): KswapdState {
    checkNode(this.state, node);
    const doing = runKswapd(this.state, node, maxRounds);
    this.verify();
    return doing;
  }

  /** The short sleep of a node's kswapd (a tenth of a second) is over without a wake-up. */
  kswapdShortSleepElapsed(node: number): KswapdState {
    checkNode(this.state, node);
    const doing = kswapdShortSleepElapsed(this.state, node);
    this.verify();
    return doing;
  }

  /** Lets kswapd of a node run, through short sleeps as well, until it is in its long sleep. */
  settleKswapd(node: number): KswapdState {
    let doing = this.runKswapd(node);
    while (doing === 'short-sleep') doing = this.kswapdShortSleepElapsed(node);
    return doing;
  }

  /**
   * One round of kswapd's work on a node, whatever the thread is doing.
   * @param order order wanted
   * @param highestZoneidx highest zone index wanted
   * @param cpu CPU that runs it. Default: that of the node's kswapd
   * @returns the order that it ended with
   * @kernel balance_pgdat (spec reclaim 4.16)
   */
  balancePgdat(
    node: number,
    order: number,
    highestZoneidx: number,
    cpu: number = kswapdCpu(this.state, node),
  ): number {
    checkNode(this.state, node);
    checkCpu(this.state, cpu);
    checkRequest(order, highestZoneidx);
    const ended = asKswapd(this.state, node, () =>
      balancePgdat(this.state, node, order, highestZoneidx, cpu),
    );
    this.verify();
    return ended;
  }

  /**
   * Reclaims page cache of a node before a request goes elsewhere; fits the page allocator's hook.
   * @returns a `NodeReclaimResult`
   * @kernel node_reclaim (spec reclaim 4.29)
   */
  nodeReclaim(node: number, gfp: number, order: number, cpu = 0): number {
    checkNode(this.state, node);
    checkCpu(this.state, cpu);
    checkRequest(order, 0);
    const result = nodeReclaim(this.state, node, gfp, order, cpu);
    this.verify();
    return result;
  }

  /**
   * Reclaims isolated pages at once.
   * @param pfns pages of `isolateLruPage`, list order from the head; the last one comes first
   * @returns pages freed; the others are back on the LRU
   * @kernel reclaim_pages (spec reclaim 4.30)
   */
  reclaimPages(pfns: readonly number[], cpu = 0): number {
    checkCpu(this.state, cpu);
    this.#checkIsolated(pfns);
    const freed = reclaimPages(this.state, pfns, cpu);
    this.verify();
    return freed;
  }

  /**
   * Frees the clean file pages among isolated pages of a zone's node.
   * @param pfns isolated pages, list order from the head, counted in NR_ISOLATED_*
   * @returns the pages left, in list order; still isolated
   * @kernel reclaim_clean_pages_from_list (spec reclaim 4.30)
   */
  reclaimCleanPagesFromList(zone: number | Zone, pfns: readonly number[], cpu = 0): number[] {
    checkCpu(this.state, cpu);
    const { node } = checkZone(this.state, zone);
    this.#checkIsolated(pfns);
    const left = reclaimCleanPagesFromList(this.state, node, pfns, cpu);
    this.verify();
    return left;
  }

  /** Frees memory for a hibernation image. @returns pages freed @kernel shrink_all_memory (spec reclaim 4.30) */
  shrinkAllMemory(nrToReclaim: number, cpu = 0): number {
    checkCpu(this.state, cpu);
    checkRange('nrToReclaim', nrToReclaim, 0, Number.MAX_SAFE_INTEGER);
    const { model } = this.state;
    const zonelist = model.nodes[model.cpuNode[cpu]].zonelists[0];
    const freed = shrinkAllMemory(this.state, nrToReclaim, zonelist, cpu);
    this.verify();
    return freed;
  }

  /** Registers a shrinker: it is asked after those that are registered already. @kernel register_shrinker (spec reclaim 4.24) */
  registerShrinker(options: ShrinkerOptions): Shrinker {
    checkRange('batch', options.batch ?? 0, 0, Number.MAX_SAFE_INTEGER);
    checkRange('seeks', options.seeks ?? 0, 0, Number.MAX_SAFE_INTEGER);
    const shrinker = makeShrinker(options, this.state.model.nodes.length, this.#nextShrinkerId++);
    this.state.shrinkers.push(shrinker);
    return shrinker;
  }

  /** Takes a shrinker off the list. @kernel unregister_shrinker */
  unregisterShrinker(shrinker: Shrinker): void {
    const { shrinkers } = this.state;
    const index = shrinkers.indexOf(shrinker);
    if (index >= 0) shrinkers.splice(index, 1);
  }

  /** Asks all shrinkers. @returns objects freed @kernel shrink_slab (spec reclaim 4.24) */
  shrinkSlab(gfp: number, node: number, priority: number, cpu = 0): number {
    checkNode(this.state, node);
    checkRange('priority', priority, 0, DEF_PRIORITY);
    return shrinkSlab(this.state, gfp, node, priority, cpu);
  }

  /** Empties the caches of all nodes, as far as their shrinkers can. @kernel drop_slab (spec reclaim 4.24) */
  dropSlab(cpu = 0): void {
    dropSlab(this.state, cpu);
  }

  /** Pages of a zone that reclaim could get, or its free pages. @kernel zone_reclaimable_pages (spec reclaim 4.8) */
  zoneReclaimablePages(zone: number | Zone): number {
    return zoneReclaimablePages(this.state, checkZone(this.state, zone).id);
  }

  /** Whether a node has a zone good enough for a request. @kernel pgdat_balanced (spec reclaim 4.8) */
  pgdatBalanced(node: number, order: number, highestZoneidx: number): boolean {
    checkNode(this.state, node);
    return pgdatBalanced(this.state, node, order, highestZoneidx);
  }

  /** Whether a watermark of a node is boosted. @kernel pgdat_watermark_boosted (spec reclaim 4.8) */
  pgdatWatermarkBoosted(node: number, highestZoneidx: number): boolean {
    checkNode(this.state, node);
    return pgdatWatermarkBoosted(this.state, node, highestZoneidx);
  }

  /** Whether direct reclaimers need not wait; wakes kswapd if they must. @kernel allow_direct_reclaim (spec reclaim 4.26) */
  allowDirectReclaim(node: number): boolean {
    checkNode(this.state, node);
    return allowDirectReclaim(this.state, node);
  }

  /** The default answer to `compactionSuitable`: a `CompactResult`. @kernel compaction_suitable (spec reclaim 4.27) */
  compactionSuitable(zone: number | Zone, order: number, highestZoneidx: number): number {
    const { id } = checkZone(this.state, zone);
    checkRequest(order, highestZoneidx);
    return compactionSuitable(this.state, id, order, highestZoneidx);
  }

  /** Remembers how many refaults were activated. @kernel snapshot_refaults (spec reclaim 4.13) */
  snapshotRefaults(node: number): void {
    checkNode(this.state, node);
    snapshotRefaults(this.state, node);
  }

  /**
   * Folds all counter differences of a CPU into the global values, as the kernel does about once a
   * second.
   * @returns how many counters changed
   * @kernel refresh_cpu_vm_stats (spec reclaim 4.1)
   */
  foldCounters(cpu = 0): number {
    checkCpu(this.state, cpu);
    const { vm } = this.state;
    let changed = 0;
    for (let zone = 0; zone < vm.zoneCount; zone++) changed += foldZoneStats(vm, cpu, zone);
    for (let node = 0; node < vm.nodeCount; node++) changed += foldNodeStats(vm, cpu, node);
    return changed;
  }

  /**
   * Page frames of an LRU list of a node from the head, for display and tests.
   * @param lru 0 to 3; the unevictable list has no order
   */
  lruList(node: number, lru: number): number[] {
    checkNode(this.state, node);
    checkRange('lru', lru, 0, EVICTABLE_LRU_LISTS - 1);
    return listToArray(this.state.map, lruHead(this.state, node, lru));
  }

  /** Plain data to `restore` later: everything that is not in the memory model. */
  snapshot(): ReclaimSnapshot {
    return snapshotState(this.state);
  }

  /** Takes back what `snapshot` gave, after the memory model was restored to the same moment. */
  restore(snapshot: ReclaimSnapshot): void {
    restoreState(this.state, snapshot);
    this.verify();
  }

  #checkIsolated(pfns: readonly number[]): void {
    for (const pfn of pfns) {
      checkPage(this.state, pfn);
      if ((this.state.map.flags[pfn] & PageFlag.PG_lru) !== 0) {
        throw badState(this.state, pfn, 'is not isolated');
      }
    }
    if (new Set(pfns).size === pfns.length) return;
    checkRange(
      'number of different pages',
      new Set(pfns).size,
      pfns.length,
      MAX_NR_ZONES * 2 ** 28,
    );
  }
}
