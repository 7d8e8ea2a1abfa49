import { MAX_NR_ZONES } from '../mm/zone-types.ts';

/** Where a kswapd thread is in its life (spec reclaim 4.15). */
export type KswapdPhase =
  /** Not started, or stopped. */
  | 'stopped'
  /** About to take the node's order and try to sleep. */
  | 'idle'
  /** About to try to sleep with what it remembers. */
  | 'try-to-sleep'
  /** In the short sleep. */
  | 'short-sleep'
  /** Decides whether the long sleep follows. */
  | 'second-look'
  /** In the long sleep. */
  | 'long-sleep'
  /** About to balance the node. */
  | 'run';

/** What kswapd of a node remembers between two steps. @kernel kswapd, its locals */
export class KswapdThread {
  /** Where it is. */
  phase: KswapdPhase = 'stopped';
  /** Whether it is on the node's wait queue, so that it can be woken. @kernel kswapd_wait */
  queued = false;
  /** Whether it was woken since it fell asleep. */
  woken = false;
  /** Whether the short sleep lasted its whole time. */
  elapsed = false;
  /** Whether it was woken out of the short sleep. @kernel remaining */
  wokenEarly = false;
  /** Short sleeps begun so far. */
  naps = 0;
  /** Whether it is running at this moment, further up the stack. */
  active = false;
  /** The order that was asked for. */
  allocOrder = 0;
  /** The order that balancing ended with. */
  reclaimOrder = 0;
  /** The highest zone index that was asked for. */
  highestZoneidx: number = MAX_NR_ZONES - 1;
}
