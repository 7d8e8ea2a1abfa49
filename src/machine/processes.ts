import { NIL } from '../lib/units.ts';
import type { TaskContext } from '../mm/task.ts';
import type { AnonMemory, AnonRegion } from '../reclaim/anon-memory.ts';
import type { OomMm, OomTask } from '../slowpath/oom-types.ts';
import { TaskTable } from '../slowpath/task-table.ts';
import { MachineError } from './errors.ts';

/** The memory of a process; what is resident is counted in its regions when somebody asks. */
class ProcessMm implements OomMm {
  totalVm = 0;
  rssFile = 0;
  rssShmem = 0;
  pgtablesBytes = 0;
  mmUsers = 1;
  oomSkip = false;
  oomReapQueued = false;
  unstable = false;
  multiprocess = false;
  readonly regions: AnonRegion[] = [];

  get rssAnon(): number {
    return this.#count((entry) => entry > 0);
  }

  get swapents(): number {
    return this.#count((entry) => entry < 0);
  }

  #count(is: (entry: number) => boolean): number {
    let pages = 0;
    for (const { entries } of this.regions) for (const entry of entries) if (is(entry)) pages++;
    return pages;
  }
}

/** What is said about a new process. */
export interface SpawnOptions {
  /** Name, at most 15 bytes. */
  readonly comm: string;
  /** Process id. Default: the next free one, from 2; 1 is init, which is never killed. */
  readonly pid?: number;
  /** Owner. Default 0. */
  readonly uid?: number;
  /** `oom_score_adj`, -1000 to 1000. Default 0. */
  readonly oomScoreAdj?: number;
}

/** A process of a machine: what the OOM killer sees of it, and its anonymous memory. */
export class Process {
  /** What the OOM killer sees of it. */
  readonly task: OomTask;
  readonly #mm: ProcessMm;

  /** @internal Processes come from `ProcessTable.spawn`. */
  constructor(task: OomTask, mm: ProcessMm) {
    this.task = task;
    this.#mm = mm;
  }

  /** Its ranges of memory, in the order in which they were made. */
  get regions(): readonly AnonRegion[] {
    return this.#mm.regions;
  }

  /** Whether it has not exited. */
  get alive(): boolean {
    return this.task.mm !== null;
  }

  /** Resident pages. */
  get residentPages(): number {
    return this.#mm.rssAnon;
  }
}

/** First process id that is given out. */
const FIRST_PID = 2;

/**
 * The processes of a machine, single-threaded and with memory of their own: whom the OOM killer can
 * kill. A killed process exits at once; one whose call has not returned exits then.
 *
 * @kernel struct task_struct, do_exit (spec slowpath-compaction 2.7, 4.30)
 */
export class ProcessTable {
  /** The table that the OOM killer looks at. */
  readonly tasks: TaskTable;
  readonly #processes = new Map<OomTask, Process>();
  readonly #memories = new Map<OomMm, ProcessMm>();
  readonly #anon: AnonMemory;
  readonly #context: TaskContext;
  /** Memories of processes whose calls have not returned, the last one runs. */
  readonly #running: (OomMm | null)[] = [];
  #nextPid: number = FIRST_PID;
  /** CPU on which a process ran last. */
  #cpu = 0;

  /**
   * @param anon anonymous memory of the machine
   * @param context the running task, which `run` changes
   */
  constructor(anon: AnonMemory, context: TaskContext) {
    this.#anon = anon;
    this.#context = context;
    this.tasks = new TaskTable({
      task: context,
      release: (mm, exited) => {
        this.#processes.delete(exited);
        this.#releaseIfIdle(mm);
      },
      reap: (mm) => this.#release(mm),
    });
  }

  /** All processes in the order of their creation. */
  get list(): readonly Process[] {
    return [...this.#processes.values()];
  }

  /**
   * Makes a process.
   * @throws SlowPathError `BAD_REQUEST` for a process id that is taken
   * @kernel fork, execve
   */
  spawn(options: SpawnOptions): Process {
    const { pid = this.#nextPid } = options;
    const mm = new ProcessMm();
    const task = this.tasks.create({ ...options, pid, mm });
    const process = new Process(task, mm);
    this.#nextPid = Math.max(this.#nextPid, pid + 1);
    this.#processes.set(task, process);
    this.#memories.set(mm, mm);
    return process;
  }

  /**
   * Lets a process do something: it is the running task meanwhile. If it is killed, it exits when the
   * action ends.
   * @throws MachineError `NO_SUCH_PROCESS`; what the action throws
   */
  run<T>(process: Process, action: () => T, cpu = 0): T {
    const mm = this.#memoryOf(process);
    this.#anon.checkCpu(cpu);
    const outer = this.tasks.current;
    const caller: TaskContext = { ...this.#context };
    this.#cpu = cpu;
    this.#running.push(mm);
    this.tasks.run(process.task);
    try {
      return action();
    } finally {
      this.#running.pop();
      if (!this.tasks.exitIfKilled() && !process.alive) this.#releaseIfIdle(mm);
      this.tasks.run(outer);
      Object.assign(this.#context, caller);
    }
  }

  /**
   * Gives a process a range of anonymous memory; its pages appear at the first touch.
   * @param pages size
   * @param locked whether its pages are locked into memory. Default false
   * @throws MachineError `NO_SUCH_PROCESS`
   * @kernel mmap
   */
  mmap(process: Process, pages: number, locked = false): AnonRegion {
    const mm = this.#memoryOf(process);
    const region = this.#anon.create(pages, locked);
    mm.regions.push(region);
    mm.totalVm += pages;
    return region;
  }

  /**
   * Lets a process use a page of its memory.
   * @param write whether it is written to. Default true
   * @returns its page frame, -1 when no memory can be had, or the process was killed
   * @throws MachineError `NO_SUCH_PROCESS`
   * @kernel handle_mm_fault
   */
  touch(process: Process, region: AnonRegion, index: number, write = true, cpu = 0): number {
    const pfn = this.run(process, () => this.#anon.touch(region, index, write, cpu), cpu);
    return process.alive ? pfn : NIL;
  }

  /**
   * Ends a process and gives its memory back.
   * @throws MachineError `NO_SUCH_PROCESS`
   * @kernel do_exit
   */
  exit(process: Process, cpu = 0): void {
    this.#memoryOf(process);
    this.#anon.checkCpu(cpu);
    this.#cpu = cpu;
    this.tasks.exit(process.task);
  }

  /** Frees a memory, unless its process is in the middle of a call: then that does when it ends. */
  #releaseIfIdle(mm: OomMm): void {
    if (this.#running.includes(mm)) return;
    this.#release(mm);
    this.#memories.delete(mm);
  }

  #release(mm: OomMm): boolean {
    const { regions } = this.#memories.get(mm) ?? new ProcessMm();
    for (const region of regions.splice(0)) this.#anon.release(region, this.#cpu);
    mm.totalVm = 0;
    return true;
  }

  /** @throws MachineError `NO_SUCH_PROCESS` */
  #memoryOf({ task }: Process): ProcessMm {
    const mm = task.mm === null ? undefined : this.#memories.get(task.mm);
    if (mm !== undefined) return mm;
    const { pid, comm } = task;
    throw new MachineError('NO_SUCH_PROCESS', `process ${pid} (${comm}) is not there`, { pid });
  }
}
