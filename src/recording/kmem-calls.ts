import { hex, NIL } from '../lib/units.ts';
import type { KmemCache } from '../mm/kmem-cache.ts';
import { RecordingError } from './errors.ts';
import { type Place, placeIn, readArray, readInteger, readIntegers, readString } from './fields.ts';

const CALLS = ['calloc', 'cfree', 'calloc_bulk', 'cfree_bulk'] as const;
type CallName = (typeof CALLS)[number];

/** Number of members of each call, the name included. */
const CALL_LENGTHS: Readonly<Record<CallName, number>> = {
  calloc: 6,
  cfree: 4,
  calloc_bulk: 6,
  cfree_bulk: 4,
};

const U32_MAX = 0xffff_ffff;
/** Addresses of a list shown in a report. */
const SHOWN_ADDRESSES = 8;

/** A call of an object cache as recorded, its values checked. */
export interface KmemCall {
  /** Name of the call. */
  readonly name: CallName;
  /** The CPU that makes it. */
  readonly cpu: number;
  /** Index of the cache in the recording. */
  readonly cache: number;
  /** Mask of an allocation, else 0. */
  readonly gfp: number;
  /** Wanted node of an allocation, -1 for none. */
  readonly node: number;
  /** Objects that a bulk allocation asks for, else 1. */
  readonly count: number;
  /** What an allocation returned, or what a call frees. */
  readonly addresses: readonly number[];
}

/**
 * Reads a call of slub_ops and slab_ops recordings.
 * @param caches number of caches in the recording
 * @throws RecordingError for a call or value that it does not understand
 */
export function readKmemCall(value: readonly unknown[], place: Place, caches: number): KmemCall {
  const known: readonly string[] = CALLS;
  if (typeof value[0] !== 'string' || !known.includes(value[0])) {
    const message = `line ${place.line}: unknown call ${JSON.stringify(value[0])}`;
    throw new RecordingError('UNKNOWN_CALL', message, { ...place, call: value[0] });
  }
  const name = readString(value[0], placeIn(place, 0), CALLS);
  const members = readArray(value, place, CALL_LENGTHS[name]);
  const at = (index: number): Place => placeIn(place, index);
  const number = (index: number, min = 0, max = U32_MAX): number =>
    readInteger(members[index], at(index), min, max);
  const call = {
    name,
    cpu: number(1),
    cache: number(2, 0, caches - 1),
    gfp: 0,
    node: NIL,
    count: 1,
  };
  switch (name) {
    case 'calloc': {
      const addresses = members[5] === null ? [] : [readInteger(members[5], at(5))];
      return { ...call, gfp: number(3), node: number(4, NIL), addresses };
    }
    case 'calloc_bulk': {
      const addresses = readIntegers(members[5], at(5));
      return { ...call, gfp: number(3), count: number(4), addresses };
    }
    case 'cfree':
      return { ...call, addresses: [readInteger(members[3], at(3))] };
    case 'cfree_bulk':
      return { ...call, addresses: readIntegers(members[3], at(3)) };
  }
}

/** Whether the call takes objects. */
export function isAllocation({ name }: KmemCall): boolean {
  return name === 'calloc' || name === 'calloc_bulk';
}

/**
 * Makes the call.
 * @param slots an entry of `NIL` for each object that a bulk allocation asks for
 * @returns the addresses that it gave; empty for none
 */
export function runKmemCall(cache: KmemCache, call: KmemCall, slots: number[]): readonly number[] {
  const { cpu, gfp, node, addresses } = call;
  switch (call.name) {
    case 'calloc': {
      const address = node === NIL ? cache.alloc(gfp, cpu) : cache.allocNode(gfp, node, cpu);
      return address === null ? [] : [address];
    }
    case 'calloc_bulk':
      return slots.slice(0, cache.allocBulk(gfp, slots, cpu));
    case 'cfree':
      cache.free(addresses[0], cpu);
      return [];
    case 'cfree_bulk':
      cache.freeBulk([...addresses], cpu);
      return [];
  }
}

/** The call as text, e.g. `calloc(ops-1, gfp=0x2800, cpu 1)`. */
export function formatKmemCall(call: KmemCall, cacheName: string): string {
  const { name, cpu, gfp, node, count, addresses } = call;
  switch (name) {
    case 'calloc': {
      const wanted = node === NIL ? '' : `node ${node}, `;
      return `calloc(${cacheName}, gfp=${hex(gfp)}, ${wanted}cpu ${cpu})`;
    }
    case 'calloc_bulk':
      return `calloc_bulk(${cacheName}, gfp=${hex(gfp)}, ${count} objects, cpu ${cpu})`;
    default:
      return `${name}(${cacheName}, ${formatAddresses(addresses)}, cpu ${cpu})`;
  }
}

/** A list of addresses as text. */
export function formatAddresses(addresses: readonly number[]): string {
  if (addresses.length === 0) return 'nothing';
  const shown = addresses.slice(0, SHOWN_ADDRESSES).map((address) => hex(address));
  const rest = addresses.length > shown.length ? ` ... (${addresses.length})` : '';
  return `${shown.join(' ')}${rest}`;
}
