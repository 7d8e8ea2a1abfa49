import type { MemoryModel } from '../mm/memory-model.ts';
import { foldNodeStats, foldZoneStats } from '../mm/vmstat.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import type { SlubAllocator } from '../slub/allocator.ts';
import type { Pressure } from './join.ts';

/**
 * The time of a machine, and what happens as it passes. The page cache has the clock if there is one,
 * because time also passes while reclaim sleeps.
 */
export class Timers {
  readonly #model: MemoryModel;
  readonly #pressure: Pressure | null;
  #jiffies = 0;
  /** When the counters of the CPUs are folded next, in jiffies. */
  #nextFold: number;

  constructor(model: MemoryModel, pressure: Pressure | null) {
    this.#model = model;
    this.#pressure = pressure;
    this.#nextFold = model.hz;
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

  /** Once a second every CPU gives its counters to the global ones. @kernel vmstat_update (spec reclaim 4.1) */
  #foldCounters(): void {
    const { cpuCount, vmstat } = this.#model;
    this.#nextFold = this.jiffies + this.#model.hz;
    for (let cpu = 0; cpu < cpuCount; cpu++) {
      for (let zone = 0; zone < vmstat.zoneCount; zone++) foldZoneStats(vmstat, cpu, zone);
      for (let node = 0; node < vmstat.nodeCount; node++) foldNodeStats(vmstat, cpu, node);
    }
  }

  /** kswapd and kcompactd of every node, as far as they are awake; the OOM reaper. */
  #runDaemons(): void {
    if (this.#pressure === null) return;
    const { reclaim, slowPath } = this.#pressure;
    for (const { id, online } of this.#model.nodes) {
      if (online && reclaim.kswapdState(id) === 'running') reclaim.runKswapd(id);
    }
    slowPath.tick();
  }
}
