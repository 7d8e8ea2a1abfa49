import { divTrunc } from '../lib/bits.ts';
import { checkInteger } from '../lib/errors.ts';
import type { TraceSink } from '../mm/trace.ts';
import { SlowPathError } from './errors.ts';
import { isUnkillable, OOM_SCORE_ADJ_MAX, OOM_SCORE_ADJ_MIN } from './oom-badness.ts';
import type { OomTask } from './oom-types.ts';

/** Value of the old interface that means "never". @kernel OOM_DISABLE */
const OOM_DISABLE = -17;
/** Largest value of the old interface. @kernel OOM_ADJUST_MAX */
const OOM_ADJUST_MAX = 15;

/**
 * Writes a process's `/proc/PID/oom_score_adj`; processes that share its memory follow.
 * @param tasks all processes
 * @param privileged whether the writer has CAP_SYS_RESOURCE
 * @throws ArgumentError `BAD_ARGUMENT` for a value out of -1000 to 1000 (EINVAL); SlowPathError
 * `NOT_PERMITTED` for a value below the minimum without privilege (EACCES)
 * @kernel oom_score_adj_write (spec slowpath-compaction 4.29)
 */
export function writeOomScoreAdj(
  task: OomTask,
  value: number,
  tasks: readonly OomTask[],
  privileged: boolean,
  trace: TraceSink | null = null,
): void {
  checkInteger('oom_score_adj', value, OOM_SCORE_ADJ_MIN, OOM_SCORE_ADJ_MAX);
  setAdj(task, value, tasks, privileged, trace);
}

/**
 * Writes a process's old `/proc/PID/oom_adj`.
 * @param value -17 to 15
 * @throws as `writeOomScoreAdj`
 * @kernel oom_adj_write (spec slowpath-compaction 4.29)
 */
export function writeOomAdj(
  task: OomTask,
  value: number,
  tasks: readonly OomTask[],
  privileged: boolean,
  trace: TraceSink | null = null,
): void {
  checkInteger('oom_adj', value, OOM_DISABLE, OOM_ADJUST_MAX);
  const scaled =
    value === OOM_ADJUST_MAX
      ? OOM_SCORE_ADJ_MAX
      : divTrunc(value * OOM_SCORE_ADJ_MAX, -OOM_DISABLE);
  setAdj(task, scaled, tasks, privileged, trace);
}

/** What a process's old `/proc/PID/oom_adj` shows. @kernel oom_adj_read (spec slowpath-compaction 4.29) */
export function readOomAdj({ oomScoreAdj }: OomTask): number {
  if (oomScoreAdj === OOM_SCORE_ADJ_MAX) return OOM_ADJUST_MAX;
  return divTrunc(oomScoreAdj * -OOM_DISABLE, OOM_SCORE_ADJ_MAX);
}

/** @kernel __set_oom_adj */
function setAdj(
  task: OomTask,
  value: number,
  tasks: readonly OomTask[],
  privileged: boolean,
  trace: TraceSink | null,
): void {
  if (value < task.oomScoreAdjMin && !privileged) {
    const message = `oom_score_adj of ${task.pid} may not go below ${task.oomScoreAdjMin}`;
    throw new SlowPathError('NOT_PERMITTED', message, { pid: task.pid, value });
  }
  const shared = task.mm?.multiprocess && !task.vforkChild ? task.mm : null;
  const others = tasks.filter(
    (other) => other !== task && shared !== null && other.mm === shared && !isUnkillable(other),
  );
  for (const each of [task, ...others]) {
    each.oomScoreAdj = value;
    if (privileged) each.oomScoreAdjMin = value;
  }
  trace?.oomScoreAdjUpdate?.(task.pid, task.comm, value);
}
