import { expect, test } from 'vitest';
import {
  DEBUG_DEFAULT_FLAGS,
  DEBUG_METADATA_FLAGS,
  keptFlags,
  permittedFlags,
  SLAB_DEBUG_FLAGS,
  SLAB_MERGE_SAME,
  SLAB_NEVER_MERGE,
  SlabFlag,
} from '../../src/mm/slab-flags.ts';

const {
  SLAB_CONSISTENCY_CHECKS: F,
  SLAB_RED_ZONE: Z,
  SLAB_POISON: P,
  SLAB_STORE_USER: U,
  SLAB_TRACE: T,
} = SlabFlag;

test('3.1 the masks are made of their flags', () => {
  expect(SLAB_DEBUG_FLAGS).toBe(F | Z | P | U | T);
  expect(DEBUG_DEFAULT_FLAGS).toBe(F | Z | P | U);
  expect(DEBUG_METADATA_FLAGS).toBe(Z | P | U);
  const { SLAB_TYPESAFE_BY_RCU, SLAB_NOLEAKTRACE, SLAB_FAILSLAB } = SlabFlag;
  expect(SLAB_NEVER_MERGE).toBe(
    Z | P | U | T | SLAB_TYPESAFE_BY_RCU | SLAB_NOLEAKTRACE | SLAB_FAILSLAB,
  );
  const { SLAB_RECLAIM_ACCOUNT, SLAB_CACHE_DMA, SLAB_CACHE_DMA32, SLAB_ACCOUNT } = SlabFlag;
  expect(SLAB_MERGE_SAME).toBe(
    SLAB_RECLAIM_ACCOUNT | SLAB_CACHE_DMA | SLAB_CACHE_DMA32 | SLAB_ACCOUNT,
  );
});

test('3.1 permitted and kept flags of SLUB', () => {
  expect(permittedFlags({ allocator: 'slub', debug: true, memcg: false })).toBe(0x10bfed00);
  expect(keptFlags({ allocator: 'slub', debug: true, memcg: false })).toBe(0x10afed00);
  expect(keptFlags({ allocator: 'slub', debug: false, memcg: false })).toBe(
    0x10afed00 & ~SLAB_DEBUG_FLAGS,
  );
  expect(keptFlags({ allocator: 'slub', debug: true, memcg: true })).toBe(0x14afed00);
});

test('SLAB keeps no debug flags without DEBUG_SLAB, and never F, T', () => {
  const plain = keptFlags({ allocator: 'slab', debug: false, memcg: false });
  expect(plain & SLAB_DEBUG_FLAGS).toBe(0);
  const debug = keptFlags({ allocator: 'slab', debug: true, memcg: false });
  expect(debug & SLAB_DEBUG_FLAGS).toBe(Z | P | U);
  expect(plain & SlabFlag.SLAB_MEM_SPREAD).toBe(SlabFlag.SLAB_MEM_SPREAD);
  expect(plain & SlabFlag.SLAB_NO_USER_FLAGS).toBe(0);
});
