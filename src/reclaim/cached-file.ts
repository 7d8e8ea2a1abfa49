import { ilog2 } from '../lib/bits.ts';
import { checkInteger } from '../lib/errors.ts';
import { NIL } from '../lib/units.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState, type Vmstat } from '../mm/vmstat.ts';

/** log2 of the positions in one piece of an index. */
const CHUNK_SHIFT = 12;
/** Positions in one piece of an index. */
const CHUNK_SLOTS = 4096;

const WORKINGSET_NODES = NodeStatItem.workingset_nodes;

/** A run of positions of a file's index; made when the first one is used. */
interface Chunk {
  /** Per position 0 for nothing, pfn + 1 of a page, or -1 - shadow of an evicted one. */
  readonly slots: Float64Array;
  /** Pages of each leaf. */
  readonly pages: Uint8Array;
  /** Shadow entries of each leaf. */
  readonly shadows: Uint8Array;
  /** Node on which the memory of each leaf lies. */
  readonly nodes: Uint8Array;
}

/** How a file behaves. */
export interface CachedFileOptions {
  /** Name for display. */
  readonly name?: string;
  /** Whether reclaim may write single pages out. Default true. */
  readonly writepage?: boolean;
  /** Whether its dirty pages are counted. Default true; tmpfs and ramfs have it off. */
  readonly dirtyAccounting?: boolean;
  /** Whether its pages are backed by swap: tmpfs, shared memory. Default false. */
  readonly swapBacked?: boolean;
  /** Whether its pages must stay: ramfs, SHM_LOCK. Default false. */
  readonly unevictable?: boolean;
}

/** What a leaf of an index is, for the shrinker that frees leaves of shadow entries only. */
export interface LeafWatcher {
  /** Positions per leaf, a power of two. */
  readonly slotsPerLeaf: number;
  /** The machine's counters. */
  readonly vm: Vmstat;
  /** A leaf holds nothing but shadow entries from now on. */
  leafShadowOnly(file: CachedFile, leaf: number, node: number): void;
  /** A leaf does not any more. */
  leafInUse(file: CachedFile, leaf: number, node: number): void;
}

/**
 * The index of a cached file: position to page, or to the shadow of an evicted page. It counts, leaf
 * by leaf, what the kernel's index nodes hold, because leaves with nothing but shadow entries show
 * in `workingset_nodes`.
 *
 * @kernel struct address_space, its i_pages (spec reclaim 4.13)
 */
export class CachedFile {
  /** Number of the file in its cache. */
  readonly id: number;
  /** Name for display. */
  readonly name: string;
  /** Whether reclaim may write single pages out. */
  writepage: boolean;
  /** Whether its dirty pages are counted. */
  readonly dirtyAccounting: boolean;
  /** Whether its pages are backed by swap. */
  readonly swapBacked: boolean;
  /** Whether its pages must stay. */
  unevictable: boolean;
  /** Pages in the cache. @kernel address_space.nrpages */
  nrPages = 0;
  readonly #watcher: LeafWatcher;
  /** log2 of the positions per leaf. */
  readonly #leafShift: number;
  readonly #chunks: (Chunk | undefined)[] = [];

  constructor(id: number, watcher: LeafWatcher, options: CachedFileOptions) {
    this.id = id;
    this.name = options.name ?? `file ${id}`;
    this.writepage = options.writepage ?? true;
    this.dirtyAccounting = options.dirtyAccounting ?? true;
    this.swapBacked = options.swapBacked ?? false;
    this.unevictable = options.unevictable ?? false;
    this.#watcher = watcher;
    this.#leafShift = ilog2(watcher.slotsPerLeaf);
  }

  /** Page at a position, -1 for none. @kernel filemap_get_folio */
  page(index: number): number {
    const slot = this.#chunks[index >> CHUNK_SHIFT]?.slots[index & (CHUNK_SLOTS - 1)] ?? 0;
    return slot > 0 ? slot - 1 : NIL;
  }

  /** Shadow entry at a position, -1 for none. */
  shadow(index: number): number {
    const slot = this.#chunks[index >> CHUNK_SHIFT]?.slots[index & (CHUNK_SLOTS - 1)] ?? 0;
    return slot < 0 ? -1 - slot : NIL;
  }

  /**
   * Puts a page at a position that has none.
   * @param node node of the CPU, where a new leaf is made
   * @returns the shadow entry that was there, -1 for none
   */
  insert(index: number, pfn: number, node: number, cpu: number): number {
    const chunk = this.#chunkFor(index);
    const at = index & (CHUNK_SLOTS - 1);
    const leaf = at >> this.#leafShift;
    const before = chunk.slots[at];
    chunk.slots[at] = pfn + 1;
    this.nrPages++;
    if (chunk.pages[leaf]++ === 0) {
      if (chunk.shadows[leaf] === 0) chunk.nodes[leaf] = node;
      else this.#leafInUse(index, chunk.nodes[leaf], cpu);
    }
    if (before >= 0) return NIL;
    chunk.shadows[leaf]--;
    return -1 - before;
  }

  /**
   * Takes the page at a position out.
   * @param shadow what to leave there, -1 for nothing
   */
  remove(index: number, shadow: number, cpu: number): void {
    const chunk = this.#chunkFor(index);
    const at = index & (CHUNK_SLOTS - 1);
    const leaf = at >> this.#leafShift;
    chunk.slots[at] = shadow === NIL ? 0 : -1 - shadow;
    this.nrPages--;
    if (shadow !== NIL) chunk.shadows[leaf]++;
    if (--chunk.pages[leaf] === 0 && chunk.shadows[leaf] > 0) {
      this.#leafShadowOnly(index, chunk.nodes[leaf], cpu);
    }
  }

  /** Puts another page in the place of one, as migration does. */
  replace(index: number, pfn: number): void {
    this.#chunkFor(index).slots[index & (CHUNK_SLOTS - 1)] = pfn + 1;
  }

  /** Leaves a shadow entry at a position that has neither page nor entry, or takes one away (-1). */
  setShadow(index: number, shadow: number, node: number, cpu: number): void {
    const chunk = this.#chunkFor(index);
    const at = index & (CHUNK_SLOTS - 1);
    const leaf = at >> this.#leafShift;
    const had = chunk.slots[at] < 0;
    chunk.slots[at] = shadow === NIL ? 0 : -1 - shadow;
    const change = (shadow === NIL ? 0 : 1) - (had ? 1 : 0);
    const before = chunk.shadows[leaf];
    if (before === 0 && chunk.pages[leaf] === 0) chunk.nodes[leaf] = node;
    chunk.shadows[leaf] = before + change;
    if (chunk.pages[leaf] > 0) return;
    if (before === 0 && change > 0) this.#leafShadowOnly(index, chunk.nodes[leaf], cpu);
    if (before > 0 && before + change === 0) this.#leafInUse(index, chunk.nodes[leaf], cpu);
  }

  /** Positions from `start` on that hold a page or a shadow entry, ascending. */
  *entries(start = 0): Generator<number> {
    for (let i = start >> CHUNK_SHIFT; i < this.#chunks.length; i++) {
      const slots = this.#chunks[i]?.slots;
      if (slots === undefined) continue;
      for (let at = 0; at < CHUNK_SLOTS; at++) {
        const index = i * CHUNK_SLOTS + at;
        if (index >= start && slots[at] !== 0) yield index;
      }
    }
  }

  #leafShadowOnly(index: number, node: number, cpu: number): void {
    const { slotsPerLeaf, vm } = this.#watcher;
    modNodeState(vm, cpu, node, WORKINGSET_NODES, 1);
    this.#watcher.leafShadowOnly(this, Math.floor(index / slotsPerLeaf), node);
  }

  #leafInUse(index: number, node: number, cpu: number): void {
    const { slotsPerLeaf, vm } = this.#watcher;
    modNodeState(vm, cpu, node, WORKINGSET_NODES, -1);
    this.#watcher.leafInUse(this, Math.floor(index / slotsPerLeaf), node);
  }

  #chunkFor(index: number): Chunk {
    const at = index >> CHUNK_SHIFT;
    const found = this.#chunks[at];
    if (found !== undefined) return found;
    checkInteger('position', index, 0, 0x7fffffff);
    const leaves = CHUNK_SLOTS / this.#watcher.slotsPerLeaf;
    const chunk: Chunk = {
      slots: new Float64Array(CHUNK_SLOTS),
      pages: new Uint8Array(leaves),
      shadows: new Uint8Array(leaves),
      nodes: new Uint8Array(leaves),
    };
    this.#chunks[at] = chunk;
    return chunk;
  }
}
