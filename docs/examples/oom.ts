// Two processes use more memory than there is. When reclaim gets nowhere any more, the OOM killer
// chooses the larger one; its memory comes back, and the other one never knows.

import { boot, CallPath, memoryReport } from 'pageframe';

export const summary = 'memory runs out: the OOM killer ends a process';

export function run(print: (line: string) => void): void {
  const machine = boot({ e820: 'BIOS-e820: [mem 0x0000000001000000-0x0000000004ffffff] usable' });
  const { processes } = machine;
  const editor = processes.spawn({ comm: 'editor', oomScoreAdj: -200 });
  const leak = processes.spawn({ comm: 'leak' });
  const text = processes.mmap(editor, 4000);
  const heap = processes.mmap(leak, 20_000);

  let touched = 0;
  for (; machine.reclaim.kswapdState(0) === 'long-sleep'; touched++) {
    processes.touch(leak, heap, touched);
  }
  print(`Process "leak" has ${leak.residentPages} pages. Before:`);
  for (const line of memoryReport(machine)) print(line);
  const logged = machine.log.length;

  print('');
  print('Now process "editor" needs memory:');
  let way: string[] = [];
  let used = 0;
  while (leak.alive) {
    // Only the way of the last request is of interest.
    way = [];
    const path = new CallPath((line) => way.push(line), {
      breakAt: ['oom_kill_process'],
      events: ['reclaim_retry_zone', 'mark_victim'],
      repeat: 2,
    });
    machine.trace = path.sink;
    processes.touch(editor, text, used++);
    path.end();
  }
  machine.trace = null;
  for (const line of way) print(line);

  print('');
  print('The kernel log:');
  for (const { text: line } of machine.log.slice(logged)) print(line);
  print('');
  print(`Process "editor" has ${editor.residentPages} pages. After:`);
  for (const line of memoryReport(machine)) print(line);
}
