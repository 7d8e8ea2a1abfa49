import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { OomHost, OomMm, OomTask } from './oom-types.ts';

/** Milliseconds that a victim has to exit by itself. */
const REAPER_DELAY_MS = 2000;
/** Milliseconds between attempts. */
const REAPER_RETRY_MS = 100;
/** Attempts before a memory is given up. */
const REAPER_ATTEMPTS = 10;

/** A victim in the reaper's hands. */
interface Reaping {
  readonly task: OomTask;
  readonly mm: OomMm;
  /** When the next step is due, milliseconds. */
  due: number;
  /** Attempts made. */
  attempts: number;
}

/** What the reaper reports through, and its clock. */
export interface ReaperOutput {
  /** The kernel's log. */
  readonly log: LogSink | null;
  /** Tracepoints. */
  readonly trace: TraceSink | null;
  /** Milliseconds since start. */
  now(): number;
}

/** A victim in the reaper's hands, as plain data. */
export interface ReapingSnapshot {
  /** Its process id. */
  readonly pid: number;
  /** When the next step is due, milliseconds. */
  readonly due: number;
  /** Attempts made. */
  readonly attempts: number;
}

/** The reaper's victims as plain data. */
export interface ReaperSnapshot {
  /** Victims that still have time to exit, oldest first. */
  readonly waiting: readonly ReapingSnapshot[];
  /** Victims to be reaped, the next one last. */
  readonly queue: readonly ReapingSnapshot[];
  /** The victim being reaped, null for none. */
  readonly current: ReapingSnapshot | null;
}

/**
 * Takes the private memory of victims that do not exit: after two seconds, the latest victim first,
 * one after another.
 * @kernel oom_reaper (spec slowpath-compaction 4.31)
 */
export class OomReaper {
  private readonly host: OomHost;
  private readonly output: ReaperOutput;
  /** Victims whose timer runs. */
  private waiting: Reaping[] = [];
  /** Victims whose timer has expired; the last one is next. */
  private queued: Reaping[] = [];
  /** The victim that an attempt failed for. */
  private current: Reaping | null = null;

  constructor(host: OomHost, output: ReaperOutput) {
    this.host = host;
    this.output = output;
  }

  /** Victims that are waited for. */
  get pending(): number {
    return this.waiting.length + this.queued.length + (this.current === null ? 0 : 1);
  }

  /** Starts a victim's timer, once per memory. @kernel queue_oom_reaper */
  queue(task: OomTask): void {
    const mm = task.oomMm ?? task.mm;
    if (mm === null || mm.oomReapQueued) return;
    mm.oomReapQueued = true;
    this.waiting.push({ task, mm, due: this.output.now() + REAPER_DELAY_MS, attempts: 0 });
  }

  /** Does what is due now. The host calls it as time passes. */
  tick(): void {
    const now = this.output.now();
    const expired = this.waiting.filter(({ due }) => due <= now);
    this.waiting = this.waiting.filter(({ due }) => due > now);
    for (const entry of expired) {
      if (entry.mm.oomSkip) continue;
      this.output.trace?.wakeReaper?.(entry.task.pid);
      this.queued.push(entry);
    }
    for (;;) {
      this.current ??= this.queued.pop() ?? null;
      const entry = this.current;
      if (entry === null || entry.due > now) return;
      if (this.attempt(entry, now)) this.current = null;
    }
  }

  /** Plain data to `restore` later. */
  snapshot(): ReaperSnapshot {
    const plain = ({ task, due, attempts }: Reaping) => ({ pid: task.pid, due, attempts });
    return {
      waiting: this.waiting.map(plain),
      queue: this.queued.map(plain),
      current: this.current === null ? null : plain(this.current),
    };
  }

  /** Takes back what `snapshot` gave; victims that are no tasks of the host any more are left out. */
  restore(from: ReaperSnapshot): void {
    const find = ({ pid, due, attempts }: ReapingSnapshot): Reaping[] => {
      const task = this.host.tasks.find((candidate) => candidate.pid === pid);
      const mm = task?.oomMm ?? task?.mm ?? null;
      return task === undefined || mm === null ? [] : [{ task, mm, due, attempts }];
    };
    this.waiting = from.waiting.flatMap(find);
    this.queued = from.queue.flatMap(find);
    this.current = from.current === null ? null : (find(from.current)[0] ?? null);
  }

  /** One attempt; true when the victim is done with. @kernel oom_reap_task */
  private attempt(entry: Reaping, now: number): boolean {
    entry.attempts++;
    if (!this.reap(entry)) {
      if (entry.attempts < REAPER_ATTEMPTS) {
        entry.due = now + REAPER_RETRY_MS;
        return false;
      }
      const { pid, comm } = entry.task;
      this.output.log?.(`oom_reaper: unable to reap pid:${pid} (${comm})`);
    }
    entry.mm.oomSkip = true;
    return true;
  }

  /** Takes the memory, if it is not locked; true when nothing is left to do. @kernel oom_reap_task_mm */
  private reap({ task, mm }: Reaping): boolean {
    const { host } = this;
    const { trace, log } = this.output;
    const locked = host.mmapLocked?.(mm) ?? false;
    if (locked || mm.oomSkip) {
      trace?.skipTaskReaping?.(task.pid);
      return !locked;
    }
    trace?.startTaskReaping?.(task.pid);
    mm.unstable = true;
    const reaped = host.reap === undefined ? freePrivatePages(mm) : host.reap(mm);
    if (reaped) {
      const left = [
        `now anon-rss:${mm.rssAnon * 4}kB`,
        `file-rss:${mm.rssFile * 4}kB`,
        `shmem-rss:${mm.rssShmem * 4}kB`,
      ].join(', ');
      log?.(`oom_reaper: reaped process ${task.pid} (${task.comm}), ${left}`);
    }
    trace?.finishTaskReaping?.(task.pid);
    return reaped;
  }
}

/** The reaper's work when the host has no pages behind its numbers. */
function freePrivatePages(mm: OomMm): boolean {
  mm.rssAnon = 0;
  return true;
}
