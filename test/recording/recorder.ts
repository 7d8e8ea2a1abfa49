import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { BuddyAllocator } from '../../src/buddy/allocator.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import type { KmemCache } from '../../src/mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../../src/mm/slab-create.ts';
import { topologyOfModel } from '../../src/mm/slab-topology.ts';
import { type KernelState, parseKernelState } from '../../src/recording/kernel-state.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { recordOfCache } from '../../src/recording/slab-state.ts';
import { geometryOf } from '../../src/recording/slub-machine.ts';
import { recordOfSlubCache } from '../../src/recording/slub-state.ts';
import { kernelStateOf } from '../../src/recording/state-compare.ts';
import { loadKernelState } from '../../src/recording/state-load.ts';
import type { Recording } from '../../src/recording/types.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';

const FOLDER = new URL('../recordings/', import.meta.url);

/** What a recorder of object caches is to do. */
export interface Plan {
  /** The recording whose machine is used. */
  readonly base: string;
  /** The caches. */
  readonly shapes: readonly KmemCacheOptions[];
  /** Number of calls. */
  readonly calls: number;
  /** How many of 100 calls take objects, at a call. */
  readonly takes: (call: number) => number;
  /** How many of 100 calls are for many objects. */
  readonly bulk: number;
  /** Random numbers below a limit. */
  readonly random: (limit: number) => number;
  /** SLUB: how many of 100 times the cycle counter keeps it from looking at other nodes. */
  readonly skips?: number;
  /** SLAB: with the kernel's own caches, which the recording does not tell of. */
  readonly ownCaches?: boolean;
}

/** A state as it stands in a file. */
function rawState(state: KernelState): unknown {
  const zones = state.zones.map((zone) => ({
    ...zone,
    pageblocks: zone.pageblocks.map(({ count, migratetype }) => [count, migratetype]),
    free: zone.free.map(({ order, migratetype, pfns }) => [order, migratetype, pfns]),
    pcp: zone.pcp.map((pcp) => ({
      ...pcp,
      lists: pcp.lists.map(({ pindex, pfns }) => [pindex, pfns]),
    })),
  }));
  const nodes = state.nodes.map((node) => ({
    ...node,
    zonelists: node.zonelists.map((list) => list.map((entry) => [entry.node, entry.zone])),
  }));
  return { ...state, nodes, zones };
}

/** An allocator to be recorded. */
interface Recorded {
  readonly caches: readonly KmemCache[];
  geometries(): unknown[];
  records(): unknown[];
}

function machineOf(base: Recording): BuddyAllocator {
  const load = base.lines.find(({ value }) => Object.hasOwn(value as object, 'load'));
  const fields = load?.value as { load: unknown } | undefined;
  return new BuddyAllocator(loadKernelState(parseKernelState(fields?.load, 2, 'load')));
}

function startAllocator(buddy: BuddyAllocator, plan: Plan, isSlab: boolean): Recorded {
  const { model } = buddy;
  const options = {
    source: buddy.pageSource(),
    memory: sparseMemory(model.map.endPfn * 4096),
    topology: topologyOfModel(model),
    vmstat: model.vmstat,
    boot: plan.ownCaches === true ? ('kernel' as const) : ('bare' as const),
  };
  const name = (i: number): string => `ops-${i}`;
  const made = <C>(cache: C | null): C => {
    if (cache === null) throw new Error('no cache');
    return cache;
  };
  if (isSlab) {
    const nodeCpus = model.nodes.map(({ cpus }) => cpus);
    const parameters = { nomerge: true, maxOrder: 1 };
    const slab = new SlabAllocator({ ...options, nodeCpus, parameters });
    const caches = plan.shapes.map((shape, i) => made(slab.createCache(name(i), shape)));
    return {
      caches,
      geometries: () => caches.map((cache) => cache.geometry()),
      records: () => caches.map(recordOfCache),
    };
  }
  const cycles = (): number => (plan.random(100) < (plan.skips ?? 0) ? 1023 : 0);
  const slub = new SlubAllocator({ ...options, cycles, parameters: { nomerge: true } });
  const caches = plan.shapes.map((shape, i) => made(slub.createCache(name(i), shape)));
  const { state } = slub;
  return {
    caches,
    geometries: () => caches.map(geometryOf),
    records: () =>
      [...state.caches.slice(0, caches.length)]
        .reverse()
        .map((cache) => recordOfSlubCache(state, cache)),
  };
}

const MASKS = [0x2800, 0x2a20, 0x2900, 0x2b20];

/** One random call, made and recorded. */
function randomCall(
  caches: readonly KmemCache[],
  held: number[][],
  cpus: number,
  plan: Plan,
  at: number,
): unknown[] {
  const { random } = plan;
  const which = random(caches.length);
  const [cache, mine, cpu] = [caches[which], held[which], random(cpus)];
  const many = random(100) < plan.bulk ? 1 + random(60) : 0;
  if (random(100) < plan.takes(at) || mine.length === 0) {
    const gfp = MASKS[random(MASKS.length)];
    if (many === 0) {
      const address = cache.alloc(gfp, cpu);
      if (address !== null) mine.push(address);
      return ['calloc', cpu, which, gfp, -1, address];
    }
    const slots = new Array<number>(many).fill(-1);
    const taken = slots.slice(0, cache.allocBulk(gfp, slots, cpu));
    mine.push(...taken);
    return ['calloc_bulk', cpu, which, gfp, many, taken];
  }
  const start = random(mine.length);
  const freed = mine.splice(start, Math.max(1, many));
  if (freed.length === 1) cache.free(freed[0], cpu);
  else cache.freeBulk([...freed], cpu);
  return freed.length === 1 ? ['cfree', cpu, which, freed[0]] : ['cfree_bulk', cpu, which, freed];
}

/** A recording of the model itself, on the machine of a recorded kernel. */
export function record(plan: Plan): Recording {
  const base = readRecording(gunzipSync(readFileSync(new URL(plan.base, FOLDER))).toString());
  const isSlab = base.kind === 'slab_ops';
  const buddy = machineOf(base);
  const { caches, geometries, records } = startAllocator(buddy, plan, isSlab);
  const state = (): unknown => rawState(kernelStateOf(buddy.model));
  const withHex = geometries().map((geometry) => {
    const { flags } = geometry as { flags: number };
    return { ...(geometry as object), flags: `0x${flags.toString(16)}` };
  });
  const values: unknown[] = [{ load: state() }, { caches: withHex }];
  const held = caches.map((): number[] => []);
  for (let at = 0; at < plan.calls; at++) {
    values.push(randomCall(caches, held, buddy.model.cpuCount, plan, at));
  }
  values.push({ cacheState: records() }, { state: state() });
  const plain = JSON.parse(JSON.stringify(values)) as unknown[];
  return { ...base, lines: plain.map((value, i) => ({ number: i + 2, value })) };
}
