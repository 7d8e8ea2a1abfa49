import { formatMirrorWarning } from './format.ts';
import type { MemblockState, RateLimit } from './state.ts';
import type { MemblockLogLevel, MemblockWarning } from './types.ts';

/** At most this many mirror messages in one window. */
const RATELIMIT_BURST = 10;
/** Length of the window in seconds. */
const RATELIMIT_SECONDS = 5;

/** @internal One line to the kernel log. */
export function print(state: MemblockState, level: MemblockLogLevel, text: string): void {
  if (state.log !== null) state.log(level, text);
}

/** @internal Whether a debug line is worth building. */
export function debugs(state: MemblockState): boolean {
  return state.debug && state.log !== null;
}

/** @internal A WARN fires. */
export function warn(state: MemblockState, reason: MemblockWarning): void {
  if (state.warn !== null) state.warn(reason);
}

/** @internal A WARN that fires once for each `place`. */
export function warnOnce(state: MemblockState, reason: MemblockWarning, place: string): void {
  if (state.warnedOnce.has(place)) return;
  state.warnedOnce.add(place);
  warn(state, reason);
}

/** @internal The mirror warning, at most ten times in five seconds for each of the two places. */
export function warnMirror(state: MemblockState, limit: RateLimit, size: bigint): void {
  const now = state.jiffies();
  if (limit.printed === 0 || now - limit.begin > RATELIMIT_SECONDS * state.hz) {
    limit.begin = now;
    limit.printed = 0;
  }
  if (limit.printed >= RATELIMIT_BURST) return;
  limit.printed++;
  print(state, 'warning', formatMirrorWarning(size));
}
