import type { SlabStatistics } from './types.ts';

/** All counters at zero. */
export function newStatistics(): SlabStatistics {
  return {
    numAllocations: 0,
    numActive: 0,
    highMark: 0,
    grown: 0,
    reaped: 0,
    errors: 0,
    maxFreeable: 0,
    nodeAllocs: 0,
    nodeFrees: 0,
    nodeOverflow: 0,
    allochit: 0,
    allocmiss: 0,
    freehit: 0,
    freemiss: 0,
  };
}
