// One cache of objects under SLUB. The first object needs a new slab from the page allocator; the
// next ones come from the slab that the CPU now owns, without entering any slow function.

import { boot, CallPath, type Machine } from 'pageframe';

export const summary = 'one cache under SLUB: a new slab, then the fast path';

export function run(print: (line: string) => void): void {
  const machine = boot({
    e820: 'BIOS-e820: [mem 0x0000000000100000-0x0000000007ffffff] usable',
    slab: 'slub',
  });
  const cache = machine.slab.createCache('demo', { size: 200 });
  if (cache === null) return;
  const path = new CallPath(print, {
    breakAt: ['get_page_from_freelist'],
    events: ['kmem_cache_alloc', 'kmem_cache_free', 'mm_page_alloc', 'mm_page_free'],
  });
  print('Before:');
  printSlabinfo(machine, print);
  machine.trace = path.sink;

  const objects: number[] = [];
  for (let i = 1; i <= 3; i++) {
    print('');
    print(`Object ${i}:`);
    const address = cache.alloc();
    path.end();
    if (address !== null) objects.push(address);
    print(`address ${address}, ${machine.slab.locate(address ?? 0)?.place}`);
  }

  print('');
  print('Objects go back:');
  for (const address of objects) cache.free(address);
  cache.shrink();
  path.end();
  machine.trace = null;

  print('');
  print('After:');
  printSlabinfo(machine, print);
}

/** The heading and the line of the cache in `/proc/slabinfo`. */
function printSlabinfo(machine: Machine, print: (line: string) => void): void {
  const lines = machine.slab.slabinfo().split('\n');
  for (const line of lines) if (/^(# name|demo)/.test(line)) print(line);
}
