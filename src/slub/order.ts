import { fls } from '../lib/bits.ts';
import { MAX_ORDER, PAGE_SIZE } from '../lib/units.ts';
import { getOrder } from '../mm/slab-create.ts';

/** Most objects that a slab may have. */
export const MAX_OBJS_PER_PAGE = 32767;

/** What the order of a cache depends on besides the size. */
export interface OrderParameters {
  /** `slub_min_order=`: lowest order tried. */
  readonly minOrder: number;
  /** `slub_max_order=`: highest order tried before single objects. */
  readonly maxOrder: number;
  /** `slub_min_objects=`: wanted objects in a slab, 0 to take it from the CPUs. */
  readonly minObjects: number;
  /** Present CPUs. */
  readonly presentCpus: number;
  /** `nr_cpu_ids`, taken when only one CPU is present. */
  readonly cpuIds: number;
}

/** Shares of a slab that may be wasted, tried one after another: 1/16, 1/8, 1/4. */
const WASTE_FRACTIONS = [16, 8, 4] as const;

function wantedObjects({ minObjects, presentCpus, cpuIds }: OrderParameters): number {
  if (minObjects > 0) return minObjects;
  const cpus = presentCpus <= 1 ? cpuIds : presentCpus;
  return 4 * (fls(cpus) + 1);
}

/** The first order from `objects` objects on that wastes at most 1/`fraction`. @kernel calc_slab_order */
function slabOrder(
  size: number,
  objects: number,
  minOrder: number,
  maxOrder: number,
  fraction: number,
): number {
  if (Math.floor((PAGE_SIZE * 2 ** minOrder) / size) > MAX_OBJS_PER_PAGE) {
    return getOrder(size * MAX_OBJS_PER_PAGE) - 1;
  }
  let order = Math.max(minOrder, getOrder(objects * size));
  for (; order <= maxOrder; order++) {
    const bytes = PAGE_SIZE * 2 ** order;
    if (bytes % size <= Math.floor(bytes / fraction)) break;
  }
  return order;
}

/**
 * Usual order of the slabs of a cache.
 * @param size slot size in bytes, at least 1
 * @returns the order, -1 when no order can hold an object
 * @kernel calculate_order (spec slub 4.6)
 */
export function calculateOrder(size: number, parameters: OrderParameters): number {
  const { minOrder, maxOrder } = parameters;
  const most = Math.floor((PAGE_SIZE * 2 ** maxOrder) / size);
  for (let objects = Math.min(wantedObjects(parameters), most); objects > 1; objects--) {
    for (const fraction of WASTE_FRACTIONS) {
      const order = slabOrder(size, objects, minOrder, maxOrder, fraction);
      if (order <= maxOrder) return order;
    }
  }
  const single = slabOrder(size, 1, minOrder, maxOrder, 1);
  if (single <= maxOrder) return single;
  const beyond = slabOrder(size, 1, minOrder, MAX_ORDER, 1);
  return beyond < MAX_ORDER ? beyond : -1;
}

/** Objects of `size` bytes in a slab of `order`. @kernel order_objects */
export function orderObjects(order: number, size: number): number {
  return Math.floor((PAGE_SIZE * 2 ** order) / size);
}
