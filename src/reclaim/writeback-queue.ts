import { PageFlag } from '../mm/page-flags.ts';
import type { CachedFile } from './cached-file.ts';
import type { ReclaimState } from './state.ts';
import { folioClearDirtyForIo, folioEndWriteback, folioStartWriteback } from './writeback.ts';

/** A page of a file that became dirty. */
interface DirtyEntry {
  readonly file: CachedFile;
  readonly index: number;
  /** When, in jiffies. */
  readonly since: number;
}

/** A page that is being written. */
interface Write {
  readonly pfn: number;
  /** When it will be done, in jiffies. */
  readonly due: number;
}

/** How dirty pages get written. */
export interface WritebackOptions {
  /** Jiffies that a write takes. Default 1. */
  readonly writeJiffies?: number;
  /** Jiffies after which a dirty page is written by itself. Default 30 seconds. */
  readonly dirtyExpireJiffies?: number;
  /**
   * Writes that the disk takes at a time. Reclaim waits for the oldest one before it starts one more;
   * the flusher comes back later. Default: no limit.
   */
  readonly queueDepth?: number;
}

/** Entries that an array keeps in front of its head before it is cut. */
const SPENT_MAX = 4096;

/**
 * Dirty pages in the order in which they became dirty, and writes under way: a disk with constant
 * latency and a flusher thread, in injected time.
 */
export class WritebackQueue {
  /** The injected time in jiffies; `advance` moves it, and waiting for a full disk. */
  jiffies = 0;
  readonly #state: ReclaimState;
  readonly #writeJiffies: number;
  readonly #dirtyExpireJiffies: number;
  readonly #queueDepth: number;
  #dirty: DirtyEntry[] = [];
  #dirtyHead = 0;
  #writes: Write[] = [];
  #writesHead = 0;
  /** Pages that became dirty up to this time are to be written now. */
  #flushUntil: number = Number.NEGATIVE_INFINITY;

  constructor(state: ReclaimState, options: WritebackOptions) {
    this.#state = state;
    this.#writeJiffies = options.writeJiffies ?? 1;
    this.#dirtyExpireJiffies = options.dirtyExpireJiffies ?? 30 * state.model.hz;
    this.#queueDepth = options.queueDepth ?? Number.POSITIVE_INFINITY;
  }

  /** Writes under way. */
  get writing(): number {
    return this.#writes.length - this.#writesHead;
  }

  /** A page of a file became dirty. */
  dirtied(file: CachedFile, index: number): void {
    this.#dirty.push({ file, index, since: this.jiffies });
  }

  /**
   * A page is being written from now on; PG_writeback is set. When the disk is full, time passes until
   * the oldest write ends.
   */
  started(pfn: number, cpu: number): void {
    while (this.writing >= this.#queueDepth) {
      this.jiffies = Math.max(this.jiffies, this.#writes[this.#writesHead].due);
      this.#endWrites(this.jiffies, cpu);
    }
    this.#writes.push({ pfn, due: this.jiffies + this.#writeJiffies });
  }

  /**
   * Lets one jiffy pass: writes that are due end, pages that were dirty long enough are written.
   * @param cpu CPU on which interrupts and the flusher run
   */
  tick(cpu: number): void {
    this.jiffies++;
    this.#endWrites(this.jiffies, cpu);
    this.flush(this.jiffies - this.#dirtyExpireJiffies, cpu);
  }

  /** Starts to write all pages that are dirty now. */
  flushAll(cpu: number): void {
    this.flush(this.jiffies, cpu);
  }

  /**
   * Starts to write the pages that became dirty up to a time, as many as the disk takes; the others
   * follow as time passes.
   * @param until time in jiffies
   */
  flush(until: number, cpu: number): void {
    const state = this.#state;
    this.#flushUntil = Math.max(this.#flushUntil, until);
    while (this.#dirtyHead < this.#dirty.length && this.writing < this.#queueDepth) {
      const { file, index, since } = this.#dirty[this.#dirtyHead];
      if (since > this.#flushUntil) break;
      this.#dirtyHead++;
      const pfn = file.page(index);
      // Reclaim may have written it, or dropped it, or both and it is here again.
      if (pfn < 0 || (state.map.flags[pfn] & PageFlag.PG_writeback) !== 0) continue;
      if (!folioClearDirtyForIo(state, pfn, cpu)) continue;
      folioStartWriteback(state, pfn, cpu);
      this.started(pfn, cpu);
    }
    if (this.#dirtyHead === this.#dirty.length || this.#dirtyHead > SPENT_MAX) {
      this.#dirty = this.#dirty.slice(this.#dirtyHead);
      this.#dirtyHead = 0;
    }
  }

  /** Ends all writes at once, as waiting for them does. */
  wait(cpu: number): void {
    this.#endWrites(Number.POSITIVE_INFINITY, cpu);
  }

  #endWrites(now: number, cpu: number): void {
    while (this.#writesHead < this.#writes.length && this.#writes[this.#writesHead].due <= now) {
      const { pfn } = this.#writes[this.#writesHead++];
      folioEndWriteback(this.#state, pfn, cpu);
    }
    if (this.#writesHead === this.#writes.length || this.#writesHead > SPENT_MAX) {
      this.#writes = this.#writes.slice(this.#writesHead);
      this.#writesHead = 0;
    }
  }
}
