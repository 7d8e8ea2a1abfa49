import { hex, NIL } from '../lib/units.ts';
import { addressArgument, type Kmalloc } from '../mm/kmalloc.ts';
import { ZERO_SIZE_PTR } from '../mm/kmalloc-sizes.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { cacheFree } from './free.ts';
import { cacheOfObject, ownedObject } from './object-lookup.ts';
import { clearHeld, setHeld } from './slab-table.ts';
import type { SlabState } from './state.ts';

/**
 * The objects at addresses, all of them owned and none named twice; large blocks are looked at too.
 * @returns object numbers, NIL for a large block or no block
 * @throws KmemError `FOREIGN_POINTER`, `DOUBLE_FREE`
 */
function checkAll(
  state: SlabState,
  kmalloc: Kmalloc<CacheState>,
  addresses: number[] | Float64Array,
): Int32Array {
  const objects = new Int32Array(addresses.length).fill(NIL);
  const large = new Set<number>();
  try {
    for (let i = 0; i < objects.length; i++) {
      const address = addressArgument(addresses[i]);
      if (address <= ZERO_SIZE_PTR) continue;
      const object = ownedObject(state, address);
      if (object !== NIL) {
        objects[i] = object;
        clearHeld(state.slabs, object);
        continue;
      }
      const head = kmalloc.largeHead(address);
      if (large.has(head)) {
        throw new KmemError('DOUBLE_FREE', `the block at ${hex(address)} is named twice`, {
          address,
        });
      }
      large.add(head);
    }
  } finally {
    for (const object of objects) if (object !== NIL) setHeld(state.slabs, object);
  }
  return objects;
}

/**
 * Gives many blocks back, each to the cache it is of, or to the page allocator; no tracepoint tells.
 * @throws KmemError before anything changed
 * @kernel kfree_bulk, kmem_cache_free_bulk (spec slab 4.11)
 */
export function kfreeBulk(
  state: SlabState,
  kmalloc: Kmalloc<CacheState>,
  addresses: number[] | Float64Array,
  cpu: number,
): void {
  const objects = checkAll(state, kmalloc, addresses);
  state.calls?.enter('kmem_cache_free_bulk');
  for (let i = 0; i < objects.length; i++) {
    const object = objects[i];
    if (object !== NIL) cacheFree(cacheOfObject(state, object), object, cpu);
    else if (addresses[i] > ZERO_SIZE_PTR) kmalloc.freeLarge(addresses[i], cpu);
  }
}
