import { expect, test } from 'vitest';
import {
  formatSlabinfo,
  formatSlabinfoLine,
  formatUnreclaimableSlab,
} from '../../src/mm/slabinfo.ts';

const STATS = {
  activeObjects: 36,
  totalObjects: 48,
  size: 320,
  objectsPerSlab: 12,
  pagesPerSlab: 1,
  limit: 0,
  batchcount: 0,
  shared: 0,
  activeSlabs: 4,
  slabs: 4,
  sharedAvailable: 0,
};

test('5.2 the line of the specification', () => {
  expect(formatSlabinfoLine('demo_cache', STATS)).toBe(
    'demo_cache            36     48    320   12    1 : tunables    0    0    0 : slabdata      4      4      0',
  );
});

test('5.2 the whole file', () => {
  const text = formatSlabinfo([
    { name: 'b', stats: () => STATS },
    { name: 'a', stats: () => ({ ...STATS, limit: 120, batchcount: 60, shared: 8 }) },
  ]);
  const lines = text.split('\n');
  expect(lines).toHaveLength(5);
  expect(lines[0]).toBe('slabinfo - version: 2.1');
  expect(lines[1]).toMatch(/^# name {12}<active_objs> /);
  expect(lines[3]).toContain(': tunables  120   60    8 :');
  expect(lines[4]).toBe('');
});

test('5.3 what cannot be reclaimed', () => {
  const caches = [
    { name: 'used', reclaimable: false, stats: () => STATS },
    { name: 'empty', reclaimable: false, stats: () => ({ ...STATS, totalObjects: 0 }) },
    { name: 'inodes', reclaimable: true, stats: () => STATS },
  ];
  expect(formatUnreclaimableSlab(caches, ({ reclaimable }) => reclaimable)).toEqual([
    'Unreclaimable slab info:',
    'Name                      Used          Total',
    'used                      11KB         15KB',
  ]);
});
