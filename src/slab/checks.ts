import { assertInvariants } from './invariants.ts';
import type { SlabState } from './state.ts';

/** Checks all invariants where `checks: 'full'` was asked for. */
export function checkInvariantsIfAsked(state: SlabState): void {
  if (state.checksFull) assertInvariants(state);
}
