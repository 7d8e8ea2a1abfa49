import type { LogSink, TraceSink } from '../mm/trace.ts';
import type { OomHost, OomMm, OomTask } from './oom-types.ts';

/** Milliseconds that a victim has to exit by itself. */
const REAPER_DELAY_MS = 2000;
/** Milliseconds between attempts. */
const REAPER_RETRY_MS = 100;
/** Attempts before a memory is given up. */
const REAPER_ATTEMPTS = 10;

/** What the reaper reports through, and its clock. */
export interface ReaperOutput {
  /** The kernel's log. */
  readonly log: LogSink | null;
  /** Tracepoints. */
  readonly trace: TraceSink | null;
  /** Milliseconds since start. */
  now(): number;
}

/** A victim in the reaper's hands. */
interface Reaping {
  readonly task: OomTask;
  readonly mm: OomMm;
  /** When the next step is due, milliseconds. */
  due: number;
  /** Attempts made. */
  attempts: number;
}

/**
 * Takes the private memory of victims that do not exit.
 * @kernel oom_reaper (spec slowpath-compaction 4.31)
 */
export class OomReaper {
  private readonly host: OomHost;
  private readonly output: ReaperOutput;
  private readonly waiting: Reaping[] = [];

  constructor(host: OomHost, output: ReaperOutput) {
    this.host = host;
    this.output = output;
  }

  /** Victims that are waited for. */
  get pending(): number {
    return this.waiting.length;
  }

  /** Starts a victim's timer, once per memory. @kernel queue_oom_reaper */
  queue(task: OomTask): void {
    const mm = task.oomMm ?? task.mm;
    if (mm === null || mm.oomReapQueued) return;
    mm.oomReapQueued = true;
    this.waiting.push({ task, mm, due: this.output.now() + REAPER_DELAY_MS, attempts: 0 });
  }

  /** Does what is due now, the victim queued last first. The host calls it as time passes. */
  tick(): void {
    const now = this.output.now();
    for (let index = this.waiting.length - 1; index >= 0; index--) {
      const entry = this.waiting[index];
      if (entry.due <= now && this.step(entry, now)) this.waiting.splice(index, 1);
    }
  }

  /** One attempt; true when the victim is done with. */
  private step(entry: Reaping, now: number): boolean {
    const { task, mm } = entry;
    const { trace } = this.output;
    if (entry.attempts === 0) {
      if (mm.oomSkip) return true;
      trace?.wakeReaper?.(task.pid);
    }
    entry.attempts++;
    if (mm.oomSkip) {
      trace?.skipTaskReaping?.(task.pid);
      return true;
    }
    if (this.reap(entry)) {
      mm.oomSkip = true;
      return true;
    }
    if (entry.attempts < REAPER_ATTEMPTS) {
      entry.due = now + REAPER_RETRY_MS;
      return false;
    }
    this.output.log?.(`oom_reaper: unable to reap pid:${task.pid} (${task.comm})`);
    mm.oomSkip = true;
    return true;
  }

  private reap({ task, mm }: Reaping): boolean {
    const { trace, log } = this.output;
    const reap = this.host.reap ?? freePrivatePages;
    trace?.startTaskReaping?.(task.pid);
    if (!reap(mm)) {
      trace?.skipTaskReaping?.(task.pid);
      return false;
    }
    mm.unstable = true;
    const left = [
      `now anon-rss:${mm.rssAnon * 4}kB`,
      `file-rss:${mm.rssFile * 4}kB`,
      `shmem-rss:${mm.rssShmem * 4}kB`,
    ].join(', ');
    log?.(`oom_reaper: reaped process ${task.pid} (${task.comm}), ${left}`);
    trace?.finishTaskReaping?.(task.pid);
    return true;
  }
}

/** The reaper's work when the host has no pages behind its numbers. */
function freePrivatePages(mm: OomMm): boolean {
  mm.rssAnon = 0;
  return true;
}
