import { NIL, type PhysAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { addressArgument, type Kmalloc } from '../mm/kmalloc.ts';
import { kmallocSizeRoundup } from '../mm/kmalloc-sizes.ts';
import { KmemError } from '../mm/kmem-cache.ts';
import type { CacheState } from './cache-state.ts';
import { checkInvariantsIfAsked } from './checks.ts';
import { kfreeBulk } from './kfree-bulk.ts';
import { reportOutOfRange } from './object-lookup.ts';
import { checkCpu, type SlabState } from './state.ts';

/**
 * The part of an allocator that hands out memory of any size.
 *
 * @kernel mm/slab_common.c (spec slub 4.21, slab 4.1)
 */
export class KmallocFrontEnd {
  /** Everything inside; read it, but change it only through the methods. */
  readonly state: SlabState;
  /** What SLAB and SLUB share of kmalloc. */
  protected readonly front: Kmalloc<CacheState>;

  constructor(state: SlabState) {
    if (state.kmalloc === null) throw new KmemError('CRASH', 'kmalloc does not exist yet');
    this.state = state;
    this.front = state.kmalloc;
  }

  /** {@inheritDoc KmemAllocator.kmalloc} */
  kmalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocNode(size, gfp, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kmallocNode} */
  kmallocNode(size: number, gfp: number, node: number, cpu = 0): PhysAddr | null {
    if (this.state.hooked) checkCpu(this.state, cpu);
    return this.checked(this.front.alloc(size, gfp, node, cpu));
  }

  /** {@inheritDoc KmemAllocator.kzalloc} */
  kzalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocNode(size, gfp | Gfp.__GFP_ZERO, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kmallocArray} */
  kmallocArray(
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.front.arrayBytes(count, size);
    return bytes === NIL ? null : this.kmallocNode(bytes, gfp, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kcalloc} */
  kcalloc(count: number, size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocArray(count, size, gfp | Gfp.__GFP_ZERO, cpu);
  }

  /** {@inheritDoc KmemAllocator.krealloc} */
  krealloc(
    address: number | null,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    checkCpu(this.state, cpu);
    return this.checked(this.front.realloc(addressArgument(address), size, gfp, cpu));
  }

  /** {@inheritDoc KmemAllocator.kreallocArray} */
  kreallocArray(
    address: number | null,
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.front.arrayBytes(count, size);
    return bytes === NIL ? null : this.krealloc(address, bytes, gfp, cpu);
  }

  /** {@inheritDoc KmemAllocator.kfree} */
  kfree(address: number | null, cpu = 0): void {
    const at = addressArgument(address);
    if (this.state.hooked) this.beforeKfree(at, cpu);
    this.front.free(at, cpu);
    if (this.state.hooked) checkInvariantsIfAsked(this.state);
  }

  private beforeKfree(address: number, cpu: number): void {
    checkCpu(this.state, cpu);
    reportOutOfRange(this.state, address);
    this.state.calls?.enter('kfree');
  }

  /** {@inheritDoc KmemAllocator.kfreeSensitive} */
  kfreeSensitive(address: number | null, cpu = 0): void {
    checkCpu(this.state, cpu);
    this.front.freeSensitive(addressArgument(address), cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** {@inheritDoc KmemAllocator.kfreeBulk} */
  kfreeBulk(addresses: number[] | Float64Array, cpu = 0): void {
    checkCpu(this.state, cpu);
    kfreeBulk(this.state, this.front, addresses, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** {@inheritDoc KmemAllocator.ksize} */
  ksize(address: number | null): number {
    return this.front.usableSize(addressArgument(address));
  }

  /** {@inheritDoc KmemAllocator.kmallocSizeRoundup} */
  kmallocSizeRoundup(size: number): number {
    return kmallocSizeRoundup(size, 'slab');
  }

  private checked(address: number): PhysAddr | null {
    checkInvariantsIfAsked(this.state);
    return address === NIL ? null : (address as PhysAddr);
  }
}
