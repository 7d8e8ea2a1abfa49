import type { MemoryModel } from '../mm/memory-model.ts';
import type { OomTask } from './oom-types.ts';

/**
 * What must have changed for another round to end differently: all counters of pages, the per-CPU
 * lists, pageblock types, and which processes are there and dying. Pages that moved from one list to
 * another show in the counters.
 */
export function progressMarks(model: MemoryModel, tasks: readonly OomTask[]): number[] {
  const { map, pagesets, vmstat } = model;
  const blocks = map.pageblockFlags.reduce((sum, flags, i) => (sum * 31 + (flags & 7) + i) | 0, 7);
  const dying = tasks.flatMap(({ pid, oomMm, mm }) => [
    pid,
    oomMm === null ? 0 : oomMm.oomSkip ? 2 : 1,
    mm === null ? -1 : mm.rssAnon + mm.rssFile + mm.rssShmem,
  ]);
  return [
    ...vmstat.zone,
    ...vmstat.zoneDiff,
    ...vmstat.node,
    ...vmstat.nodeDiff,
    ...pagesets.count,
    blocks,
    ...dying,
  ];
}

/** Whether two marks are of the same state. */
export function sameMarks(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
