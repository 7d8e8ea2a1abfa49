/**
 * The LRU rules of the specification once more, in plain objects and arrays: what the real module is
 * compared with. One node, two zones, file pages and anonymous pages without swap.
 */

/** A page as an object. */
export interface RefPage {
  readonly id: number;
  readonly anon: boolean;
  /** Zone index, 2 or 3. */
  readonly zone: number;
  references: number;
  mapped: number;
  young: number;
  exec: boolean;
  onLru: boolean;
  active: boolean;
  unevictable: boolean;
  referenced: boolean;
  workingset: boolean;
  dirty: boolean;
  writeback: boolean;
  reclaim: boolean;
  mlocked: boolean;
  mlockCount: number;
  freed: boolean;
}

type BatchName =
  | 'add'
  | 'rotate'
  | 'deactivateFile'
  | 'deactivate'
  | 'lazyfree'
  | 'activate'
  | 'mlock';
type Entry = { readonly page: RefPage; readonly kind: 'lru' | 'new' | 'munlock' };

const ORDER: readonly BatchName[] = [
  'add',
  'rotate',
  'deactivateFile',
  'deactivate',
  'lazyfree',
  'activate',
  'mlock',
];

/** Lists head first, batches, and the order in which pages were freed. */
export class ReferenceLru {
  readonly lists: [RefPage[], RefPage[], RefPage[], RefPage[]] = [[], [], [], []];
  readonly freed: number[] = [];
  readonly pages: RefPage[] = [];
  age = 0;
  readonly #batches: Record<BatchName, Entry[]>[];

  constructor(cpus: number) {
    this.#batches = Array.from({ length: cpus }, () => ({
      add: [],
      rotate: [],
      deactivateFile: [],
      deactivate: [],
      lazyfree: [],
      activate: [],
      mlock: [],
    }));
  }

  create(id: number, anon: boolean, zone: number, mapped: number): RefPage {
    const page: RefPage = {
      id,
      anon,
      zone,
      references: (anon ? 0 : 1) + mapped,
      mapped,
      young: 0,
      exec: false,
      onLru: false,
      active: false,
      unevictable: false,
      referenced: false,
      workingset: false,
      dirty: false,
      writeback: false,
      reclaim: false,
      mlocked: false,
      mlockCount: 0,
      freed: false,
    };
    this.pages.push(page);
    return page;
  }

  inAddBatch(page: RefPage): boolean {
    return this.#batches.some((of) =>
      [...of.add, ...of.mlock.filter(({ kind }) => kind === 'new')].some((e) => e.page === page),
    );
  }

  /** Batch slots that hold a page. */
  batchSlots(page: RefPage): number {
    const entries = this.#batches.flatMap((of) => Object.values(of).flat());
    return entries.filter((entry) => entry.page === page).length;
  }

  add(page: RefPage, cpu: number): void {
    this.#append('add', { page, kind: 'lru' }, cpu);
  }

  put(page: RefPage): void {
    if (--page.references === 0) this.#free(page);
  }

  mark(page: RefPage, cpu: number): void {
    if (!page.referenced) {
      page.referenced = true;
      return;
    }
    if (page.unevictable || page.active) return;
    if (page.onLru) this.activate(page, cpu);
    else if (this.#batches[cpu].add.some((entry) => entry.page === page)) page.active = true;
    page.referenced = false;
    this.age++;
  }

  activate(page: RefPage, cpu: number): void {
    if (!page.onLru || page.active || page.unevictable) return;
    this.#append('activate', { page, kind: 'lru' }, cpu);
  }

  deactivate(page: RefPage, cpu: number): void {
    if (!page.onLru || !page.active || page.unevictable) return;
    this.#append('deactivate', { page, kind: 'lru' }, cpu);
  }

  deactivateFile(page: RefPage, cpu: number): void {
    if (!page.unevictable) this.#append('deactivateFile', { page, kind: 'lru' }, cpu);
  }

  rotate(page: RefPage, cpu: number): void {
    if (!page.onLru || page.dirty || page.unevictable) return;
    this.#append('rotate', { page, kind: 'lru' }, cpu);
  }

  mlock(page: RefPage, cpu: number): void {
    page.mlocked = true;
    this.#append('mlock', { page, kind: 'lru' }, cpu);
  }

  munlock(page: RefPage, cpu: number): void {
    this.#append('mlock', { page, kind: 'munlock' }, cpu);
  }

  endWriteback(page: RefPage, cpu: number): void {
    if (page.reclaim) {
      page.reclaim = false;
      this.rotate(page, cpu);
    }
    page.writeback = false;
  }

  isolate(page: RefPage): boolean {
    if (!page.onLru) return false;
    this.#unlink(page);
    page.onLru = false;
    page.references++;
    return true;
  }

  putback(page: RefPage, cpu: number): void {
    this.add(page, cpu);
    this.put(page);
  }

  drain(cpu: number): void {
    for (const name of ORDER) if (this.#batches[cpu][name].length > 0) this.#flush(name, cpu);
  }

  /** One batch of an inactive list; the ids of the freed pages, in order. */
  shrinkInactive(list: 0 | 2, count: number, reclaimIdx: number, cpu: number): void {
    this.drain(cpu);
    const taken = this.#isolateBatch(list, count, reclaimIdx);
    const kept: RefPage[] = [];
    const freed: RefPage[] = [];
    for (const page of taken) {
      const fate = this.#judge(page, cpu);
      if (fate === 'free') freed.unshift(page);
      else kept.push(page);
      if (fate === 'activate' && !page.mlocked) page.active = true;
    }
    for (const page of freed) this.#free(page);
    this.#putBackAll(kept, cpu);
  }

  /** One batch of an active list. */
  shrinkActive(list: 1 | 3, count: number, reclaimIdx: number, cpu: number): void {
    this.drain(cpu);
    const stay: RefPage[] = [];
    const go: RefPage[] = [];
    for (const page of this.#isolateBatch(list, count, reclaimIdx)) {
      if (page.mlocked) {
        this.putback(page, cpu);
        continue;
      }
      const used = page.mapped > 0 ? page.young : 0;
      if (page.mapped > 0) page.young = 0;
      if (used > 0 && page.exec && !page.anon) {
        stay.push(page);
      } else {
        page.active = false;
        page.workingset = true;
        go.push(page);
      }
    }
    this.#putBackAll(stay, cpu);
    this.#putBackAll(go, cpu);
  }

  #isolateBatch(list: number, count: number, reclaimIdx: number): RefPage[] {
    const source = this.lists[list];
    const skipped: RefPage[] = [];
    const taken: RefPage[] = [];
    while (taken.length < count && source.length > 0) {
      const page = source.pop() as RefPage;
      if (page.zone > reclaimIdx) {
        skipped.unshift(page);
        continue;
      }
      page.onLru = false;
      page.references++;
      taken.push(page);
    }
    source.unshift(...skipped);
    return taken;
  }

  #judge(page: RefPage, _cpu: number): 'free' | 'keep' | 'activate' {
    if (page.mlocked) return 'activate';
    if (page.writeback) {
      page.reclaim = true;
      return 'activate';
    }
    const used = page.mapped > 0 ? page.young : 0;
    if (page.mapped > 0) page.young = 0;
    const marked = page.referenced;
    page.referenced = used > 0;
    if (used > 0) return marked || used > 1 || (page.exec && !page.anon) ? 'activate' : 'keep';
    if (page.anon) return 'activate';
    page.references -= page.mapped;
    page.mapped = 0;
    if (page.dirty) {
      page.reclaim = true;
      return 'activate';
    }
    if (page.references !== 2) return 'keep';
    this.age++;
    page.references = 0;
    return 'free';
  }

  #putBackAll(pages: readonly RefPage[], cpu: number): void {
    for (const page of pages) {
      if (page.mlocked) {
        this.putback(page, cpu);
        continue;
      }
      page.references--;
      page.onLru = true;
      this.#link(page);
      if (page.active) this.age++;
    }
  }

  #append(name: BatchName, entry: Entry, cpu: number): void {
    entry.page.references++;
    this.#batches[cpu][name].push(entry);
    if (this.#batches[cpu][name].length === 15) this.#flush(name, cpu);
  }

  #flush(name: BatchName, cpu: number): void {
    const entries = this.#batches[cpu][name];
    for (const { page, kind } of entries) {
      if (name === 'add') this.#enter(page);
      else if (name === 'mlock') this.#applyLock(page, kind);
      else if (page.onLru) this.#move(name, page);
    }
    this.#batches[cpu][name] = [];
    for (const { page } of entries) page.references--;
    const last = new Set(entries.map(({ page }) => page).filter((page) => page.references === 0));
    // A page is freed with its last entry; the pages of a flush are freed in reverse.
    for (const { page } of entries.toReversed()) {
      if (last.delete(page)) this.#free(page);
    }
  }

  #enter(page: RefPage): void {
    page.unevictable = page.mlocked;
    if (page.mlocked) {
      page.active = false;
      page.mlockCount = 0;
    }
    page.onLru = true;
    this.#link(page);
  }

  #applyLock(page: RefPage, kind: Entry['kind']): void {
    if (kind === 'munlock') {
      if (page.onLru && page.unevictable) {
        if (page.mlockCount > 0) page.mlockCount--;
        if (page.mlockCount > 0) return;
      }
      page.mlocked = false;
      if (page.onLru && page.unevictable) this.#rescue(page);
      return;
    }
    if (!page.onLru) return;
    if (!page.mlocked) {
      if (page.unevictable) this.#rescue(page);
      return;
    }
    if (page.unevictable) {
      page.mlockCount++;
      return;
    }
    this.#unlink(page);
    page.active = false;
    page.unevictable = true;
    page.mlockCount = 1;
  }

  #rescue(page: RefPage): void {
    page.unevictable = false;
    this.#link(page);
  }

  #move(name: BatchName, page: RefPage): void {
    if (page.unevictable) return;
    if (name === 'rotate') {
      this.#unlink(page);
      page.active = false;
      this.lists[page.anon ? 0 : 2].push(page);
    } else if (name === 'deactivateFile') {
      if (page.mapped > 0) return;
      this.#unlink(page);
      page.active = false;
      page.referenced = false;
      if (page.dirty || page.writeback) {
        page.reclaim = true;
        this.#link(page);
      } else {
        this.lists[page.anon ? 0 : 2].push(page);
      }
    } else if (name === 'deactivate' ? page.active : !page.active) {
      this.#unlink(page);
      page.active = name === 'activate';
      if (name === 'deactivate') page.referenced = false;
      this.#link(page);
    }
  }

  #listOf(page: RefPage): RefPage[] | null {
    if (page.unevictable) return null;
    return this.lists[(page.anon ? 0 : 2) + (page.active ? 1 : 0)];
  }

  #link(page: RefPage): void {
    this.#listOf(page)?.unshift(page);
  }

  #unlink(page: RefPage): void {
    const list = this.#listOf(page);
    list?.splice(list.indexOf(page), 1);
  }

  #free(page: RefPage): void {
    if (page.onLru) this.#unlink(page);
    page.onLru = false;
    page.freed = true;
    this.freed.push(page.id);
    this.pages.splice(this.pages.indexOf(page), 1);
  }
}
