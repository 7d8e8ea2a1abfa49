import { PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { SlabAllocator } from '../slab/allocator.ts';
import type { CacheState } from '../slab/cache-state.ts';
import { redzone1Address, redzone2Address } from '../slab/debug-layout.ts';
import { objectAddress, slotOfAddress } from '../slab/freelist.ts';
import { SLOT_SHIFT } from '../slab/slab-table.ts';
import type { Difference } from './difference.ts';

const RED_ZONE_BYTES = 8;

/** Byte ranges of an object that SLAB writes: the object and its red zones. */
function writtenRanges(cache: CacheState, object: number): (readonly [number, number])[] {
  const ranges: (readonly [number, number])[] = [[objectAddress(cache, object), cache.objectSize]];
  if ((cache.flags & SlabFlag.SLAB_RED_ZONE) !== 0) {
    ranges.push([redzone1Address(cache, object), RED_ZONE_BYTES]);
    ranges.push([redzone2Address(cache, object), RED_ZONE_BYTES]);
  }
  return ranges;
}

/**
 * Compares the bytes of a page frame of a slab. Bytes that nobody wrote since the recording began
 * (colour, padding, slack) are left out: they are older.
 * @returns the first difference, null when there is none
 */
export function compareSlabBytes(
  { state }: SlabAllocator,
  pfn: number,
  expected: Uint8Array,
): Difference | null {
  const start = pfnToAddr(pfn);
  const slot = slotOfAddress(state, start);
  const cache = slot < 0 ? null : (state.cacheById[state.slabs.cache[slot]] ?? null);
  if (cache === null) {
    return { path: `page frame ${pfn}`, expected: 'a slab', got: 'no slab', context: [] };
  }
  for (let index = 0; index < cache.num; index++) {
    const object = (slot << SLOT_SHIFT) | index;
    for (const [from, length] of writtenRanges(cache, object)) {
      for (let at = Math.max(from, start); at < Math.min(from + length, start + PAGE_SIZE); at++) {
        const got = state.memory.readU8(at);
        if (got === expected[at - start]) continue;
        return {
          path: `byte ${at - start} of page frame ${pfn}, object ${index} of ${cache.name}`,
          expected: byteText(expected[at - start]),
          got: byteText(got),
          context: [],
        };
      }
    }
  }
  return null;
}

function byteText(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
