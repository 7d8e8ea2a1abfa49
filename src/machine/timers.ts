import type { BuddyAllocator } from '../buddy/allocator.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import type { SlubAllocator } from '../slub/allocator.ts';
import type { Pressure } from './join.ts';

/**
 * The time of a machine, and what happens as it passes. The page cache has the clock if there is one,
 * because time also passes while reclaim sleeps.
 */
export class Timers {
  readonly #buddy: BuddyAllocator;
  readonly #pressure: Pressure | null;
  #jiffies = 0;
  /** When the counters of the CPUs are folded next, in jiffies. */
  #nextFold: number;

  constructor(buddy: BuddyAllocator, pressure: Pressure | null) {
    this.#buddy = buddy;
    this.#pressure = pressure;
    this.#nextFold = buddy.model.hz;
  }

  /** Jiffies since the start. */
  get jiffies(): number {
    return this.#pressure?.pageCache.jiffies ?? this.#jiffies;
  }

  /**
   * Lets one jiffy pass, and everything run that is due then.
   * @param slab object allocator, null while there is none
   */
  tick(slab: SlubAllocator | SlabAllocator | null): void {
    if (this.#pressure === null) this.#jiffies++;
    else this.#pressure.pageCache.advance(1);
    if (this.jiffies >= this.#nextFold) this.#foldCounters();
    if (slab instanceof SlabAllocator) slab.runTimers();
    this.#runDaemons();
  }

  /** Once a second every CPU gives its counters to the global ones. @kernel vmstat_update (spec buddy 4.33) */
  #foldCounters(): void {
    const { cpuCount, hz } = this.#buddy.model;
    this.#nextFold = this.jiffies + hz;
    for (let cpu = 0; cpu < cpuCount; cpu++) this.#buddy.refreshCpuVmStats(cpu);
  }

  /** kswapd and kcompactd of every node, as far as they are awake; the OOM reaper. */
  #runDaemons(): void {
    if (this.#pressure === null) return;
    const { reclaim, slowPath } = this.#pressure;
    for (const { id, online } of this.#buddy.model.nodes) {
      if (online && reclaim.kswapdState(id) === 'running') reclaim.runKswapd(id);
    }
    slowPath.tick();
  }
}
