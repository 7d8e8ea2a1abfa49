import type { ReplayOutcome } from './types.ts';

/** How many of the latest guesses before a divergence are doubted: at the same place, and in all. */
const DOUBTED_THERE = 4;
const DOUBTED = 16;
/** Replays at most. */
const REPLAYS_MAX = 500;

/**
 * What a replay has to guess, because the recording does not tell: one yes or no after another, in
 * the same order in each replay.
 */
export class Guesses {
  /** Where the replay is, e.g. a number of the CPU and node of the last page. */
  place = 0;
  readonly #turned: ReadonlySet<number>;
  /** Place of each guess so far. */
  readonly #places: number[] = [];

  /** @param turned numbers of the guesses, from 0, that are made the other way round */
  constructor(turned: ReadonlySet<number> = new Set()) {
    this.#turned = turned;
  }

  /** The next guess. @param usual what is more probable */
  guess(usual: boolean): boolean {
    return this.#turned.has(this.#places.push(this.place) - 1) ? !usual : usual;
  }

  /** Numbers of the guesses that may be wrong, the most doubtful first. */
  doubtful(): number[] {
    const latest = [...this.#places.keys()].reverse();
    const there = latest.filter((number) => this.#places[number] === this.place);
    const all = [...there.slice(0, DOUBTED_THERE), ...latest.slice(0, DOUBTED)];
    return [...new Set(all)].filter((number) => !this.#turned.has(number));
  }
}

/** One replay with some guesses the other way round. */
interface Attempt {
  readonly turned: ReadonlySet<number>;
  readonly guesses: Guesses;
  readonly outcome: ReplayOutcome;
}

type Replay = (guesses: Guesses) => ReplayOutcome;

function attempt(replay: Replay, turned: ReadonlySet<number>): Attempt {
  const guesses = new Guesses(turned);
  return { turned, guesses, outcome: replay(guesses) };
}

/** How many operations agree. */
function reach({ outcome }: Attempt): number {
  return outcome.divergence?.operation ?? Number.POSITIVE_INFINITY;
}

/**
 * Replays a recording, and again with single guesses the other way round as long as that brings it
 * further.
 * @param replay one replay from the beginning; it makes no guess after a divergence
 * @returns the outcome that agrees to the end; if there is none, what the usual guesses gave
 */
export function replayWithGuesses(replay: Replay): ReplayOutcome {
  const first = attempt(replay, new Set());
  let best = first;
  let left = REPLAYS_MAX;
  while (best.outcome.divergence !== null) {
    let further: Attempt | null = null;
    for (const number of best.guesses.doubtful()) {
      if (left-- <= 0) break;
      const other = attempt(replay, new Set([...best.turned, number]));
      if (reach(other) <= reach(best)) continue;
      further = other;
      break;
    }
    if (further === null) return first.outcome;
    best = further;
  }
  return best.outcome;
}
