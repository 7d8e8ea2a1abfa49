import { expect, test } from 'vitest';
import { listAddTail } from '../../src/lib/list.ts';
import {
  FreeAreas,
  freeListHead,
  freeListLength,
  freeListToArray,
  freePagesInAreas,
} from '../../src/mm/free-area.ts';
import { PageMap } from '../../src/mm/page-map.ts';

test('every zone, order and type has its own list', () => {
  const map = new PageMap({ endPfn: 2048, listHeads: 4 * 55 });
  const areas = new FreeAreas(map, 4);
  const heads = new Set<number>();
  for (let zone = 0; zone < 4; zone++) {
    for (let order = 0; order < 11; order++) {
      for (let type = 0; type < 5; type++) heads.add(freeListHead(areas, zone, order, type));
    }
  }
  expect(heads.size).toBe(220);
  expect(Math.min(...heads)).toBe(2048);
  expect(Math.max(...heads)).toBe(2048 + 219);
});

test('lists keep their order and pages follow from block counts', () => {
  const areas = new FreeAreas(new PageMap({ endPfn: 2048, listHeads: 55 }), 1);
  const head = freeListHead(areas, 0, 3, 1);
  for (const pfn of [16, 8, 64]) listAddTail(areas.map, head, pfn);
  areas.nrFree[3] = 3;
  areas.nrFree[0] = 1;
  expect(freeListToArray(areas, 0, 3, 1)).toEqual([16, 8, 64]);
  expect(freeListLength(areas, 0, 3, 1)).toBe(3);
  expect(freeListToArray(areas, 0, 3, 0)).toEqual([]);
  expect(freePagesInAreas(areas, 0)).toBe(25);
});
