import { PageFlag } from '../mm/page-flags.ts';
import { compactionSuitable } from './balanced.ts';
import { waitForKswapd } from './direct.ts';
import { rmapReferenced, rmapTryToUnmap } from './rmap-walk.ts';
import type { ReclaimState } from './state.ts';
import type { Host, ReclaimHost } from './types.ts';
import { folioStartWriteback } from './writeback.ts';

/**
 * Fills the gaps of a host with the deterministic defaults (spec reclaim 2.7).
 * @param state the state that the defaults work on
 * @param host what the user gave; its methods are called on it
 */
export function completeHost(state: ReclaimState, host: ReclaimHost): Host {
  return { ...defaultHost(state), ...boundMethods(host) };
}

/** Lets a host give some of the answers; the others stay as they are. */
export function extendHost(current: Host, host: ReclaimHost): Host {
  return { ...current, ...boundMethods(host) };
}

function defaultHost(state: ReclaimState): Host {
  const { map } = state;
  return {
    referenced: (pfn, _isLocked, result, cpu) => rmapReferenced(state, pfn, result, cpu),
    tryToUnmap: (pfn, cpu) => rmapTryToUnmap(state, pfn, cpu),
    trylock: null,
    hasWritepage: () => true,
    writepage: (pfn, cpu) => {
      folioStartWriteback(state, pfn, cpu);
      return 0;
    },
    releaseFolio: () => true,
    isDirtyWriteback: (pfn) => {
      const flags = map.flags[pfn];
      const dirty = (flags & PageFlag.PG_dirty) !== 0 ? 1 : 0;
      return (flags & PageFlag.PG_writeback) !== 0 ? dirty | 2 : dirty;
    },
    dirtyFolio: () => {},
    accountsDirty: () => true,
    removeFromCache: null,
    enteredSwapCache: () => {},
    compactionSuitable: (zone, order, index) => compactionSuitable(state, zone, order, index),
    wakeupKcompactd: () => {},
    resetIsolationSuitable: () => {},
    wakeupFlusherThreads: () => {},
    bufferHeadsOverLimit: () => false,
    throttle: (_node, _reason, timeout) => timeout,
    waitPfmemalloc: (node) => waitForKswapd(state, node),
  };
}

/** The host's methods as plain functions, so that one lookup finds any of them. */
function boundMethods(host: ReclaimHost): Partial<Host> {
  const methods: Record<string, unknown> = {};
  for (const name of HOST_METHODS) {
    const method = host[name];
    if (method !== undefined) methods[name] = method.bind(host);
  }
  return methods as Partial<Host>;
}

const HOST_METHODS: readonly (keyof ReclaimHost)[] = [
  'referenced',
  'tryToUnmap',
  'trylock',
  'hasWritepage',
  'writepage',
  'releaseFolio',
  'isDirtyWriteback',
  'dirtyFolio',
  'accountsDirty',
  'removeFromCache',
  'enteredSwapCache',
  'compactionSuitable',
  'wakeupKcompactd',
  'resetIsolationSuitable',
  'wakeupFlusherThreads',
  'bufferHeadsOverLimit',
  'throttle',
  'waitPfmemalloc',
];
