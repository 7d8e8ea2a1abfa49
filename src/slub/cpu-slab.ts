import { PAGE_SIZE } from '../lib/units.ts';
import type { CacheState, CpuState } from './cache-state.ts';
import { discardSlab } from './new-slab.ts';
import { addPartial } from './node-lists.ts';
import { setNext, WORDS_PER_PAGE } from './pointer.ts';
import { FREELIST_END } from './slab-table.ts';
import type { SlubState } from './state.ts';
import { countStat, Stat } from './statistics.ts';

/** Makes a slab the CPU slab; the CPU freelist is the caller's to set. */
export function setCpuSlab(state: SlubState, cache: CacheState, c: CpuState, slab: number): void {
  const { slabs } = state;
  c.slab = slab;
  c.freelist = FREELIST_END;
  c.base = slabs.pfn[slab] * PAGE_SIZE;
  c.span = slabs.objects[slab] * cache.size;
  c.links = slabs.linkBase[slab];
  c.word = slabs.pfn[slab] * WORDS_PER_PAGE;
  c.virtLow = slabs.virtLow[slab];
  c.virtHigh = slabs.virtHigh[slab];
}

/** Leaves the CPU without a CPU slab. */
export function clearCpuSlab(c: CpuState): void {
  c.slab = -1;
  c.freelist = FREELIST_END;
  c.base = 0;
  c.span = 0;
}

/** Gives the objects of a CPU freelist back to their slab's own freelist, in front. */
function returnFreelist(state: SlubState, cache: CacheState, slab: number, freelist: number): void {
  if (freelist === FREELIST_END) return;
  const { slabs } = state;
  const { links } = slabs;
  const base = slabs.linkBase[slab];
  let count = 1;
  let last = freelist;
  for (let next = links[base + last]; next !== FREELIST_END; next = links[base + last]) {
    last = next;
    count++;
  }
  setNext(state, cache, slab, last, slabs.freelist[slab]);
  slabs.freelist[slab] = freelist;
  slabs.inuse[slab] -= count;
}

/**
 * Gives up a CPU slab: its objects go back to the slab, the slab to its node's list or away.
 * @param freelist first object of the CPU freelist, FREELIST_END for none
 * @kernel deactivate_slab (spec slub 4.16)
 */
export function deactivateSlab(
  state: SlubState,
  cache: CacheState,
  slab: number,
  freelist: number,
  cpu: number,
): void {
  const { slabs } = state;
  const { stats } = cache;
  const node = slabs.node[slab];
  const tail = slabs.freelist[slab] !== FREELIST_END;
  if (tail) countStat(stats, cpu, Stat.deactivate_remote_frees);
  returnFreelist(state, cache, slab, freelist);
  slabs.frozen[slab] = 0;
  if (slabs.inuse[slab] === 0 && cache.nrPartial[node] >= cache.minPartial) {
    countStat(stats, cpu, Stat.deactivate_empty);
    discardSlab(state, cache, slab, cpu);
    countStat(stats, cpu, Stat.free_slab);
  } else if (slabs.freelist[slab] !== FREELIST_END) {
    addPartial(state, cache, slab, tail);
    countStat(stats, cpu, tail ? Stat.deactivate_to_tail : Stat.deactivate_to_head);
  } else {
    countStat(stats, cpu, Stat.deactivate_full);
  }
}

/** Takes the CPU slab away from the CPU and deactivates it. */
export function deactivateCpuSlab(
  state: SlubState,
  cache: CacheState,
  c: CpuState,
  cpu: number,
): void {
  const { slab, freelist } = c;
  clearCpuSlab(c);
  deactivateSlab(state, cache, slab, freelist, cpu);
}

/**
 * Puts a frozen slab at the head of the CPU's partial list.
 * @param drain whether a full list is moved to the nodes first
 * @kernel put_cpu_partial (spec slub 4.14)
 */
export function putCpuPartial(
  state: SlubState,
  cache: CacheState,
  slab: number,
  drain: boolean,
  cpu: number,
): void {
  const { slabs } = state;
  const c = cache.cpus[cpu];
  const old = c.chain;
  const setAside = drain && old >= 0 && slabs.slabs[old] >= cache.cpuPartialSlabs;
  const below = setAside ? -1 : old;
  slabs.slabs[slab] = below < 0 ? 1 : slabs.slabs[below] + 1;
  slabs.next[slab] = below;
  c.chain = slab;
  if (!setAside) return;
  unfreezePartials(state, cache, old, cpu);
  countStat(cache.stats, cpu, Stat.cpu_partial_drain);
}

/**
 * Moves a chain of CPU partial slabs to the lists of their nodes.
 * @param chain first slab
 * @kernel __unfreeze_partials (spec slub 4.15)
 */
export function unfreezePartials(
  state: SlubState,
  cache: CacheState,
  chain: number,
  cpu: number,
): void {
  const { slabs } = state;
  let discards = -1;
  for (let slab = chain; slab >= 0; ) {
    const following = slabs.next[slab];
    const node = slabs.node[slab];
    slabs.frozen[slab] = 0;
    if (slabs.inuse[slab] === 0 && cache.nrPartial[node] >= cache.minPartial) {
      slabs.next[slab] = discards;
      discards = slab;
    } else {
      addPartial(state, cache, slab, true);
      countStat(cache.stats, cpu, Stat.free_add_partial);
    }
    slab = following;
  }
  while (discards >= 0) {
    const following = slabs.next[discards];
    countStat(cache.stats, cpu, Stat.deactivate_empty);
    discardSlab(state, cache, discards, cpu);
    countStat(cache.stats, cpu, Stat.free_slab);
    discards = following;
  }
}

/**
 * Takes everything away from a CPU.
 * @param onCpu the CPU that does the work
 * @kernel __flush_cpu_slab (spec slub 4.17)
 */
export function flushCpu(state: SlubState, cache: CacheState, cpu: number, onCpu: number): void {
  const c = cache.cpus[cpu];
  if (c.slab >= 0) {
    deactivateCpuSlab(state, cache, c, onCpu);
    countStat(cache.stats, onCpu, Stat.cpuslab_flush);
  }
  const { chain } = c;
  c.chain = -1;
  if (chain >= 0) unfreezePartials(state, cache, chain, onCpu);
}

/** Every CPU that holds slabs of the cache gives them up, ascending. @kernel flush_all (spec slub 4.17) */
export function flushAll(state: SlubState, cache: CacheState): void {
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) flushCpu(state, cache, cpu, cpu);
}
