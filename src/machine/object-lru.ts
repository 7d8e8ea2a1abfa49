import type { KmemCache } from '../mm/kmem-cache.ts';
import type { Reclaim } from '../reclaim/reclaim.ts';
import { SHRINK_EMPTY, SHRINK_STOP } from '../reclaim/shrinker.ts';
import type { ShrinkControl, Shrinker } from '../reclaim/types.ts';

/** How objects of a cache are given up. */
export interface ObjectLruOptions {
  /** Name of the shrinker in tracepoints. Default: that of the cache. */
  readonly name?: string;
  /** Price of making an object again; 0 for objects that cost nothing. Default 2. */
  readonly seeks?: number;
  /** Objects asked for at a time. Default 128. */
  readonly batch?: number;
  /** Told of every object before reclaim frees it. */
  readonly onReclaim?: (address: number) => void;
}

/**
 * Objects of a slab cache that are kept only as long as there is memory, as the kernel keeps dentries:
 * reclaim takes the ones used longest ago, and their slabs become free pages.
 *
 * @kernel struct list_lru, struct shrinker (spec reclaim 4.24)
 */
export class ObjectLru {
  /** The cache that the objects are of. */
  readonly cache: KmemCache;
  readonly #reclaim: Reclaim;
  readonly #shrinker: Shrinker;
  readonly #onReclaim: (address: number) => void;
  /** Addresses, the one used longest ago first. */
  readonly #objects = new Set<number>();

  /**
   * Registers the objects, none at first, as a shrinker.
   * @param reclaim reclaim of the machine
   * @param cache the cache
   */
  constructor(reclaim: Reclaim, cache: KmemCache, options: ObjectLruOptions = {}) {
    const { name = cache.name, onReclaim = () => undefined, ...rest } = options;
    this.cache = cache;
    this.#reclaim = reclaim;
    this.#onReclaim = onReclaim;
    this.#shrinker = reclaim.registerShrinker({
      name,
      ...rest,
      countObjects: () => (this.#objects.size === 0 ? SHRINK_EMPTY : this.#objects.size),
      scanObjects: (sc) => this.#scan(sc),
    });
  }

  /** Objects kept. */
  get size(): number {
    return this.#objects.size;
  }

  /** Keeps an object of the cache; reclaim may free it from now on. @kernel list_lru_add */
  add(address: number): void {
    this.#objects.add(address);
  }

  /** Notes that an object is used, as `add` did. @returns false when reclaim has freed it */
  use(address: number): boolean {
    if (!this.#objects.delete(address)) return false;
    this.#objects.add(address);
    return true;
  }

  /** Takes an object back: it is the caller's again. @returns false when reclaim has freed it @kernel list_lru_del */
  remove(address: number): boolean {
    return this.#objects.delete(address);
  }

  /** Frees all objects and is no shrinker any more. @kernel unregister_shrinker */
  close(cpu = 0): void {
    this.#reclaim.unregisterShrinker(this.#shrinker);
    for (const address of this.#objects) this.cache.free(address, cpu);
    this.#objects.clear();
  }

  #scan({ nrToScan, cpu }: ShrinkControl): number {
    let freed = 0;
    for (const address of this.#objects) {
      if (freed === nrToScan) break;
      this.#objects.delete(address);
      this.#onReclaim(address);
      this.cache.free(address, cpu);
      freed++;
    }
    return freed === 0 ? SHRINK_STOP : freed;
  }
}
