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
}

/**
 * Dirty pages in the order in which they became dirty, and writes under way: a disk with constant
 * latency and a flusher thread, in injected time.
 */
export class WritebackQueue {
  /** The injected time in jiffies; only `advance` moves it. */
  jiffies = 0;
  readonly #state: ReclaimState;
  readonly #writeJiffies: number;
  readonly #dirtyExpireJiffies: number;
  #dirty: DirtyEntry[] = [];
  #dirtyHead = 0;
  #writes: Write[] = [];
  #writesHead = 0;

  constructor(state: ReclaimState, options: WritebackOptions) {
    this.#state = state;
    this.#writeJiffies = options.writeJiffies ?? 1;
    this.#dirtyExpireJiffies = options.dirtyExpireJiffies ?? 30 * state.model.hz;
  }

  /** Writes under way. */
  get writing(): number {
    return this.#writes.length - this.#writesHead;
  }

  /** A page of a file became dirty. */
  dirtied(file: CachedFile, index: number): void {
    this.#dirty.push({ file, index, since: this.jiffies });
  }

  /** A page is being written from now on; PG_writeback is set. */
  started(pfn: number): void {
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

  /**
   * Starts to write the pages that became dirty up to a time.
   * @param until time in jiffies; infinite for all
   */
  flush(until: number, cpu: number): void {
    const state = this.#state;
    while (this.#dirtyHead < this.#dirty.length) {
      const { file, index, since } = this.#dirty[this.#dirtyHead];
      if (since > until) break;
      this.#dirtyHead++;
      const pfn = file.page(index);
      // Reclaim may have written it, or dropped it, or both and it is here again.
      if (pfn < 0 || (state.map.flags[pfn] & PageFlag.PG_writeback) !== 0) continue;
      if (!folioClearDirtyForIo(state, pfn, cpu)) continue;
      folioStartWriteback(state, pfn, cpu);
      this.started(pfn);
    }
    if (this.#dirtyHead === this.#dirty.length) {
      this.#dirty = [];
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
    if (this.#writesHead === this.#writes.length) {
      this.#writes = [];
      this.#writesHead = 0;
    }
  }
}
