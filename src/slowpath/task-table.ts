import type { TaskContext } from '../mm/task.ts';
import { SlowPathError } from './errors.ts';
import { createOomMm, createOomTask, type OomHost, type OomMm, type OomTask } from './oom-types.ts';

/** How a `TaskTable` is made. */
export interface TaskTableOptions {
  /** The running task as the allocators see it; it follows `run`. */
  readonly task: TaskContext;
  /** The last process that used a memory is gone: free its pages. */
  release(mm: OomMm, task: OomTask): void;
  /** The OOM reaper takes the private pages of a memory; false if it could not. Default: none are freed. */
  reap?(mm: OomMm): boolean;
  /** Whether a memory's lock is held. Default: never. */
  mmapLocked?(mm: OomMm): boolean;
}

/**
 * A small table of processes: killed ones exit at once, except the one that runs, which exits when
 * its allocation has returned and `exitIfKilled` is called. (spec slowpath-compaction 4.30)
 */
export class TaskTable implements OomHost {
  /** All processes in creation order. */
  readonly tasks: OomTask[] = [];
  /** The one that runs, null for the idle task. */
  current: OomTask | null = null;
  readonly #options: TaskTableOptions;
  readonly #killed: Set<OomTask> = new Set();

  /** @param options the running task, and who frees memory */
  constructor(options: TaskTableOptions) {
    this.#options = options;
  }

  /**
   * Makes a process with a memory of its own, unless one is given to share.
   * @param fields at least `pid` and `comm`
   * @throws SlowPathError `BAD_REQUEST` when the process id is taken
   */
  create(fields: Partial<OomTask> & { readonly pid: number; readonly comm: string }): OomTask {
    const { pid } = fields;
    if (this.tasks.some((task) => task.pid === pid)) {
      throw new SlowPathError('BAD_REQUEST', `process ${pid} is there already`, { pid });
    }
    const task = createOomTask({ mm: fields.kthread ? null : createOomMm(), ...fields });
    const { mm } = task;
    if (mm !== null && this.tasks.some((other) => other.mm === mm)) {
      mm.mmUsers++;
      mm.multiprocess = true;
    }
    this.tasks.push(task);
    return task;
  }

  /** Lets a process run: its name, ids and state become those of the running task. null: the idle task. */
  run(process: OomTask | null): void {
    const { task } = this.#options;
    this.current = process;
    task.comm = process?.comm ?? 'swapper/0';
    task.pid = process?.pid ?? 0;
    task.tgid = process?.tgid ?? 0;
    task.uid = process?.uid ?? 0;
    task.pfKthread = process?.kthread ?? true;
    task.pfExiting = process?.exiting ?? false;
    task.oomVictim = process !== null && process.oomMm !== null;
    task.fatalSignalPending = process !== null && this.#killed.has(process);
  }

  /** See `OomHost`. */
  kill(task: OomTask): void {
    task.groupExit = true;
    this.#killed.add(task);
    if (task !== this.current) this.exit(task);
  }

  /** Lets the running process exit if it was killed; the idle task runs then. @returns whether it did */
  exitIfKilled(): boolean {
    const { current } = this;
    if (current === null || !this.#killed.has(current)) return false;
    this.run(null);
    this.exit(current);
    return true;
  }

  /** Ends a process: its memory is freed with the last process that uses it. */
  exit(task: OomTask): void {
    const position = this.tasks.indexOf(task);
    if (position < 0) return;
    this.tasks.splice(position, 1);
    this.#killed.delete(task);
    const { mm } = task;
    task.mm = null;
    task.memdie = false;
    if (mm === null) return;
    mm.mmUsers--;
    if (mm.mmUsers === 0) this.#options.release(mm, task);
  }

  /** See `OomHost`. */
  reap(mm: OomMm): boolean {
    return this.#options.reap?.(mm) ?? true;
  }

  /** See `OomHost`. */
  mmapLocked(mm: OomMm): boolean {
    return this.#options.mmapLocked?.(mm) ?? false;
  }
}
