import { beforeEach, describe, expect, it } from 'vitest';
import { compactionFtrace, oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { Gfp } from '../../src/mm/gfp.ts';

let lines: string[] = [];
const emit = (event: string, text: string): void => {
  lines.push(`${event}: ${text}`);
};
const compaction = compactionFtrace(emit);
const oom = oomFtrace(emit);

beforeEach(() => {
  lines = [];
});

describe('compaction and migrate tracepoints (spec slowpath-compaction 5.4)', () => {
  it('a request', () => {
    compaction.mmCompactionTryToCompactPages(9, Gfp.GFP_TRANSHUGE, 2);
    compaction.mmCompactionTryToCompactPages(1, 0, 0);
    expect(lines).toEqual([
      'mm_compaction_try_to_compact_pages: order=9 gfp_mask=GFP_TRANSHUGE priority=2',
      'mm_compaction_try_to_compact_pages: order=1 gfp_mask=none priority=0',
    ]);
  });

  it('every result has its word, every zone its name', () => {
    for (let result = 0; result <= 8; result++) compaction.mmCompactionSuitable(0, 2, 9, result);
    for (let zone = 0; zone <= 4; zone++) compaction.mmCompactionFinished(1, zone, -1, 4);
    expect(lines).toEqual([
      ...[
        'not_suitable_zone',
        'skipped',
        'deferred',
        'no_suitable_page',
        'continue',
        'complete',
        'partial_skipped',
        'contended',
        'success',
      ].map((word) => `mm_compaction_suitable: node=0 zone=Normal   order=9 ret=${word}`),
      'mm_compaction_finished: node=1 zone=DMA      order=-1 ret=continue',
      'mm_compaction_finished: node=1 zone=DMA32    order=-1 ret=continue',
      'mm_compaction_finished: node=1 zone=Normal   order=-1 ret=continue',
      'mm_compaction_finished: node=1 zone=Movable  order=-1 ret=continue',
      'mm_compaction_finished: node=1 zone=0x4      order=-1 ret=continue',
    ]);
  });

  it('deferral', () => {
    compaction.mmCompactionDeferred(0, 1, 9, 4, 3, 64);
    compaction.mmCompactionDeferCompaction(0, 1, 9, 4, 0, 2);
    compaction.mmCompactionDeferReset(0, 1, 9, 10, 0, 1);
    expect(lines).toEqual([
      'mm_compaction_deferred: node=0 zone=DMA32    order=9 order_failed=4 consider=3 limit=64',
      'mm_compaction_defer_compaction: node=0 zone=DMA32    order=9 order_failed=4 consider=0 limit=2',
      'mm_compaction_defer_reset: node=0 zone=DMA32    order=9 order_failed=10 consider=0 limit=1',
    ]);
  });

  it('a run', () => {
    compaction.mmCompactionBegin(0x1000, 0x1200, 0x1e00, 0x2000, true);
    compaction.mmCompactionIsolateMigratepages(0x1200, 0x1240, 64, 32);
    compaction.mmMigratePagesStart(0);
    compaction.mmCompactionIsolateFreepages(0x1e00, 0x1e20, 32, 31);
    compaction.mmMigratePages(31, 1, 1);
    compaction.mmCompactionMigratepages(31, 1);
    compaction.mmCompactionEnd(0x1000, 0x1240, 0x1e00, 0x2000, false, 6);
    expect(lines).toEqual([
      'mm_compaction_begin: zone_start=0x1000 migrate_pfn=0x1200 free_pfn=0x1e00 zone_end=0x2000, mode=sync',
      'mm_compaction_isolate_migratepages: range=(0x1200 ~ 0x1240) nr_scanned=64 nr_taken=32',
      'mm_migrate_pages_start: mode=MIGRATE_ASYNC reason=compaction',
      'mm_compaction_isolate_freepages: range=(0x1e00 ~ 0x1e20) nr_scanned=32 nr_taken=31',
      'mm_migrate_pages: nr_succeeded=31 nr_failed=1 nr_thp_succeeded=0 nr_thp_failed=0 nr_thp_split=0 mode=MIGRATE_SYNC_LIGHT reason=compaction',
      'mm_compaction_migratepages: nr_migrated=31 nr_failed=1',
      'mm_compaction_end: zone_start=0x1000 migrate_pfn=0x1240 free_pfn=0x1e00 zone_end=0x2000, mode=async status=partial_skipped',
    ]);
  });

  it('kcompactd', () => {
    compaction.mmCompactionKcompactdSleep(1);
    compaction.mmCompactionWakeupKcompactd(1, 9, 3);
    compaction.mmCompactionKcompactdWake(1, 9, 2);
    expect(lines).toEqual([
      'mm_compaction_kcompactd_sleep: nid=1',
      'mm_compaction_wakeup_kcompactd: nid=1 order=9 classzone_idx=Movable ',
      'mm_compaction_kcompactd_wake: nid=1 order=9 classzone_idx=Normal  ',
    ]);
  });
});

describe('oom tracepoints (spec slowpath-compaction 5.4)', () => {
  it('retries', () => {
    oom.reclaimRetryZone(0, 2, 3, 100, 150, 20, 4, false);
    for (const result of [5, 2, 6, 7, 8, 1]) oom.compactRetry(3, 1, result, 2, 16, true);
    expect(lines[0]).toBe(
      'reclaim_retry_zone: node=0 zone=Normal   order=3 reclaimable=100 available=150 min_wmark=20 no_progress_loops=4 wmark_check=0',
    );
    const words = ['failed', 'withdrawn', 'withdrawn', 'withdrawn', 'progress', 'progress'];
    expect(lines.slice(1)).toEqual(
      words.map(
        (word) =>
          `compact_retry: order=3 priority=COMPACT_PRIO_SYNC_LIGHT compaction_result=${word} retries=2 max_retries=16 should_retry=1`,
      ),
    );
  });

  it('victims', () => {
    oom.markVictim({
      pid: 812,
      comm: 'hog',
      totalVm: 40000,
      anonRss: 20000,
      fileRss: 800,
      shmemRss: 4,
      uid: 1000,
      pgtables: 64,
      oomScoreAdj: -5,
    });
    oom.oomScoreAdjUpdate(812, 'hog', 1000);
    oom.wakeReaper(1);
    oom.startTaskReaping(2);
    oom.finishTaskReaping(3);
    oom.skipTaskReaping(4);
    expect(lines).toEqual([
      'mark_victim: pid=812 comm=hog total-vm=40000kB anon-rss=20000kB file-rss:800kB shmem-rss:4kB uid=1000 pgtables=64kB oom_score_adj=-5',
      'oom_score_adj_update: pid=812 comm=hog oom_score_adj=1000',
      'wake_reaper: pid=1',
      'start_task_reaping: pid=2',
      'finish_task_reaping: pid=3',
      'skip_task_reaping: pid=4',
    ]);
  });
});
