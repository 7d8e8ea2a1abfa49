import { NIL, PAGE_SIZE } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { userwordAddress } from './debug-layout.ts';
import { readWord, reportAddress } from './debug-report.ts';
import { objectAddress, slotAddress, slotOfAddress } from './freelist.ts';
import { cacheOfObject } from './object-lookup.ts';
import { SLOT_SHIFT } from './slab-table.ts';
import type { SlabState } from './state.ts';

/**
 * What the kernel prints behind an address that is in a slab: the rest of the line.
 * @returns null for an address in the first page or in no slab
 * @kernel kmem_dump_obj (spec slab 5.5)
 */
export function describeObject(state: SlabState, address: number): string | null {
  const slot = address < PAGE_SIZE ? NIL : slotOfAddress(state, address);
  if (slot === NIL) return null;
  const cache = cacheOfObject(state, slot << SLOT_SHIFT);
  const from = address - cache.objOffset - state.slabs.sMem[slot];
  const index = Math.min(Math.max(Math.floor(from / cache.size), 0), cache.num - 1);
  const object = (slot << SLOT_SHIFT) | index;
  let text = ` slab ${cache.name} start ${reportAddress(state, slotAddress(cache, object))}`;
  if (cache.objOffset !== 0) text += ` data offset ${cache.objOffset}`;
  text += ` pointer offset ${address - objectAddress(cache, object)}`;
  if (cache.usersize !== 0) text += ` size ${cache.usersize}`;
  if ((cache.flags & SlabFlag.SLAB_STORE_USER) !== 0 && !state.contentless) {
    const user = readWord(cache, userwordAddress(cache, object));
    if (user !== 0n) text += ` allocated at ${state.callSite.symbolOf(user)}`;
  }
  return text;
}
