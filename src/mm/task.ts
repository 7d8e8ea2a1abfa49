/**
 * The running task, as far as the allocator asks: an input of blocking and reserve decisions that a
 * model cannot know. One mutable object per machine; the host sets it before a call.
 *
 * @kernel current (spec slowpath-compaction 2.1, reclaim 2.6)
 */
export interface TaskContext {
  /** Name in reports. */
  comm: string;
  /** Process id in reports. */
  pid: number;
  /** Thread group id in reports. */
  tgid: number;
  /** User id in reports. */
  uid: number;
  /** PF_MEMALLOC: may use reserves without limit, never reclaims. */
  pfMemalloc: boolean;
  /** PF_KTHREAD: a kernel thread. */
  pfKthread: boolean;
  /** PF_KSWAPD: this is kswapd. */
  pfKswapd: boolean;
  /** PF_EXITING. */
  pfExiting: boolean;
  /** PF_DUMPCORE. */
  pfDumpcore: boolean;
  /** PF_WQ_WORKER. */
  pfWqWorker: boolean;
  /** PF_IO_WORKER. */
  pfIoWorker: boolean;
  /** PF_LOCAL_THROTTLE. */
  pfLocalThrottle: boolean;
  /** PF_MEMALLOC_NOIO: clears IO and FS of every request. */
  pfMemallocNoio: boolean;
  /** PF_MEMALLOC_NOFS: clears FS of every request. */
  pfMemallocNofs: boolean;
  /** PF_MEMALLOC_PIN: clears MOVABLE of every request. */
  pfMemallocPin: boolean;
  /** Running in an interrupt. */
  inInterrupt: boolean;
  /** Running a softirq. */
  inServingSoftirq: boolean;
  /** Real-time priority. */
  rtTask: boolean;
  /** A fatal signal is pending. */
  fatalSignalPending: boolean;
  /** Chosen by the OOM killer. */
  oomVictim: boolean;
  /** The scheduler wants the CPU. */
  needResched: boolean;
}

/** A user task without flags. */
export function defaultTask(): TaskContext {
  return {
    comm: 'swapper/0',
    pid: 0,
    tgid: 0,
    uid: 0,
    pfMemalloc: false,
    pfKthread: false,
    pfKswapd: false,
    pfExiting: false,
    pfDumpcore: false,
    pfWqWorker: false,
    pfIoWorker: false,
    pfLocalThrottle: false,
    pfMemallocNoio: false,
    pfMemallocNofs: false,
    pfMemallocPin: false,
    inInterrupt: false,
    inServingSoftirq: false,
    rtTask: false,
    fatalSignalPending: false,
    oomVictim: false,
    needResched: false,
  };
}

/** Whether the task runs in task context. @kernel in_task */
export function inTask(task: TaskContext): boolean {
  return !task.inInterrupt && !task.inServingSoftirq;
}
