import { describe, expect, it } from 'vitest';
import { oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { createOomMm, createOomTask, type OomHost } from '../../src/slowpath/index.ts';
import { OomReaper } from '../../src/slowpath/oom-reaper.ts';
import type { OomTask } from '../../src/slowpath/oom-types.ts';

function victim(pid: number): OomTask {
  const mm = createOomMm({ rssAnon: 10, rssFile: 200 });
  return createOomTask({ pid, comm: 'hog', mm, oomMm: mm });
}

/** A reaper with a clock, and everything that it says. */
function reaper(host: Partial<OomHost> = {}) {
  const said: string[] = [];
  const clock = { now: 0 };
  const output = {
    log: (line: string) => said.push(line),
    trace: oomFtrace((event, text) => said.push(`${event} ${text}`)),
    now: () => clock.now,
  };
  const full: OomHost = { tasks: [], current: null, kill() {}, ...host };
  return { of: new OomReaper(full, output), said, clock };
}

describe('oom_reaper (spec slowpath-compaction 4.31)', () => {
  it('waits two seconds, then takes the anonymous pages', () => {
    const { of, said, clock } = reaper();
    const task = victim(812);
    of.queue(task);
    of.queue(task);
    expect(of.pending).toBe(1);
    clock.now = 1999;
    of.tick();
    expect(said).toEqual([]);
    clock.now = 2000;
    of.tick();
    expect(said).toEqual([
      'wake_reaper pid=812',
      'start_task_reaping pid=812',
      'oom_reaper: reaped process 812 (hog), now anon-rss:0kB, file-rss:800kB, shmem-rss:0kB',
      'finish_task_reaping pid=812',
    ]);
    expect(task.mm).toMatchObject({ oomSkip: true, unstable: true, rssAnon: 0 });
    expect(of.pending).toBe(0);
  });

  it('a process without memory is not queued; one that is done with is dropped', () => {
    const { of, said, clock } = reaper();
    of.queue(createOomTask({ pid: 3, comm: 'gone' }));
    expect(of.pending).toBe(0);
    const task = victim(4);
    of.queue(task);
    if (task.mm !== null) task.mm.oomSkip = true;
    clock.now = 2000;
    of.tick();
    expect(said).toEqual([]);
    expect(of.pending).toBe(0);
  });

  it('reaps the latest victim first', () => {
    const { of, said, clock } = reaper();
    for (const pid of [1, 2, 3]) of.queue(victim(pid));
    clock.now = 5000;
    of.tick();
    const events = said.filter((line) => /^(wake|start)/.test(line));
    expect(events).toEqual([
      'wake_reaper pid=1',
      'wake_reaper pid=2',
      'wake_reaper pid=3',
      'start_task_reaping pid=3',
      'start_task_reaping pid=2',
      'start_task_reaping pid=1',
    ]);
  });

  it('tries ten times, a tenth of a second apart, the others wait', () => {
    const { of, said, clock } = reaper({ mmapLocked: (mm) => mm.rssFile === 1 });
    const locked = victim(7);
    if (locked.mm !== null) locked.mm.rssFile = 1;
    of.queue(victim(6));
    of.queue(locked);
    clock.now = 2000;
    of.tick();
    expect(said.slice(2)).toEqual(['skip_task_reaping pid=7']);
    clock.now += 99;
    of.tick();
    expect(said).toHaveLength(3);
    for (let i = 0; i < 9; i++) {
      clock.now += 100;
      of.tick();
    }
    expect(said.filter((line) => line === 'skip_task_reaping pid=7')).toHaveLength(10);
    expect(said).toContain('oom_reaper: unable to reap pid:7 (hog)');
    expect(locked.mm?.oomSkip).toBe(true);
    expect(said.at(-1)).toBe('finish_task_reaping pid=6');
  });

  it('a reap that fails finishes without the line', () => {
    const { of, said, clock } = reaper({ reap: () => false });
    of.queue(victim(7));
    clock.now = 2000;
    of.tick();
    expect(said).toEqual([
      'wake_reaper pid=7',
      'start_task_reaping pid=7',
      'finish_task_reaping pid=7',
    ]);
    expect(of.pending).toBe(1);
  });

  it('a victim that is done with between two attempts is skipped', () => {
    const task = victim(7);
    const { of, said, clock } = reaper({ reap: () => false });
    of.queue(task);
    clock.now = 2000;
    of.tick();
    if (task.mm !== null) task.mm.oomSkip = true;
    clock.now = 2100;
    of.tick();
    expect(said.at(-1)).toBe('skip_task_reaping pid=7');
    expect(of.pending).toBe(0);
  });

  it('is copied and restored by process id', () => {
    const tasks = [victim(1), victim(2)];
    const { of, clock } = reaper({ tasks, mmapLocked: () => true });
    for (const task of tasks) of.queue(task);
    clock.now = 2000;
    of.tick();
    const copy = structuredClone(of.snapshot());
    expect(copy).toEqual({
      waiting: [],
      queue: [{ pid: 1, due: 2000, attempts: 0 }],
      current: { pid: 2, due: 2100, attempts: 1 },
    });
    const again = reaper({ tasks: [tasks[0]] });
    again.of.restore(copy);
    expect(again.of.snapshot()).toEqual({ ...copy, current: null });
  });
});
