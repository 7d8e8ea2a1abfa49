import { expect, test } from 'vitest';
import { pickNumbers, putNumbers } from '../../src/lib/numbers.ts';

test('the named numbers of an object, and back', () => {
  const zone = { id: 3, boost: 7, min: -1 };
  const picked = pickNumbers(zone, ['boost', 'min']);
  expect(picked).toEqual({ boost: 7, min: -1 });
  zone.boost = 9;
  zone.min = 0;
  zone.id = 4;
  expect(picked).toEqual({ boost: 7, min: -1 });
  putNumbers(zone, ['boost', 'min'], picked);
  expect(zone).toEqual({ id: 4, boost: 7, min: -1 });
});
