import { Gfp } from '../../src/mm/gfp.ts';
import type { PageSource } from '../../src/mm/page-source.ts';

/** Shape of the one cache of a reference. */
export interface ReferenceShape {
  readonly size: number;
  readonly pad: number;
  readonly order: number;
  readonly objects: number;
  readonly minOrder: number;
  readonly minObjects: number;
  readonly allocflags: number;
  readonly debug: boolean;
  readonly storeUser: boolean;
  readonly rcu: boolean;
}

interface RefSlab {
  readonly pfn: number;
  readonly order: number;
  readonly node: number;
  readonly objects: number;
  frozen: number;
  /** The slab's own freelist, first object first. */
  free: number[];
}

interface RefCpu {
  slab: RefSlab | null;
  free: number[];
  /** The CPU partial list from the head; the second value is the `slabs` of the element. */
  partial: [RefSlab, number][];
}

interface RefNode {
  partial: RefSlab[];
  full: RefSlab[];
  slabs: number;
  objects: number;
}

/**
 * The rules of SLUB for one cache without constructor, written as plainly as possible: all lists are
 * JavaScript arrays with the head first. Slow and without checks.
 */
export class ReferenceSlub {
  readonly shape: ReferenceShape;
  readonly pages: PageSource;
  readonly cpuNode: readonly number[];
  readonly cycles: () => number;
  readonly cpus: RefCpu[];
  readonly nodes: RefNode[];
  readonly slabs: RefSlab[] = [];
  waiting: RefSlab[] = [];
  minPartial: number;
  cpuPartialSlabs: number;
  ratio = 1000;

  constructor(
    shape: ReferenceShape,
    pages: PageSource,
    cpuNode: readonly number[],
    nodeCount: number,
    tunables: { minPartial: number; cpuPartialSlabs: number },
    cycles: () => number,
  ) {
    this.shape = shape;
    this.pages = pages;
    this.cpuNode = cpuNode;
    this.cycles = cycles;
    this.minPartial = tunables.minPartial;
    this.cpuPartialSlabs = tunables.cpuPartialSlabs;
    this.cpus = cpuNode.map(() => ({ slab: null, free: [], partial: [] }));
    this.nodes = Array.from({ length: nodeCount }, () => ({
      partial: [],
      full: [],
      slabs: 0,
      objects: 0,
    }));
  }

  private addressOf(slab: RefSlab, index: number): number {
    return slab.pfn * 4096 + index * this.shape.size + this.shape.pad;
  }

  private slabOf(address: number): RefSlab {
    const pfn = Math.floor(address / 4096);
    const slab = this.slabs.find((s) => pfn >= s.pfn && pfn < s.pfn + 2 ** s.order);
    if (slab === undefined) throw new Error(`no slab at ${address}`);
    return slab;
  }

  private indexOf(slab: RefSlab, address: number): number {
    return (address - this.shape.pad - slab.pfn * 4096) / this.shape.size;
  }

  private static remove(list: RefSlab[], slab: RefSlab): void {
    const at = list.indexOf(slab);
    if (at >= 0) list.splice(at, 1);
  }

  private freePages(slab: RefSlab, cpu: number): void {
    ReferenceSlub.remove(this.slabs, slab);
    this.pages.freePages(slab.pfn, slab.order, cpu);
  }

  /** 4.20 */
  private discard(slab: RefSlab, cpu: number): void {
    const n = this.nodes[slab.node];
    n.slabs -= 1;
    n.objects -= slab.objects;
    this.giveUp(slab, cpu);
  }

  private giveUp(slab: RefSlab, cpu: number): void {
    if (this.shape.rcu) this.waiting.push(slab);
    else this.freePages(slab, cpu);
  }

  endGracePeriod(cpu: number): void {
    for (const slab of this.waiting.splice(0)) this.freePages(slab, cpu);
  }

  /** 4.16 */
  private deactivate(slab: RefSlab, freelist: readonly number[], cpu: number): void {
    const n = this.nodes[slab.node];
    const toTail = slab.free.length > 0;
    slab.free = [...freelist, ...slab.free];
    slab.frozen = 0;
    const inuse = slab.objects - slab.free.length;
    if (inuse === 0 && n.partial.length >= this.minPartial) this.discard(slab, cpu);
    else if (slab.free.length > 0 && toTail) n.partial.push(slab);
    else if (slab.free.length > 0) n.partial.unshift(slab);
  }

  private deactivateCpuSlab(c: RefCpu, cpu: number): void {
    const { slab, free } = c;
    c.slab = null;
    c.free = [];
    if (slab !== null) this.deactivate(slab, free, cpu);
  }

  /** 4.15 */
  private unfreeze(chain: readonly RefSlab[], cpu: number): void {
    const discards: RefSlab[] = [];
    for (const slab of chain) {
      const n = this.nodes[slab.node];
      slab.frozen = 0;
      const empty = slab.free.length === slab.objects;
      if (empty && n.partial.length >= this.minPartial) discards.unshift(slab);
      else n.partial.push(slab);
    }
    for (const slab of discards) this.discard(slab, cpu);
  }

  /** 4.14 */
  private putCpuPartial(slab: RefSlab, drain: boolean, cpu: number): void {
    const c = this.cpus[cpu];
    let aside: [RefSlab, number][] = [];
    if (c.partial.length > 0 && drain && c.partial[0][1] >= this.cpuPartialSlabs) {
      aside = c.partial;
      c.partial = [];
    }
    const below = c.partial.length > 0 ? c.partial[0][1] : 0;
    c.partial.unshift([slab, below + 1]);
    this.unfreeze(
      aside.map(([first]) => first),
      cpu,
    );
  }

  /** 4.13; the object or the slab that the search yields. */
  private getPartialNode(node: number, cpu: number): { slab: RefSlab; free: number[] } | null {
    const n = this.nodes[node];
    if (this.shape.debug) {
      const slab = n.partial[0];
      if (slab === undefined) return null;
      const free = [slab.free.shift() as number];
      if (slab.free.length === 0) {
        n.partial.shift();
        if (this.shape.storeUser) n.full.unshift(slab);
      }
      return { slab, free };
    }
    let result: { slab: RefSlab; free: number[] } | null = null;
    let further = 0;
    for (const slab of [...n.partial]) {
      ReferenceSlub.remove(n.partial, slab);
      slab.frozen = 1;
      if (result === null) {
        result = { slab, free: slab.free.splice(0) };
      } else {
        this.putCpuPartial(slab, false, cpu);
        further += 1;
      }
      if (further > Math.floor(this.cpuPartialSlabs / 2)) break;
    }
    return result;
  }

  private getPartial(
    gfp: number,
    node: number,
    cpu: number,
  ): { slab: RefSlab; free: number[] } | null {
    const here = node === -1 ? this.cpuNode[cpu] : node;
    const found = this.getPartialNode(here, cpu);
    if (found !== null || node !== -1) return found;
    if (this.ratio === 0 || this.cycles() % 1024 > this.ratio) return null;
    const reach = (gfp & Gfp.__GFP_THISNODE) === 0 ? this.nodes.length : 1;
    for (let i = 0; i < reach; i++) {
      const other = (this.cpuNode[cpu] + i) % this.nodes.length;
      if (this.nodes[other].partial.length <= this.minPartial) continue;
      const remote = this.getPartialNode(other, cpu);
      if (remote !== null) return remote;
    }
    return null;
  }

  /** 4.10 */
  private newSlab(gfp: number, node: number, cpu: number): RefSlab | null {
    const { order, objects, minOrder, minObjects, allocflags } = this.shape;
    const g = (gfp & (0xbeee0 | 0x300000)) | allocflags;
    let g1 = (g | Gfp.__GFP_NOWARN | Gfp.__GFP_NORETRY) & ~Gfp.__GFP_NOFAIL;
    if ((g1 & Gfp.__GFP_DIRECT_RECLAIM) !== 0 && order > minOrder) {
      g1 = (g1 | Gfp.__GFP_NOMEMALLOC) & ~Gfp.__GFP_RECLAIM;
    }
    let slab = { order, objects };
    let pfn = this.pages.allocPages(g1, order, node, cpu);
    if (pfn < 0) {
      slab = { order: minOrder, objects: minObjects };
      pfn = this.pages.allocPages(g, minOrder, node, cpu);
    }
    if (pfn < 0) return null;
    const free = Array.from({ length: slab.objects }, (_, i) => i);
    const made = { ...slab, pfn, node: this.pages.nodeOf(pfn), frozen: 0, free };
    this.slabs.push(made);
    return made;
  }

  private count(slab: RefSlab): void {
    const n = this.nodes[slab.node];
    n.slabs += 1;
    n.objects += slab.objects;
  }

  /** 4.12 S6 and S7 of a debug cache. */
  private allocDebug(gfp: number, node: number, cpu: number): number | null {
    const found = this.getPartial(gfp, node, cpu);
    if (found !== null) return this.addressOf(found.slab, found.free[0]);
    const slab = this.newSlab(gfp, node, cpu);
    if (slab === null) return null;
    const index = slab.free.shift() as number;
    const n = this.nodes[slab.node];
    if (slab.free.length > 0) n.partial.unshift(slab);
    else if (this.shape.storeUser) n.full.unshift(slab);
    this.count(slab);
    return this.addressOf(slab, index);
  }

  private load(c: RefCpu, slab: RefSlab, free: number[]): number {
    c.slab = slab;
    c.free = free;
    return this.addressOf(slab, c.free.shift() as number);
  }

  /** 4.12 */
  private allocSlow(gfp: number, node: number, cpu: number): number | null {
    if (this.shape.debug) return this.allocDebug(gfp, node, cpu);
    const c = this.cpus[cpu];
    for (;;) {
      if (c.slab === null) {
        const next = c.partial.shift();
        if (next === undefined) break;
        c.slab = next[0];
        c.free = [];
      }
      const { slab } = c;
      if (node !== -1 && slab.node !== node) {
        this.deactivateCpuSlab(c, cpu);
        continue;
      }
      if (c.free.length > 0) return this.load(c, slab, c.free);
      if (slab.free.length > 0) return this.load(c, slab, slab.free.splice(0));
      slab.frozen = 0;
      c.slab = null;
    }
    const found = this.getPartial(gfp, node, cpu);
    if (found !== null) return this.load(c, found.slab, found.free);
    const slab = this.newSlab(gfp, node, cpu);
    if (slab === null) return null;
    slab.frozen = 1;
    this.count(slab);
    return this.load(c, slab, slab.free.splice(0));
  }

  /** 4.11 */
  alloc(gfp: number, node: number, cpu: number): number | null {
    const c = this.cpus[cpu];
    if (c.slab !== null && c.free.length > 0 && (node === -1 || c.slab.node === node)) {
      return this.addressOf(c.slab, c.free.shift() as number);
    }
    return this.allocSlow(gfp, node, cpu);
  }

  /** 4.27; null when there is not enough memory. */
  allocBulk(gfp: number, count: number, cpu: number): number[] | null {
    const taken: number[] = [];
    while (taken.length < count) {
      const c = this.cpus[cpu];
      const address =
        c.slab !== null && c.free.length > 0
          ? this.addressOf(c.slab, c.free.shift() as number)
          : this.allocSlow(gfp, -1, cpu);
      if (address === null) {
        this.freeBulk(taken, cpu);
        return null;
      }
      taken.push(address);
    }
    return taken;
  }

  /** 4.18 step 4, 4.19, 4.23: frees a chain, its first object given first. */
  private freeChain(slab: RefSlab, chain: readonly number[], cpu: number): void {
    const c = this.cpus[cpu];
    if (c.slab === slab) {
      c.free = [...chain, ...c.free];
      return;
    }
    const n = this.nodes[slab.node];
    const wasFull = slab.free.length === 0;
    slab.free = [...chain, ...slab.free];
    const many = slab.free.length === slab.objects && n.partial.length >= this.minPartial;
    if (slab.frozen === 1) return;
    if (wasFull && !this.shape.debug) {
      slab.frozen = 1;
      this.putCpuPartial(slab, true, cpu);
      return;
    }
    if (wasFull) {
      ReferenceSlub.remove(n.full, slab);
      if (!many) n.partial.push(slab);
    } else if (many) {
      ReferenceSlub.remove(n.partial, slab);
    }
    if (many) this.discard(slab, cpu);
  }

  free(address: number, cpu: number): void {
    const slab = this.slabOf(address);
    this.freeChain(slab, [this.indexOf(slab, address)], cpu);
  }

  /** 4.27; changes the order of `p`. */
  freeBulk(p: number[], cpu: number): void {
    for (let n = p.length; n > 0; ) {
      n -= 1;
      const slab = this.slabOf(p[n]);
      const list = [p[n]];
      let same = n;
      for (let look = 3; n > 0; ) {
        n -= 1;
        const y = p[n];
        if (this.slabOf(y) === slab) {
          list.unshift(y);
          same -= 1;
          if (n !== same) [p[n], p[same]] = [p[same], p[n]];
        } else {
          look -= 1;
          if (look === 0) break;
        }
      }
      n = same;
      const chain = list.reverse().map((address) => this.indexOf(slab, address));
      this.freeChain(slab, chain, cpu);
    }
  }

  /** 4.17: takes everything away from a CPU; another one may do it. */
  flushCpu(cpu: number, by: number): void {
    const c = this.cpus[cpu];
    this.deactivateCpuSlab(c, by);
    this.unfreeze(
      c.partial.splice(0).map(([slab]) => slab),
      by,
    );
  }

  flush(): void {
    for (let cpu = 0; cpu < this.cpus.length; cpu++) this.flushCpu(cpu, cpu);
  }

  /** 4.28 */
  shrink(cpu: number): boolean {
    this.flush();
    for (const n of this.nodes) {
      const discards: RefSlab[] = [];
      const rest: RefSlab[] = [];
      const buckets: RefSlab[][] = Array.from({ length: 33 }, () => []);
      for (const slab of n.partial) {
        const free = slab.free.length;
        if (free === slab.objects) discards.unshift(slab);
        else if (free <= 32) buckets[free].unshift(slab);
        else rest.push(slab);
      }
      n.partial = [...buckets.flat(), ...rest];
      for (const slab of discards) {
        n.slabs -= 1;
        n.objects -= slab.objects;
        this.giveUp(slab, cpu);
      }
    }
    return this.nodes.some((n) => n.slabs > 0);
  }

  /** Everything, in the form of the recordings. */
  dump(name: string): unknown {
    const ofSlab = (slab: RefSlab) => ({
      pfn: slab.pfn,
      inuse: slab.objects - slab.free.length,
      objects: slab.objects,
      frozen: slab.frozen,
      freelist: slab.free,
    });
    return {
      name,
      cpus: this.cpus.map((c, cpu) => ({
        cpu,
        slab: c.slab === null ? null : ofSlab(c.slab),
        freelist: c.free,
        partial: c.partial.map(([slab, slabs]) => ({ ...ofSlab(slab), slabs })),
      })),
      nodes: this.nodes.map((n, node) => ({
        node,
        nrPartial: n.partial.length,
        nrSlabs: n.slabs,
        totalObjects: n.objects,
        partial: n.partial.map(ofSlab),
        full: n.full.map(ofSlab),
      })),
    };
  }
}
