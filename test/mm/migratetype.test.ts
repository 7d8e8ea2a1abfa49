import { expect, test } from 'vitest';
import {
  MIGRATE_TYPES,
  MIGRATETYPE_LETTERS,
  MIGRATETYPE_NAMES,
  Migratetype,
  migratetypeIsMergeable,
} from '../../src/mm/migratetype.ts';

test('types below the count of per-CPU types merge', () => {
  const mergeable = Object.values(Migratetype).filter(migratetypeIsMergeable);
  expect(mergeable).toEqual([0, 1, 2]);
});

test('every type has a name and a letter', () => {
  expect(Object.values(Migratetype)).toEqual([0, 1, 2, 3, 4]);
  expect(MIGRATETYPE_NAMES).toHaveLength(MIGRATE_TYPES);
  expect(MIGRATETYPE_LETTERS).toHaveLength(MIGRATE_TYPES);
});
