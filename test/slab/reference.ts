import { Gfp } from '../../src/mm/gfp.ts';
import type { PageSource } from '../../src/mm/page-source.ts';

/** Shape of the one cache of a reference. */
export interface ReferenceShape {
  readonly size: number;
  readonly num: number;
  readonly order: number;
  readonly colour: number;
  readonly colourOff: number;
  readonly allocflags: number;
  /** Flags of the cache, which say where index arrays lie. */
  readonly flags: number;
}

interface RefSlab {
  readonly pfn: number;
  readonly node: number;
  readonly base: number;
  /** Free indexes, the next one to hand out first. */
  free: number[];
}

interface RefArray {
  entries: number[];
  limit: number;
  batchcount: number;
  touched: number;
}

interface RefNode {
  partial: RefSlab[];
  full: RefSlab[];
  free: RefSlab[];
  freeLimit: number;
  colourNext: number;
  freeTouched: number;
  nextReap: number;
  shared: RefArray | null;
  alien: (RefArray | null)[];
}

const BATCHCOUNT_UNUSED = 0xbaadf00d;

function array(limit: number, batchcount: number): RefArray {
  return { entries: [], limit, batchcount, touched: 0 };
}

/**
 * The rules of SLAB for one cache without constructor, debug and memory policy, written as plainly as
 * possible: lists are JavaScript arrays with the head first, stacks have the top last, counters do
 * not exist. Slow and without checks.
 */
export class ReferenceSlab {
  readonly shape: ReferenceShape;
  readonly pages: PageSource;
  readonly cpuNode: readonly number[];
  readonly hz: number;
  readonly cpus: RefArray[];
  readonly nodes: RefNode[];
  readonly reapNode: number[];

  constructor(
    shape: ReferenceShape,
    pages: PageSource,
    cpuNode: readonly number[],
    nodeCount: number,
    tunables: { limit: number; batchcount: number; shared: number },
    hz: number,
  ) {
    this.shape = shape;
    this.pages = pages;
    this.cpuNode = cpuNode;
    this.hz = hz;
    const { limit, batchcount, shared } = tunables;
    this.cpus = cpuNode.map(() => array(limit, batchcount));
    this.reapNode = cpuNode.map((node) => (node + 1) % nodeCount);
    this.nodes = Array.from({ length: nodeCount }, (_, node) => ({
      partial: [],
      full: [],
      free: [],
      freeLimit: this.limitOf(node, batchcount),
      colourNext: 0,
      freeTouched: 0,
      nextReap: 4 * hz,
      shared: shared > 0 ? array(shared * batchcount, BATCHCOUNT_UNUSED) : null,
      alien: Array.from({ length: nodeCount > 1 ? nodeCount : 0 }, (_, other) =>
        other === node ? null : array(12, BATCHCOUNT_UNUSED),
      ),
    }));
  }

  private limitOf(node: number, batchcount: number): number {
    const cpus = this.cpuNode.filter((of) => of === node).length;
    return (1 + cpus) * batchcount + this.shape.num;
  }

  private allSlabs(): RefSlab[] {
    return this.nodes.flatMap((n) => [...n.partial, ...n.full, ...n.free]);
  }

  private slabOf(address: number): RefSlab {
    const pfn = Math.floor(address / 4096);
    const slab = this.allSlabs().find((s) => pfn >= s.pfn && pfn < s.pfn + 2 ** this.shape.order);
    if (slab === undefined) throw new Error(`no slab at ${address}`);
    return slab;
  }

  private freeObjects(n: RefNode): number {
    return [...n.partial, ...n.free].reduce((sum, slab) => sum + slab.free.length, 0);
  }

  private takeFrom(slab: RefSlab): number {
    return slab.base + (slab.free.shift() as number) * this.shape.size;
  }

  private unlink(slab: RefSlab): RefNode {
    const n = this.nodes[slab.node];
    for (const list of [n.partial, n.full, n.free]) {
      const at = list.indexOf(slab);
      if (at >= 0) list.splice(at, 1);
    }
    return n;
  }

  private relist(slab: RefSlab): void {
    const n = this.unlink(slab);
    (slab.free.length === 0 ? n.full : n.partial).unshift(slab);
  }

  private firstSlab(n: RefNode): RefSlab | null {
    if (n.partial.length > 0) return n.partial[0];
    n.freeTouched = 1;
    return n.free[0] ?? null;
  }

  private grow(gfp: number, node: number, cpu: number): RefSlab | null {
    const { order, colour, colourOff, num, allocflags } = this.shape;
    const pfn = this.pages.allocPages(gfp | allocflags, order, node, cpu);
    if (pfn < 0) return null;
    const at = this.pages.nodeOf(pfn);
    const n = this.nodes[at];
    n.colourNext = n.colourNext + 1 < colour ? n.colourNext + 1 : 0;
    const free = Array.from({ length: num }, (_, i) => i);
    return { pfn, node: at, base: pfn * 4096 + n.colourNext * colourOff, free };
  }

  private link(slab: RefSlab): void {
    if (slab.free.length === this.shape.num) this.nodes[slab.node].free.push(slab);
    else this.relist(slab);
  }

  private static exact(gfp: number): number {
    const none = Gfp.__GFP_DIRECT_RECLAIM | Gfp.__GFP_KSWAPD_RECLAIM | Gfp.__GFP_NOFAIL;
    return (gfp | Gfp.__GFP_THISNODE | Gfp.__GFP_NOWARN) & ~none;
  }

  private static local(gfp: number): number {
    return gfp & (0xbeee0 | 0x300000);
  }

  private refill(gfp: number, cpu: number): number | null {
    const ac = this.cpus[cpu];
    const node = this.cpuNode[cpu];
    const n = this.nodes[node];
    const batch = ac.touched === 0 ? Math.min(ac.batchcount, 16) : ac.batchcount;
    if (n.shared !== null && n.shared.entries.length > 0) {
      const count = Math.min(n.shared.entries.length, batch, ac.limit);
      ac.entries.push(...n.shared.entries.splice(-count));
      n.shared.touched = 1;
    } else if (this.freeObjects(n) > 0) {
      let left = batch;
      while (left > 0) {
        const slab = this.firstSlab(n);
        if (slab === null) break;
        for (; left > 0 && slab.free.length > 0; left--) ac.entries.push(this.takeFrom(slab));
        this.relist(slab);
      }
    }
    if (ac.entries.length === 0) {
      const slab = this.grow(ReferenceSlab.local(ReferenceSlab.exact(gfp)), node, cpu);
      if (slab === null) return null;
      for (let i = 0; i < batch && slab.free.length > 0; i++) ac.entries.push(this.takeFrom(slab));
      this.link(slab);
    }
    ac.touched = 1;
    return ac.entries.pop() as number;
  }

  private exactNode(gfp: number, node: number, cpu: number): number | null {
    const slab = this.firstSlab(this.nodes[node]);
    if (slab !== null) {
      const object = this.takeFrom(slab);
      this.relist(slab);
      return object;
    }
    const fresh = this.grow(ReferenceSlab.local(ReferenceSlab.exact(gfp)), node, cpu);
    if (fresh === null) return null;
    const object = this.takeFrom(fresh);
    this.link(fresh);
    return object;
  }

  private onNode(gfp: number, node: number, cpu: number): number | null {
    const object = this.exactNode(gfp, node, cpu);
    if (object !== null || (gfp & Gfp.__GFP_THISNODE) !== 0) return object;
    const home = this.cpuNode[cpu];
    for (;;) {
      for (let i = 0; i < this.nodes.length; i++) {
        const other = (home + i) % this.nodes.length;
        if (this.freeObjects(this.nodes[other]) === 0) continue;
        return this.exactNode(gfp, other, cpu);
      }
      const slab = this.grow(ReferenceSlab.local(gfp), home, cpu);
      if (slab === null) return null;
      this.link(slab);
      const found = this.exactNode(gfp, slab.node, cpu);
      if (found !== null) return found;
    }
  }

  alloc(gfp: number, node: number, cpu: number): number | null {
    const home = this.cpuNode[cpu];
    if (node !== -1 && node !== home) return this.onNode(gfp, node, cpu);
    const ac = this.cpus[cpu];
    if (ac.entries.length > 0) {
      ac.touched = 1;
      return ac.entries.pop() as number;
    }
    return this.refill(gfp, cpu) ?? this.onNode(gfp, home, cpu);
  }

  private destroy(slab: RefSlab, cpu: number): void {
    this.pages.freePages(slab.pfn, this.shape.order, cpu);
  }

  private freeBlock(objects: readonly number[], node: number): RefSlab[] {
    const n = this.nodes[node];
    for (const object of objects) {
      const slab = this.slabOf(object);
      this.unlink(slab);
      slab.free.unshift((object - slab.base) / this.shape.size);
      if (slab.free.length === this.shape.num) n.free.unshift(slab);
      else n.partial.push(slab);
    }
    const doomed: RefSlab[] = [];
    while (this.freeObjects(n) > n.freeLimit && n.free.length > 0) {
      doomed.unshift(n.free.pop() as RefSlab);
    }
    return doomed;
  }

  private destroyAll(slabs: readonly RefSlab[], cpu: number): void {
    for (const slab of slabs) this.destroy(slab, cpu);
  }

  private drainAlien(ac: RefArray, node: number): RefSlab[] {
    const { shared } = this.nodes[node];
    if (shared !== null) {
      const count = Math.min(ac.entries.length, shared.limit - shared.entries.length);
      if (count > 0) shared.entries.push(...ac.entries.splice(-count));
    }
    const rest = ac.entries;
    ac.entries = [];
    return this.freeBlock(rest, node);
  }

  free(object: number, cpu: number): void {
    const home = this.cpuNode[cpu];
    const { node } = this.slabOf(object);
    if (node !== home) {
      const alien = this.nodes[home].alien[node] as RefArray;
      const isFull = alien.entries.length === alien.limit;
      const doomed = isFull ? this.drainAlien(alien, node) : [];
      alien.entries.push(object);
      this.destroyAll(doomed, cpu);
      return;
    }
    const ac = this.cpus[cpu];
    if (ac.entries.length === ac.limit) this.flush(ac, home, cpu);
    ac.entries.push(object);
  }

  private flush(ac: RefArray, node: number, cpu: number): void {
    const { shared } = this.nodes[node];
    const room = shared === null ? 0 : shared.limit - shared.entries.length;
    if (shared !== null && room > 0) {
      shared.entries.push(...ac.entries.splice(0, Math.min(ac.batchcount, room)));
      return;
    }
    this.destroyAll(this.freeBlock(ac.entries.splice(0, ac.batchcount), node), cpu);
  }

  private drainArray(ac: RefArray, node: number, cpu: number): void {
    if (ac.entries.length === 0) return;
    if (ac.touched === 1) {
      ac.touched = 0;
      return;
    }
    let count = Math.floor((ac.limit + 4) / 5);
    if (count > ac.entries.length) count = Math.floor((ac.entries.length + 1) / 2);
    this.destroyAll(this.freeBlock(ac.entries.splice(0, count), node), cpu);
  }

  reap(cpu: number, now: number): void {
    const home = this.cpuNode[cpu];
    const n = this.nodes[home];
    const alien = n.alien[this.reapNode[cpu]] ?? null;
    if (alien !== null && alien.entries.length > 0) {
      this.destroyAll(this.drainAlien(alien, this.reapNode[cpu]), cpu);
    }
    this.drainArray(this.cpus[cpu], home, cpu);
    if (n.nextReap <= now) {
      n.nextReap = now + 4 * this.hz;
      if (n.shared !== null) this.drainArray(n.shared, home, cpu);
      const { num } = this.shape;
      if (n.freeTouched === 1) n.freeTouched = 0;
      else this.dropFree(n, Math.ceil(n.freeLimit / (5 * num)), cpu);
    }
    this.reapNode[cpu] = (this.reapNode[cpu] + 1) % this.nodes.length;
  }

  private dropFree(n: RefNode, max: number, cpu: number): void {
    for (let i = 0; i < max && n.free.length > 0; i++) this.destroy(n.free.pop() as RefSlab, cpu);
  }

  shrink(cpu: number): boolean {
    this.cpus.forEach((ac, k) => {
      this.destroyAll(this.freeBlock(ac.entries.splice(0), this.cpuNode[k]), k);
    });
    for (const n of this.nodes) {
      n.alien.forEach((ac, node) => {
        if (ac !== null && ac.entries.length > 0) this.destroyAll(this.drainAlien(ac, node), cpu);
      });
    }
    this.nodes.forEach((n, node) => {
      if (n.shared === null) return;
      this.destroyAll(this.freeBlock(n.shared.entries.splice(0), node), cpu);
    });
    for (const n of this.nodes) this.dropFree(n, Number.POSITIVE_INFINITY, cpu);
    return this.nodes.some((n) => n.partial.length + n.full.length > 0);
  }

  tune(limit: number, batchcount: number, shared: number, cpu: number): void {
    const old = this.cpus.splice(0);
    this.cpus.push(...old.map(() => array(limit, batchcount)));
    old.forEach((ac, k) => {
      this.destroyAll(this.freeBlock(ac.entries, this.cpuNode[k]), cpu);
    });
    this.nodes.forEach((n, node) => {
      n.freeLimit = this.limitOf(node, batchcount);
      const entries = n.shared?.entries ?? [];
      const doomed = n.shared === null ? [] : this.freeBlock(entries, node);
      n.shared = shared > 0 ? array(shared * batchcount, BATCHCOUNT_UNUSED) : null;
      this.destroyAll(doomed, cpu);
    });
  }

  /** Everything, in the form of the recordings. */
  dump(name: string): unknown {
    const { num } = this.shape;
    const ofArray = (ac: RefArray): unknown => ({ ...ac, avail: ac.entries.length });
    const ofSlab = (slab: RefSlab): unknown => {
      const active = num - slab.free.length;
      const offSlab = (this.shape.flags & 0x80000000) !== 0;
      const inObject = (this.shape.flags & 0x40000000) !== 0;
      const isGone = inObject && slab.free.length === 0;
      const end = (slab.pfn + 2 ** this.shape.order) * 4096;
      const host = slab.free[slab.free.length - 1];
      const at = inObject ? slab.base + host * this.shape.size : end - num;
      return {
        pfn: slab.pfn,
        active,
        colourOff: slab.base - slab.pfn * 4096,
        offSlab,
        freelist: isGone ? [] : [...new Array<number>(active).fill(0), ...slab.free],
        freelistPhys: offSlab || isGone ? 0 : at,
      };
    };
    return {
      name,
      cpus: this.cpus.map(ofArray),
      nodes: this.nodes.map((n, node) => ({
        node,
        totalSlabs: n.partial.length + n.full.length + n.free.length,
        freeSlabs: n.free.length,
        freeObjects: this.freeObjects(n),
        freeLimit: n.freeLimit,
        colourNext: n.colourNext,
        freeTouched: n.freeTouched,
        partial: n.partial.map(ofSlab),
        full: n.full.map(ofSlab),
        free: n.free.map(ofSlab),
        shared: n.shared === null ? null : ofArray(n.shared),
        alien: n.alien.map((ac) => (ac === null ? null : ofArray(ac))),
      })),
    };
  }
}
