import { divTrunc } from '../lib/bits.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import { OomConstraint, type OomTask, type OomThread } from './oom-types.ts';

/** Lowest adjustment: never killed. */
export const OOM_SCORE_ADJ_MIN = -1000;
/** Highest adjustment. */
export const OOM_SCORE_ADJ_MAX = 1000;

/** The thread that stands for a process: the leader, or the first one with a memory. @kernel find_lock_task_mm */
export function firstMmThread(task: OomTask): OomThread {
  return task.survivor ?? task;
}

/** Whether a process can never be a victim. @kernel oom_unkillable_task */
export function isUnkillable(task: OomTask): boolean {
  return task.tgid === 1 || task.kthread;
}

/**
 * How much a kill of the process would free, moved by its adjustment.
 * @param totalPages RAM and swap that the request could use, pages
 * @returns points, or null if it may not be killed
 * @kernel oom_badness (spec slowpath-compaction 4.29)
 */
export function oomBadness(task: OomTask, totalPages: number): number | null {
  if (isUnkillable(task) || task.mm === null) return null;
  if (task.oomScoreAdj === OOM_SCORE_ADJ_MIN || task.mm.oomSkip || task.vforkChild) return null;
  const { rssAnon, rssFile, rssShmem, swapents, pgtablesBytes } = task.mm;
  const pages = rssAnon + rssFile + rssShmem + swapents + Math.floor(pgtablesBytes / PAGE_SIZE);
  return pages + task.oomScoreAdj * Math.floor(totalPages / 1000);
}

/**
 * What `/proc/PID/oom_score` shows.
 * @param totalPages RAM and swap of the machine, pages
 * @kernel proc_oom_score (spec slowpath-compaction 4.29)
 */
export function oomScore(task: OomTask, totalPages: number): number {
  const badness = oomBadness(task, totalPages);
  if (badness === null) return 0;
  return divTrunc((1000 + divTrunc(badness * 1000, totalPages)) * 2, 3);
}

/** Whether the process uses memory of the nodes that are short. @kernel oom_cpuset_eligible */
export function isEligible(
  task: OomTask,
  current: OomTask | null,
  constraint: OomConstraint,
  nodemask: Uint8Array | null,
): boolean {
  if (constraint === OomConstraint.CONSTRAINT_MEMORY_POLICY && nodemask !== null) {
    return task.bindNodes === null || intersects(task.bindNodes, nodemask);
  }
  return intersects(task.memsAllowed, current?.memsAllowed ?? null);
}

function intersects(left: Uint8Array | null, right: Uint8Array | null): boolean {
  if (left === null || right === null) return true;
  return left.some((allowed, node) => allowed !== 0 && right[node] !== 0);
}

/** Result of looking for a victim. */
export interface Selection {
  /** The victim, null for none. */
  readonly task: OomTask | null;
  /** A victim chosen before is still dying: wait for it. */
  readonly aborted: boolean;
}

/**
 * Chooses the process whose end frees most; of equals the one created last.
 * @param byHand a request without an allocation behind it: former victims count again
 * @kernel select_bad_process (spec slowpath-compaction 4.29)
 */
export function selectBadProcess(
  tasks: readonly OomTask[],
  current: OomTask | null,
  totalPages: number,
  constraint: OomConstraint,
  nodemask: Uint8Array | null,
  byHand: boolean,
): Selection {
  let chosen: OomTask | null = null;
  let chosenPoints = Number.NEGATIVE_INFINITY;
  for (const task of tasks) {
    if (isUnkillable(task) || !isEligible(task, current, constraint, nodemask)) continue;
    if (task.oomMm !== null && !byHand) {
      if (task.oomMm.oomSkip) continue;
      return { task: null, aborted: true };
    }
    const points = task.oomFlagOrigin ? Number.POSITIVE_INFINITY : oomBadness(task, totalPages);
    if (points === null || points < chosenPoints) continue;
    chosen = task;
    chosenPoints = points;
  }
  return { task: chosen, aborted: false };
}

/**
 * Whether a process is about to free its memory without being killed.
 * @kernel task_will_free_mem (spec slowpath-compaction 4.31)
 */
export function taskWillFreeMem(task: OomTask, tasks: readonly OomTask[]): boolean {
  const { mm } = task;
  if (mm === null || !isExiting(task) || mm.oomSkip) return false;
  if (mm.mmUsers <= 1) return true;
  return tasks.every((other) => other === task || other.mm !== mm || isExiting(other));
}

function isExiting(task: OomTask): boolean {
  if (task.coreDump) return false;
  return task.groupExit || (task.singleThreaded && task.exiting);
}
