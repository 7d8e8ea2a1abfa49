import { hex } from '../lib/units.ts';
import { formatGfp } from '../mm/gfp.ts';
import type { OomConstraint, OomTask } from './oom-types.ts';

/** Kilobytes of a number of pages. */
function kilobytes(pages: number): number {
  return pages * 4;
}

/** Node numbers as ranges, `(null)` for no mask. @kernel %*pbl */
export function formatNodemask(nodemask: Uint8Array | null): string {
  if (nodemask === null) return '(null)';
  const ranges: string[] = [];
  for (let node = 0; node < nodemask.length; node++) {
    if (nodemask[node] === 0) continue;
    const first = node;
    while (nodemask[node + 1] === 1) node++;
    ranges.push(first === node ? `${first}` : `${first}-${node}`);
  }
  return ranges.join(',');
}

/** All of `count` nodes as ranges. */
export function formatAllNodes(count: number): string {
  return count === 1 ? '0' : `0-${count - 1}`;
}

/** A mask as reports print it: hex, and words in parentheses. */
export function formatGfpReport(gfp: number): string {
  return `${hex(gfp)}(${formatGfp(gfp)})`;
}

/** First line of an OOM report. (spec slowpath-compaction 5.3) */
export function formatInvoked(comm: string, gfp: number, order: number, adj: number): string {
  return `${comm} invoked oom-killer: gfp_mask=${formatGfpReport(gfp)}, order=${order}, oom_score_adj=${adj}`;
}

/** The table of tasks. @kernel dump_tasks (spec slowpath-compaction 5.3) */
export function formatTasks(tasks: readonly OomTask[]): string[] {
  const lines = [
    'Tasks state (memory values in pages):',
    '[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
  ];
  for (const task of tasks) {
    if (task.mm === null) continue;
    const { totalVm, rssAnon, rssFile, rssShmem, swapents, pgtablesBytes } = task.mm;
    const rss = rssAnon + rssFile + rssShmem;
    const cells = [
      `[${`${task.pid}`.padStart(7)}]`,
      `${task.uid}`.padStart(5),
      `${task.tgid}`.padStart(5),
      `${totalVm}`.padStart(8),
      `${rss}`.padStart(8),
      `${pgtablesBytes}`.padStart(8),
      `${swapents}`.padStart(8),
      `        ${`${task.oomScoreAdj}`.padStart(5)}`,
      task.comm,
    ];
    lines.push(cells.join(' '));
  }
  return lines;
}

/** The summary line of a report with a victim. (spec slowpath-compaction 5.3) */
export function formatSummary(
  constraint: OomConstraint,
  nodemask: Uint8Array | null,
  cpuset: string,
  memsAllowed: string,
  victim: OomTask,
): string {
  return [
    `oom-kill:constraint=${constraint},nodemask=${formatNodemask(nodemask)}`,
    `cpuset=${cpuset},mems_allowed=${memsAllowed}`,
    `task=${victim.comm},pid=${victim.pid},uid=${victim.uid}`,
  ].join(',');
}

/** The line that tells of a kill. (spec slowpath-compaction 5.3) */
export function formatKilled(message: string, victim: OomTask): string {
  const { mm } = victim;
  return [
    `${message}: Killed process ${victim.pid} (${victim.comm})`,
    `total-vm:${kilobytes(mm?.totalVm ?? 0)}kB,`,
    `anon-rss:${kilobytes(mm?.rssAnon ?? 0)}kB,`,
    `file-rss:${kilobytes(mm?.rssFile ?? 0)}kB,`,
    `shmem-rss:${kilobytes(mm?.rssShmem ?? 0)}kB,`,
    `UID:${victim.uid}`,
    `pgtables:${Math.floor((mm?.pgtablesBytes ?? 0) / 1024)}kB`,
    `oom_score_adj:${victim.oomScoreAdj}`,
  ].join(' ');
}
