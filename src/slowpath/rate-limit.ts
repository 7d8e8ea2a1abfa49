/** The window of a limit as plain data. */
export interface RateLimitSnapshot {
  /** When it began, -1 before the first message. */
  readonly begin: number;
  /** Messages printed in it. */
  readonly printed: number;
  /** Messages left out in it. */
  readonly missed: number;
}

/**
 * At most `burst` messages per `intervalMs`; the first call opens the first window.
 * @kernel ___ratelimit (spec slowpath-compaction 4.32)
 */
export class RateLimit {
  private readonly intervalMs: number;
  private readonly burst: number;
  private begin = -1;
  private printed = 0;
  private missed = 0;

  /**
   * @param intervalMs length of a window, milliseconds
   * @param burst messages in a window
   */
  constructor(intervalMs: number, burst: number) {
    this.intervalMs = intervalMs;
    this.burst = burst;
  }

  /**
   * Whether a message may be printed now.
   * @param now milliseconds since start
   * @param suppressed is told how many messages were left out when a new window opens
   */
  allows(now: number, suppressed: (count: number) => void): boolean {
    if (this.begin < 0) this.begin = now;
    if (now > this.begin + this.intervalMs) {
      if (this.missed > 0) suppressed(this.missed);
      this.begin = now;
      this.printed = 0;
      this.missed = 0;
    }
    if (this.printed < this.burst) {
      this.printed++;
      return true;
    }
    this.missed++;
    return false;
  }

  /** Plain data to `restore` later. */
  snapshot(): RateLimitSnapshot {
    const { begin, printed, missed } = this;
    return { begin, printed, missed };
  }

  /** Takes back what `snapshot` gave. */
  restore(from: RateLimitSnapshot): void {
    this.begin = from.begin;
    this.printed = from.printed;
    this.missed = from.missed;
  }
}
