/**
 * Tracepoints of compaction and migration (systems `compaction` and `migrate`). Zones are a node id
 * and a zone index, results and modes the kernel's numbers. (spec slowpath-compaction 5.4)
 */
export interface CompactionTrace {
  /** Direct compaction begins for a request. */
  mmCompactionTryToCompactPages(order: number, gfp: number, priority: number): void;
  /** A zone was tested before compaction. */
  mmCompactionSuitable(node: number, zone: number, order: number, result: number): void;
  /** A run was asked whether it may stop. */
  mmCompactionFinished(node: number, zone: number, order: number, result: number): void;
  /** A request is turned away because compaction failed lately. */
  mmCompactionDeferred(
    node: number,
    zone: number,
    order: number,
    orderFailed: number,
    considered: number,
    limit: number,
  ): void;
  /** A run failed: the next requests will be turned away. */
  mmCompactionDeferCompaction(
    node: number,
    zone: number,
    order: number,
    orderFailed: number,
    considered: number,
    limit: number,
  ): void;
  /** Deferral ends because a block of the order exists. */
  mmCompactionDeferReset(
    node: number,
    zone: number,
    order: number,
    orderFailed: number,
    considered: number,
    limit: number,
  ): void;
  /** A run begins. */
  mmCompactionBegin(
    zoneStart: number,
    migratePfn: number,
    freePfn: number,
    zoneEnd: number,
    sync: boolean,
  ): void;
  /** A run ended. */
  mmCompactionEnd(
    zoneStart: number,
    migratePfn: number,
    freePfn: number,
    zoneEnd: number,
    sync: boolean,
    result: number,
  ): void;
  /** Sources were isolated in a piece of a block. */
  mmCompactionIsolateMigratepages(
    startPfn: number,
    endPfn: number,
    scanned: number,
    taken: number,
  ): void;
  /** Targets were isolated in a piece of a block. */
  mmCompactionIsolateFreepages(
    startPfn: number,
    endPfn: number,
    scanned: number,
    taken: number,
  ): void;
  /** A batch of pages was migrated. */
  mmCompactionMigratepages(migrated: number, failed: number): void;
  /** kcompactd goes to sleep. */
  mmCompactionKcompactdSleep(node: number): void;
  /** kcompactd is being woken. */
  mmCompactionWakeupKcompactd(node: number, order: number, highestZoneidx: number): void;
  /** kcompactd starts to work. */
  mmCompactionKcompactdWake(node: number, order: number, highestZoneidx: number): void;
  /** Migration of a list begins. */
  mmMigratePagesStart(mode: number): void;
  /** Migration of a list ended. */
  mmMigratePages(succeeded: number, failed: number, mode: number): void;
}

/** Tracepoints of retries and the OOM killer (system `oom`). Sizes in KiB. (spec slowpath-compaction 5.4) */
export interface OomTrace {
  /** A zone was tested for another round of reclaim. */
  reclaimRetryZone(
    node: number,
    zone: number,
    order: number,
    reclaimable: number,
    available: number,
    minWmark: number,
    noProgressLoops: number,
    wmarkCheck: boolean,
  ): void;
  /** Another round of compaction was decided on. */
  compactRetry(
    order: number,
    priority: number,
    result: number,
    retries: number,
    maxRetries: number,
    shouldRetry: boolean,
  ): void;
  /** A task became a victim. */
  markVictim(victim: {
    readonly pid: number;
    readonly comm: string;
    readonly totalVm: number;
    readonly anonRss: number;
    readonly fileRss: number;
    readonly shmemRss: number;
    readonly uid: number;
    readonly pgtables: number;
    readonly oomScoreAdj: number;
  }): void;
  /** A task's adjustment was written. */
  oomScoreAdjUpdate(pid: number, comm: string, oomScoreAdj: number): void;
  /** The reaper is being woken. */
  wakeReaper(pid: number): void;
  /** The reaper begins with a task. */
  startTaskReaping(pid: number): void;
  /** The reaper is done with a task. */
  finishTaskReaping(pid: number): void;
  /** The reaper leaves a task alone. */
  skipTaskReaping(pid: number): void;
}
