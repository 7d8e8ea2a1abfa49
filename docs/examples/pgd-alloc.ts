// The first page table of a new process: two zeroed pages in a row, charged to its memory cgroup.
// The request is met by the fast path. On the first one the CPU's list of that kind is empty and is
// filled with a batch of blocks; the second one only takes from that list.

import { boot, CallPath, memoryReport, mm } from 'pageframe';

export const summary = 'an order-1 GFP_KERNEL_ACCOUNT|__GFP_ZERO page: the fast path';

export function run(print: (line: string) => void): void {
  const machine = boot({ e820: 'BIOS-e820: [mem 0x0000000000100000-0x0000000007ffffff] usable' });
  const { Gfp } = mm;
  const gfp = Gfp.GFP_KERNEL_ACCOUNT | Gfp.__GFP_ZERO;

  print('Before:');
  for (const line of memoryReport(machine)) print(line);

  const path = new CallPath(print, { breakAt: ['prep_new_page'], events: ['mm_page_alloc'] });
  machine.trace = path.sink;
  for (const which of ['first', 'second']) {
    print('');
    print(`The ${which} pgd_alloc:`);
    const pfn = machine.allocPages(gfp, 1);
    path.end();
    print(`page frame ${pfn}; ${machine.owners().pages.pcp} pages on the lists of the CPU`);
  }

  print('');
  print('After:');
  for (const line of memoryReport(machine)) print(line);
}
