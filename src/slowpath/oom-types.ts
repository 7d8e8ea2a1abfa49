/**
 * The memory of a process, shareable between processes; sizes in pages unless said.
 * @kernel struct mm_struct (spec slowpath-compaction 2.7)
 */
export interface OomMm {
  /** Pages of address space. */
  totalVm: number;
  /** Resident anonymous pages. */
  rssAnon: number;
  /** Resident file pages. */
  rssFile: number;
  /** Resident shared memory pages. */
  rssShmem: number;
  /** Swap slots in use. */
  swapents: number;
  /** Bytes of page tables. */
  pgtablesBytes: number;
  /** Processes that use it. */
  mmUsers: number;
  /** MMF_OOM_SKIP: not worth looking at any more. */
  oomSkip: boolean;
  /** MMF_OOM_REAP_QUEUED. */
  oomReapQueued: boolean;
  /** MMF_UNSTABLE: the reaper took pages away. */
  unstable: boolean;
  /** MMF_MULTIPROCESS: may be shared by several processes. */
  multiprocess: boolean;
}

/** A thread of a process, or the part of it that reports show. */
export interface OomThread {
  /** Its id. */
  readonly pid: number;
  /** Its name, at most 15 bytes. */
  readonly comm: string;
}

/**
 * A process as the OOM killer sees it. Tasks are listed in creation order.
 * @kernel struct task_struct, struct signal_struct (spec slowpath-compaction 2.7)
 */
export interface OomTask extends OomThread {
  /** Thread group id; 1 is init. */
  readonly tgid: number;
  /** Owner. */
  readonly uid: number;
  /** A kernel thread. */
  readonly kthread: boolean;
  /** Its memory, null once it has exited or for kernel threads. */
  mm: OomMm | null;
  /** First thread with a memory when the leader has none any more. */
  survivor: OomThread | null;
  /** `oom_score_adj`, -1000 to 1000. */
  oomScoreAdj: number;
  /** Lowest value that may be written without privilege. */
  oomScoreAdjMin: number;
  /** Chosen before: the memory it had then (`signal->oom_mm`). */
  oomMm: OomMm | null;
  /** TIF_MEMDIE: may use the reserves. */
  memdie: boolean;
  /** To be chosen first (swapoff, KSM). */
  oomFlagOrigin: boolean;
  /** The whole group is exiting. */
  groupExit: boolean;
  /** PF_EXITING. */
  exiting: boolean;
  /** It has only one thread. */
  singleThreaded: boolean;
  /** A core dump is being written. */
  coreDump: boolean;
  /** A vfork child that still uses its parent's memory. */
  vforkChild: boolean;
  /** Nodes allowed by its cpuset (1 per node), null for all. */
  memsAllowed: Uint8Array | null;
  /** Nodes of its MPOL_BIND policy, null for another policy. */
  bindNodes: Uint8Array | null;
}

/** Why memory is short. */
export const OomConstraint = {
  /** The whole machine. */
  CONSTRAINT_NONE: 'CONSTRAINT_NONE',
  /** The caller's cpuset. */
  CONSTRAINT_CPUSET: 'CONSTRAINT_CPUSET',
  /** The caller's memory policy. */
  CONSTRAINT_MEMORY_POLICY: 'CONSTRAINT_MEMORY_POLICY',
} as const;

/** Why memory is short. */
export type OomConstraint = (typeof OomConstraint)[keyof typeof OomConstraint];

/** A slab cache as the OOM report shows it. */
export interface SlabUsage {
  /** Name of the cache. */
  readonly name: string;
  /** Objects in use. */
  readonly activeObjects: number;
  /** Objects that its slabs have room for. */
  readonly totalObjects: number;
  /** Bytes of an object. */
  readonly sizeBytes: number;
  /** Whether its pages are accounted as reclaimable. */
  readonly isReclaimable: boolean;
}

/** What the OOM killer cannot know. */
export interface OomHost {
  /** All processes in creation order, leaders only, without the idle task. */
  readonly tasks: readonly OomTask[];
  /** The caller, null if it is not one of them. */
  readonly current: OomTask | null;
  /**
   * SIGKILL to the whole group. The process should exit at once: free its pages, set `mm` to null and
   * leave the list of tasks. Only the caller cannot exit inside its own allocation; its pages are to
   * be freed after that has returned.
   */
  kill(task: OomTask): void;
  /** Whether a memory's lock is held, so that it cannot be reaped now. Default: never. */
  mmapLocked?(mm: OomMm): boolean;
  /** Frees private and anonymous pages of a memory; false if it could not. Default: they are freed. */
  reap?(mm: OomMm): boolean;
  /** Last-minute sources of memory: pages freed. Default: none. @kernel oom_notify_list */
  notify?(): number;
  /** Slab caches, for reports when they are most of the memory. Default: none. */
  slabCaches?(): readonly SlabUsage[];
}

/** Tunables under `/proc/sys/vm`, changeable at any time. */
export interface OomTunables {
  /** 0 never, 1 when unconstrained, 2 always. */
  panicOnOom: number;
  /** Non-zero: the caller is killed if it can be. */
  oomKillAllocatingTask: number;
  /** Non-zero: the report has a table of tasks. */
  oomDumpTasks: number;
  /** The OOM killer may run. @kernel oom_killer_disabled (inverted) */
  enabled: boolean;
}

/** Fresh tunables with the kernel's defaults. */
export function defaultOomTunables(): OomTunables {
  return { panicOnOom: 0, oomKillAllocatingTask: 0, oomDumpTasks: 1, enabled: true };
}

/**
 * A process with defaults for everything that is not given.
 * @param fields at least `pid` and `comm`
 */
export function createOomTask(
  fields: Partial<OomTask> & { readonly pid: number; readonly comm: string },
): OomTask {
  return {
    tgid: fields.pid,
    uid: 0,
    kthread: false,
    mm: null,
    survivor: null,
    oomScoreAdj: 0,
    oomScoreAdjMin: 0,
    oomMm: null,
    memdie: false,
    oomFlagOrigin: false,
    groupExit: false,
    exiting: false,
    singleThreaded: true,
    coreDump: false,
    vforkChild: false,
    memsAllowed: null,
    bindNodes: null,
    ...fields,
  };
}

/** A memory with defaults for everything that is not given. */
export function createOomMm(fields: Partial<OomMm> = {}): OomMm {
  return {
    totalVm: 0,
    rssAnon: 0,
    rssFile: 0,
    rssShmem: 0,
    swapents: 0,
    pgtablesBytes: 0,
    mmUsers: 1,
    oomSkip: false,
    oomReapQueued: false,
    unstable: false,
    multiprocess: false,
    ...fields,
  };
}
