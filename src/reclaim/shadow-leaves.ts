import { NIL } from '../lib/units.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState } from '../mm/vmstat.ts';
import type { CachedFile } from './cached-file.ts';
import { SHRINK_EMPTY } from './shrinker.ts';
import type { ShrinkControl, ShrinkerOptions } from './types.ts';

/** Positions per leaf of a kernel built with BASE_SMALL. */
const XA_CHUNK_SIZE_SMALL = 16;

/** A leaf of an index that holds nothing but shadow entries. */
interface Leaf {
  readonly file: CachedFile;
  readonly leaf: number;
}

/**
 * Index leaves with nothing but shadow entries, oldest first, and the shrinker that frees them when
 * they take too much memory.
 *
 * @kernel shadow_nodes, mm-shadow (spec reclaim 4.13, 4.24)
 */
export class ShadowLeaves {
  readonly #model: MemoryModel;
  readonly #slotsPerLeaf: number;
  /** Leaves by node; a map keeps the order in which they came. */
  readonly #leaves: readonly Map<number, Leaf>[];

  constructor(model: MemoryModel, slotsPerLeaf: number) {
    this.#model = model;
    this.#slotsPerLeaf = slotsPerLeaf;
    this.#leaves = model.nodes.map(() => new Map());
  }

  /** A leaf holds nothing but shadow entries from now on. */
  add(file: CachedFile, leaf: number, node: number): void {
    this.#leaves[node].set(keyOf(file, leaf), { file, leaf });
  }

  /** A leaf does not any more. */
  remove(file: CachedFile, leaf: number, node: number): void {
    this.#leaves[node].delete(keyOf(file, leaf));
  }

  /** The shrinker, to be registered. */
  shrinker(): ShrinkerOptions {
    return {
      name: 'scan_shadow_nodes+0x0/0x20',
      seeks: 0,
      numaAware: true,
      countObjects: (sc) => this.#count(sc),
      scanObjects: (sc) => this.#scan(sc),
    };
  }

  /** Leaves beyond what is reasonable for the node's memory. @kernel count_shadow_nodes */
  #count({ nid }: ShrinkControl): number {
    const leaves = this.#leaves[nid].size;
    if (leaves === 0) return SHRINK_EMPTY;
    const shift = this.#slotsPerLeaf === XA_CHUNK_SIZE_SMALL ? 1 : 3;
    const limit = Math.floor(this.#model.nodes[nid].presentPages / 2 ** shift);
    return Math.max(0, leaves - limit);
  }

  /** Forgets the shadow entries of the oldest leaves. @kernel scan_shadow_nodes */
  #scan({ cpu, nid, nrToScan }: ShrinkControl): number {
    let freed = 0;
    for (const { file, leaf } of [...this.#leaves[nid].values()].slice(0, nrToScan)) {
      const start = leaf * this.#slotsPerLeaf;
      for (let index = start; index < start + this.#slotsPerLeaf; index++) {
        if (file.shadow(index) !== NIL) file.setShadow(index, NIL, nid, cpu);
      }
      modNodeState(this.#model.vmstat, cpu, nid, NodeStatItem.workingset_nodereclaim, 1);
      freed++;
    }
    return freed;
  }
}

function keyOf(file: CachedFile, leaf: number): number {
  return file.id * 2 ** 31 + leaf;
}
