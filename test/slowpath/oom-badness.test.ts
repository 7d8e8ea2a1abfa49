import { describe, expect, it } from 'vitest';
import {
  oomBadness,
  oomScore,
  selectBadProcess,
  taskWillFreeMem,
} from '../../src/slowpath/oom-badness.ts';
import {
  createOomMm,
  createOomTask,
  OomConstraint,
  type OomTask,
} from '../../src/slowpath/oom-types.ts';

/** Pages of RAM of example 10; no swap. */
const TOTAL = 262144;

function task(pid: number, comm: string, rss: number, tables: number, adj: number): OomTask {
  const mm = createOomMm({ rssAnon: rss, pgtablesBytes: tables });
  return createOomTask({ pid, comm, mm, oomScoreAdj: adj });
}

const A = task(10, 'a', 5200, 65536, 0);
const B = task(11, 'b', 1000, 32768, 20);
const C = task(12, 'c', 9000, 0, -1000);
const D = task(13, 'd', 6240, 32768, 0);
const E = task(14, 'e', 4000, 0, -500);

function select(tasks: readonly OomTask[]) {
  return selectBadProcess(tasks, null, TOTAL, OomConstraint.CONSTRAINT_NONE, null, false);
}

describe('oom_badness (spec slowpath-compaction 4.29, example 10)', () => {
  it('adds memory and adjustment', () => {
    expect([A, B, C, D, E].map((each) => oomBadness(each, TOTAL))).toEqual([
      5216,
      6248,
      null,
      6248,
      -127000,
    ]);
  });

  it('scales for /proc/PID/oom_score', () => {
    expect([B, C, E].map((each) => oomScore(each, TOTAL))).toEqual([682, 0, 344]);
  });

  it('chooses the later one of equals', () => {
    expect(select([A, B, C, D, E]).task).toBe(D);
    expect(select([A, D, C, B]).task).toBe(B);
  });

  it('never chooses init, kernel threads or protected tasks', () => {
    const init = createOomTask({ pid: 1, comm: 'init', mm: createOomMm({ rssAnon: 90000 }) });
    const kthread = createOomTask({ pid: 2, comm: 'kthreadd', kthread: true });
    expect(select([init, kthread, C])).toEqual({ task: null, aborted: false });
    expect(select([init, kthread, C, E]).task).toBe(E);
  });

  it('waits for a victim that is still dying, and forgets one that was reaped', () => {
    const dying = { ...task(20, 'dying', 100, 0, 0) };
    dying.oomMm = dying.mm;
    expect(select([A, dying, D])).toEqual({ task: null, aborted: true });
    dying.mm = createOomMm({ oomSkip: true });
    dying.oomMm = dying.mm;
    expect(select([A, dying, D]).task).toBe(D);
  });
});

describe('task_will_free_mem (spec slowpath-compaction 4.31)', () => {
  it('wants every process that shares the memory to be exiting', () => {
    const mm = createOomMm({ mmUsers: 2 });
    const one = createOomTask({ pid: 5, comm: 'one', mm, exiting: true });
    const two = createOomTask({ pid: 6, comm: 'two', mm });
    expect(taskWillFreeMem(one, [one, two])).toBe(false);
    two.groupExit = true;
    expect(taskWillFreeMem(one, [one, two])).toBe(true);
    one.coreDump = true;
    expect(taskWillFreeMem(one, [one, two])).toBe(false);
  });
});
