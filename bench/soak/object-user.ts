import { addrToPfn } from '../../src/lib/units.ts';
import type { ObjectLru } from '../../src/machine/object-lru.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { KmemCache } from '../../src/mm/kmem-cache.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { LoadContext } from './context.ts';

/** An object; `cache` is null for kmalloc. */
interface HeldObject {
  readonly address: number;
  readonly cache: KmemCache | null;
}

/** Sizes of kmalloc, bytes. */
const SIZES = [8, 24, 64, 100, 192, 256, 1000, 2048, 5000, 8192, 9000, 40000];
const CACHES_MAX = 12;
const OBJECTS_MAX = 20000;
const OBJECTS_SPARED = 2000;

/** Somebody who uses the object allocator: kmalloc, caches, objects that reclaim may free. */
export class ObjectUser {
  readonly #load: LoadContext;
  readonly #objects: HeldObject[] = [];
  readonly #caches: KmemCache[] = [];
  readonly #dentries: ObjectLru;
  #nextCache = 0;

  constructor(load: LoadContext) {
    const { machine } = load;
    const flags = SlabFlag.SLAB_RECLAIM_ACCOUNT;
    const cache = machine.slab.createCache('dentry', { size: 192, flags });
    if (cache === null) throw new Error('there is no memory for the first cache');
    this.#load = load;
    this.#dentries = machine.objectLru(cache);
    this.#makeCache();
  }

  /** Takes a block of kmalloc. */
  kmalloc(): number {
    const load = this.#load;
    const gfp = load.oneIn(3) ? Gfp.GFP_ATOMIC : Gfp.GFP_KERNEL;
    const size = load.pick(SIZES);
    return this.#hold(load.machine.kmalloc(size, gfp | Gfp.__GFP_NOWARN, load.cpu()), null);
  }

  /** Takes an object of a cache. */
  object(): number {
    const load = this.#load;
    if (this.#objects.length > OBJECTS_MAX) return this.free();
    const cache = load.pick(this.#caches);
    const gfp = Gfp.GFP_KERNEL | Gfp.__GFP_NOWARN;
    return this.#hold(cache.allocNode(gfp, load.node(), load.cpu()), cache);
  }

  /** Frees an object, of kmalloc or of a cache. */
  free(): number {
    const load = this.#load;
    const held = load.takeOut(this.#objects);
    if (held === undefined) return 0;
    const { address, cache } = held;
    if (cache === null) load.machine.kfree(address, load.cpu());
    else cache.free(address, load.cpu());
    return address % 2 ** 31;
  }

  /** Makes an object that reclaim may free. */
  dentry(): number {
    const load = this.#load;
    const gfp = Gfp.GFP_KERNEL | Gfp.__GFP_NOWARN | Gfp.__GFP_RECLAIMABLE;
    const address = this.#dentries.cache.alloc(gfp, load.cpu());
    if (address === null) return load.failed();
    this.#dentries.add(address);
    return address % 2 ** 31;
  }

  /** Makes, shrinks or destroys a cache. */
  changeCaches(): number {
    const load = this.#load;
    if (this.#caches.length === 0) this.#makeCache();
    else if (load.oneIn(2)) return load.pick(this.#caches).shrink(load.cpu()) ? 1 : 0;
    else if (this.#caches.length < CACHES_MAX) this.#makeCache();
    else this.#destroyCache(load.below(CACHES_MAX));
    return this.#caches.length;
  }

  /** Frees most of what it holds. */
  freeMany(): void {
    while (this.#objects.length > OBJECTS_SPARED) this.free();
  }

  /** Frees everything. */
  freeAll(): void {
    while (this.#objects.length > 0) this.free();
    while (this.#caches.length > 0) this.#destroyCache(0);
    this.#dentries.close();
    this.#dentries.cache.destroy();
  }

  /** First page frames of kmalloc blocks that are no slab objects but whole pages. */
  largeBlocks(): number[] {
    const { slab } = this.#load.machine;
    const large = this.#objects.filter(
      ({ address, cache }) => cache === null && slab.locate(address) === null,
    );
    return large.map(({ address }) => addrToPfn(address));
  }

  #hold(address: number | null, cache: KmemCache | null): number {
    if (address === null) return this.#load.failed();
    this.#objects.push({ address, cache });
    return address % 2 ** 31;
  }

  #makeCache(): void {
    const load = this.#load;
    const name = `cache-${this.#nextCache++}`;
    const options = { size: 32 + 8 * load.below(200), align: 8 << load.below(4) };
    const cache = load.machine.slab.createCache(name, options);
    if (cache !== null) this.#caches.push(cache);
  }

  #destroyCache(index: number): void {
    const cpu = this.#load.cpu();
    const [cache] = this.#caches.splice(index, 1);
    // A merged cache has several users, whose objects cannot be told apart: all of them go.
    for (let i = this.#objects.length - 1; i >= 0; i--) {
      const held = this.#objects[i];
      if (held.cache !== cache) continue;
      cache.free(held.address, cpu);
      this.#objects.splice(i, 1);
    }
    cache.destroy(cpu);
  }
}
