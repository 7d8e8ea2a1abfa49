import { NIL } from '../lib/units.ts';
import { drainAlienArray } from './alien.ts';
import { type CacheState, cacheNodeOf } from './cache-state.ts';
import { drainArray } from './drain.ts';
import { drainFreelist, slabsDestroy } from './free-block.ts';
import type { SlabState } from './state.ts';
import { REAPTIMEOUT_NODE_SECONDS } from './tune.ts';

/** Period of `cache_reap` on each CPU, in units of HZ. */
export const REAPTIMEOUT_AC_SECONDS = 2;
/** CPUs are kept this many jiffies apart. */
const CPU_SKEW = 3;

/**
 * Rounds the end of a delay to a full second, so that CPUs wake together but not at once.
 * @param delay jiffies from now
 * @param cpu the CPU that runs
 * @returns when to run, jiffies
 * @kernel round_jiffies_relative (spec slab 4.18)
 */
export function roundedDue(now: number, delay: number, cpu: number, hz: number): number {
  let due = now + delay + CPU_SKEW * cpu;
  const rest = due % hz;
  if (rest < Math.floor(hz / 4)) due -= rest;
  else due += hz - rest;
  due -= CPU_SKEW * cpu;
  return due > now ? due : now + delay;
}

/** The online node after a node, in a circle. */
function nextOnlineNode({ onlineNodes }: SlabState, node: number): number {
  return onlineNodes.find((other) => other > node) ?? onlineNodes[0];
}

/** Starts the reaping of a CPU that came online. @kernel start_cpu_timer (spec slab 4.18) */
export function startCpuTimer(state: SlabState, cpu: number): void {
  state.reapNode[cpu] = nextOnlineNode(state, state.cpuNode[cpu]);
  state.reapDue[cpu] = roundedDue(state.jiffies(), state.hz, cpu, state.hz);
}

/** Stops the reaping of a CPU that goes offline. @kernel slab_offline_cpu */
export function stopCpuTimer(state: SlabState, cpu: number): void {
  state.reapDue[cpu] = NIL;
}

/**
 * Empties an array of another node's objects, of one node at a time.
 * @kernel reap_alien (spec slab 4.18)
 */
function reapAlien(cache: CacheState, local: number, cpu: number): void {
  const { state } = cache;
  const node = state.reapNode[cpu];
  const ac = cacheNodeOf(cache, local).alien?.caches[node] ?? null;
  state.calls?.enter('reap_alien');
  if (ac === null || ac.avail === 0) return;
  slabsDestroy(cache, drainAlienArray(cache, ac, node, NIL), cpu);
}

/** One cache of `cache_reap`. */
function reapCache(cache: CacheState, cpu: number, now: number): void {
  const { state } = cache;
  const local = state.cpuNode[cpu];
  const n = cacheNodeOf(cache, local);
  reapAlien(cache, local, cpu);
  drainArray(cache, cache.cpuCache[cpu], local, cpu);
  if (n.nextReap > now) return;
  n.nextReap = now + REAPTIMEOUT_NODE_SECONDS * state.hz;
  drainArray(cache, n.shared, local, cpu);
  if (n.freeTouched !== 0) {
    n.freeTouched = 0;
    return;
  }
  const { num } = cache;
  const max = Math.floor((n.freeLimit + 5 * num - 1) / (5 * num));
  const freed = drainFreelist(cache, local, max, cpu);
  if (state.statistics) cache.statistics.reaped += freed;
}

/**
 * Gives back what lay idle on a CPU and its node, a part at a time, and arranges the next run.
 * @param now jiffies
 * @param contended whether the list of caches is locked at this moment: then only the next run is
 * arranged
 * @kernel cache_reap (spec slab 4.18)
 */
export function cacheReap(state: SlabState, cpu: number, now: number, contended: boolean): void {
  state.calls?.enter('cache_reap');
  if (!contended) {
    // The walk itself may not change the list.
    for (const cache of [...state.caches]) reapCache(cache, cpu, now);
    state.calls?.enter('next_reap_node');
    state.reapNode[cpu] = nextOnlineNode(state, state.reapNode[cpu]);
  }
  state.reapDue[cpu] = roundedDue(now, REAPTIMEOUT_AC_SECONDS * state.hz, cpu, state.hz);
}

/**
 * Runs all reaping that is due, in the order of its times, lower CPUs first.
 * @param now jiffies
 * @returns number of runs
 */
export function runReapTimers(state: SlabState, now: number): number {
  let runs = 0;
  for (;;) {
    let next = NIL;
    for (let cpu = 0; cpu < state.cpuCount; cpu++) {
      const due = state.reapDue[cpu];
      if (due < 0 || due > now) continue;
      if (next === NIL || due < state.reapDue[next]) next = cpu;
    }
    if (next === NIL) return runs;
    cacheReap(state, next, state.reapDue[next], false);
    runs++;
  }
}
