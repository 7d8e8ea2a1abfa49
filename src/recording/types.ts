/** First line of a recording: which kernel, machine and kind. */
export interface RecordingMeta {
  /** Kernel release, e.g. `6.1.192`. */
  readonly kernel: string;
  /** Machine architecture, `x86_64`. */
  readonly arch: string;
  /** The slab allocator of that kernel, `slub` or `slab`. */
  readonly allocator: string;
  /** Memory size as given to the virtual machine. */
  readonly memory: string;
  /** Number of CPUs. */
  readonly cpus: number;
  /** Whether HUGETLB_PAGE was built in: pageblock order 9, else 10. */
  readonly hugetlb: boolean;
  /** Kernel command line. */
  readonly cmdline: string;
  /** What was recorded, e.g. `buddy`. */
  readonly kind: string;
}

/** One line of a recording after the first. */
export interface RecordedLine {
  /** Line number in the file, from 1. */
  readonly number: number;
  /** The JSON value of the line. */
  readonly value: unknown;
}

/** A complete recording: it began as known and ended with its end mark. */
export interface Recording {
  /** What was recorded; `memblock` for the files without a `meta` line. */
  readonly kind: string;
  /** The first line, null for memblock recordings. */
  readonly meta: RecordingMeta | null;
  /** The lines between the first and the end mark, in order. */
  readonly lines: readonly RecordedLine[];
}

/** The first place where the model and the kernel differ. */
export interface Divergence {
  /** Index of the operation, from 1. */
  readonly operation: number;
  /** Line number in the file, from 1. */
  readonly line: number;
  /** The call with its arguments, or the name of the compared state. */
  readonly call: string;
  /** What the kernel did. */
  readonly expected: string;
  /** What the model did. */
  readonly got: string;
  /** The lists around it, one text line each, ours and theirs. */
  readonly context: readonly string[];
}

/** What a replay found. */
export interface ReplayOutcome {
  /** Operations in the recording: calls and state comparisons. */
  readonly operations: number;
  /** The first divergence, null if there is none. */
  readonly divergence: Divergence | null;
}

/**
 * Replays the lines of one kind of recording.
 * @throws RecordingError for a line, call or field that it does not understand
 */
export type Replayer = (recording: Recording) => ReplayOutcome;
