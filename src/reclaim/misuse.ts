import { hex } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { pageIsInitialised } from '../mm/page-map.ts';
import type { Zone } from '../mm/zone.ts';
import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { IN_ADD_BATCH } from './batch.ts';
import { ReclaimError } from './errors.ts';
import type { ReclaimState } from './state.ts';

/** Checks the CPU of a call. @throws ReclaimError `BAD_REQUEST` */
export function checkCpu(state: ReclaimState, cpu: number): void {
  if (typeof cpu === 'number' && state.model.cpuNode[cpu] !== undefined) return;
  throw new ReclaimError('BAD_REQUEST', `there is no CPU ${cpu}`, { cpu });
}

/** Checks the node of a call. @throws ReclaimError `BAD_REQUEST` */
export function checkNode(state: ReclaimState, node: number): void {
  if (state.model.nodes[node] !== undefined) return;
  throw new ReclaimError('BAD_REQUEST', `there is no node ${node}`, { node });
}

/** Checks the zone of a call and gives it. @throws ReclaimError `BAD_REQUEST` */
export function checkZone(state: ReclaimState, zone: number | Zone): Zone {
  const found = state.model.zones[typeof zone === 'number' ? zone : zone?.id];
  if (found !== undefined && (found === zone || found.id === zone)) return found;
  throw new ReclaimError('BAD_REQUEST', `there is no zone ${String(zone)}`, { zone });
}

/** Checks a number of a call. @throws ReclaimError `BAD_REQUEST` */
export function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  const message = `${name} must be an integer from ${min} to ${max}, got ${String(value)}`;
  throw new ReclaimError('BAD_REQUEST', message, { name, value, min, max });
}

/** Checks order and highest zone index of a request. @throws ReclaimError `BAD_REQUEST` */
export function checkRequest(order: number, highestZoneidx: number): void {
  checkRange('order', order, 0, 10);
  checkRange('highestZoneidx', highestZoneidx, 0, MAX_NR_ZONES - 1);
}

/** Checks that a page frame exists and somebody refers to it. @throws ReclaimError `FOREIGN_PAGE`, `PAGE_FREE` */
export function checkPage(state: ReclaimState, pfn: number): void {
  const { map } = state;
  if (typeof pfn === 'number' && map.refcount[pfn] > 0) return;
  if (!Number.isInteger(pfn) || !pageIsInitialised(map, pfn)) {
    throw new ReclaimError('FOREIGN_PAGE', `page frame ${pfn} belongs to no zone`, { pfn });
  }
  throw new ReclaimError('PAGE_FREE', `page frame ${hex(pfn)} is free`, { pfn });
}

/** Checks that a page is neither on an LRU list nor on its way there. @throws ReclaimError `BAD_STATE` */
export function checkOffLru(state: ReclaimState, pfn: number): void {
  checkPage(state, pfn);
  const { flags, next } = state.map;
  if ((flags[pfn] & PageFlag.PG_lru) === 0 && next[pfn] !== IN_ADD_BATCH) return;
  throw badState(state, pfn, 'is on an LRU list or on its way there');
}

/** Checks that a page is on an LRU list. @throws ReclaimError `BAD_STATE` */
export function checkOnLru(state: ReclaimState, pfn: number): void {
  checkPage(state, pfn);
  if ((state.map.flags[pfn] & PageFlag.PG_lru) !== 0) return;
  throw badState(state, pfn, 'is on no LRU list');
}

/** Checks that all of a page's `set` flags are set. @throws ReclaimError `BAD_STATE` */
export function checkFlags(state: ReclaimState, pfn: number, set: number, what: string): void {
  checkPage(state, pfn);
  if ((state.map.flags[pfn] & set) === set) return;
  throw badState(state, pfn, what);
}

/** The error for a page that a call cannot take as it is. */
export function badState(state: ReclaimState, pfn: number, what: string): ReclaimError {
  const flags = state.map.flags[pfn];
  return new ReclaimError('BAD_STATE', `page frame ${hex(pfn)} ${what}`, { pfn, flags });
}
