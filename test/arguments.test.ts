// Whatever stands where a number belongs: the call either works and keeps all rules, or throws a
// typed error and has changed nothing. TypeScript cannot see NaN, a fraction or a wrong unit.
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { createBuddy } from '../src/buddy/create.ts';
import { parseE820 } from '../src/e820/parse.ts';
import { boot, type Machine, PageframeError } from '../src/index.ts';
import { arrayBufferMemory } from '../src/memory/array-buffer.ts';
import { readRecording } from '../src/recording/reader.ts';
import { createKmemCache } from '../src/slub/standalone.ts';

const BAD_NUMBERS: readonly unknown[] = [
  Number.NaN,
  -1,
  1.5,
  2 ** 31,
  Number.POSITIVE_INFINITY,
  '1',
  null,
];
const GFP = 0xcc0;
const ZONE = { startPfn: 0, pages: 4096 };

function cacheWith(options: { size?: number; flags?: number }): unknown {
  const source = createBuddy({ zones: [ZONE] }).pageSource();
  return createKmemCache({ source, size: 64, ...options });
}

/** A machine with something of everything. */
function makeWorld(slab: 'slab' | 'slub') {
  const map = 'BIOS-e820: [mem 0x0000000001000000-0x0000000004ffffff] usable';
  const machine = boot({ e820: map, cpus: 2, slab });
  const { buddy, pageCache, processes, reclaim, slowPath } = machine;
  const file = pageCache.createFile();
  for (let index = 0; index < 10; index++) pageCache.read(file, index);
  reclaim.lruAddDrain(0);
  const process = processes.spawn({ comm: 'x' });
  const region = processes.mmap(process, 20);
  processes.touch(process, region, 0);
  const cache = machine.slab.createCache('x', { size: 64 });
  const free = buddy.allocPages(GFP, 0) ?? -1;
  buddy.freePages(free, 0);
  return {
    ...{ machine, buddy, pageCache, processes, reclaim, slowPath, file, process, region, cache },
    slab: machine.slab,
    page: buddy.allocPages(GFP, 0) ?? -1,
    block: buddy.allocPages(GFP, 3) ?? -1,
    exact: buddy.allocPagesExact(20_000, GFP) ?? -1,
    object: cache?.alloc() ?? -1,
    memory: machine.kmalloc(100) ?? -1,
    cached: file.page(3),
    free,
    zonelist: buddy.model.nodes[0].zonelists[0],
  };
}

type World = ReturnType<typeof makeWorld>;
type Call = readonly [name: string, args: (world: World) => unknown[]];

const ANY_CPU = (): unknown[] => [0];
const cached = (name: string): Call => [name, (w) => [w.cached, 0]];

const CALLS: { readonly [K in keyof World]?: readonly Call[] } = {
  machine: [
    ['allocPages', () => [GFP, 1, -1, 0]],
    ['freePages', (w) => [w.block, 3, 0]],
    ['kmalloc', () => [100, GFP, 0]],
    ['kfree', (w) => [w.memory, 0]],
    ['runKswapd', () => [0]],
    ['runKcompactd', () => [0]],
  ],
  buddy: [
    ['allocPagesPolicy', () => [GFP, 0, null, 0]],
    ['allocPagesNodemask', () => [GFP, 0, 0, [0], 0]],
    ['allocPagesBulk', () => [GFP, 0, [-1, -1], 0]],
    ['allocPagesBulkList', () => [GFP, 0, 3, [], 0]],
    ['allocPagesExact', () => [20_000, GFP, -1, 0]],
    ['allocContigPages', () => [100, GFP, -1, null, 0]],
    ['allocContigRange', () => [0x2000, 0x2200, 1, 0]],
    ['freePagesAt', (w) => [w.block * 4096, 3, 0]],
    ['freePagesExact', (w) => [w.exact, 20_000, 0]],
    ['freePagesCore', (w) => [w.block, 3, 0]],
    ['freeContigRange', (w) => [w.page, 1, 0]],
    ['pageFragFree', (w) => [w.page * 4096, 0]],
    ['startIsolatePageRange', () => [0x2000, 0x2200, 1, 0, 0]],
    ['undoIsolatePageRange', () => [0x2000, 0x2200, 1, 0]],
    ['splitPage', (w) => [w.block, 3]],
    ['getPage', (w) => [w.page]],
    ['putPage', (w) => [w.page, 0]],
    ['setPageLru', (w) => [w.page, true]],
    ['isolateFreePage', (w) => [w.free, 0, 0]],
    ['moveFreepagesBlock', () => [1, 5000, 1]],
    ['findSuitableFallback', () => [1, 3, 0, false]],
    ['zoneWatermarkOk', () => [1, 0, 10, 1, 0]],
    ['drainLocalPages', () => [0, -1]],
    ['drainPagesZone', () => [1, 0, 0]],
    ['zonePcpDisable', () => [1, 0]],
    ['wakeupKswapd', () => [1, GFP, 0, 1]],
    ['cpuDead', () => [1, 0]],
    ['locate', (w) => [w.page]],
    ['explain', () => [GFP, 0, -1, 0]],
  ],
  reclaim: [
    ['tryToFreePages', (w) => [w.zonelist, 0, GFP, null, 0]],
    ['wakeupKswapd', () => [1, GFP, 0, 1]],
    ['balancePgdat', () => [0, 0, 1, 0]],
    ['nodeReclaim', () => [0, GFP, 0, 0]],
    ['shrinkAllMemory', () => [3, 0]],
    ['shrinkSlab', () => [GFP, 0, 12, 0]],
    ['compactionSuitable', () => [1, 3, 1]],
    ['zoneReclaimablePages', () => [1]],
    ['folioAddLru', (w) => [w.page, 0]],
    cached('folioMarkAccessed'),
    cached('isolateLruPage'),
    cached('mlockFolio'),
    cached('folioPut'),
    cached('folioMarkDirty'),
    cached('removeMapping'),
  ],
  slowPath: [
    ['compactionSuitable', () => [1, 3, 1]],
    ['wakeupKcompactd', () => [0, 3, 1]],
    ['runKcompactd', () => [0, 0]],
    ['compactMemory', ANY_CPU],
    ['compactNode', () => [0, 0]],
    ['oomKill', ANY_CPU],
  ],
  pageCache: [
    ['addFolio', (w) => [w.file, 100, w.page, GFP, 0]],
    ['read', (w) => [w.file, 30, 0]],
    ['write', (w) => [w.file, 31, 0]],
    ['fault', (w) => [w.file, 32, {}, 0]],
    ['truncate', (w) => [w.file, 3, 0]],
    ['setUnevictable', (w) => [w.file, true, 0]],
    ['sync', ANY_CPU],
  ],
  processes: [
    ['touch', (w) => [w.process, w.region, 1, true, 0]],
    ['exit', (w) => [w.process, 0]],
  ],
  slab: [
    ['createCache', () => ['y', { size: 40 }, 0]],
    ['locate', (w) => [w.object]],
    ['kmallocNode', () => [100, GFP, 0, 0]],
    ['kcalloc', () => [3, 100, GFP, 0]],
    ['krealloc', (w) => [w.memory, 300, GFP, 0]],
    ['kfreeSensitive', (w) => [w.memory, 0]],
    ['kfreeBulk', (w) => [[w.memory], 0]],
    ['ksize', (w) => [w.memory]],
    ['kmallocSizeRoundup', () => [100]],
    ['cpuDead', () => [1, 0]],
  ],
  cache: [
    ['alloc', () => [GFP, 0]],
    ['allocNode', () => [GFP, 0, 0]],
    ['allocBulk', () => [GFP, [0, 0, 0], 0]],
    ['free', (w) => [w.object, 0]],
    ['freeBulk', (w) => [[w.object], 0]],
    ['shrink', ANY_CPU],
    ['destroy', ANY_CPU],
  ],
};

/** A digest of all that the allocators hold. */
function digestOf({ machine, file }: World): string {
  const hash = createHash('md5');
  const { map, vmstat, areas, pagesets, zones, nodes } = machine.model;
  for (const part of [map, vmstat, areas, pagesets, ...zones, ...nodes]) {
    for (const value of Object.values(part)) {
      if (ArrayBuffer.isView(value)) {
        hash.update(new Uint8Array(value.buffer, value.byteOffset, value.byteLength));
      } else if (typeof value === 'number') hash.update(`${value},`);
    }
  }
  const { pageCache, processes, reclaim, slab, slowPath } = machine;
  const rest = [slab.snapshot(), reclaim.snapshot(), slowPath.snapshot(), processes.list.length];
  hash.update(JSON.stringify([...rest, pageCache.jiffies, file.nrPages]));
  return hash.digest('hex');
}

/** What is wrong about the outcome of a call; '' for nothing. */
function judge({ machine }: World, call: () => unknown, isChanged: () => boolean): string {
  try {
    call();
  } catch (error) {
    if (!(error instanceof PageframeError)) return `throws ${String(error)}`;
    // A request that the kernel would repeat for ever has tried everything.
    const mayChange = error.code === 'WOULD_LOOP';
    return isChanged() && !mayChange ? `has changed something before ${error.code}` : '';
  }
  const violation = isChanged() ? machine.checkInvariants()[0] : undefined;
  return violation === undefined ? '' : `accepted, and ${violation.rule}: ${violation.message}`;
}

function problemsOf(slab: 'slab' | 'slub', part: keyof World, [name, args]: Call): string[] {
  const problems: string[] = [];
  let world = makeWorld(slab);
  let before = digestOf(world);
  for (const position of args(world).keys()) {
    if (typeof args(world)[position] !== 'number') continue;
    for (const bad of BAD_NUMBERS) {
      const target = world[part] as unknown as Record<string, (...args: unknown[]) => unknown>;
      const given = args(world).with(position, bad);
      let changed = false;
      const isChanged = () => {
        changed = digestOf(world) !== before;
        return changed;
      };
      const problem = judge(world, () => target[name](...given), isChanged);
      const shown = typeof bad === 'number' ? String(bad) : JSON.stringify(bad);
      if (problem !== '') problems.push(`${name}, argument ${position} = ${shown}: ${problem}`);
      if (!changed) continue;
      world = makeWorld(slab);
      before = digestOf(world);
    }
  }
  return problems;
}

describe.each(Object.entries(CALLS))('%s', (part, calls) => {
  test.each(calls)('%s', (...call) => {
    expect(problemsOf('slub', part as keyof World, call)).toEqual([]);
  });
});

describe.each(['slab', 'cache'] as const)('%s of SLAB', (part) => {
  test.each(CALLS[part] ?? [])('%s', (...call) => {
    expect(problemsOf('slab', part, call)).toEqual([]);
  });
});

test('a list of more pages than there are, and more than a call can have arguments', () => {
  const machine: Machine = boot({
    e820: 'BIOS-e820: [mem 0x0000000001000000-0x000000003fffffff] usable',
  });
  const list = [7];
  expect(machine.buddy.allocPagesBulkList(GFP, 0, 150_000, list)).toBe(150_000);
  expect(list).toHaveLength(150_001);
  expect(list.at(-1)).toBe(7);
  expect(machine.buddy.allocPagesBulkList(GFP, 0, 2 ** 31 - 1, list)).toBe(1);
});

test('SLUB says why it cannot use page frame 0, and gives it back', () => {
  const buddy = createBuddy({ zones: [ZONE] });
  const cache = createKmemCache({ source: buddy.pageSource(), size: 64 });
  expect(() => cache.alloc()).toThrow(
    'the page source gave page frame 0 for order 0: address 0 means no object',
  );
  expect(buddy.checkInvariants()).toEqual([]);
  expect(buddy.locate(0).place).not.toBe('allocated');
});

test.each<readonly [string, () => unknown]>([
  ['a map that is a number', () => boot({ e820: 128 as never })],
  ['a map that is null', () => boot({ e820: null as never })],
  ['a text that is a buffer', () => parseE820(new Uint8Array(4) as never)],
  ['a recording that was not decoded', () => readRecording(new Uint8Array(4) as never)],
  ['a memory of so many bytes', () => arrayBufferMemory(4096 as never)],
  ['a memory over a typed array', () => arrayBufferMemory(new Uint8Array(4096) as never)],
  ['no zones', () => createBuddy({ zones: undefined as never })],
  ['a zone of another name', () => createBuddy({ zones: [{ ...ZONE, zone: 'NORMAL' as never }] })],
  ['a CPU on no node', () => createBuddy({ zones: [ZONE], cpuNode: [Number.NaN] })],
  ['no CPU', () => createBuddy({ zones: [ZONE], cpuNode: [] })],
  ['flags that are no flags', () => cacheWith({ flags: 'SLAB_PANIC' as never })],
  ['a size that is none', () => cacheWith({ size: Number.NaN })],
])('%s is a typed error', (_, make) => {
  expect(make).toThrow(PageframeError);
});
