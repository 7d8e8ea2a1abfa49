import { beforeEach, describe, expect, it } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { oomFtrace } from '../../src/mm/ftrace-compaction.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { NodeStatItem, VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import {
  createOomMm,
  createOomTask,
  KernelPanicError,
  type OomHost,
  type OomTask,
  SlowPath,
  type SlowPathOptions,
} from '../../src/slowpath/index.ts';

const { GFP_KERNEL, GFP_NOFS, __GFP_THISNODE } = Gfp;

/** Two nodes of 2048 pages. */
function machine() {
  return createBuddy({
    zones: [
      { node: 0, startPfn: 0, pages: 2048 },
      { node: 1, startPfn: 2048, pages: 2048 },
    ],
    cpuNode: [0, 1],
    minFreeKbytes: 128,
  });
}

let log: string[] = [];
let traced: string[] = [];
let killed: number[] = [];
let now = 0;

beforeEach(() => {
  log = [];
  traced = [];
  killed = [];
  now = 0;
});

function task(pid: number, rss: number, fields: Partial<OomTask> = {}): OomTask {
  const mm = createOomMm({ totalVm: rss * 2, rssAnon: rss });
  return createOomTask({ pid, comm: `task${pid}`, mm, ...fields });
}

/** A slow path with these processes; killed ones stay unless `exits`. */
function slowPath(
  tasks: OomTask[],
  more: Partial<OomHost> & { exits?: boolean } = {},
  options: Partial<SlowPathOptions> = {},
): SlowPath {
  const buddy = machine();
  const oom: OomHost = {
    tasks,
    current: null,
    kill(victim) {
      killed.push(victim.pid);
      if (more.exits) tasks.splice(tasks.indexOf(victim), 1);
    },
    ...more,
  };
  return new SlowPath({
    model: buddy.model,
    pages: buddy,
    task: buddy.task,
    oom,
    log: (line) => log.push(line),
    trace: oomFtrace((event, text) => traced.push(`${event}: ${text}`)),
    now: () => now,
    ...options,
  });
}

/** What an allocation of a single page asks of the killer. */
function outOfMemory(of: SlowPath, gfp: number = GFP_KERNEL, nodemask: Uint8Array | null = null) {
  const [zonelist] = of.model.nodes[0].zonelists;
  return of.state.oom.outOfMemory({ zonelist, nodemask, gfp, order: 0, cpu: 0 });
}

describe('out_of_memory (spec slowpath-compaction 4.28)', () => {
  it('kills the largest process and reports it', () => {
    const of = slowPath([task(10, 100), task(11, 300), task(12, 200)]);
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([11]);
    expect(vmEvent(of.model.vmstat, VmEvent.oom_kill)).toBe(1);
    expect(log[0]).toBe(
      'swapper/0 invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
    );
    expect(log[1]).toBe('CPU: 0 PID: 0 Comm: swapper/0');
    expect(log[2]).toBe('Mem-Info:');
    expect(log.slice(-6)).toEqual([
      '[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
      '[     10]     0    10      200      100        0        0             0 task10',
      '[     11]     0    11      600      300        0        0             0 task11',
      '[     12]     0    12      400      200        0        0             0 task12',
      'oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0-1,global_oom,task_memcg=/,task=task11,pid=11,uid=0',
      'Out of memory: Killed process 11 (task11) total-vm:2400kB, anon-rss:1200kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:0kB oom_score_adj:0',
    ]);
    expect(traced).toEqual([
      'mark_victim: pid=11 comm=task11 total-vm=2400kB anon-rss=1200kB file-rss:0kB shmem-rss:0kB uid=0 pgtables=0kB oom_score_adj=0',
    ]);
  });

  it('waits while a victim is dying, kills again after it was reaped', () => {
    const of = slowPath([task(10, 100), task(11, 300)]);
    outOfMemory(of);
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([11]);
    now = 2000;
    of.tick();
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([11, 10]);
  });

  it('disabled it says no; a notifier that freed something ends it', () => {
    const of = slowPath([task(10, 100)]);
    of.state.oom.tunables.enabled = false;
    expect(outOfMemory(of)).toBe(false);
    const notified = slowPath([task(10, 100)], { notify: () => 3 });
    expect(outOfMemory(notified)).toBe(true);
    expect(killed).toEqual([]);
  });

  it('a caller that is about to exit is helped instead', () => {
    const current = task(10, 100, { groupExit: true });
    const of = slowPath([current, task(11, 300)], { current });
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([]);
    expect(of.task.oomVictim).toBe(true);
    expect(current.memdie).toBe(true);
    expect(of.state.oom.reaper.pending).toBe(1);
    expect(log).toEqual([]);
  });

  it('a request without __GFP_FS kills nobody', () => {
    const of = slowPath([task(10, 100)]);
    expect(outOfMemory(of, GFP_NOFS)).toBe(true);
    expect(killed).toEqual([]);
  });

  it('nobody to kill: a panic, after the report', () => {
    const of = slowPath([task(1, 100), task(10, 100, { oomScoreAdj: -1000 })]);
    expect(() => outOfMemory(of)).toThrow(KernelPanicError);
    expect(log.slice(-2)).toEqual([
      'Out of memory and no killable processes...',
      'Kernel panic - not syncing: System is deadlocked on memory',
    ]);
  });

  it.each([
    [1, null, 'system-wide'],
    [2, null, 'compulsory'],
    [2, new Uint8Array([1, 0]), 'compulsory'],
  ])('panic_on_oom %i', (value, nodemask, kind) => {
    const of = slowPath([task(10, 100)]);
    of.panicOnOom = value;
    expect(() => outOfMemory(of, GFP_KERNEL, nodemask)).toThrow(
      `Kernel panic - not syncing: Out of memory: ${kind} panic_on_oom is enabled`,
    );
    expect(killed).toEqual([]);
  });

  it('panic_on_oom 1 does not panic for a part of the machine', () => {
    const of = slowPath([task(10, 100)]);
    of.panicOnOom = 1;
    expect(outOfMemory(of, GFP_KERNEL, new Uint8Array([1, 0]))).toBe(true);
    expect(killed).toEqual([10]);
  });

  it('oom_kill_allocating_task kills the caller, if it can be killed', () => {
    const current = task(10, 1);
    const of = slowPath([current, task(11, 300)], { current });
    of.oomKillAllocatingTask = 1;
    outOfMemory(of);
    expect(killed).toEqual([10]);
    expect(of.task).toMatchObject({ fatalSignalPending: true, oomVictim: true });
    expect(log.at(-1)).toContain('Out of memory (oom_kill_allocating_task): Killed process 10');
    const immune = task(20, 1, { oomScoreAdj: -1000 });
    const other = slowPath([immune, task(21, 300)], { current: immune });
    other.oomKillAllocatingTask = 1;
    outOfMemory(other);
    expect(killed).toEqual([10, 21]);
  });
});

describe('constraints', () => {
  it('a memory policy: only processes of its nodes, and its part of memory', () => {
    const bound = task(10, 900, { bindNodes: new Uint8Array([0, 1]) });
    const of = slowPath([bound, task(11, 300, { bindNodes: new Uint8Array([1, 0]) })]);
    outOfMemory(of, GFP_KERNEL, new Uint8Array([1, 0]));
    expect(killed).toEqual([11]);
    expect(
      log.some((line) => line.includes('constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0,')),
    ).toBe(true);
    // Only node 0 is shown.
    expect(log.some((line) => line.startsWith('Node 1'))).toBe(false);
  });

  it('adjustments are parts of what the request could use', () => {
    // 2048 pages of one node: a unit of 2 pages; of both: 4. Process 10 has 100 + 200 units.
    const tasks = () => [task(10, 100, { oomScoreAdj: 200 }), task(11, 700)];
    outOfMemory(slowPath(tasks()), GFP_KERNEL, new Uint8Array([1, 0]));
    outOfMemory(slowPath(tasks()));
    expect(killed).toEqual([11, 10]);
  });

  it('a cpuset: only processes that share a node', () => {
    const cpusets = { memsAllowed: () => [0], nodeAllowed: (node: number) => node === 0 };
    const current = task(9, 1, { memsAllowed: new Uint8Array([1, 0]) });
    const elsewhere = task(10, 900, { memsAllowed: new Uint8Array([0, 1]) });
    const of = slowPath([current, elsewhere, task(11, 300)], { current }, { cpusets });
    outOfMemory(of);
    expect(killed).toEqual([11]);
    expect(
      log.some((line) =>
        line.includes('CONSTRAINT_CPUSET,nodemask=(null),cpuset=/,mems_allowed=0,'),
      ),
    ).toBe(true);
    outOfMemory(of, GFP_KERNEL | __GFP_THISNODE);
    expect(log.some((line) => line.includes('CONSTRAINT_NONE'))).toBe(false);
  });

  it('swap counts as memory', () => {
    const of = slowPath([task(10, 100)], {}, { swap: { totalPages: 6000, nrFree: 10 } });
    expect(of.state.oom.totalPages()).toBe(of.model.totalramPages + 6000);
    expect(of.oomScore(task(12, 1000))).toBe(
      Math.trunc(((1000 + Math.trunc(1_000_000 / of.state.oom.totalPages())) * 2) / 3),
    );
  });
});

describe('oom_kill_process (spec slowpath-compaction 4.30)', () => {
  it('all processes that share the memory die, init and kernel threads do not', () => {
    const mm = createOomMm({ rssAnon: 500, mmUsers: 4 });
    const tasks = [
      task(1, 0, { mm }),
      task(10, 0, { mm }),
      task(11, 0, { mm }),
      task(12, 0, { mm, kthread: true }),
    ];
    const of = slowPath(tasks);
    outOfMemory(of);
    expect(killed).toEqual([11, 10]);
    expect(log.at(-1)).toBe('oom killer 11 (task11) has mm pinned by 1 (task1)');
    expect(mm.oomSkip).toBe(true);
    expect(of.state.oom.reaper.pending).toBe(0);
  });

  it('a victim that exits by itself is not killed again', () => {
    const of = slowPath([task(10, 100, { exiting: true })]);
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([]);
    expect(vmEvent(of.model.vmstat, VmEvent.oom_kill)).toBe(0);
    expect(log).toEqual([]);
  });

  it('a caller that shares the memory gets the signal, not the mark', () => {
    const mm = createOomMm({ rssAnon: 500, mmUsers: 2 });
    const current = task(10, 0, { mm });
    const of = slowPath([current, task(11, 0, { mm })], { current });
    outOfMemory(of);
    expect(of.task).toMatchObject({ fatalSignalPending: true, oomVictim: false });
  });

  it('a process that is gone already leaves a line', () => {
    const ghost = task(10, 100, { oomFlagOrigin: true, mm: null });
    const of = slowPath([ghost]);
    outOfMemory(of);
    expect(log.at(-1)).toBe(
      'Out of memory: OOM victim 10 (task10) is already exiting. Skip killing the task',
    );
    expect(killed).toEqual([]);
  });

  it('at most ten reports in five seconds', () => {
    const of = slowPath(
      Array.from({ length: 14 }, (_, i) => task(10 + i, 100)),
      { exits: true },
    );
    const headers = () => log.filter((line) => line.includes('invoked oom-killer')).length;
    for (let i = 0; i < 12; i++) outOfMemory(of);
    expect(killed).toHaveLength(12);
    expect(headers()).toBe(10);
    now = 5001;
    outOfMemory(of);
    expect(log).toContain('oom_kill_process: 2 callbacks suppressed');
    expect(headers()).toBe(11);
  });

  it('the report without the table of tasks, and with that of slabs', () => {
    const of = slowPath([task(10, 100)], {
      slabCaches: () => [
        { name: 'leak', activeObjects: 4, totalObjects: 8, sizeBytes: 1024, isReclaimable: false },
      ],
    });
    of.oomDumpTasks = 0;
    of.model.vmstat.node[NodeStatItem.nr_slab_unreclaimable] = 9;
    outOfMemory(of);
    expect(log.some((line) => line.startsWith('Tasks state'))).toBe(false);
    expect(log).toContain('leak                       4KB          8KB');
  });

  it('says so when there is no compaction', () => {
    const of = slowPath([task(10, 100)], {}, { config: { compaction: false } });
    const [zonelist] = of.model.nodes[0].zonelists;
    of.state.oom.outOfMemory({ zonelist, nodemask: null, gfp: GFP_KERNEL, order: 2, cpu: 0 });
    expect(log[1]).toBe('COMPACTION is disabled!!!');
  });

  it('without a log nothing is put together', () => {
    const of = slowPath([task(10, 100)]);
    of.log = null;
    expect(of.log).toBeNull();
    expect(outOfMemory(of)).toBe(true);
    expect(killed).toEqual([10]);
  });
});

describe('by hand', () => {
  it('kills even while a victim is dying, and never panics', () => {
    const of = slowPath([task(10, 100), task(11, 300)]);
    of.panicOnOom = 2;
    expect(of.oomKill()).toBe(true);
    expect(of.oomKill()).toBe(true);
    expect(killed).toEqual([11, 11]);
    expect(log[0]).toContain('order=-1');
    const empty = slowPath([], { notify: () => 5 });
    expect(empty.oomKill()).toBe(false);
    expect(log.slice(-2)).toEqual([
      'Out of memory and no killable processes...',
      'OOM request ignored. No task eligible',
    ]);
  });
});
