import { NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { PageFlag, PageMark } from '../mm/page-flags.ts';
import { NodeStatItem } from '../mm/vm-items.ts';
import { modNodeState, type Vmstat } from '../mm/vmstat.ts';
import { AnonMemory } from './anon-memory.ts';
import { folioAddLru } from './batch.ts';
import { CachedFile, type CachedFileOptions, type LeafWatcher } from './cached-file.ts';
import { AOP_WRITEPAGE_ACTIVATE, VmscanThrottle } from './constants.ts';
import { ReclaimError } from './errors.ts';
import { inSwapcache, isAnon } from './folio.ts';
import { nodeOf } from './lru.ts';
import { folioMarkAccessed } from './mark-accessed.ts';
import { badState, checkCpu, checkOffLru, checkPage, checkRange } from './misuse.ts';
import { checkMoveUnevictableFolios } from './mlock.ts';
import { type PageFrameOptions, PageFrames } from './page-frames.ts';
import type { Reclaim } from './reclaim.ts';
import { folioPut } from './release.ts';
import { RmapMark } from './rmap.ts';
import { pageAddRmap, pageRemoveRmap, rmapTryToUnmap } from './rmap-walk.ts';
import { ShadowLeaves } from './shadow-leaves.ts';
import type { ReclaimState } from './state.ts';
import type { ReclaimHost } from './types.ts';
import { ancientEviction, packShadow, workingsetRefault } from './workingset.ts';
import { folioClearDirtyForIo, folioMarkDirty, folioStartWriteback } from './writeback.ts';
import { type WritebackOptions, WritebackQueue } from './writeback-queue.ts';

/** How a `PageCache` is made. */
export interface PageCacheOptions extends PageFrameOptions, WritebackOptions {
  /** Positions per index leaf: 64, or 16 as in a kernel with BASE_SMALL. Default 64. */
  readonly slotsPerLeaf?: 16 | 64;
}

/** How a mapped page of a file is used. */
export interface FaultOptions {
  /** Whether it is written to. Default false. */
  readonly write?: boolean;
  /** Whether the mapping is executable. Default false. */
  readonly exec?: boolean;
}

/** Outcomes of a migration. (spec slowpath-compaction 4.19) */
const MIGRATE_OK = 0;
const MIGRATE_AGAIN = 1;

/**
 * A host for reclaim that behaves like a small operating system: files with a page cache, dirty pages
 * that a flusher writes to a disk of constant latency, anonymous memory with optional swap. Time is
 * injected: nothing ends before `advance` says so.
 *
 * It becomes the host of the `Reclaim` that it is made for.
 */
export class PageCache implements ReclaimHost, LeafWatcher {
  /** Positions per index leaf. */
  readonly slotsPerLeaf: number;
  /** The machine's counters. */
  readonly vm: Vmstat;
  /** Anonymous memory, and swap if the `Reclaim` has some. */
  readonly anon: AnonMemory;
  readonly #reclaim: Reclaim;
  readonly #state: ReclaimState;
  readonly #frames: PageFrames;
  readonly #queue: WritebackQueue;
  readonly #leaves: ShadowLeaves;
  readonly #files: CachedFile[] = [];
  /** File id + 1 of each page in the cache, by pfn. */
  readonly #fileOf: Int32Array;
  /** When the short sleep of each node's kswapd ends, in jiffies. */
  readonly #napEnds: Float64Array;
  /** Number of that short sleep, by node. */
  readonly #nap: Float64Array;

  /**
   * @param reclaim the reclaim module that it serves
   * @param options who gives the pages, and how fast things are
   */
  constructor(reclaim: Reclaim, options: PageCacheOptions) {
    const { state } = reclaim;
    this.#reclaim = reclaim;
    this.#state = state;
    this.vm = state.vm;
    this.slotsPerLeaf = options.slotsPerLeaf ?? 64;
    this.#frames = new PageFrames(reclaim, options);
    this.#queue = new WritebackQueue(state, options);
    this.anon = new AnonMemory(state, this.#frames);
    this.#leaves = new ShadowLeaves(state.model, this.slotsPerLeaf);
    this.#fileOf = new Int32Array(state.map.endPfn);
    this.#napEnds = new Float64Array(state.model.nodes.length);
    this.#nap = new Float64Array(state.model.nodes.length);
    reclaim.setHost(this);
    reclaim.registerShrinker(this.#leaves.shrinker());
  }

  /** The injected time, in jiffies since the start. */
  get jiffies(): number {
    return this.#queue.jiffies;
  }

  /** Pages that are being written. */
  get writing(): number {
    return this.#queue.writing;
  }

  /** Makes an empty file. */
  createFile(options: CachedFileOptions = {}): CachedFile {
    const file = new CachedFile(this.#files.length, this, options);
    this.#files.push(file);
    return file;
  }

  /** The file that a page belongs to, null for a page of no file. */
  fileOf(pfn: number): CachedFile | null {
    return this.#files[this.#fileOf[pfn] - 1] ?? null;
  }

  /**
   * Puts a page into a file's cache and on its way to an LRU list. The cache takes a reference of its
   * own; the caller's stays.
   * @param pfn a page in use that is on no list
   * @param gfp mask of the request: with `__GFP_WRITE` an eviction before does not count
   * @throws ReclaimError `BAD_STATE` when the position has a page already
   * @kernel filemap_add_folio (spec reclaim 4.10)
   */
  addFolio(file: CachedFile, index: number, pfn: number, gfp: number, cpu = 0): void {
    const state = this.#state;
    const { map } = state;
    checkCpu(state, cpu);
    checkOffLru(state, pfn);
    checkRange('position', index, 0, 0x7fffffff);
    if (file.page(index) !== NIL) {
      const message = `position ${index} of ${file.name} has a page already`;
      throw new ReclaimError('BAD_STATE', message, { index, pfn, present: file.page(index) });
    }
    let flags = map.flags[pfn] | PageMark.MAPPING;
    if (file.swapBacked) flags |= PageFlag.PG_swapbacked;
    if (file.unevictable) flags |= PageMark.MAPPING_UNEVICTABLE;
    map.flags[pfn] = flags;
    map.private[pfn] = index;
    map.refcount[pfn]++;
    this.#fileOf[pfn] = file.id + 1;
    const shadow = file.insert(index, pfn, state.model.cpuNode[cpu], cpu);
    const node = nodeOf(state, pfn);
    modNodeState(state.vm, cpu, node, NodeStatItem.nr_file_pages, 1);
    if (file.swapBacked) modNodeState(state.vm, cpu, node, NodeStatItem.nr_shmem, 1);
    if (shadow !== NIL && (gfp & Gfp.__GFP_WRITE) === 0) {
      workingsetRefault(state, pfn, shadow, cpu);
    }
    folioAddLru(state, pfn, cpu);
  }

  /**
   * Makes a position look as if its page had been evicted before anything that is cached now.
   * @throws ReclaimError `BAD_STATE` when the position has a page
   */
  setEvicted(file: CachedFile, index: number, node = 0, cpu = 0): void {
    if (file.page(index) !== NIL) throw badState(this.#state, file.page(index), 'is cached');
    file.setShadow(index, packShadow(ancientEviction(this.#state, node), node, false), node, cpu);
  }

  /** Makes a page that is in use already a page of a file, without counting anything: for loading a state. */
  adopt(file: CachedFile, index: number, pfn: number, cpu = 0): void {
    file.insert(index, pfn, nodeOf(this.#state, pfn), cpu);
    this.#fileOf[pfn] = file.id + 1;
    this.#state.map.private[pfn] = index;
    this.#state.map.flags[pfn] |= PageMark.MAPPING;
  }

  /**
   * Reads a page of a file: from the cache, or by a new page that is filled at once.
   * @returns its page frame, -1 when no memory can be had
   * @kernel filemap_read
   */
  read(file: CachedFile, index: number, cpu = 0): number {
    return this.#get(file, index, Gfp.GFP_HIGHUSER_MOVABLE, cpu);
  }

  /**
   * Writes a page of a file: it is dirty until the flusher or reclaim writes it.
   * @returns its page frame, -1 when no memory can be had
   * @kernel generic_perform_write
   */
  write(file: CachedFile, index: number, cpu = 0): number {
    const pfn = this.#get(file, index, Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_WRITE, cpu);
    if (pfn !== NIL) folioMarkDirty(this.#state, pfn, cpu);
    return pfn;
  }

  /**
   * Uses a page of a file through a mapping: one mapping per page, made at the first use and after
   * reclaim removed it.
   * @returns its page frame, -1 when no memory can be had
   * @kernel filemap_fault
   */
  fault(file: CachedFile, index: number, options: FaultOptions = {}, cpu = 0): number {
    const state = this.#state;
    const pfn = this.#lookup(file, index, Gfp.GFP_HIGHUSER_MOVABLE, cpu);
    if (pfn === NIL) return NIL;
    if (state.map.mapcount[pfn] === 0) pageAddRmap(state, pfn, true, cpu);
    else state.rmap.young[pfn] = state.map.mapcount[pfn];
    if (options.write) state.rmap.marks[pfn] |= RmapMark.DIRTY;
    if (options.exec) state.rmap.marks[pfn] |= RmapMark.EXEC;
    return pfn;
  }

  /** Throws the pages of a file away from a position on; dirty ones are not written. @kernel truncate_inode_pages */
  truncate(file: CachedFile, from = 0, cpu = 0): void {
    const state = this.#state;
    checkCpu(state, cpu);
    this.#queue.wait(cpu);
    for (const index of [...file.entries(from)]) {
      const pfn = file.page(index);
      if (pfn === NIL) file.setShadow(index, NIL, 0, cpu);
      else this.#drop(file, index, pfn, cpu);
    }
  }

  /** Forbids or allows to reclaim a file's pages (SHM_LOCK). @kernel shmem_lock, shmem_unlock_mapping */
  setUnevictable(file: CachedFile, unevictable: boolean, cpu = 0): void {
    const state = this.#state;
    file.unevictable = unevictable;
    const pages: number[] = [];
    for (const index of file.entries()) {
      const pfn = file.page(index);
      if (pfn === NIL) continue;
      if (unevictable) state.map.flags[pfn] |= PageMark.MAPPING_UNEVICTABLE;
      else state.map.flags[pfn] &= ~PageMark.MAPPING_UNEVICTABLE;
      pages.push(pfn);
    }
    if (!unevictable) checkMoveUnevictableFolios(state, pages, cpu);
  }

  /**
   * Lets time pass: writes end, old dirty pages are written, short sleeps of kswapd end.
   * @param jiffies how long
   * @param cpu CPU on which interrupts and the flusher run
   */
  advance(jiffies: number, cpu = 0): void {
    checkRange('jiffies', jiffies, 0, Number.MAX_SAFE_INTEGER);
    checkCpu(this.#state, cpu);
    for (let i = 0; i < jiffies; i++) {
      this.#queue.tick(cpu);
      this.#endNaps();
    }
  }

  /** Starts to write all dirty pages. @kernel sync */
  sync(cpu = 0): void {
    this.#queue.flushAll(cpu);
  }

  /**
   * Host callback of compaction: who held `from` holds `to` from now on.
   * @returns 0 for done, 1 when somebody else refers to the page
   */
  migrate(from: number, to: number, _mode: number): number {
    const { map, rmap } = this.#state;
    checkPage(this.#state, from);
    if ((map.flags[from] & PageFlag.PG_writeback) !== 0) this.#queue.wait(0);
    const flags = map.flags[from];
    const file = this.fileOf(from);
    const cached = file !== null || inSwapcache(flags) ? 1 : 0;
    const isPrivate = (flags & PageFlag.PG_private) !== 0 ? 1 : 0;
    if (map.refcount[from] !== 1 + cached + isPrivate + map.mapcount[from]) return MIGRATE_AGAIN;
    if (file !== null) {
      file.replace(map.private[from], to);
      this.#fileOf[to] = this.#fileOf[from];
      this.#fileOf[from] = 0;
    } else if (isAnon(flags)) {
      this.anon.migrate(from, to);
    }
    rmap.young[to] = rmap.young[from];
    rmap.marks[to] = rmap.marks[from];
    rmap.young[from] = 0;
    rmap.marks[from] = 0;
    return MIGRATE_OK;
  }

  /** Host callback. */
  hasWritepage(pfn: number): boolean {
    return this.fileOf(pfn)?.writepage ?? true;
  }

  /** Host callback: a write begins. Shared memory is not swapped: it becomes active again. */
  writepage(pfn: number, cpu: number): number {
    if (this.fileOf(pfn)?.swapBacked) {
      folioMarkDirty(this.#state, pfn, cpu);
      return AOP_WRITEPAGE_ACTIVATE;
    }
    folioStartWriteback(this.#state, pfn, cpu);
    this.#queue.started(pfn, cpu);
    return 0;
  }

  /** Host callback. */
  tryToUnmap(pfn: number, cpu: number): void {
    if (isAnon(this.#state.map.flags[pfn])) this.anon.tryToUnmap(pfn, cpu);
    else rmapTryToUnmap(this.#state, pfn, cpu);
  }

  /** Host callback: the flusher has one page more to write. */
  dirtyFolio(pfn: number): void {
    const file = this.fileOf(pfn);
    if (file?.dirtyAccounting) this.#queue.dirtied(file, this.#state.map.private[pfn]);
  }

  /** Host callback. */
  accountsDirty(pfn: number): boolean {
    return this.fileOf(pfn)?.dirtyAccounting ?? true;
  }

  /** Host callback: a page leaves its cache, perhaps with a shadow entry in its place. */
  removeFromCache(pfn: number, eviction: number, workingset: boolean, cpu: number): void {
    const { map } = this.#state;
    if (inSwapcache(map.flags[pfn])) {
      this.anon.removeFromSwapCache(pfn, eviction, workingset);
      return;
    }
    const node = (map.zone[pfn] - 1) >> 2;
    const shadow = eviction < 0 ? NIL : packShadow(eviction, node, workingset);
    this.#files[this.#fileOf[pfn] - 1]?.remove(map.private[pfn], shadow, cpu);
    this.#fileOf[pfn] = 0;
  }

  /** Host callback. */
  enteredSwapCache(pfn: number): void {
    this.anon.enteredSwapCache(pfn);
  }

  /** Host callback: dirty pages are in the way. */
  wakeupFlusherThreads(): void {
    this.sync();
  }

  /** Host callback: time passes until enough was written, at most the timeout. */
  throttle(node: number, reason: number, timeoutJiffies: number): number {
    for (let slept = 1; slept <= timeoutJiffies; slept++) {
      this.advance(1);
      const writeback = reason === VmscanThrottle.VMSCAN_THROTTLE_WRITEBACK;
      if (writeback && this.#state.writebackWoken[node] !== 0) return slept;
    }
    return timeoutJiffies;
  }

  /** See `LeafWatcher`. */
  leafShadowOnly(file: CachedFile, leaf: number, node: number): void {
    this.#leaves.add(file, leaf, node);
  }

  /** See `LeafWatcher`. */
  leafInUse(file: CachedFile, leaf: number, node: number): void {
    this.#leaves.remove(file, leaf, node);
  }

  #get(file: CachedFile, index: number, gfp: number, cpu: number): number {
    checkCpu(this.#state, cpu);
    const pfn = this.#lookup(file, index, gfp, cpu);
    if (pfn !== NIL) folioMarkAccessed(this.#state, pfn, cpu);
    return pfn;
  }

  /** The page at a position; a new one is read at once. */
  #lookup(file: CachedFile, index: number, gfp: number, cpu: number): number {
    const cached = file.page(index);
    if (cached !== NIL) return cached;
    checkRange('position', index, 0, 0x7fffffff);
    const pfn = this.#frames.alloc(gfp, cpu);
    if (pfn === NIL) return NIL;
    this.addFolio(file, index, pfn, gfp, cpu);
    folioPut(this.#state, pfn, cpu);
    if (file.swapBacked) folioMarkDirty(this.#state, pfn, cpu);
    return pfn;
  }

  #drop(file: CachedFile, index: number, pfn: number, cpu: number): void {
    const state = this.#state;
    const node = nodeOf(state, pfn);
    while (state.map.mapcount[pfn] > 0) pageRemoveRmap(state, pfn, cpu);
    folioClearDirtyForIo(state, pfn, cpu);
    file.remove(index, NIL, cpu);
    this.#fileOf[pfn] = 0;
    modNodeState(state.vm, cpu, node, NodeStatItem.nr_file_pages, -1);
    if (file.swapBacked) modNodeState(state.vm, cpu, node, NodeStatItem.nr_shmem, -1);
    state.map.flags[pfn] &= ~(PageMark.MAPPING | PageMark.MAPPING_UNEVICTABLE);
    folioPut(state, pfn, cpu);
  }

  /** Short sleeps of kswapd last a tenth of a second. */
  #endNaps(): void {
    const { kswapd, model } = this.#state;
    kswapd.forEach((thread, node) => {
      if (this.#reclaim.kswapdState(node) !== 'short-sleep') return;
      if (this.#nap[node] !== thread.naps) {
        this.#nap[node] = thread.naps;
        this.#napEnds[node] = this.jiffies + Math.floor(model.hz / 10);
      }
      if (this.jiffies >= this.#napEnds[node]) this.#reclaim.kswapdShortSleepElapsed(node);
    });
  }
}
