/** End of a freelist in `links`. */
export const FREELIST_END = -1;
/** In `links`: the object is in use. */
export const LINK_ALLOCATED = -2;
/** In `links`: the object is on its way to a freelist (inside one call). */
export const LINK_FREEING = -3;
/** Freelist head of a debug slab: a pointer that is no object of the slab. */
export const FREELIST_BAD = -4;

const INITIAL_SLABS = 64;
const INITIAL_LINKS = 4096;

/**
 * All slabs of an allocator, as structure of arrays indexed by slot. The slot of a slab is written in
 * the `private` cell of its pages. Slots of slabs with the same room for objects are used again.
 *
 * @kernel struct slab (spec slub 2.2)
 */
export class SlabTable {
  /** Slots handed out so far, live or not. */
  count = 0;
  /** First page frame, -1 for a slot that is not in use. */
  pfn: Int32Array = new Int32Array(INITIAL_SLABS).fill(-1);
  /** log2 of the pages. */
  order: Uint8Array = new Uint8Array(INITIAL_SLABS);
  /** Slots of objects. */
  objects: Uint16Array = new Uint16Array(INITIAL_SLABS);
  /** Objects that are not on the regular freelist. */
  inuse: Uint16Array = new Uint16Array(INITIAL_SLABS);
  /** 1: owned by a CPU; debug caches: found corrupt. */
  frozen: Uint8Array = new Uint8Array(INITIAL_SLABS);
  /** First object of the regular freelist. */
  freelist: Int16Array = new Int16Array(INITIAL_SLABS);
  /** Id of the owning cache, -1 for a slot that is not in use. */
  cache: Int32Array = new Int32Array(INITIAL_SLABS).fill(-1);
  /** Node of the pages. */
  node: Uint8Array = new Uint8Array(INITIAL_SLABS);
  /** Next slab of a CPU's partial list, -1 at the end. */
  next: Int32Array = new Int32Array(INITIAL_SLABS);
  /** Length of a CPU's partial list from this slab to the end. */
  slabs: Int32Array = new Int32Array(INITIAL_SLABS);
  /** Where the slab's objects begin in `links`. */
  linkBase: Int32Array = new Int32Array(INITIAL_SLABS);
  /** Entries that the slab has in `links`. */
  linkCount: Uint16Array = new Uint16Array(INITIAL_SLABS);
  /** Low half of the virtual address of the slab. */
  virtLow: Uint32Array = new Uint32Array(INITIAL_SLABS);
  /** High half of the virtual address of the slab. */
  virtHigh: Uint32Array = new Uint32Array(INITIAL_SLABS);
  /**
   * Per object: the following object of its freelist, FREELIST_END, or LINK_ALLOCATED. This is what
   * the model holds to be true; normal caches have a copy of it in memory, as the kernel has. Of a
   * debug cache with content only LINK_ALLOCATED counts: its pointers are read from memory.
   */
  links: Int16Array = new Int16Array(INITIAL_LINKS);
  /** Entries of `links` handed out so far. */
  linksUsed = 0;
  /** Free slots by `linkCount`. */
  readonly #freeSlots: Map<number, number[]> = new Map();

  /**
   * Takes a slot with room for `objects` objects; its fields are the caller's to set.
   * @returns the slot
   */
  take(objects: number): number {
    const slot = this.#freeSlots.get(objects)?.pop();
    if (slot !== undefined) return slot;
    if (this.count === this.pfn.length) this.#growSlots();
    while (this.linksUsed + objects > this.links.length) this.links = doubled(this.links);
    const fresh = this.count++;
    this.linkBase[fresh] = this.linksUsed;
    this.linkCount[fresh] = objects;
    this.linksUsed += objects;
    return fresh;
  }

  /** Gives a slot back. */
  release(slot: number): void {
    this.pfn[slot] = -1;
    this.cache[slot] = -1;
    this.order[slot] = 0;
    const objects = this.linkCount[slot];
    const slots = this.#freeSlots.get(objects);
    if (slots === undefined) this.#freeSlots.set(objects, [slot]);
    else slots.push(slot);
  }

  /** Forgets all slabs. */
  clear(): void {
    this.count = 0;
    this.linksUsed = 0;
    this.pfn.fill(-1);
    this.cache.fill(-1);
    this.#freeSlots.clear();
  }

  #growSlots(): void {
    const from = this.pfn.length;
    this.pfn = doubled(this.pfn).fill(-1, from);
    this.cache = doubled(this.cache).fill(-1, from);
    this.order = doubled(this.order);
    this.objects = doubled(this.objects);
    this.inuse = doubled(this.inuse);
    this.frozen = doubled(this.frozen);
    this.freelist = doubled(this.freelist);
    this.node = doubled(this.node);
    this.next = doubled(this.next);
    this.slabs = doubled(this.slabs);
    this.linkBase = doubled(this.linkBase);
    this.linkCount = doubled(this.linkCount);
    this.virtLow = doubled(this.virtLow);
    this.virtHigh = doubled(this.virtHigh);
  }
}

type Cells = Uint8Array | Uint16Array | Int16Array | Int32Array | Uint32Array;

/** A copy of twice the length, zero behind the old content. */
function doubled<T extends Cells>(cells: T): T {
  const make = cells.constructor as new (length: number) => T;
  const larger = new make(cells.length * 2);
  larger.set(cells);
  return larger;
}
