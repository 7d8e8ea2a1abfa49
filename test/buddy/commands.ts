import fc from 'fast-check';
import {
  AllocContext,
  type BuddyAllocator,
  BuddyError,
  PageFragCache,
} from '../../src/buddy/index.ts';
import { PAGE_SIZE } from '../../src/lib/units.ts';
import { Gfp } from '../../src/mm/gfp.ts';

/** One call, as data: shrinks well and prints as what it does. */
export type Command =
  | { readonly do: 'alloc'; order: number; gfp: number; node: number; cpu: number }
  | { readonly do: 'free'; which: number; cpu: number }
  | { readonly do: 'bulk'; count: number; gfp: number; cpu: number }
  | { readonly do: 'freeList'; which: number; count: number; cpu: number }
  | { readonly do: 'exact'; bytes: number; gfp: number; cpu: number }
  | { readonly do: 'drain'; cpu: number }
  | { readonly do: 'drainAll'; cpu: number }
  | { readonly do: 'get'; which: number }
  | { readonly do: 'put'; which: number; cpu: number }
  | { readonly do: 'split'; which: number }
  | { readonly do: 'lru'; which: number; on: boolean }
  | { readonly do: 'unreserve'; gfp: number; force: boolean }
  | { readonly do: 'contig'; start: number; count: number; cpu: number }
  | { readonly do: 'isolate'; start: number; count: number; cpu: number }
  | { readonly do: 'fragment'; bytes: number; cpu: number }
  | { readonly do: 'unfragment'; which: number; cpu: number }
  | { readonly do: 'fold'; cpu: number }
  | { readonly do: 'memalloc'; on: boolean };

/** A block that the model knows to be handed out. */
interface Held {
  pfn: number;
  order: number;
  refs: number;
  lru: boolean;
  readonly compound: boolean;
}

/** What a run reached; the tests assert that together they reach everything. */
export class Reached {
  readonly seen: Map<string, number> = new Map();

  note(what: string, isReached = true): void {
    if (isReached) this.seen.set(what, (this.seen.get(what) ?? 0) + 1);
  }
}

/**
 * Two allocators that get the same calls, one of which has a trace sink, which keeps it off all short
 * cuts; and a model that only knows which frames were handed out.
 */
export class Twins {
  readonly first: BuddyAllocator;
  readonly second: BuddyAllocator;
  readonly reached: Reached;
  readonly total: number;
  /** Blocks handed out, in the order of their allocation. */
  held: Held[] = [];
  /** Owner of every frame handed out. */
  readonly owned: Map<number, Held> = new Map();
  readonly fragments: number[] = [];
  readonly caches: PageFragCache[] = [new PageFragCache(), new PageFragCache()];
  /** Frames that belong to page fragment blocks. */
  readonly fragmentFrames: Set<number> = new Set();
  isolated: [number, number] | null = null;

  constructor(make: (traced: boolean) => BuddyAllocator, reached: Reached) {
    this.first = make(false);
    this.second = make(true);
    this.reached = reached;
    this.total = this.freePages(this.first);
  }

  /** Free pages, on free lists and per-CPU lists. */
  freePages({ state }: BuddyAllocator): number {
    const { nrFree } = state.areas;
    let pages = 0;
    for (let i = 0; i < nrFree.length; i++) pages += nrFree[i] * 2 ** (i % 11);
    for (const count of state.pagesets.count) pages += count;
    return pages;
  }

  /** Does the same on both; both must give the same. */
  both<T>(call: (buddy: BuddyAllocator, which: 0 | 1) => T): T {
    const results = ([0, 1] as const).map((which) => {
      try {
        return { value: call(which === 0 ? this.first : this.second, which) };
      } catch (error) {
        if (!(error instanceof BuddyError)) throw error;
        return { code: error.code };
      }
    });
    const [a, b] = results.map((result) => JSON.stringify(result));
    if (a !== b) throw new Error(`short cuts give ${a}, the general way ${b}`);
    const [result] = results;
    if ('code' in result) throw new Error(`the call was refused: ${result.code}`);
    return result.value as T;
  }

  /** A block just handed out: aligned, and of frames that nobody holds. */
  take(pfn: number | null, order: number, gfp = 0): void {
    this.reached.note(pfn === null ? 'no page' : `order ${order}`);
    if (pfn === null) return;
    if (pfn % 2 ** order !== 0) throw new Error(`${pfn} is no block of order ${order}`);
    const compound = order > 0 && (gfp & Gfp.__GFP_COMP) !== 0;
    const block = { pfn, order, refs: 1, lru: false, compound };
    for (let page = pfn; page < pfn + 2 ** order; page++) {
      if (this.owned.has(page)) throw new Error(`frame ${page} was handed out twice`);
      this.owned.set(page, block);
    }
    this.held.push(block);
  }

  pick(which: number): Held | undefined {
    return this.held.length === 0 ? undefined : this.held[which % this.held.length];
  }

  forget(block: Held): void {
    for (let page = block.pfn; page < block.pfn + 2 ** block.order; page++) {
      this.owned.delete(page);
    }
    this.held = this.held.filter((each) => each !== block);
  }

  /** What must hold after every call, beside the invariants that the allocators check themselves. */
  check(): void {
    for (const buddy of [this.first, this.second]) {
      const free = this.freePages(buddy);
      const used = this.owned.size + this.fragmentFrames.size;
      if (free + used !== this.total) {
        throw new Error(`${free} free + ${used} held pages are not ${this.total}`);
      }
    }
    for (const { pfn, refs } of this.held) {
      const count = this.first.state.map.refcount[pfn];
      if (count !== refs) throw new Error(`frame ${pfn} has ${count} references, not ${refs}`);
    }
    const [a, b] = [this.first, this.second].map(({ state }) => fingerprint(state));
    if (a !== b) throw new Error(`the lists differ:\n${a}\n${b}`);
  }
}

/** All lists in order, counters and zone numbers, as text. */
function fingerprint(state: BuddyAllocator['state']): string {
  const { map, areas, pagesets, vmstat, zones } = state;
  const heads: string[] = [];
  for (let head = map.endPfn; head < map.endPfn + map.listHeadCount; head++) {
    if (map.next[head] === head) continue;
    const pfns: string[] = [];
    for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
      pfns.push(`${pfn}:${map.blockState[pfn]}`);
    }
    heads.push(`${head}=${pfns.join(',')}`);
  }
  const numbers = zones.map((zone) => [
    zone.watermarkBoost,
    zone.nrReservedHighatomic,
    zone.flags,
    zone.nrIsolatePageblock,
  ]);
  const rest = [areas.nrFree, pagesets.count, pagesets.freeFactor, vmstat.zone, vmstat.zoneDiff];
  return [
    heads.join(' '),
    numbers.join(';'),
    ...rest.map((array) => array.join(',')),
    vmstat.events.join(','),
    vmstat.numa.join(','),
    map.pageblockFlags.join(','),
  ].join('\n');
}

/** Makes the call of a command on both allocators and follows it in the model. */
export function run(twins: Twins, command: Command): void {
  const { reached } = twins;
  switch (command.do) {
    case 'alloc': {
      const { gfp, order, node, cpu } = command;
      const pfn = twins.both((buddy) => buddy.allocPages(gfp, order, node, cpu));
      twins.take(pfn, order, gfp);
      break;
    }
    case 'bulk': {
      const { count, gfp, cpu } = command;
      const pfns = twins.both((buddy) => {
        const slots = new Array<number>(count).fill(-1);
        return slots.slice(0, buddy.allocPagesBulk(gfp, -1, slots, cpu));
      });
      reached.note('bulk of several', pfns.length > 1);
      for (const pfn of pfns) twins.take(pfn, 0);
      break;
    }
    case 'exact': {
      const { bytes, gfp, cpu } = command;
      const addr = twins.both((buddy) => buddy.allocPagesExact(bytes, gfp, -1, cpu));
      const pages = Math.ceil(bytes / PAGE_SIZE);
      reached.note('exact', addr !== null);
      for (let i = 0; addr !== null && i < pages; i++) twins.take(addr / PAGE_SIZE + i, 0);
      break;
    }
    case 'contig': {
      const { start, count, cpu } = command;
      const error = twins.both((buddy) => buddy.allocContigRange(start, start + count, 1, cpu));
      reached.note('contig', error === 0);
      for (let pfn = start; error === 0 && pfn < start + count; pfn++) twins.take(pfn, 0);
      break;
    }
    case 'unreserve': {
      const done = twins.both((buddy) => {
        const ac = new AllocContext();
        ac.zonelist = buddy.model.nodes[0].zonelists[0];
        ac.highestZoneidx = 2;
        ac.migratetype = (command.gfp >> 3) & 3;
        return buddy.unreserveHighatomicPageblock(ac, command.force);
      });
      reached.note('unreserved', done);
      break;
    }
    case 'drain':
      twins.both((buddy) => buddy.drainLocalPages(command.cpu));
      break;
    case 'drainAll':
      twins.both((buddy) => buddy.drainAllPages(command.cpu));
      reached.note(
        'drained',
        twins.first.state.pagesets.count.every((count) => count === 0),
      );
      break;
    case 'fold':
      reached.note('folded', twins.both((buddy) => buddy.refreshCpuVmStats(command.cpu)) > 0);
      break;
    case 'memalloc':
      twins.both((buddy) => {
        buddy.task.pfMemalloc = command.on;
        return null;
      });
      break;
    default:
      runOnHeld(twins, command);
  }
  noteState(twins);
}

type OnHeld = Exclude<
  Command,
  {
    do:
      | 'alloc'
      | 'bulk'
      | 'exact'
      | 'contig'
      | 'unreserve'
      | 'drain'
      | 'drainAll'
      | 'fold'
      | 'memalloc';
  }
>;

function runOnHeld(twins: Twins, command: OnHeld): void {
  switch (command.do) {
    case 'isolate':
      isolate(twins, command.start, command.count, command.cpu);
      break;
    case 'fragment':
      fragment(twins, command.bytes, command.cpu);
      break;
    case 'unfragment':
      unfragment(twins, command.which, command.cpu);
      break;
    case 'freeList': {
      const single = twins.held.filter((each) => each.order === 0 && each.refs === 1 && !each.lru);
      const from = single.length === 0 ? 0 : command.which % single.length;
      const list = single.slice(from, from + command.count);
      twins.both((buddy) =>
        buddy.putPagesList(
          list.map(({ pfn }) => pfn),
          command.cpu,
        ),
      );
      twins.reached.note('list of several', list.length > 1);
      for (const block of list) twins.forget(block);
      break;
    }
    default:
      runOnBlock(twins, command);
  }
}

function runOnBlock(
  twins: Twins,
  command: Exclude<OnHeld, { do: 'isolate' | 'fragment' | 'unfragment' | 'freeList' }>,
): void {
  const block = twins.pick(command.which);
  if (block === undefined) return;
  const { pfn, order } = block;
  if (command.do === 'lru') {
    twins.both((buddy) => buddy.setPageLru(pfn, command.on));
    block.lru = command.on;
  } else if (command.do === 'get') {
    twins.both((buddy) => buddy.getPage(pfn));
    block.refs++;
  } else if (command.do === 'split' && block.refs === 1 && !block.lru && !block.compound) {
    twins.both((buddy) => buddy.splitPage(pfn, order));
    twins.forget(block);
    for (let page = pfn; page < pfn + 2 ** order; page++) twins.take(page, 0);
  } else if (
    command.do === 'put' &&
    (block.refs > 1 || ((order === 0 || block.compound) && !block.lru))
  ) {
    twins.both((buddy) => buddy.putPage(pfn, command.cpu));
    if (--block.refs === 0) twins.forget(block);
  } else if (command.do === 'free' && !block.lru) {
    free(twins, block, command.cpu);
  }
}

function free(twins: Twins, block: Held, cpu: number): void {
  const { pfn, order } = block;
  twins.both((buddy) => buddy.freePages(pfn, order, cpu));
  block.refs--;
  if (block.refs > 0 && block.compound) return;
  twins.forget(block);
  if (block.refs === 0) return;
  // Somebody else still holds the first page.
  twins.reached.note('freed under a reference', order > 0);
  twins.owned.set(pfn, block);
  block.order = 0;
  twins.held.push(block);
}

function isolate(twins: Twins, start: number, count: number, cpu: number): void {
  if (twins.isolated !== null) {
    const [from, to] = twins.isolated;
    twins.both((buddy) => buddy.undoIsolatePageRange(from, to, 1, cpu));
    twins.isolated = null;
    return;
  }
  const error = twins.both((buddy) => buddy.startIsolatePageRange(start, start + count, 1, 0, cpu));
  if (error === 0) twins.isolated = [start, start + count];
  twins.reached.note('isolated', error === 0);
}

function fragment(twins: Twins, bytes: number, cpu: number): void {
  const gfp = Gfp.GFP_ATOMIC | Gfp.__GFP_NOWARN;
  const addr = twins.both((buddy, which) =>
    buddy.pageFragAlloc(twins.caches[which], bytes, gfp, -64, cpu),
  );
  // Even without a fragment the cache may hold another block now.
  if (addr !== null) twins.fragments.push(addr);
  noteFragmentFrames(twins);
}

function unfragment(twins: Twins, which: number, cpu: number): void {
  if (twins.fragments.length === 0) return;
  const [addr] = twins.fragments.splice(which % twins.fragments.length, 1);
  twins.both((buddy) => buddy.pageFragFree(addr, cpu));
  noteFragmentFrames(twins);
}

/** Frames of the blocks that fragments are in, and of the block that the cache cuts from. */
function noteFragmentFrames(twins: Twins): void {
  twins.fragmentFrames.clear();
  const [cache] = twins.caches;
  const addrs = [...twins.fragments, ...(cache.pfn < 0 ? [] : [cache.pfn * PAGE_SIZE])];
  for (const addr of addrs) {
    const { block, order } = twins.first.locate(Math.floor(addr / PAGE_SIZE));
    for (let pfn = block; pfn < block + 2 ** order; pfn++) {
      if (twins.owned.has(pfn)) throw new Error(`frame ${pfn} was handed out twice`);
      twins.fragmentFrames.add(pfn);
    }
  }
}

function noteState({ first, reached }: Twins): void {
  for (const zone of first.state.zones) {
    reached.note('boosted', zone.watermarkBoost > 0);
    reached.note('reserved', zone.nrReservedHighatomic > 0);
  }
  reached.note(
    'other free_factor',
    first.state.pagesets.freeFactor.some((factor) => factor > 1),
  );
  reached.note(
    'nothing free',
    first.state.areas.nrFree.every((blocks) => blocks === 0),
  );
}

/** Page frames that ranges may start at, and CPUs and nodes of the machine. */
export interface CommandSpace {
  readonly firstPfn: number;
  readonly lastPfn: number;
  readonly cpus: number;
  readonly nodes: number;
  readonly maxOrder: number;
  /** Whether ranges are isolated: needs pageblocks of a size that the kernel has. */
  readonly ranges: boolean;
}

const MOBILITY = [0, Gfp.__GFP_MOVABLE, Gfp.__GFP_RECLAIMABLE];
const BASES = [
  Gfp.GFP_ATOMIC,
  Gfp.GFP_ATOMIC,
  Gfp.GFP_NOWAIT,
  Gfp.GFP_KERNEL,
  0,
  Gfp.__GFP_HIGH,
  Gfp.GFP_ATOMIC | Gfp.__GFP_COMP,
  Gfp.GFP_NOWAIT | Gfp.__GFP_THISNODE,
  Gfp.GFP_NOWAIT | Gfp.GFP_DMA32,
  Gfp.GFP_NOWAIT | Gfp.__GFP_MEMALLOC,
  Gfp.GFP_ATOMIC | Gfp.__GFP_NOMEMALLOC,
];

/** Commands by family; a run draws from a random subset of families, so that runs differ in kind. */
export function commandFamilies(space: CommandSpace): readonly fc.Arbitrary<Command>[] {
  const cpu = fc.nat({ max: space.cpus - 1 });
  const gfp = fc
    .tuple(fc.constantFrom(...BASES), fc.constantFrom(...MOBILITY))
    .map(([base, mobility]) => base | mobility | Gfp.__GFP_NOWARN);
  const which = fc.nat({ max: 1000 });
  const start = fc.integer({ min: space.firstPfn, max: space.lastPfn });
  const order = fc.nat({ max: space.maxOrder });
  const low = fc.nat({ max: 3 });
  const node = fc.integer({ min: -1, max: space.nodes - 1 });
  const record = <T extends Command>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }) =>
    fc.record(fields) as unknown as fc.Arbitrary<Command>;
  const is = <T extends string>(name: T): fc.Arbitrary<T> => fc.constant(name);
  const alloc = (orders: fc.Arbitrary<number>) =>
    record({ do: is('alloc'), order: orders, gfp, node, cpu });
  const count = fc.integer({ min: 1, max: 40 });
  return [
    fc.oneof(alloc(fc.constant(0)), alloc(low)),
    alloc(order),
    record({ do: is('bulk'), count, gfp, cpu }),
    record({ do: is('free'), which, cpu }),
    fc.oneof(
      record({ do: is('free'), which, cpu }),
      record({ do: is('freeList'), which, count, cpu }),
    ),
    fc.oneof(record({ do: is('drain'), cpu }), record({ do: is('drainAll'), cpu })),
    fc.oneof(record({ do: is('get'), which }), record({ do: is('put'), which, cpu })),
    record({ do: is('lru'), which, on: fc.boolean() }),
    fc.oneof(
      record({ do: is('unreserve'), gfp, force: fc.boolean() }),
      record({ do: is('fold'), cpu }),
      record({ do: is('memalloc'), on: fc.boolean() }),
    ),
    fc.oneof(
      record({ do: is('exact'), bytes: fc.integer({ min: 1, max: 40000 }), gfp, cpu }),
      record({ do: is('split'), which }),
    ),
    ...(space.ranges
      ? [
          fc.oneof(
            record({ do: is('isolate'), start, count, cpu }),
            record({ do: is('contig'), start, count, cpu }),
          ),
        ]
      : []),
    fc.oneof(
      record({ do: is('fragment'), bytes: fc.integer({ min: 1, max: 20000 }), cpu }),
      record({ do: is('unfragment'), which, cpu }),
    ),
  ];
}

/** Runs of commands with a mix of their own. */
export function commandRuns(space: CommandSpace, maxLength: number): fc.Arbitrary<Command[]> {
  const families = commandFamilies(space);
  return fc
    .subarray([...families], { minLength: 2 })
    .chain((some) => fc.array(fc.oneof(...some), { maxLength, size: 'max' }));
}
