import { describe, expect, it } from 'vitest';
import { oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import {
  createOomMm,
  createOomTask,
  readOomAdj,
  writeOomAdj,
  writeOomScoreAdj,
} from '../../src/slowpath/index.ts';

describe('oom_score_adj (spec slowpath-compaction 4.29)', () => {
  it('is written within its range, below the minimum only with privilege', () => {
    const task = createOomTask({ pid: 10, comm: 'a', oomScoreAdjMin: -100 });
    const lines: string[] = [];
    const trace = oomFtrace((event, text) => lines.push(`${event} ${text}`));
    writeOomScoreAdj(task, -100, [task], false, trace);
    expect(task).toMatchObject({ oomScoreAdj: -100, oomScoreAdjMin: -100 });
    expect(lines).toEqual(['oom_score_adj_update pid=10 comm=a oom_score_adj=-100']);
    expect(() => writeOomScoreAdj(task, -101, [task], false)).toThrow(
      expect.objectContaining({ code: 'NOT_PERMITTED' }),
    );
    writeOomScoreAdj(task, -500, [task], true);
    expect(task).toMatchObject({ oomScoreAdj: -500, oomScoreAdjMin: -500 });
    for (const value of [-1001, 1001, 0.5]) {
      expect(() => writeOomScoreAdj(task, value, [task], true)).toThrow(
        expect.objectContaining({ code: 'BAD_ARGUMENT' }),
      );
    }
  });

  it('goes to all that share the memory, but init, kernel threads and of vfork children', () => {
    const mm = createOomMm({ multiprocess: true });
    const tasks = [1, 10, 11, 12].map((pid) => createOomTask({ pid, comm: `t${pid}`, mm }));
    tasks.push(createOomTask({ pid: 13, comm: 'k', mm, kthread: true }));
    writeOomScoreAdj(tasks[1], 7, tasks, false);
    expect(tasks.map((task) => task.oomScoreAdj)).toEqual([0, 7, 7, 7, 0]);
    const child = createOomTask({ pid: 14, comm: 'v', mm, vforkChild: true });
    writeOomScoreAdj(child, 9, [...tasks, child], false);
    expect(child.oomScoreAdj).toBe(9);
    expect(tasks[1].oomScoreAdj).toBe(7);
    const single = createOomTask({ pid: 15, comm: 's', mm: createOomMm() });
    writeOomScoreAdj(single, 3, [single], false);
    expect(single.oomScoreAdj).toBe(3);
  });

  it.each([
    [15, 1000, 15],
    [-17, -1000, -17],
    [10, 588, 9],
    [-3, -176, -2],
    [0, 0, 0],
  ])('oom_adj %i is %i and reads %i', (adj, score, read) => {
    const task = createOomTask({ pid: 10, comm: 'a' });
    writeOomAdj(task, adj, [task], true);
    expect(task.oomScoreAdj).toBe(score);
    expect(readOomAdj(task)).toBe(read);
  });

  it('oom_adj has its own range', () => {
    const task = createOomTask({ pid: 10, comm: 'a' });
    expect(() => writeOomAdj(task, 16, [task], true)).toThrow();
    expect(() => writeOomAdj(task, -18, [task], true)).toThrow();
  });
});
