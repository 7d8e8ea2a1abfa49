import fc from 'fast-check';
import { expect } from 'vitest';
import type { PhysicalMemory } from '../../src/memory/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { SlubAllocator } from '../../src/slub/allocator.ts';
import type { SlubCache } from '../../src/slub/cache.ts';
import { made } from './support.ts';

/** The allocator under test, its caches, and the memory if it has content. */
export interface Real {
  readonly slub: SlubAllocator;
  readonly caches: readonly SlubCache[];
  readonly memory: PhysicalMemory | null;
}

/** An object that a caller owns. */
interface Owned {
  readonly address: number;
  /** Index of the cache, -1 for kmalloc. */
  readonly cache: number;
  /** Bytes that are the caller's. */
  readonly bytes: number;
  readonly pattern: number;
}

/**
 * What must hold for any allocator: who owns which bytes, and that they are left alone. It knows
 * nothing of slabs.
 */
export class Owners {
  readonly held: Owned[] = [];
  #pattern = 1;

  /** A new owner: no other has any of the bytes. */
  give(real: Real, cache: number, address: number, bytes: number, zeroed: boolean): void {
    for (const other of this.held) {
      const apart = address >= other.address + other.bytes || other.address >= address + bytes;
      if (!apart) throw new Error(`${address} overlaps the object at ${other.address}`);
    }
    const { memory } = real;
    if (memory !== null && zeroed) {
      for (let i = 0; i < bytes; i++)
        if (memory.readU8(address + i) !== 0) throw new Error('dirty');
    }
    this.#pattern = (this.#pattern % 250) + 1;
    memory?.fill(address, bytes, this.#pattern);
    this.held.push({ address, cache, bytes, pattern: this.#pattern });
  }

  /** An owner that gives up: its bytes are as it left them. */
  takeBack(real: Real, choice: number): Owned | null {
    if (this.held.length === 0) return null;
    const [owned] = this.held.splice(choice % this.held.length, 1);
    const { memory } = real;
    if (memory === null) return owned;
    // Every byte of small objects, and both ends and a comb of large ones.
    const step = owned.bytes > 256 ? 61 : 1;
    for (let i = 0; i < owned.bytes; i += step) checkByte(memory, owned, i);
    checkByte(memory, owned, owned.bytes - 1);
    return owned;
  }
}

function checkByte(memory: PhysicalMemory, { address, pattern }: Owned, at: number): void {
  if (memory.readU8(address + at) === pattern) return;
  throw new Error(`byte ${at} of the object at ${address} was changed`);
}

type Command = fc.Command<Owners, Real>;

/** A command made of a text and a function. */
function command(text: string, run: (owners: Owners, real: Real) => void): Command {
  return {
    check: () => true,
    run: (owners, real) => {
      run(owners, real);
      real.slub.assertInvariants();
    },
    toString: () => text,
  };
}

const CPUS = 3;
const { GFP_KERNEL, __GFP_ZERO } = Gfp;

const cpu = fc.nat(CPUS - 1);
const choice = fc.nat(1000);
const zero = fc.boolean();

function alloc(caches: number): fc.Arbitrary<Command> {
  const node = fc.constantFrom(-1, -1, 0, 1);
  return fc.tuple(fc.nat(caches - 1), cpu, node, zero).map(([index, on, wanted, zeroed]) =>
    command(`caches[${index}].allocNode(zero: ${zeroed}, ${wanted}, ${on})`, (owners, real) => {
      const cache = real.caches[index];
      const gfp = zeroed ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
      const address = made(cache.allocNode(gfp, wanted, on));
      expect(real.slub.locate(address)).toMatchObject({ address, inUse: true });
      owners.give(real, index, address, cache.objectSize, zeroed);
    }),
  );
}

function allocBulk(caches: number): fc.Arbitrary<Command> {
  return fc.tuple(fc.nat(caches - 1), cpu, fc.integer({ min: 1, max: 20 })).map(([index, on, n]) =>
    command(`caches[${index}].allocBulk(${n} objects, ${on})`, (owners, real) => {
      const addresses = new Array<number>(n).fill(0);
      expect(real.caches[index].allocBulk(GFP_KERNEL, addresses, on)).toBe(n);
      const { objectSize } = real.caches[index];
      for (const address of addresses) owners.give(real, index, address, objectSize, false);
    }),
  );
}

const kmalloc = fc.tuple(fc.integer({ min: 1, max: 9000 }), cpu, zero).map(([size, on, zeroed]) =>
  command(`slub.kmalloc(${size}, zero: ${zeroed}, ${on})`, (owners, real) => {
    // Large blocks are cleared by the page source, which these tests do not have.
    const clears = zeroed && size <= 8192;
    const gfp = clears ? GFP_KERNEL | __GFP_ZERO : GFP_KERNEL;
    owners.give(real, -1, made(real.slub.kmalloc(size, gfp, on)), size, clears);
  }),
);

const krealloc = fc.tuple(choice, fc.integer({ min: 1, max: 3000 }), cpu).map(([which, size, on]) =>
  command(`slub.krealloc(held[${which}], ${size}, ${on})`, (owners, real) => {
    const owned = owners.takeBack(real, which);
    if (owned === null) return;
    if (owned.cache >= 0) {
      owners.give(real, owned.cache, owned.address, owned.bytes, false);
      return;
    }
    const moved = made(real.slub.krealloc(owned.address, size, GFP_KERNEL, on));
    const kept = Math.min(size, owned.bytes);
    for (let i = 0; i < kept && real.memory !== null; i++) {
      if (real.memory.readU8(moved + i) !== owned.pattern) throw new Error('not moved');
    }
    owners.give(real, -1, moved, size, false);
  }),
);

const free = fc.tuple(choice, cpu).map(([which, on]) =>
  command(`free(held[${which}], ${on})`, (owners, real) => {
    const owned = owners.takeBack(real, which);
    if (owned === null) return;
    if (owned.cache < 0) real.slub.kfree(owned.address, on);
    else real.caches[owned.cache].free(owned.address, on);
    expect(real.slub.locate(owned.address)?.inUse ?? false).toBe(false);
  }),
);

const freeBulk = fc.tuple(choice, fc.integer({ min: 1, max: 30 }), cpu).map(([first, count, on]) =>
  command(`slub.kfreeBulk(${count} from held[${first}], ${on})`, (owners, real) => {
    const addresses: number[] = [];
    for (let i = 0; i < count; i++) {
      const owned = owners.takeBack(real, first + i * 7);
      if (owned !== null) addresses.push(owned.address);
    }
    const freed = [...addresses];
    real.slub.kfreeBulk(addresses, on);
    expect([...addresses].sort()).toEqual([...freed].sort());
  }),
);

function whole(caches: number): fc.Arbitrary<Command> {
  const names = ['shrink', 'flush', 'refuse', 'endGracePeriod', 'stats'] as const;
  return fc.tuple(fc.nat(caches - 1), cpu, fc.constantFrom(...names)).map(([index, on, name]) =>
    command(`${name}(caches[${index}], ${on})`, (_, real) => {
      const cache = real.caches[index];
      if (name === 'shrink') checkShrunk(real, cache, on);
      else if (name === 'flush') cache.flush();
      else if (name === 'endGracePeriod') real.slub.endGracePeriod(on);
      else if (name === 'stats') {
        const { activeObjects, totalObjects } = cache.stats();
        expect(activeObjects).toBeLessThanOrEqual(totalObjects);
      } else expect(() => real.slub.kfree(cache.size * 0x10000000, on)).toThrow();
    }),
  );
}

/** Rules 23 and 24: after shrinking. */
function checkShrunk({ slub }: Real, cache: SlubCache, on: number): void {
  const busy = cache.shrink(on);
  expect(busy).toBe(cache.stats().slabs > 0);
  expect(cache.readAttribute('cpu_slabs')).toBe('0\n');
  const [{ hasNode, partialHead }] = slub.state.caches.filter(({ name }) => name === cache.name);
  const { map, slabs } = slub.state;
  for (const [node, head] of partialHead.entries()) {
    if (hasNode[node] === 0) continue;
    let last = 0;
    for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
      const slab = map.private[pfn];
      expect(slabs.inuse[slab]).toBeGreaterThan(0);
      const count = slabs.objects[slab] - slabs.inuse[slab];
      if (count > 32) break;
      expect(count).toBeGreaterThanOrEqual(last);
      last = count;
    }
  }
}

/** Command families; a run takes a random part of them, so that it does not hover around a mean. */
export function families(caches: number): fc.Arbitrary<Command>[] {
  const frees = [free, free, freeBulk];
  return [
    alloc(caches),
    alloc(caches),
    allocBulk(caches),
    kmalloc,
    krealloc,
    ...frees,
    whole(caches),
  ];
}
