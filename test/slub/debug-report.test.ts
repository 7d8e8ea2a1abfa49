// covers: src/slub/debug-report.ts, src/slub/dump-object.ts
import { expect, test } from 'vitest';
import { arrayBufferMemory } from '../../src/memory/array-buffer.ts';
import { PageMap } from '../../src/mm/page-map.ts';
import type { PageSource } from '../../src/mm/page-source.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubReport } from '../../src/slub/types.ts';
import { made, take, testSlub } from './support.ts';

const EXAMPLE = `=============================================================================
BUG demo64 (Not tainted): Right Redzone overwritten
-----------------------------------------------------------------------------

0xffff888001234189-0xffff888001234189 @offset=393. First byte 0x41 instead of 0xcc
Allocated in demo_alloc+0x21/0x60 age=12 cpu=1 pid=77
 demo_alloc+0x21/0x60
Slab 0xffffea0000048d00 objects=25 used=3 fp=0xffff8880012341e8 flags=0x100000000000200(slab|node=0|zone=1)
Object 0xffff888001234148 @offset=328 fp=0xffff8880012341e8

Redzone  ffff888001234140: cc cc cc cc cc cc cc cc                          ........
Object   ffff888001234148: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk
Object   ffff888001234158: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk
Object   ffff888001234168: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkkkkkkkkkkkkk
Object   ffff888001234178: 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b a5  kkkkkkkkkkkkkkk.
Redzone  ffff888001234188: cc 41 cc cc cc cc cc cc                          .A......
Padding  ffff8880012341d8: 5a 5a 5a 5a 5a 5a 5a 5a                          ZZZZZZZZ
STACK
Disabling lock debugging due to kernel taint
FIX demo64: Restoring Right Redzone 0xffff888001234189-0xffff888001234189=0xcc`;

test('5.6 the report of a damaged red zone, line by line', () => {
  const map = new PageMap({ endPfn: 0x2000, listHeads: 0x1000 });
  map.zone[0x1234] = 2;
  const source: PageSource = {
    allocPages: () => 0x1234,
    freePages: () => {},
    nodeOf: () => 0,
    map,
  };
  const memory = arrayBufferMemory(new ArrayBuffer(0x2000 * 4096));
  const log: string[] = [];
  let now = 100;
  const slub = new SlubAllocator({
    source,
    memory,
    boot: 'bare',
    topology: {
      cpuNode: [0, 0],
      nodeIds: 1,
      memoryNodes: [0],
      zonelists: [[1]],
      thisNodeZonelists: [[1]],
    },
    log: (line) => log.push(line),
    jiffies: () => now,
    stackDump: () => ['STACK'],
    tracks: {
      current: () => ({ addressHigh: 0xffffffff, addressLow: 0x81000021, handle: 1, pid: 77 }),
      symbol: () => 'demo_alloc+0x21/0x60',
      stack: () => ['demo_alloc+0x21/0x60'],
    },
  });
  const cache = made(slub.createCache('demo64', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const objects = take(cache, 3, 1);
  expect(objects[2]).toBe(0x1234148);
  memory.writeU8(0x1234189, 0x41);
  now += 12;
  log.length = 0;
  expect(cache.validate()).toBe(1);
  expect(log.join('\n')).toBe(EXAMPLE);
  expect(memory.readU8(0x1234189)).toBe(0xcc);
  log.length = 0;
  memory.writeU8(0x1234189, 0x41);
  cache.validate();
  expect(log[1]).toBe('BUG demo64 (Tainted: G    B             ): Right Redzone overwritten');
  expect(log).not.toContain('Disabling lock debugging due to kernel taint');
});

test('without red zones the 16 bytes before an object are shown, if it has some', () => {
  const { slub, memory, log } = testSlub();
  const flags = SlabFlag.SLAB_POISON | SlabFlag.SLAB_CONSISTENCY_CHECKS;
  const cache = made(slub.createCache('plain', { size: 20, flags }));
  const [first, second] = take(cache, 2);
  cache.free(second);
  cache.free(first);
  memory.writeU8(second, 1);
  memory.writeU8(first, 1);
  cache.validate();
  expect(log.filter((line) => line.startsWith('Bytes b4'))).toEqual([]);
  // The slab ends at the first object that fails; repaired, the second one is found.
  cache.validate();
  expect(log.filter((line) => line.startsWith('Bytes b4'))).toHaveLength(1);
  expect(log.filter((line) => line.startsWith('Redzone'))).toEqual([]);
});

test('an object that was never freed has no free track, and no recorded stack is said so', () => {
  const { slub, memory, log } = testSlub();
  const cache = made(slub.createCache('user', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const [object] = take(cache, 1);
  memory.writeU8(object + 64, 0);
  cache.validate();
  const tracks = log.filter((line) => /^(Allocated|Freed|object alloc)/.test(line));
  expect(tracks).toEqual([
    'Allocated in 0xffffffff81000000 age=0 cpu=0 pid=0',
    'object allocation/free stack trace missing',
  ]);
});

test('a typed event comes with each report and repair', () => {
  const reports: SlubReport[] = [];
  const { slub, memory } = testSlub({ onReport: (report) => reports.push(report) });
  const cache = made(slub.createCache('events', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const [object] = take(cache, 1);
  memory.writeU8(object + 64, 0x12);
  cache.free(object);
  const pfn = Math.floor(object / 4096);
  expect(reports).toMatchObject([
    { kind: 'object', cache: 'events', text: 'Right Redzone overwritten', pfn, address: object },
    { kind: 'fix', text: expect.stringMatching(/^Restoring Right Redzone 0x/), pfn },
    {
      kind: 'fix',
      text: expect.stringMatching(/^Object at 0x.* not freed$/),
      pfn,
      address: object,
    },
  ]);
});

test('5.8 what the kernel prints about an address', () => {
  const { slub } = testSlub();
  const plain = made(slub.createCache('plain', { size: 64 }));
  const debug = made(slub.createCache('debug', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const hex = (address: number): string => `ffff8880${address.toString(16).padStart(8, '0')}`;
  const [object] = take(plain, 1);
  expect(slub.dumpObject(object + 5)).toBe(` slab plain start ${hex(object)} pointer offset 5`);
  const [tracked] = take(debug, 1);
  expect(slub.dumpObject(tracked + 1)).toBe(
    ` slab debug start ${hex(tracked - 8)} data offset 8 pointer offset 1 allocated at 0xffffffff81000000`,
  );
  const block = made(slub.kmalloc(100));
  expect(slub.dumpObject(block)).toBe(
    ` slab kmalloc-128 start ${hex(block)} pointer offset 0 size 128`,
  );
  expect(slub.dumpObject(0x7000000)).toBeNull();
  expect(slub.dumpObject(100)).toBeNull();
});
