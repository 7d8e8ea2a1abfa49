import { PAGE_SIZE } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { hasFlag } from './cache-state.ts';
import { readTrack } from './debug-object.ts';
import { pointerText } from './debug-report.ts';
import { cacheOfSlab } from './free.ts';
import { objectAddress, slabOfAddress } from './pointer.ts';
import type { SlubState } from './state.ts';
import { TrackItem } from './track.ts';

/**
 * What the kernel prints behind an address that is in a slab: the rest of the line.
 * @returns null for an address in the first page or in no slab
 * @kernel kmem_dump_obj (spec slub 5.8)
 */
export function describeObject(state: SlubState, address: number): string | null {
  const slab = address < PAGE_SIZE ? -1 : slabOfAddress(state, address);
  if (slab < 0) return null;
  const cache = cacheOfSlab(state, slab);
  const from = address - state.slabs.pfn[slab] * PAGE_SIZE;
  const index = Math.floor(from / cache.size);
  const object = objectAddress(state, cache, slab, index);
  let text = ` slab ${cache.name} start ${pointerText(state, object - cache.pad)}`;
  if (cache.pad !== 0) text += ` data offset ${cache.pad}`;
  text += ` pointer offset ${address - object}`;
  if (cache.usersize !== 0) text += ` size ${cache.usersize}`;
  if (hasFlag(cache, SlabFlag.SLAB_STORE_USER)) {
    const { addressHigh, addressLow } = readTrack(state, cache, object, TrackItem.ALLOC);
    const tracked = addressHigh !== 0 || addressLow !== 0;
    if (tracked) text += ` allocated at ${state.tracks.symbol(addressHigh, addressLow)}`;
  }
  return text;
}
