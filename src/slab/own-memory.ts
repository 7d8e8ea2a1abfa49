import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { BootState, type SlabState } from './state.ts';

/** What the allocator asks for itself: GFP_KERNEL once it works, GFP_NOWAIT before. (spec slab 4.2) */
export function ownGfp(state: SlabState): number {
  return state.bootState >= BootState.UP ? Gfp.GFP_KERNEL : Gfp.GFP_NOWAIT;
}

/**
 * Memory for the allocator's own structures, from its own kmalloc caches.
 * @param bytes size of the structure
 * @returns address; 0 when such structures are kept outside of the modelled memory; NIL for none
 */
export function ownAlloc(
  state: SlabState,
  bytes: number,
  gfp: number,
  node: number,
  cpu: number,
): number {
  if (!state.ownKmalloc || state.kmalloc === null) return 0;
  const { calls } = state;
  const outer = calls?.beginNested() ?? 0;
  try {
    return state.kmalloc.alloc(bytes, gfp, node, cpu);
  } finally {
    calls?.endNested(outer);
  }
}

/** Gives back what `ownAlloc` gave. */
export function ownFree(state: SlabState, address: number, cpu: number): void {
  if (address === 0 || address === NIL || state.kmalloc === null) return;
  const { calls } = state;
  const outer = calls?.beginNested() ?? 0;
  try {
    state.kmalloc.free(address, cpu);
  } finally {
    calls?.endNested(outer);
  }
}
