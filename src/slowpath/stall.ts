import type { MemoryModel } from '../mm/memory-model.ts';
import { StallError } from './errors.ts';
import type { OomHost, OomTask } from './oom-types.ts';
import type { StallRound } from './types.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** Rounds of one call after which it is hopeless, even if something changes all the time. */
const ROUNDS_MAX = 1000;

/**
 * The default of `SlowPathHooks.onStall`: notices that a call goes round in circles. Where the kernel
 * would loop until somebody else frees memory, nobody else runs here. (spec slowpath-compaction 4.34)
 */
export class StallDetector {
  readonly #model: MemoryModel;
  readonly #host: OomHost;
  readonly #zones: readonly ZoneCompaction[];
  #marks: readonly number[] = [];

  constructor(model: MemoryModel, host: OomHost, zones: readonly ZoneCompaction[]) {
    this.#model = model;
    this.#host = host;
    this.#zones = zones;
  }

  /** @throws StallError `WOULD_LOOP` when nothing changed since the last round of the same call */
  check(round: StallRound): void {
    const marks = [...progressMarks(this.#model, this.#host.tasks), ...deferrals(this.#zones)];
    const stands = round.rounds > 1 && sameMarks(marks, this.#marks);
    if (stands || round.rounds > ROUNDS_MAX) throw new StallError({ ...round });
    this.#marks = marks;
  }
}

/**
 * What must have changed for another round to end differently: all counters of pages, the per-CPU
 * lists, pageblock types, and which processes are there and dying. Pages that moved from one list to
 * another show in the counters.
 */
function progressMarks(model: MemoryModel, tasks: readonly OomTask[]): number[] {
  const { map, pagesets, vmstat } = model;
  const blocks = map.pageblockFlags.reduce((sum, flags, i) => (sum * 31 + (flags & 7) + i) | 0, 7);
  const dying = tasks.flatMap(({ pid, oomMm, mm }) => [
    pid,
    oomMm === null ? 0 : oomMm.oomSkip ? 2 : 1,
    mm === null ? -1 : mm.rssAnon + mm.rssFile + mm.rssShmem,
  ]);
  return [
    ...vmstat.zone,
    ...vmstat.zoneDiff,
    ...vmstat.node,
    ...vmstat.nodeDiff,
    ...pagesets.count,
    blocks,
    ...dying,
  ];
}

/** Compaction that is put off runs after so many rounds, although nothing else changes in them. */
function deferrals(zones: readonly ZoneCompaction[]): number[] {
  return zones.flatMap(({ considered, deferShift }) => [considered, deferShift]);
}

function sameMarks(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i]);
}
