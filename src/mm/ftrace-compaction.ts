import { hex } from '../lib/units.ts';
import { formatGfpTrace } from './gfp.ts';
import type { CompactionTrace, OomTrace } from './trace-compaction.ts';
import { ZONE_NAMES } from './zone-types.ts';

/** Takes an event's name and its text. */
export type EmitEvent = (event: string, payload: string) => void;

/** Names of compaction results in tracepoints, by value. */
const COMPACT_RESULTS = [
  'not_suitable_zone',
  'skipped',
  'deferred',
  'no_suitable_page',
  'continue',
  'complete',
  'partial_skipped',
  'contended',
  'success',
] as const;

/** Names of compaction priorities in tracepoints, by value. */
const COMPACT_PRIORITIES = [
  'COMPACT_PRIO_SYNC_FULL',
  'COMPACT_PRIO_SYNC_LIGHT',
  'COMPACT_PRIO_ASYNC',
] as const;

/** Names of migration modes in tracepoints, by value. */
const MIGRATE_MODES = ['MIGRATE_ASYNC', 'MIGRATE_SYNC_LIGHT', 'MIGRATE_SYNC'] as const;

const COMPACT_COMPLETE = 5;
/** DEFERRED, PARTIAL_SKIPPED and CONTENDED: compaction did not get a fair chance. */
const WITHDRAWN: readonly number[] = [2, 6, 7];

function zoneName(index: number): string {
  return (ZONE_NAMES[index] ?? hex(index)).padEnd(8);
}

/** The word for a result in `compact_retry`. */
function feedback(result: number): string {
  if (result === COMPACT_COMPLETE) return 'failed';
  return WITHDRAWN.includes(result) ? 'withdrawn' : 'progress';
}

/**
 * Tracepoints of compaction and migration as the kernel's ftrace prints them.
 * @param emit takes an event's name and its text
 * @kernel trace/events/compaction.h, migrate.h (spec slowpath-compaction 5.4)
 */
export function compactionFtrace(emit: EmitEvent): CompactionTrace {
  const defer =
    (event: string) =>
    (
      node: number,
      zone: number,
      order: number,
      failed: number,
      considered: number,
      limit: number,
    ) => {
      const state = `order_failed=${failed} consider=${considered} limit=${limit}`;
      emit(event, `node=${node} zone=${zoneName(zone)} order=${order} ${state}`);
    };
  const judged = (event: string) => (node: number, zone: number, order: number, result: number) => {
    const where = `node=${node} zone=${zoneName(zone)}`;
    emit(event, `${where} order=${order} ret=${COMPACT_RESULTS[result]}`);
  };
  const isolated =
    (event: string) => (start: number, end: number, scanned: number, taken: number) => {
      emit(event, `range=(${hex(start)} ~ ${hex(end)}) nr_scanned=${scanned} nr_taken=${taken}`);
    };
  const kcompactd = (event: string) => (node: number, order: number, highest: number) => {
    emit(event, `nid=${node} order=${order} classzone_idx=${zoneName(highest)}`);
  };
  const run = (zone: number, migrate: number, free: number, end: number, sync: boolean) =>
    `zone_start=${hex(zone)} migrate_pfn=${hex(migrate)} free_pfn=${hex(free)} ` +
    `zone_end=${hex(end)}, mode=${sync ? 'sync' : 'async'}`;
  return {
    mmCompactionTryToCompactPages(order, gfp, priority) {
      const text = `order=${order} gfp_mask=${formatGfpTrace(gfp)} priority=${priority}`;
      emit('mm_compaction_try_to_compact_pages', text);
    },
    mmCompactionSuitable: judged('mm_compaction_suitable'),
    mmCompactionFinished: judged('mm_compaction_finished'),
    mmCompactionDeferred: defer('mm_compaction_deferred'),
    mmCompactionDeferCompaction: defer('mm_compaction_defer_compaction'),
    mmCompactionDeferReset: defer('mm_compaction_defer_reset'),
    mmCompactionBegin(...ends) {
      emit('mm_compaction_begin', run(...ends));
    },
    mmCompactionEnd(zone, migrate, free, end, sync, result) {
      const text = run(zone, migrate, free, end, sync);
      emit('mm_compaction_end', `${text} status=${COMPACT_RESULTS[result]}`);
    },
    mmCompactionIsolateMigratepages: isolated('mm_compaction_isolate_migratepages'),
    mmCompactionIsolateFreepages: isolated('mm_compaction_isolate_freepages'),
    mmCompactionMigratepages(migrated, failed) {
      emit('mm_compaction_migratepages', `nr_migrated=${migrated} nr_failed=${failed}`);
    },
    mmCompactionKcompactdSleep(node) {
      emit('mm_compaction_kcompactd_sleep', `nid=${node}`);
    },
    mmCompactionWakeupKcompactd: kcompactd('mm_compaction_wakeup_kcompactd'),
    mmCompactionKcompactdWake: kcompactd('mm_compaction_kcompactd_wake'),
    mmMigratePagesStart(mode) {
      emit('mm_migrate_pages_start', `mode=${MIGRATE_MODES[mode]} reason=compaction`);
    },
    mmMigratePages(succeeded, failed, mode) {
      const thp = 'nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0';
      const how = `mode=${MIGRATE_MODES[mode]} reason=compaction`;
      emit('mm_migrate_pages', `nr_succeeded=${succeeded} nr_failed=${failed} ${thp} ${how}`);
    },
  };
}

/**
 * Tracepoints of retries and the OOM killer as the kernel's ftrace prints them.
 * @param emit takes an event's name and its text
 * @kernel trace/events/oom.h (spec slowpath-compaction 5.4)
 */
export function oomFtrace(emit: EmitEvent): OomTrace {
  const reaping = (event: string) => (pid: number) => emit(event, `pid=${pid}`);
  return {
    reclaimRetryZone(node, zone, order, reclaimable, available, mark, loops, ok) {
      const where = `node=${node} zone=${zoneName(zone)} order=${order}`;
      const pages = `reclaimable=${reclaimable} available=${available} min_wmark=${mark}`;
      const verdict = `no_progress_loops=${loops} wmark_check=${ok ? 1 : 0}`;
      emit('reclaim_retry_zone', `${where} ${pages} ${verdict}`);
    },
    compactRetry(order, priority, result, retries, maxRetries, shouldRetry) {
      const what = `order=${order} priority=${COMPACT_PRIORITIES[priority]}`;
      const how = `compaction_result=${feedback(result)} retries=${retries}`;
      const verdict = `max_retries=${maxRetries} should_retry=${shouldRetry ? 1 : 0}`;
      emit('compact_retry', `${what} ${how} ${verdict}`);
    },
    markVictim(victim) {
      const who = `pid=${victim.pid} comm=${victim.comm} total-vm=${victim.totalVm}kB`;
      const rss = `anon-rss=${victim.anonRss}kB file-rss:${victim.fileRss}kB shmem-rss:${victim.shmemRss}kB`;
      const rest = `uid=${victim.uid} pgtables=${victim.pgtables}kB oom_score_adj=${victim.oomScoreAdj}`;
      emit('mark_victim', `${who} ${rss} ${rest}`);
    },
    oomScoreAdjUpdate(pid, comm, oomScoreAdj) {
      emit('oom_score_adj_update', `pid=${pid} comm=${comm} oom_score_adj=${oomScoreAdj}`);
    },
    wakeReaper: reaping('wake_reaper'),
    startTaskReaping: reaping('start_task_reaping'),
    finishTaskReaping: reaping('finish_task_reaping'),
    skipTaskReaping: reaping('skip_task_reaping'),
  };
}
