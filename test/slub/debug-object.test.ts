// covers: src/slub/debug-object.ts, src/slub/track.ts
import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import type { TrackSource } from '../../src/slub/types.ts';
import { made, take, testSlub } from './support.ts';

const TRACKS: TrackSource = {
  current: () => ({ addressHigh: 0xffffffff, addressLow: 0x81234567, handle: 9, pid: 77 }),
  symbol: (high, low) => `f+0x${high.toString(16)}${low.toString(16)}`,
  stack: () => ['outer+0x1/0x2', 'inner+0x3/0x4'],
};

function bytesOf(readU8: (at: number) => number, from: number, count: number): string {
  return Array.from({ length: count }, (_, i) =>
    readU8(from + i)
      .toString(16)
      .padStart(2, '0'),
  ).join(' ');
}

function repeated(byte: string, count: number): string {
  return new Array<string>(count).fill(byte).join(' ');
}

test('7.3 the slots of a cache with F|Z|P|U', () => {
  const { slub, memory } = testSlub({ tracks: TRACKS, jiffies: () => 0x1_0000_0002 });
  const cache = made(slub.createCache('demo', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  expect(cache.geometry()).toMatchObject({ inuse: 72, offset: 72, redLeftPad: 8, size: 160 });
  const [object] = take(cache, 1);
  const slot = object - 8;
  const bytes = (from: number, count: number): string =>
    bytesOf((at) => memory.readU8(at), slot + from, count);
  expect(bytes(0, 8)).toBe(repeated('cc', 8));
  expect(bytes(8, 63)).toBe(repeated('6b', 63));
  expect(bytes(71, 1)).toBe('a5');
  expect(bytes(72, 8)).toBe(repeated('cc', 8));
  const next = object + 160;
  const low = [0, 8, 16].map((shift) => ((next >>> shift) & 0xff).toString(16).padStart(2, '0'));
  expect(bytes(80, 8)).toBe(`${low.join(' ')} 00 80 88 ff ff`);
  // caller, handle, cpu, pid, unused, jiffies
  expect(bytes(88, 16)).toBe('67 45 23 81 ff ff ff ff 09 00 00 00 00 00 00 00');
  expect(bytes(104, 16)).toBe('4d 00 00 00 00 00 00 00 02 00 00 00 01 00 00 00');
  expect(bytes(120, 32)).toBe(repeated('00', 32));
  expect(bytes(152, 8)).toBe(repeated('5a', 8));
  expect(bytes(160, 8)).toBe(repeated('bb', 8));
  expect(bytes(168, 64)).toBe(`${repeated('6b', 63)} a5`);
  expect(bytes(232, 8)).toBe(repeated('bb', 8));
  expect(bytes(248, 64)).toBe(repeated('00', 64));
  expect(bytes(312, 8)).toBe(repeated('5a', 8));
  expect(bytes(4000, 96)).toBe(repeated('5a', 96));
  cache.free(object);
  expect(bytes(0, 8)).toBe(repeated('bb', 8));
  expect(bytes(72, 8)).toBe(repeated('bb', 8));
  expect(bytes(80, 8)).toBe(`${low.join(' ')} 00 80 88 ff ff`);
  expect(bytes(88, 8)).toBe('67 45 23 81 ff ff ff ff');
  expect(bytes(120, 8)).toBe('67 45 23 81 ff ff ff ff');
});

test('7.3 kmalloc-64 with F|Z|P|U records the requested size', () => {
  const { slub, memory } = testSlub({ parameters: { slubDebug: '' }, tracks: TRACKS });
  const block = made(slub.kmalloc(50));
  expect(slub.cache('kmalloc-64')?.geometry()).toMatchObject({
    inuse: 72,
    offset: 72,
    redLeftPad: 64,
    size: 256,
    align: 64,
  });
  const slot = block - 64;
  const bytes = (from: number, count: number): string =>
    bytesOf((at) => memory.readU8(at), slot + from, count);
  expect(bytes(128, 8)).toBe(repeated('cc', 8));
  expect(bytes(144, 8)).toBe('67 45 23 81 ff ff ff ff');
  expect(bytes(208, 4)).toBe('32 00 00 00');
  expect(bytes(212, 44)).toBe(repeated('5a', 44));
  expect(slub.ksize(block)).toBe(64);
});

test('without STACKDEPOT a track has 24 bytes and no handle', () => {
  const { slub, memory } = testSlub({ tracks: TRACKS, config: { stackDepot: false } });
  const cache = made(slub.createCache('demo', { size: 64, flags: SlabFlag.SLAB_STORE_USER }));
  expect(cache.size).toBe(64 + 48);
  const [object] = take(cache, 1);
  expect([0, 4, 8, 12, 16, 20].map((at) => memory.readU32(object + 64 + at))).toEqual([
    0x81234567, 0xffffffff, 0, 77, 0, 0,
  ]);
});

test('the byte patterns follow the flags one by one', () => {
  const { slub, memory } = testSlub();
  const { SLAB_RED_ZONE, SLAB_POISON, SLAB_TYPESAFE_BY_RCU } = SlabFlag;
  const shape = (flags: number, ctor?: (address: number) => void): string => {
    const cache = made(slub.createCache(`c${flags}`, { size: 20, flags, ctor }));
    const [object] = take(cache, 1);
    const text = bytesOf((at) => memory.readU8(at), object, 24);
    cache.free(object);
    cache.destroy();
    return text;
  };
  expect(shape(SLAB_RED_ZONE).slice(60)).toBe(repeated('cc', 4));
  expect(shape(SLAB_POISON)).toBe(`${repeated('6b', 19)} a5 ${repeated('5a', 4)}`);
  // Objects that RCU readers may still look at, or that a constructor made, are not poisoned.
  expect(shape(SLAB_POISON | SLAB_TYPESAFE_BY_RCU)).toBe(repeated('5a', 24));
  expect(shape(SLAB_POISON, (at) => memory.fill(at, 20, 7))).toBe(
    `${repeated('07', 20)} ${repeated('5a', 4)}`,
  );
});

test('clearing works on debug caches too', () => {
  const { slub, memory } = testSlub();
  const cache = made(slub.createCache('demo', { size: 64, flags: DEBUG_DEFAULT_FLAGS }));
  const object = made(cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_ZERO));
  expect(bytesOf((at) => memory.readU8(at), object, 65)).toBe(`${repeated('00', 64)} cc`);
});
