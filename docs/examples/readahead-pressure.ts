// A file system reads ahead on a full machine. Its request, gfp 0x152c4a, may wait but not enter file
// systems, gives up early and does not complain: readahead can do without. At first nearly all memory
// holds dirty pages that a slow disk has yet to write: reclaim finds nothing, compaction has nothing
// to do for a single page, and the request fails. Once the disk is done, reclaim has clean pages.

import { boot, CallPath, type Machine, memoryReport, mm, vmEvents, vmEventsSince } from 'pageframe';

export const summary =
  'order 0 with gfp 0x152c4a on a full machine: slow path, compaction, reclaim';

const READAHEAD = 0x152c4a;
const { GFP_NOWAIT, __GFP_MOVABLE, __GFP_NOWARN } = mm.Gfp;

export function run(print: (line: string) => void): void {
  const machine = boot({
    e820: 'BIOS-e820: [mem 0x0000000001000000-0x0000000004ffffff] usable',
    disk: { writeJiffies: 10_000, queueDepth: Number.POSITIVE_INFINITY },
  });
  const { pageCache, reclaim } = machine;

  // Somebody writes a file until kswapd would have to run; requests that cannot wait take the rest.
  const file = pageCache.createFile();
  for (let i = 0; reclaim.kswapdState(0) === 'long-sleep'; i++) pageCache.write(file, i);
  pageCache.sync();
  while (machine.allocPages(GFP_NOWAIT | __GFP_MOVABLE | __GFP_NOWARN, 0) !== null);

  print(`The request: ${mm.formatGfp(READAHEAD)}`);
  for (const line of memoryReport(machine)) print(line);

  print('');
  print('While the disk is busy:');
  const breakAt = ['__alloc_pages_direct_compact', 'shrink_node'];
  readAhead(machine, new CallPath(print, { breakAt, repeat: 2 }), print);

  machine.pageCache.advance(10_000);
  print('');
  print('After the disk has written everything:');
  readAhead(machine, new CallPath(print, { breakAt: ['free_unref_page_list'], repeat: 2 }), print);
  for (const line of memoryReport(machine)) print(line);
}

/** One request, with the way that it goes. */
function readAhead(machine: Machine, path: CallPath, print: (line: string) => void): void {
  const before = vmEvents(machine);
  machine.trace = path.sink;
  const pfn = machine.allocPages(READAHEAD, 0);
  path.end();
  machine.trace = null;
  print(pfn === null ? 'no page: readahead does without' : `page frame ${pfn}`);
  print(`events: ${vmEventsSince(machine, before).join(', ')}`);
}
