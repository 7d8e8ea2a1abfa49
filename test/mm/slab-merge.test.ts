import { expect, test } from 'vitest';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import {
  findMergeable,
  type MergeCandidate,
  type MergeRequest,
  slabUnmergeable,
} from '../../src/mm/slab-merge.ts';

const CACHE: MergeCandidate = {
  size: 104,
  align: 8,
  flags: 0,
  ctor: null,
  usersize: 0,
  refcount: 1,
};
const REQUEST: MergeRequest = { size: 104, align: 0, flags: 0, finalFlags: 0, ctor: null };

function joins(cache: Partial<MergeCandidate>, request: Partial<MergeRequest>): boolean {
  const found = findMergeable([{ ...CACHE, ...cache }], { ...REQUEST, ...request }, 'slub');
  return found !== null;
}

test('4.4 a request joins a cache of its own size, or less than 8 larger', () => {
  expect(joins({}, {})).toBe(true);
  expect([96, 97, 98, 104, 105].map((size) => joins({}, { size }))).toEqual([
    false,
    true,
    true,
    true,
    false,
  ]);
});

test('never with a constructor, a user copy window, a boot cache, or debug metadata', () => {
  const ctor = (): void => undefined;
  expect(joins({ ctor }, {})).toBe(false);
  expect(joins({}, { ctor })).toBe(false);
  expect(joins({ usersize: 1 }, {})).toBe(false);
  expect(joins({ refcount: -1 }, {})).toBe(false);
  expect(slabUnmergeable({ ...CACHE, refcount: 0 })).toBe(false);
  const never = ['SLAB_RED_ZONE', 'SLAB_POISON', 'SLAB_STORE_USER', 'SLAB_TRACE'] as const;
  for (const name of [...never, 'SLAB_TYPESAFE_BY_RCU', 'SLAB_NOLEAKTRACE'] as const) {
    expect(joins({ flags: SlabFlag[name] }, {})).toBe(false);
    expect(joins({}, { finalFlags: SlabFlag[name] })).toBe(false);
  }
});

test('consistency checks, panic and alignment flags need not agree; accounting and zones must', () => {
  for (const name of ['SLAB_CONSISTENCY_CHECKS', 'SLAB_PANIC', 'SLAB_HWCACHE_ALIGN'] as const) {
    expect(joins({ flags: SlabFlag[name] }, {})).toBe(true);
  }
  for (const name of ['SLAB_RECLAIM_ACCOUNT', 'SLAB_CACHE_DMA', 'SLAB_CACHE_DMA32'] as const) {
    expect(joins({ flags: SlabFlag[name] }, {})).toBe(false);
    expect(
      joins({ flags: SlabFlag[name] }, { flags: SlabFlag[name], finalFlags: SlabFlag[name] }),
    ).toBe(true);
  }
});

test('slots of the cache must keep the alignment of the request', () => {
  expect(joins({ size: 128 }, { size: 120, align: 64 })).toBe(true);
  expect(joins({ size: 104 }, { size: 100, align: 16 })).toBe(false);
});

test('the oldest cache is taken: the last of the list', () => {
  const caches = [1, 2, 3].map((age) => ({ ...CACHE, age }));
  expect(findMergeable(caches, REQUEST, 'slub')?.age).toBe(3);
});

test('SLAB asks in addition that the alignment of the cache fits', () => {
  const request = { ...REQUEST, size: 128, align: 32 };
  const cache = { ...CACHE, size: 128 };
  expect(findMergeable([{ ...cache, align: 8 }], request, 'slub')).not.toBeNull();
  expect(findMergeable([{ ...cache, align: 8 }], request, 'slab')).toBeNull();
  expect(findMergeable([{ ...cache, align: 64 }], request, 'slab')).not.toBeNull();
});
