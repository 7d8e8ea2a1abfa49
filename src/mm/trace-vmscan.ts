/** Counts that `mm_vmscan_lru_shrink_inactive` prints. */
export interface ShrinkInactiveCounts {
  /** Dirty or in write-back. */
  readonly nrDirty: number;
  /** In write-back. */
  readonly nrWriteback: number;
  /** In write-back and met before. */
  readonly nrCongested: number;
  /** In write-back, met before, while kswapd sees nothing else. */
  readonly nrImmediate: number;
  /** Made active, anonymous. */
  readonly nrActivateAnon: number;
  /** Made active, file. */
  readonly nrActivateFile: number;
  /** Kept because they were used. */
  readonly nrRefKeep: number;
  /** Could not be unmapped. */
  readonly nrUnmapFail: number;
}

/**
 * Tracepoints of page reclaim (systems `vmscan` and `pagemap`). Times are in microseconds, LRU lists
 * and throttle reasons the kernel's numbers; objects are valid during the call. (spec reclaim 5.1)
 */
export interface VmscanTrace {
  /** kswapd goes into its long sleep. */
  mmVmscanKswapdSleep(node: number): void;
  /** kswapd starts to work. */
  mmVmscanKswapdWake(node: number, highestZoneidx: number, order: number): void;
  /** kswapd is being woken. */
  mmVmscanWakeupKswapd(node: number, highestZoneidx: number, order: number, gfp: number): void;
  /** Direct reclaim begins. */
  mmVmscanDirectReclaimBegin(order: number, gfp: number): void;
  /** Direct reclaim ended. */
  mmVmscanDirectReclaimEnd(nrReclaimed: number): void;
  /** Node reclaim begins. */
  mmVmscanNodeReclaimBegin(node: number, order: number, gfp: number): void;
  /** Node reclaim ended. */
  mmVmscanNodeReclaimEnd(nrReclaimed: number): void;
  /** Pages were taken off a list. */
  mmVmscanLruIsolate(
    highestZoneidx: number,
    order: number,
    nrRequested: number,
    nrScanned: number,
    nrSkipped: number,
    nrTaken: number,
    isolateMode: number,
    lru: number,
  ): void;
  /** A portion of an inactive list was dealt with. */
  mmVmscanLruShrinkInactive(
    node: number,
    nrScanned: number,
    nrReclaimed: number,
    counts: ShrinkInactiveCounts,
    priority: number,
    file: boolean,
  ): void;
  /** A portion of an active list was dealt with. */
  mmVmscanLruShrinkActive(
    node: number,
    nrTaken: number,
    nrActive: number,
    nrDeactivated: number,
    nrReferenced: number,
    priority: number,
    file: boolean,
  ): void;
  /** A page was written out. */
  mmVmscanWriteFolio(pfn: number, file: boolean): void;
  /** A reclaimer slept. */
  mmVmscanThrottled(node: number, usecTimeout: number, usecDelayed: number, reason: number): void;
  /** A shrinker is being asked. `id` tells shrinkers of one name apart. */
  mmShrinkSlabStart(
    name: string,
    id: number,
    node: number,
    nrDeferred: number,
    gfp: number,
    freeable: number,
    delta: number,
    totalScan: number,
    priority: number,
  ): void;
  /** A shrinker was asked. */
  mmShrinkSlabEnd(
    name: string,
    id: number,
    node: number,
    freed: number,
    nrDeferredBefore: number,
    nrDeferredAfter: number,
    totalScan: number,
  ): void;
  /** A page got onto its first list. */
  mmLruInsertion(pfn: number, lru: number, flags: number, mapcount: number): void;
  /** A page was moved to an active list. */
  mmLruActivate(pfn: number): void;
}
