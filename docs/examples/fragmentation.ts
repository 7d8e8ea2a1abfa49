// Memory is full of a process's pages, then every other page is given back: half of the memory is
// free, but not two pages in a row. A request for a huge page, 512 pages in a row, makes compaction
// move pages together until there is a block.

import { boot, CallPath, memoryReport, mm, vmEvents, vmEventsSince } from 'pageframe';

export const summary = 'an order-9 request that only compaction makes possible';

export function run(print: (line: string) => void): void {
  const machine = boot({ e820: 'BIOS-e820: [mem 0x0000000001000000-0x0000000008ffffff] usable' });
  const { processes } = machine;

  // Two processes take turns with touching memory; then one of them exits.
  const stays = processes.spawn({ comm: 'stays' });
  const leaves = processes.spawn({ comm: 'leaves' });
  const free = machine.owners().pages.free;
  const kept = processes.mmap(stays, free);
  const given = processes.mmap(leaves, free);
  for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
    processes.touch(stays, kept, i);
    processes.touch(leaves, given, i);
  }
  processes.exit(leaves);
  machine.buddy.drainAllPages();

  print('Before:');
  for (const line of memoryReport(machine)) print(line);
  const before = vmEvents(machine);

  print('');
  print(`The request: order 9, ${mm.formatGfp(mm.Gfp.GFP_TRANSHUGE)}`);
  const path = new CallPath(print, {
    breakAt: ['migrate_pages'],
    events: ['mm_compaction_begin', 'mm_compaction_end'],
    repeat: 2,
  });
  machine.trace = path.sink;
  const pfn = machine.allocPages(mm.Gfp.GFP_TRANSHUGE, 9);
  path.end();
  machine.trace = null;
  print(`page frame ${pfn}`);

  print('');
  print('After:');
  for (const line of memoryReport(machine)) print(line);
  print(`events: ${vmEventsSince(machine, before).join(', ')}`);
}
