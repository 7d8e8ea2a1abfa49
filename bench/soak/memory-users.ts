import type { Process } from '../../src/machine/processes.ts';
import type { CachedFile } from '../../src/reclaim/cached-file.ts';
import type { LoadContext } from './context.ts';

const FILES = 8;
/** Pages of a file. */
const FILE_PAGES = 12000;
/** Pages of a file, or of a process, that are used most. */
const HOT_PAGES = 800;
const PROCESSES_MAX = 6;

/** Somebody who reads and writes files of all kinds. */
export class FileUser {
  readonly #load: LoadContext;
  readonly #files: readonly CachedFile[];

  constructor(load: LoadContext) {
    const { pageCache } = load.machine;
    this.#load = load;
    this.#files = Array.from({ length: FILES }, (_, i) =>
      // The first is shared memory, the second cannot be written page by page.
      pageCache.createFile({ swapBacked: i === 0, dirtyAccounting: i !== 0, writepage: i !== 1 }),
    );
  }

  /** Reads, or writes, some pages in a row. */
  use(isWrite: boolean): number {
    const load = this.#load;
    const { pageCache } = load.machine;
    const file = load.pick(this.#files);
    const count = 1 + load.below(8);
    const first = this.#position();
    let pfn = -1;
    for (let i = first; i < first + count; i++) {
      const cpu = load.cpu();
      pfn = isWrite ? pageCache.write(file, i, cpu) : pageCache.read(file, i, cpu);
      if (pfn < 0) return load.failed();
    }
    return pfn;
  }

  /** Uses a page through a mapping. */
  fault(): number {
    const load = this.#load;
    const options = { write: load.oneIn(4), exec: load.oneIn(4) };
    const file = load.pick(this.#files);
    return load.machine.pageCache.fault(file, this.#position(), options, load.cpu());
  }

  /** Throws pages away. */
  truncate(): number {
    const load = this.#load;
    const file = load.pick(this.#files);
    const from = load.oneIn(2) ? 0 : load.below(FILE_PAGES);
    load.machine.pageCache.truncate(file, from, load.cpu());
    return file.nrPages;
  }

  /** Locks the shared memory, or unlocks it. */
  lock(): number {
    const load = this.#load;
    const [shared] = this.#files;
    load.machine.pageCache.setUnevictable(shared, !shared.unevictable, load.cpu());
    return shared.nrPages;
  }

  /** Throws all pages away. */
  freeAll(): void {
    for (const file of this.#files) this.#load.machine.pageCache.truncate(file);
  }

  #position(): number {
    return this.#load.below(this.#load.oneIn(3) ? FILE_PAGES : HOT_PAGES);
  }
}

/** Somebody who starts processes that use anonymous memory. */
export class ProcessUser {
  readonly #load: LoadContext;

  constructor(load: LoadContext) {
    this.#load = load;
  }

  /** Lets a process use some pages of its memory in a row. */
  touch(): number {
    const load = this.#load;
    const { processes } = load.machine;
    const process = this.#process();
    const [main, locked] = process.regions;
    const region = load.oneIn(8) ? locked : main;
    const size = region.entries.length;
    const first = load.below(load.oneIn(3) ? size : Math.min(size, HOT_PAGES));
    const isWrite = load.oneIn(2);
    let pfn = -1;
    for (let i = first; i < Math.min(size, first + 4) && process.alive; i++) {
      pfn = processes.touch(process, region, i, isWrite, load.cpu());
    }
    if (!process.alive) load.count('killed while running');
    return pfn;
  }

  /** Ends a process. */
  exit(): number {
    const process = this.#process();
    this.#load.machine.processes.exit(process, this.#load.cpu());
    return process.task.pid;
  }

  /** Ends all processes. */
  exitAll(): void {
    const { processes } = this.#load.machine;
    for (const process of [...processes.list]) processes.exit(process);
  }

  #process(): Process {
    const load = this.#load;
    const { processes } = load.machine;
    const { list } = processes;
    const isWanted = list.length < 2 || (list.length < PROCESSES_MAX && load.oneIn(500));
    return isWanted ? this.#spawn() : load.pick(list);
  }

  #spawn(): Process {
    const load = this.#load;
    const { model, processes } = load.machine;
    const process = processes.spawn({ comm: 'worker', oomScoreAdj: load.below(100) });
    processes.mmap(process, 200 + load.below(model.totalramPages >> 1));
    processes.mmap(process, 40, true);
    return process;
  }
}
