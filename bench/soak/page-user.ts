import { Gfp } from '../../src/mm/gfp.ts';
import { mix } from '../measure.ts';
import type { LoadContext } from './context.ts';

/** A block of pages. */
interface Block {
  readonly pfn: number;
  readonly order: number;
}

const { __GFP_COMP, __GFP_NORETRY, __GFP_NOWARN, __GFP_RETRY_MAYFAIL, __GFP_THISNODE } = Gfp;
const { __GFP_ACCOUNT, __GFP_MEMALLOC, __GFP_NOFAIL, __GFP_RECLAIMABLE, __GFP_ZERO } = Gfp;

/** Requests, the more frequent ones several times. */
const MASKS: readonly number[] = [
  Gfp.GFP_KERNEL,
  Gfp.GFP_KERNEL,
  Gfp.GFP_KERNEL_ACCOUNT | __GFP_ZERO,
  Gfp.GFP_KERNEL | __GFP_NORETRY,
  Gfp.GFP_KERNEL | __GFP_RETRY_MAYFAIL,
  Gfp.GFP_KERNEL | __GFP_RECLAIMABLE,
  Gfp.GFP_KERNEL | __GFP_THISNODE,
  Gfp.GFP_KERNEL | Gfp.GFP_DMA32,
  Gfp.GFP_ATOMIC,
  Gfp.GFP_ATOMIC,
  Gfp.GFP_NOWAIT,
  Gfp.GFP_NOIO | __GFP_NORETRY,
  Gfp.GFP_NOFS | __GFP_NORETRY,
  Gfp.GFP_HIGHUSER_MOVABLE,
  Gfp.GFP_HIGHUSER_MOVABLE,
  Gfp.GFP_TRANSHUGE_LIGHT,
  Gfp.GFP_TRANSHUGE,
  Gfp.GFP_ATOMIC | Gfp.GFP_DMA,
  Gfp.GFP_NOWAIT | __GFP_MEMALLOC,
];
const HUGE_ORDER = 9;

/** Somebody who asks the page allocator for blocks. */
export class PageUser {
  /** Pages held. */
  heldPages = 0;
  readonly #load: LoadContext;
  readonly #blocks: Block[] = [];

  constructor(load: LoadContext) {
    this.#load = load;
  }

  /** Blocks held, by page frame. */
  get blocks(): readonly Block[] {
    return this.#blocks;
  }

  /** Takes a block of any order with any mask. */
  alloc(): number {
    const load = this.#load;
    const gfp = load.pick(MASKS);
    const isHuge = (gfp & __GFP_COMP) !== 0 && !load.oneIn(4);
    return this.#take(this.#varied(gfp), isHuge ? HUGE_ORDER : this.#order());
  }

  /** Frees a block; without any, takes a page that it must get. */
  free(): number {
    const load = this.#load;
    const block = load.takeOut(this.#blocks);
    if (block === undefined) return this.#take(Gfp.GFP_KERNEL | __GFP_NOFAIL | __GFP_NOWARN, 0);
    load.machine.freePages(block.pfn, block.order, load.cpu());
    this.heldPages -= 1 << block.order;
    return block.pfn;
  }

  /** Takes up to 40 pages at once. */
  bulk(): number {
    const load = this.#load;
    const slots = new Array<number>(1 + load.below(40)).fill(-1);
    const { buddy } = load.machine;
    const got = buddy.allocPagesBulk(this.#varied(Gfp.GFP_KERNEL), load.node(), slots, load.cpu());
    for (const pfn of slots.slice(0, got)) this.#blocks.push({ pfn, order: 0 });
    this.heldPages += got;
    return mix(got, slots[0]);
  }

  /** Frees half of what it holds. */
  freeHalf(): void {
    const left = this.#blocks.length >> 1;
    while (this.#blocks.length > left) this.free();
  }

  /** Frees everything. */
  freeAll(): void {
    while (this.#blocks.length > 0) this.free();
  }

  #take(gfp: number, order: number): number {
    const load = this.#load;
    const pfn = load.machine.allocPages(gfp, order, load.node(), load.cpu());
    if (pfn === null) return load.failed();
    this.#blocks.push({ pfn, order });
    this.heldPages += 1 << order;
    return pfn;
  }

  /** 0 to 10: order k with probability 2^-(k+1). */
  #order(): number {
    const bits = this.#load.bits();
    return Math.min(10, 31 - Math.clz32(bits & -bits || 1));
  }

  /** A mask with a bit more now and then. */
  #varied(gfp: number): number {
    const mask = gfp | __GFP_NOWARN;
    switch (this.#load.below(8)) {
      case 0:
        return mask | __GFP_ZERO;
      case 1:
        return mask | __GFP_ACCOUNT;
      case 2:
        return mask | __GFP_COMP;
      default:
        return mask;
    }
  }
}
