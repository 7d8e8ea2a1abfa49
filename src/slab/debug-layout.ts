import { SlabFlag } from '../mm/slab-flags.ts';
import type { CacheState } from './cache-state.ts';
import { objectAddress, slotAddress } from './freelist.ts';

/** Byte of an object in use that nobody has written yet. */
export const POISON_INUSE = 0x5a;
/** Byte of a free object. */
export const POISON_FREE = 0x6b;
/** Last byte of either. */
export const POISON_END = 0xa5;

/** Address of the red zone before an object. @kernel dbg_redzone1 (spec slab 4.26) */
export function redzone1Address(cache: CacheState, object: number): number {
  return objectAddress(cache, object) - 8;
}

/** Address of the red zone after an object. @kernel dbg_redzone2 (spec slab 4.26) */
export function redzone2Address(cache: CacheState, object: number): number {
  const fromEnd = (cache.flags & SlabFlag.SLAB_STORE_USER) === 0 ? 8 : 16;
  return slotAddress(cache, object) + cache.size - fromEnd;
}

/** Address of the word that names the last user. @kernel dbg_userword (spec slab 4.26) */
export function userwordAddress(cache: CacheState, object: number): number {
  return slotAddress(cache, object) + cache.size - 8;
}
