import { hex } from '../lib/units.ts';
import { formatGfp } from '../mm/gfp.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { globalNodeState } from '../mm/vmstat.ts';
import type { CompactionContext } from './compaction-context.ts';
import { memsAllowed, nodemaskOf } from './nodemask.ts';
import { firstMmThread } from './oom-badness.ts';
import type { OomConstraint, OomTask, SlabUsage } from './oom-types.ts';
import type { ReportOutput, SlowPathConfig } from './types.ts';

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

/** The part of a report about the task's cpuset, with a leading comma. @kernel cpuset_print_current_mems_allowed */
export function formatCpuset(ctx: CompactionContext, { config }: ReportOutput): string {
  if (!config.cpusets) return '';
  const allowed = formatNodemask(nodemaskOf(ctx.model, memsAllowed(ctx)));
  return `,cpuset=${ctx.cpusets?.cpusetName?.() ?? '/'},mems_allowed=${allowed}`;
}

/** A mask as reports print it: hex, and words in parentheses. */
export function formatGfpReport(gfp: number): string {
  return `${hex(gfp)}(${formatGfp(gfp)})`;
}

/** First line of an OOM report. (spec slowpath-compaction 5.3) */
export function formatInvoked(comm: string, gfp: number, order: number, adj: number): string {
  return `${comm} invoked oom-killer: gfp_mask=${formatGfpReport(gfp)}, order=${order}, oom_score_adj=${adj}`;
}

/** Whether unreclaimable slab pages are more than all pages that reclaim could look at. @kernel should_dump_unreclaim_slab */
export function slabIsMostOfMemory({ vmstat }: MemoryModel): boolean {
  const lru =
    globalNodeState(vmstat, NodeStatItem.nr_active_anon) +
    globalNodeState(vmstat, NodeStatItem.nr_inactive_anon) +
    globalNodeState(vmstat, NodeStatItem.nr_active_file) +
    globalNodeState(vmstat, NodeStatItem.nr_inactive_file) +
    globalNodeState(vmstat, NodeStatItem.nr_isolated_anon) +
    globalNodeState(vmstat, NodeStatItem.nr_isolated_file) +
    globalNodeState(vmstat, NodeStatItem.nr_unevictable);
  return globalNodeState(vmstat, NodeStatItem.nr_slab_unreclaimable) > lru;
}

/** The table of slab caches without reclaim accounting. @kernel dump_unreclaimable_slab (spec slowpath-compaction 5.3) */
export function formatSlabInfo(caches: readonly SlabUsage[]): string[] {
  const cell = (objects: number, sizeBytes: number): string =>
    `${`${Math.floor((objects * sizeBytes) / 1024)}`.padStart(10)}KB`;
  const lines = ['Unreclaimable slab info:', 'Name                      Used          Total'];
  for (const { name, activeObjects, totalObjects, sizeBytes, isReclaimable } of caches) {
    if (isReclaimable || totalObjects === 0) continue;
    const used = cell(activeObjects, sizeBytes);
    lines.push(`${name.padEnd(17)} ${used} ${cell(totalObjects, sizeBytes)}`);
  }
  return lines;
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
    const { pid, comm } = firstMmThread(task);
    const rss = rssAnon + rssFile + rssShmem;
    const cells = [
      `[${`${pid}`.padStart(7)}]`,
      `${task.uid}`.padStart(5),
      `${task.tgid}`.padStart(5),
      `${totalVm}`.padStart(8),
      `${rss}`.padStart(8),
      `${pgtablesBytes}`.padStart(8),
      `${swapents}`.padStart(8),
      `        ${`${task.oomScoreAdj}`.padStart(5)}`,
      comm,
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
  { memcg }: SlowPathConfig,
  victim: OomTask,
): string {
  const group = memcg ? ',global_oom,task_memcg=/' : '';
  const who = `task=${victim.comm},pid=${victim.pid},uid=${victim.uid}`;
  return `oom-kill:constraint=${constraint},nodemask=${formatNodemask(nodemask)}${cpuset}${group},${who}`;
}

/** The line that tells of a kill. (spec slowpath-compaction 5.3) */
export function formatKilled(message: string, victim: OomTask): string {
  const { mm } = victim;
  const { pid, comm } = firstMmThread(victim);
  return [
    `${message}: Killed process ${pid} (${comm})`,
    `total-vm:${kilobytes(mm?.totalVm ?? 0)}kB,`,
    `anon-rss:${kilobytes(mm?.rssAnon ?? 0)}kB,`,
    `file-rss:${kilobytes(mm?.rssFile ?? 0)}kB,`,
    `shmem-rss:${kilobytes(mm?.rssShmem ?? 0)}kB,`,
    `UID:${victim.uid}`,
    `pgtables:${Math.floor((mm?.pgtablesBytes ?? 0) / 1024)}kB`,
    `oom_score_adj:${victim.oomScoreAdj}`,
  ].join(' ');
}
