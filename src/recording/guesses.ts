import type { ReplayOutcome } from './types.ts';

/** How many of the latest guesses are doubted: where the divergence is, at each place, and in all. */
const DOUBTED_THERE = 4;
const DOUBTED_ANYWHERE = 2;
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
  /** How many results of the operation that diverged are right. */
  agreed = 0;
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
    const there: number[] = [];
    const elsewhere: number[] = [];
    const seen = new Map<number, number>();
    const last = this.#places.length - 1;
    for (let number = last; number >= 0; number--) {
      const place = this.#places[number];
      const count = (seen.get(place) ?? 0) + 1;
      seen.set(place, count);
      if (this.#turned.has(number)) continue;
      if (place === this.place && count <= DOUBTED_THERE) there.push(number);
      else if (count <= DOUBTED_ANYWHERE || last - number < DOUBTED) elsewhere.push(number);
    }
    return [...there, ...elsewhere];
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

/** Whether one replay agrees longer than another. */
function isFurther(one: Attempt, other: Attempt): boolean {
  const [reach, otherReach] = [one, other].map(
    ({ outcome }) => outcome.divergence?.operation ?? Number.POSITIVE_INFINITY,
  );
  if (reach !== otherReach) return reach > otherReach;
  return one.guesses.agreed > other.guesses.agreed;
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
      if (!isFurther(other, best)) continue;
      further = other;
      break;
    }
    if (further === null) return first.outcome;
    best = further;
  }
  return best.outcome;
}
