import { type RandomSource, seededRandom } from '../lib/random.ts';
import { NIL } from '../lib/units.ts';
import type { CacheState } from './cache-state.ts';
import { isObjfreelist, setFreeObj, setHost } from './freelist.ts';
import { ownAlloc, ownFree, ownGfp } from './own-memory.ts';
import { SLOT_SHIFT } from './slab-table.ts';

const SEQUENCE_ENTRY_BYTES = 4;

/** Shuffles `sequence[0..count-1]`, from the end down. (spec slab 4.25) */
function shuffle(sequence: Int32Array, count: number, random: RandomSource): void {
  for (let i = count - 1; i > 0; i--) {
    const other = random.nextU32() % (i + 1);
    const value = sequence[i];
    sequence[i] = sequence[other];
    sequence[other] = value;
  }
}

function identity(count: number): Int32Array {
  return Int32Array.from({ length: count }, (_, i) => i);
}

/**
 * Makes the order in which new slabs of a cache hand out their objects, once.
 * @returns false when there is no memory for it
 * @kernel cache_random_seq_create (spec slab 4.25)
 */
export function createRandomSequence(cache: CacheState, cpu: number): boolean {
  const { state, num } = cache;
  if (!state.config.freelistRandom || num < 2 || cache.randomSeq !== null) return true;
  const address = ownAlloc(state, num * SEQUENCE_ENTRY_BYTES, ownGfp(state), NIL, cpu);
  if (address === NIL) return false;
  cache.randomSeqAddress = address;
  cache.randomSeq = identity(num);
  shuffle(cache.randomSeq, num, state.random);
  return true;
}

/** Drops the order of a cache. @kernel cache_random_seq_destroy */
export function destroyRandomSequence(cache: CacheState, cpu: number): void {
  ownFree(cache.state, cache.randomSeqAddress, cpu);
  cache.randomSeqAddress = 0;
  cache.randomSeq = null;
}

/**
 * Fills the index array of a new slab in random order, and chooses the host.
 * @kernel shuffle_freelist (spec slab 4.25)
 */
export function writeRandomFreelist(cache: CacheState, slot: number): void {
  const { num, randomSeq, state } = cache;
  const objfreelist = isObjfreelist(cache);
  const start = state.random.nextU32();
  const order = randomSeq === null ? bootOrder(num, objfreelist, start) : new Int32Array(num);
  if (randomSeq !== null) {
    // The first value names the host, which is handed out last.
    const first = objfreelist ? 1 : 0;
    for (let i = 0; i < num; i++) order[i] = randomSeq[((start % num) + first + i) % num];
  }
  if (objfreelist) setHost(cache, (slot << SLOT_SHIFT) | order[num - 1]);
  for (let i = 0; i < num; i++) setFreeObj(cache, slot, i, order[i]);
}

/** Without a sequence: the host stays the last object, the others are shuffled. */
function bootOrder(num: number, objfreelist: boolean, seed: number): Int32Array {
  const order = identity(num);
  shuffle(order, objfreelist ? num - 1 : num, seededRandom(seed));
  return order;
}
