import { describe, expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { bootOf, problems, takeAll } from './support.ts';

describe('processes', () => {
  test('have memory that appears at the first touch and goes with them', () => {
    const machine = bootOf(32);
    const { processes } = machine;
    const process = processes.spawn({ comm: 'demo' });
    const region = processes.mmap(process, 100);
    expect([process.task.pid, process.residentPages, process.task.mm?.totalVm]).toEqual([
      2, 0, 100,
    ]);
    for (let i = 0; i < 60; i++) processes.touch(process, region, i);
    expect(process.residentPages).toBe(60);
    expect(machine.owners().pages.anon).toBe(60);
    processes.exit(process);
    expect(process.alive).toBe(false);
    expect(processes.list).toEqual([]);
    machine.reclaim.lruAddDrainAll();
    expect(machine.owners().pages.anon).toBe(0);
    expect(problems(machine)).toEqual([]);
  });

  test('are the running task while they run, whatever happens', () => {
    const machine = bootOf(32);
    const { processes, task } = machine;
    const outer = processes.spawn({ comm: 'outer', pid: 7, uid: 3 });
    const inner = processes.spawn({ comm: 'inner' });
    expect(inner.task.pid).toBe(8);
    processes.run(outer, () => {
      expect([task.comm, task.pid, task.uid]).toEqual(['outer', 7, 3]);
      expect(() =>
        processes.run(inner, () => {
          expect(task.comm).toBe('inner');
          throw new Error('crash');
        }),
      ).toThrow('crash');
      expect([task.comm, processes.tasks.current]).toEqual(['outer', outer.task]);
    });
    expect([task.comm, task.pid, processes.tasks.current]).toEqual(['swapper/0', 0, null]);
    expect(task.pfKthread).toBe(false);
  });

  test('that are gone can do nothing', () => {
    const { processes } = bootOf(32);
    const process = processes.spawn({ comm: 'demo' });
    processes.exit(process);
    const gone = expect.objectContaining({ code: 'NO_SUCH_PROCESS' });
    expect(() => processes.exit(process)).toThrow(gone);
    expect(() => processes.mmap(process, 1)).toThrow(gone);
    expect(() => processes.run(process, () => 0)).toThrow(gone);
    processes.spawn({ comm: 'demo', pid: 5 });
    expect(() => processes.spawn({ comm: 'demo', pid: 5 })).toThrow(
      expect.objectContaining({ code: 'BAD_REQUEST' }),
    );
  });

  test('count what lies in swap', () => {
    const machine = bootOf(32, { swapPages: 4000 });
    const { processes } = machine;
    const process = processes.spawn({ comm: 'demo' });
    const region = processes.mmap(process, 9000);
    for (let i = 0; i < 9000; i++) processes.touch(process, region, i);
    const { mm } = process.task;
    expect(mm?.swapents).toBeGreaterThan(0);
    expect((mm?.swapents ?? 0) + process.residentPages).toBe(9000);
    processes.exit(process);
    expect(problems(machine)).toEqual([]);
  });
});

describe('the OOM killer', () => {
  test('ends the largest process at once, and the request goes on', () => {
    const machine = bootOf(32);
    const { processes } = machine;
    const large = processes.spawn({ comm: 'large' });
    const small = processes.spawn({ comm: 'small' });
    const memory = processes.mmap(large, 4000);
    for (let i = 0; i < 4000; i++) processes.touch(large, memory, i);
    processes.touch(small, processes.mmap(small, 1), 0);
    takeAll(machine);
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect([large.alive, small.alive]).toEqual([false, true]);
    expect(machine.dmesg().at(-1)).toMatch(/^Out of memory: Killed process 2 \(large\)/);
    expect(problems(machine)).toEqual([]);
  });

  test('lets the process that runs finish its call, with the reserves; then it exits', () => {
    const machine = bootOf(32);
    const { processes } = machine;
    const hog = processes.spawn({ comm: 'hog' });
    const memory = processes.mmap(hog, 9000);
    let touched = 0;
    while (hog.alive) {
      expect(processes.touch(hog, memory, touched++) >= 0).toBe(hog.alive);
    }
    expect(touched).toBeGreaterThan(7000);
    expect(vmEvent(machine.model.vmstat, VmEvent.oom_kill)).toBe(1);
    expect(machine.task.oomVictim).toBe(false);
    expect(machine.task.fatalSignalPending).toBe(false);
    machine.reclaim.lruAddDrainAll();
    expect(machine.owners().pages.anon).toBe(0);
    expect(problems(machine)).toEqual([]);
  });

  test('a killed process whose call has not returned keeps its memory until then', () => {
    const machine = bootOf(32);
    const { processes } = machine;
    const waiting = processes.spawn({ comm: 'waiting' });
    const running = processes.spawn({ comm: 'running', oomScoreAdj: -1000 });
    const memory = processes.mmap(waiting, 7000);
    for (let i = 0; i < 7000; i++) processes.touch(waiting, memory, i);
    processes.run(waiting, () => {
      // What a hook does that lets another process run in the middle of a call.
      processes.run(running, () => {
        takeAll(machine);
        expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow(
          expect.objectContaining({ code: expect.stringMatching(/WOULD_LOOP|KERNEL_PANIC/) }),
        );
      });
      expect(waiting.alive).toBe(false);
      expect(machine.owners().pages.anon).toBe(7000);
    });
    machine.reclaim.lruAddDrainAll();
    expect(machine.owners().pages.anon).toBe(0);
    expect(problems(machine)).toEqual([]);
  });

  test('the reaper takes the memory of a victim', () => {
    const machine = bootOf(32);
    const { processes } = machine;
    const process = processes.spawn({ comm: 'demo' });
    const memory = processes.mmap(process, 10);
    for (let i = 0; i < 10; i++) processes.touch(process, memory, i);
    const { mm } = process.task;
    expect(mm !== null && processes.tasks.reap(mm)).toBe(true);
    expect([process.residentPages, process.alive]).toEqual([0, true]);
    processes.exit(process);
    expect(problems(machine)).toEqual([]);
  });
});
