import { expect, test } from 'vitest';
import { firstDifference } from '../../src/recording/difference.ts';

test.each([
  [1, 1],
  ['a', 'a'],
  [null, null],
  [0, -0],
  [
    [1, [2, 3]],
    [1, [2, 3]],
  ],
  [
    { a: 1, b: { c: [] } },
    { b: { c: [] }, a: 1 },
  ],
])('equal values %# have no difference', (expected, got) => {
  expect(firstDifference(expected, got)).toBeNull();
});

test.each([
  [{ a: 1 }, { a: 2 }, 'a', '1', '2'],
  [{ a: { b: null } }, { a: { b: 0 } }, 'a.b', 'null', '0'],
  [{ a: 1 }, {}, 'a', '1', 'nothing'],
  [{}, { a: 1 }, 'a', 'nothing', '1'],
  [[1, 2], [1, 3], '[1]', '2', '3'],
  [[1], [1, 3], '[1]', 'nothing', '3'],
  [[1, 2], [1], '[1]', '2', 'nothing'],
  [{ z: [{ f: [7, 8] }] }, { z: [{ f: [7, 9] }] }, 'z[0].f[1]', '8', '9'],
  [{ a: [] }, { a: {} }, 'a', '[]', '{}'],
  [{ a: 10n }, { a: 11n }, 'a', '"0xa"', '"0xb"'],
])('the first difference of %# is named', (expected, got, path, ours, theirs) => {
  expect(firstDifference(expected, got)).toMatchObject({ path, expected: ours, got: theirs });
});

test('the name of the values stands in front', () => {
  expect(firstDifference({ a: 1 }, { a: 2 }, 'state')?.path).toBe('state.a');
  expect(firstDifference([1], [2], 'state')?.path).toBe('state[0]');
});

test('a difference in a list shows both lists around it', () => {
  const expected = Array.from({ length: 100 }, (_, i) => i);
  const got = expected.map((n) => (n === 50 ? 999 : n)).slice(0, 90);
  expect(firstDifference({ free: expected }, { free: got })).toEqual({
    path: 'free[50]',
    expected: '50',
    got: '999',
    context: [
      'free from [42] of 100, expected: [42,43,44,45,46,47,48,49,50,51,52,53,54,55,56,57,58]',
      'free from [42] of 90, got:      [42,43,44,45,46,47,48,49,999,51,52,53,54,55,56,57,58]',
    ],
  });
});

test('long values are shown short', () => {
  const difference = firstDifference('x'.repeat(300), 'y');
  expect(difference?.expected).toHaveLength(100);
  expect(difference?.expected.endsWith('...')).toBe(true);
});
