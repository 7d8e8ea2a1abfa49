// covers: src/buddy/merge.ts src/buddy/split.ts src/buddy/fallback.ts src/buddy/high-atomic.ts src/buddy/rmqueue.ts src/buddy/rmqueue-bulk.ts src/buddy/pcp-alloc.ts src/buddy/pcp-free.ts src/buddy/watermark.ts src/buddy/zone-walk.ts src/buddy/short-slow-path.ts src/buddy/isolation.ts src/buddy/explain.ts
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AllocContext, type BuddyAllocator } from '../../src/buddy/index.ts';
import { PAGE_SIZE } from '../../src/lib/units.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { scaled } from '../support/seed.ts';
import { ReferenceBuddy } from './reference.ts';
import { allocContig, startIsolation, undoIsolation } from './reference-isolation.ts';
import type { RefZone } from './reference-lists.ts';
import { type MachineSpec, machine, specs } from './reference-machine.ts';
import { idOf } from './world.ts';

// Any calls on any machine end as the plain reading of the rules says: the same results, the same
// lists in order, the same counters, and with a trace sink the same events. And every allocation is
// explained beforehand as it then happens.

type Call =
  | { readonly do: 'alloc'; gfp: number; order: number; node: number }
  | { readonly do: 'bulk'; gfp: number; count: number; node: number }
  | { readonly do: 'exact'; gfp: number; pages: number }
  | { readonly do: 'free' | 'freeList' | 'get' | 'lru' | 'flags' | 'unreserve'; which: number }
  | { readonly do: 'drain' | 'drainAll' | 'fold' }
  | RangeCall;
interface RangeCall {
  readonly do: 'isolate' | 'contig' | 'undo';
  readonly which: number;
  readonly count: number;
}

/** What the runs got to, all together. */
const reached: Set<string> = new Set();

function note(what: string, isReached: boolean): void {
  if (isReached) reached.add(what);
}

/** Everything that must agree. */
function stateOf(reference: ReferenceBuddy): unknown {
  const { zones, kswapdOrder, counts, cached } = reference;
  return {
    zones: zones.map(({ id, boost, flags, nrFree, reserved, isolated, free, pagesets }) => ({
      ...{ id, boost, flags, nrFree, reserved, isolated, free },
      pagesets: pagesets.map((pageset) => ({
        ...pageset,
        lists: pageset.lists.map((list) => list.map((pfn) => [pfn, cached.get(pfn)])),
      })),
    })),
    types: [...reference.types],
    kswapdOrder,
    counts: ['pgfree', ...[0, 1, 2, 3].map((index) => `pgalloc ${index}`)].map(
      (name) => counts.get(name) ?? 0,
    ),
  };
}

/** The same of the allocator under test, read into a new reference. */
function stateOfReal(buddy: BuddyAllocator): unknown {
  const read = new ReferenceBuddy(buddy);
  const { vmstat, map } = buddy.state;
  const event = (item: number): number => vmEvent(vmstat, item);
  read.counts.set('pgfree', event(VmEvent.pgfree));
  for (const index of [0, 1, 2, 3]) {
    read.counts.set(`pgalloc ${index}`, event(VmEvent.pgalloc_dma + index));
  }
  for (const zone of read.zones) {
    for (const pfn of zone.pagesets.flatMap(({ lists }) => lists.flat())) {
      read.cached.set(pfn, (map.blockState[pfn] >> 4) & 7);
    }
  }
  return stateOf(read);
}

/** Both allocators, and the blocks that they handed out. */
class Pair {
  readonly buddy: BuddyAllocator;
  readonly reference: ReferenceBuddy;
  readonly events: string[];
  readonly held: { pfn: number; order: number; refs: number; compound: boolean }[] = [];
  isolated: readonly [number, number] | null = null;
  readonly lift: number;

  constructor(spec: MachineSpec) {
    this.lift = spec.lift;
    const { buddy, events } = machine(spec);
    this.buddy = buddy;
    this.events = events;
    this.reference = new ReferenceBuddy(buddy);
  }

  hold(pfns: readonly number[], order = 0, gfp = 0): void {
    const compound = order > 0 && (gfp & Gfp.__GFP_COMP) !== 0;
    for (const pfn of pfns) this.held.push({ pfn, order, refs: 1, compound });
  }

  run(step: Call, cpu: number): void {
    const { buddy, reference } = this;
    switch (step.do) {
      case 'alloc': {
        const node = step.node % buddy.model.nodes.length;
        const order = Math.min(10, step.order + this.lift);
        const { from } = buddy.explain(step.gfp, order, node, cpu);
        const pfn = buddy.allocPages(step.gfp, order, node, cpu) ?? -1;
        expect(pfn).toBe(reference.alloc(step.gfp, order, node, cpu));
        const zone = reference.zoneOf.get(pfn);
        const told = from === null ? undefined : idOf(from.zone, from.node);
        expect(told).toBe(zone?.id);
        if (pfn >= 0) this.hold([pfn], order, step.gfp);
        note('no page', pfn < 0);
        break;
      }
      case 'bulk': {
        const node = step.node % buddy.model.nodes.length;
        const slots = new Array<number>(step.count).fill(-1);
        const pfns = slots.slice(0, buddy.allocPagesBulk(step.gfp, node, slots, cpu));
        expect(pfns).toEqual(reference.bulk(step.gfp, node, step.count, cpu));
        this.hold(pfns);
        note('bulk', pfns.length > 1);
        break;
      }
      case 'exact': {
        const addr = buddy.allocPagesExact(step.pages * PAGE_SIZE, step.gfp, -1, cpu);
        const pfn = addr === null ? -1 : addr / PAGE_SIZE;
        expect(pfn).toBe(reference.exact(step.gfp, step.pages, cpu));
        if (pfn >= 0) this.hold(Array.from({ length: step.pages }, (_, i) => pfn + i));
        note('exact', pfn >= 0);
        break;
      }
      case 'drain':
        buddy.drainLocalPages(cpu);
        reference.drain([cpu], cpu);
        break;
      case 'drainAll':
        buddy.drainAllPages(cpu);
        reference.drain([...reference.cpuNode.keys()], cpu);
        break;
      case 'fold':
        expect(buddy.refreshCpuVmStats(cpu)).toBe(reference.fold(cpu));
        break;
      case 'isolate':
      case 'contig':
      case 'undo':
        this.runRange(step, cpu);
        break;
      default:
        this.runOnHeld(step.do, step.which, cpu);
    }
  }

  runOnHeld(name: string, which: number, cpu: number): void {
    const { buddy, reference, held } = this;
    const zone = reference.zones[which % reference.zones.length];
    if (name === 'flags') {
      zone.flags = which % 4;
      buddy.model.zones[zone.id].flags = which % 4;
    } else if (name === 'unreserve') this.unreserve(zone, which);
    else if (name === 'freeList') {
      const list = held
        .filter(({ pfn, order, refs }) => order === 0 && refs === 1 && !reference.onLru.has(pfn))
        .slice(0, which % 70);
      buddy.putPagesList(
        list.map(({ pfn }) => pfn),
        cpu,
      );
      reference.freeList(
        list.map(({ pfn }) => pfn),
        cpu,
      );
      for (const block of list) held.splice(held.indexOf(block), 1);
    } else if (held.length > 0) this.runOnBlock(name, held[which % held.length], cpu);
  }

  runOnBlock(name: string, block: Pair['held'][number], cpu: number): void {
    const { buddy, reference, held } = this;
    const { pfn, order } = block;
    const isOnLru = reference.onLru.has(pfn);
    if (name === 'get') {
      buddy.getPage(pfn);
      reference.refcount.set(pfn, ++block.refs);
    } else if (name === 'lru' || isOnLru) {
      buddy.setPageLru(pfn, !isOnLru);
      if (isOnLru) reference.onLru.delete(pfn);
      else reference.onLru.add(pfn);
    } else {
      buddy.freePages(pfn, order, cpu);
      reference.free(pfn, order, cpu);
      if (--block.refs === 0) held.splice(held.indexOf(block), 1);
      else if (!block.compound) {
        note('partly freed', order > 0);
        block.order = 0;
      }
    }
  }

  unreserve(zone: RefZone, which: number): void {
    const ac = new AllocContext();
    ac.zonelist = this.buddy.model.nodes[zone.node].zonelists[0];
    ac.highestZoneidx = 3;
    ac.migratetype = which % 3;
    const force = which % 2 === 0;
    const done = this.buddy.unreserveHighatomicPageblock(ac, force);
    const zones = this.reference.zonelists[zone.node][0];
    expect(done).toBe(this.reference.unreserve(zones, which % 3, force));
    note('unreserved', done);
  }

  runRange(step: RangeCall, cpu: number): void {
    const { buddy, reference } = this;
    if (this.isolated !== null) {
      const [start, end] = this.isolated;
      buddy.undoIsolatePageRange(start, end, 1, cpu);
      undoIsolation(reference, start, end, 1, cpu);
      this.isolated = null;
    }
    if (step.do === 'undo') return;
    const blocks = [...reference.buddies.keys()];
    const start = blocks[step.which % blocks.length] ?? reference.zones[0].start;
    const zone = reference.zoneOf.get(start) as RefZone;
    const end = Math.min(zone.end, start + step.count);
    if (step.do === 'isolate') {
      const error = buddy.startIsolatePageRange(start, end, 1, 0, cpu);
      expect(error).toBe(startIsolation(reference, start, end, 1, cpu));
      if (error === 0) this.isolated = [start, end];
      note(error === 0 ? 'isolated' : 'busy', true);
      return;
    }
    const error = buddy.allocContigRange(start, end, 2, cpu);
    expect(error).toBe(allocContig(reference, start, end, 2, cpu));
    if (error === 0) this.hold(Array.from({ length: end - start }, (_, i) => start + i));
    note('contiguous', error === 0);
  }

  check(): void {
    const [real, plain] = [stateOfReal(this.buddy), stateOf(this.reference)];
    if (JSON.stringify(real) !== JSON.stringify(plain)) expect(real).toEqual(plain);
    if (this.buddy.trace !== null) expect(this.events).toEqual(this.reference.events);
    for (const event of this.reference.events) reached.add(event.split(' ')[0]);
    for (const zone of this.reference.zones) {
      note('boosted', zone.boost > 0);
      note('reserved', zone.reserved > 0);
    }
    this.events.length = 0;
    this.reference.events.length = 0;
  }
}

const { GFP_NOWAIT, GFP_ATOMIC, __GFP_HIGH, __GFP_COMP, __GFP_THISNODE } = Gfp;
const BASES = [
  ...[GFP_NOWAIT, GFP_NOWAIT, GFP_ATOMIC, GFP_ATOMIC, 0, GFP_NOWAIT | __GFP_HIGH],
  ...[GFP_ATOMIC | __GFP_COMP, GFP_NOWAIT | __GFP_COMP, GFP_ATOMIC | __GFP_THISNODE],
  ...[GFP_NOWAIT | Gfp.GFP_DMA32, GFP_ATOMIC | Gfp.__GFP_MEMALLOC],
  ...[GFP_ATOMIC | Gfp.__GFP_NOMEMALLOC, GFP_NOWAIT | Gfp.__GFP_HIGHMEM],
];

function calls(): fc.Arbitrary<Call> {
  const gfp = fc
    .tuple(fc.constantFrom(...BASES), fc.constantFrom(0, 8, 16))
    .map(([base, type]) => base | type | Gfp.__GFP_NOWARN);
  const which = fc.nat({ max: 100000 });
  const node = fc.nat({ max: 2 });
  const is = <T extends string>(...names: T[]): fc.Arbitrary<T> => fc.constantFrom(...names);
  const low = fc.record({ do: is('alloc'), gfp, order: fc.nat({ max: 3 }), node });
  const one = fc.record({ do: is('free', 'free', 'free', 'lru', 'get'), which });
  return fc.oneof(
    { weight: 8, arbitrary: low },
    { weight: 3, arbitrary: fc.record({ do: is('alloc'), gfp, order: fc.nat({ max: 10 }), node }) },
    { weight: 8, arbitrary: one },
    { weight: 1, arbitrary: fc.record({ do: is('freeList', 'flags', 'unreserve'), which }) },
    { weight: 1, arbitrary: fc.record({ do: is('bulk'), gfp, count: fc.nat({ max: 70 }), node }) },
    {
      weight: 1,
      arbitrary: fc.record({ do: is('exact'), gfp, pages: fc.integer({ min: 1, max: 90 }) }),
    },
    { weight: 1, arbitrary: fc.record({ do: is('drain', 'drainAll', 'fold') }) },
    {
      weight: 1,
      arbitrary: fc.record({
        do: is('isolate', 'contig', 'undo'),
        which,
        count: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.integer({ min: 1, max: 1500 })),
      }),
    },
  ) as fc.Arbitrary<Call>;
}

test('any calls on any machine end as the plain reading of the rules says', () => {
  const steps = fc.array(fc.tuple(calls(), fc.nat()), { maxLength: 400, size: 'max' });
  const property = fc.property(specs, steps, (spec, list) => {
    const pair = new Pair(spec);
    pair.check();
    list.forEach(([call, cpu], i) => {
      pair.run(call, cpu % spec.cpus);
      if (i % 16 === 15) pair.check();
    });
    pair.check();
  });
  fc.assert(property, { numRuns: scaled(60) });
  const wanted = ['no page', 'bulk', 'exact', 'boosted', 'reserved', 'unreserved', 'partly freed'];
  const ranges = ['isolated', 'busy', 'contiguous'];
  expect([...wanted, ...ranges, 'extfrag', 'drain'].filter((what) => !reached.has(what))).toEqual(
    [],
  );
}, 60_000);
