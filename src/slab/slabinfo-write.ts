import { EINVAL } from '../mm/slab-create.ts';
import { checkInvariantsIfAsked } from './checks.ts';
import type { SlabState } from './state.ts';
import { doTuneCpucache } from './tune.ts';

/** Longest text that `/proc/slabinfo` accepts, bytes. */
export const MAX_SLABINFO_WRITE = 128;

/** Three signed decimal numbers at the start of a text, as `sscanf` finds them. */
const THREE_NUMBERS = /^\s*([+-]?\d+)\s+([+-]?\d+)\s+([+-]?\d+)/;

/** A number as `%d` stores it: its low 32 bits. */
function asInt(text: string): number {
  return Number(BigInt.asIntN(32, BigInt(text.replace('+', ''))));
}

/**
 * What writing a text to `/proc/slabinfo` does: `NAME LIMIT BATCHCOUNT SHARED`. Numbers out of range
 * change nothing, and still count as success.
 * @returns bytes written, or a negative error number: -22 for a text or name that is not understood,
 * -12 when there is no memory
 * @kernel slabinfo_write (spec slab 4.20)
 */
export function slabinfoWrite(state: SlabState, text: string, cpu: number): number {
  if (text.length > MAX_SLABINFO_WRITE) return -EINVAL;
  const blank = text.indexOf(' ');
  if (blank < 0) return -EINVAL;
  const numbers = THREE_NUMBERS.exec(text.slice(blank + 1));
  if (numbers === null) return -EINVAL;
  const [limit, batchcount, shared] = numbers.slice(1).map(asInt);
  const name = text.slice(0, blank);
  const cache = state.caches.find((candidate) => candidate.name === name);
  if (cache === undefined) return -EINVAL;
  if (limit < 1 || batchcount < 1 || batchcount > limit || shared < 0) return text.length;
  const error = doTuneCpucache(cache, { limit, batchcount, shared }, cpu);
  checkInvariantsIfAsked(state);
  return error === 0 ? text.length : error;
}
