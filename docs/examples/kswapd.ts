// The page cache grows until a zone falls below its low watermark. The request that notices it wakes
// kswapd and goes on. When kswapd gets to run, it reclaims until the zone is above its high watermark.

import { boot, CallPath, memoryReport, vmEvents, vmEventsSince } from 'pageframe';

export const summary = 'the page cache fills memory; kswapd balances the node';

export function run(print: (line: string) => void): void {
  const machine = boot({ e820: 'BIOS-e820: [mem 0x0000000001000000-0x0000000008ffffff] usable' });
  const { pageCache, reclaim } = machine;
  const file = pageCache.createFile();

  let index = 0;
  while (reclaim.kswapdState(0) === 'long-sleep') pageCache.read(file, index++);
  print(`${index} pages of a file were read; the last request woke kswapd.`);
  for (const line of memoryReport(machine)) print(line);

  print('');
  print('kswapd runs:');
  const before = vmEvents(machine);
  const path = new CallPath(print, {
    breakAt: ['shrink_folio_list'],
    events: ['mm_vmscan_kswapd_wake', 'mm_vmscan_lru_shrink_inactive'],
    repeat: 2,
  });
  machine.trace = path.sink;
  machine.runKswapd(0);
  path.end();
  machine.trace = null;

  print('');
  print(`kswapd is in its ${reclaim.kswapdState(0)} now.`);
  for (const line of memoryReport(machine)) print(line);
  print(`events: ${vmEventsSince(machine, before).join(', ')}`);
}
