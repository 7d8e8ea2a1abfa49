import type { JoinOptions } from '../boot/join-options.ts';
import type { RandomSource } from '../lib/random.ts';
import { topologyOfModel } from '../mm/slab-topology.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import { SlubAllocator } from '../slub/allocator.ts';
import { parseSlubParameters } from '../slub/parameters.ts';
import type { SharedParts } from './join.ts';

/** What only the object allocators ask of a machine. */
export interface SlabSurroundings {
  /** Kernel command line. */
  readonly cmdline: string;
  /** The clock, in jiffies. */
  readonly jiffies: () => number;
  /** Numbers for shuffled freelists; undefined for the allocator's own. */
  readonly random: RandomSource | undefined;
  /** Counter of slab pages freed by a running reclaim, null without reclaim. */
  readonly reclaimState: { reclaimedSlab: number } | null;
}

/**
 * Boots the object allocator of a machine on top of its page allocator.
 * @param kind which one
 * @throws KmemError `PANIC` when there is no memory for its first caches
 * @kernel kmem_cache_init (spec slub 4.9, slab 4.22)
 */
export function bootSlab(
  kind: NonNullable<JoinOptions['slab']>,
  shared: SharedParts,
  surroundings: SlabSurroundings,
): SlubAllocator | SlabAllocator {
  const { buddy, checks, log, memory, task, trace } = shared;
  const { model } = buddy;
  const { cmdline, jiffies, random, reclaimState } = surroundings;
  const common = {
    source: buddy.pageSource(),
    topology: topologyOfModel(model),
    vmstat: model.vmstat,
    hz: model.hz,
    task,
    log,
    checks,
    jiffies,
    ...(memory && { memory }),
    ...(trace && { trace }),
    ...(random && { random }),
  };
  const slab =
    kind === 'slub'
      ? new SlubAllocator({ ...common, parameters: parseSlubParameters(cmdline) })
      : new SlabAllocator({
          ...common,
          parameters: parseSlabParameters(cmdline),
          nodeCpus: model.nodes.map(({ cpus }) => cpus),
          onlineNodes: model.nodes.filter(({ online }) => online).map(({ id }) => id),
          totalRamPages: model.totalramPages,
        });
  slab.reclaimState = reclaimState;
  return slab;
}
