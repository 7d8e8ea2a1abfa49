import { describe, expect, it } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { defaultTask } from '../../src/mm/task.ts';
import { createOomMm, type OomMm, SlowPath, TaskTable } from '../../src/slowpath/index.ts';
import { wrongOwners } from './world.ts';

function table() {
  const task = defaultTask();
  const released: number[] = [];
  const of = new TaskTable({ task, release: (_mm, { pid }) => released.push(pid) });
  return { of, task, released };
}

describe('TaskTable', () => {
  it('the running process is the running task', () => {
    const { of, task } = table();
    const hog = of.create({ pid: 10, comm: 'hog', uid: 5, exiting: true });
    of.run(hog);
    expect(task).toMatchObject({
      comm: 'hog',
      pid: 10,
      tgid: 10,
      uid: 5,
      pfExiting: true,
      pfKthread: false,
      oomVictim: false,
    });
    of.run(null);
    expect(task).toMatchObject({ comm: 'swapper/0', pid: 0, pfKthread: true });
    expect(() => of.create({ pid: 10, comm: 'again' })).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
    expect(of.create({ pid: 2, comm: 'kthreadd', kthread: true }).mm).toBeNull();
  });

  it('a killed process exits at once, the running one when it is told', () => {
    const { of, task, released } = table();
    const [a, b] = [of.create({ pid: 10, comm: 'a' }), of.create({ pid: 11, comm: 'b' })];
    of.kill(a);
    expect(of.tasks).toEqual([b]);
    expect(a.mm).toBeNull();
    expect(released).toEqual([10]);
    of.run(b);
    of.kill(b);
    expect(released).toEqual([10]);
    of.run(b);
    expect(task.fatalSignalPending).toBe(true);
    expect(of.exitIfKilled()).toBe(true);
    expect(released).toEqual([10, 11]);
    expect(task).toMatchObject({ comm: 'swapper/0', fatalSignalPending: false });
    expect(of.exitIfKilled()).toBe(false);
    of.exit(b);
    expect(released).toEqual([10, 11]);
  });

  it('a shared memory is released with its last user', () => {
    const { of, released } = table();
    const mm = createOomMm();
    const a = of.create({ pid: 10, comm: 'a', mm });
    const b = of.create({ pid: 11, comm: 'b', mm });
    expect(mm).toMatchObject({ mmUsers: 2, multiprocess: true });
    of.exit(a);
    expect(released).toEqual([]);
    of.exit(b);
    expect(released).toEqual([11]);
  });

  it('reaps as it was told, by default nothing', () => {
    expect(table().of.reap(createOomMm())).toBe(true);
    expect(table().of.mmapLocked(createOomMm())).toBe(false);
    const mm = createOomMm();
    const of = new TaskTable({
      task: defaultTask(),
      release() {},
      reap: () => false,
      mmapLocked: () => true,
    });
    expect([of.reap(mm), of.mmapLocked(mm)]).toEqual([false, true]);
  });
});

describe('an OOM kill with a table of tasks', () => {
  /** A machine of 1024 pages whose processes hold pages. */
  function machine() {
    const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 1024 }], minFreeKbytes: 64 });
    const held = new Map<OomMm, number[]>();
    const processes = new TaskTable({
      task: buddy.task,
      release(mm) {
        for (const pfn of (held.get(mm) ?? []).sort((a, b) => a - b)) buddy.freePages(pfn, 0);
        held.delete(mm);
      },
    });
    const log: string[] = [];
    buddy.slowPath = new SlowPath({
      model: buddy.model,
      pages: buddy,
      task: buddy.task,
      oom: processes,
      log: (line) => log.push(line),
    });
    const grab = (): boolean => {
      const { current } = processes;
      const pfn = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0);
      if (pfn === null || current?.mm == null) return false;
      held.set(current.mm, [...(held.get(current.mm) ?? []), pfn]);
      current.mm.rssAnon++;
      return true;
    };
    const check = () =>
      wrongOwners(
        buddy.model,
        [...held.values()].flat().map((pfn) => [pfn, 0]),
      );
    return { buddy, processes, log, grab, check, held };
  }

  it('frees the largest process and serves the caller', () => {
    const { processes, grab, check, log } = machine();
    const hog = processes.create({ pid: 10, comm: 'hog' });
    processes.run(hog);
    for (let i = 0; i < 900; i++) expect(grab()).toBe(true);
    const small = processes.create({ pid: 11, comm: 'small' });
    processes.run(small);
    for (let i = 0; i < 400; i++) expect(grab()).toBe(true);
    expect(processes.tasks).toEqual([small]);
    expect(log.filter((line) => line.includes('Killed process 10'))).toHaveLength(1);
    expect(check()).toEqual([]);
  });

  it('a caller that is the largest gets a page of the reserve, or none, and exits', () => {
    const { processes, grab, check, held } = machine();
    const hog = processes.create({ pid: 10, comm: 'hog' });
    processes.run(hog);
    let pages = 0;
    while (!hog.groupExit && grab()) pages++;
    expect(pages).toBeGreaterThan(900);
    while (grab());
    expect(processes.exitIfKilled()).toBe(true);
    expect(held.size).toBe(0);
    expect(check()).toEqual([]);
  });
});
