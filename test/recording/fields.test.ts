import { describe, expect, test } from 'vitest';
import {
  readArray,
  readBoolean,
  readInteger,
  readIntegers,
  readList,
  readObject,
  readRecord,
  readString,
  readU64,
} from '../../src/recording/fields.ts';

const place = { line: 3, path: 'x' };

function messageOf(run: () => unknown): string {
  try {
    return `no error: ${String(run())}`;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('values that are right come back', () => {
  test.each([
    [readObject({ a: 1, b: 2 }, place, ['a'], ['b']), { a: 1, b: 2 }],
    [readObject({ a: 1 }, place, ['a'], ['b']), { a: 1 }],
    [readRecord({ z: 1 }, place), { z: 1 }],
    [readArray([1, 'a'], place), [1, 'a']],
    [readArray([1, 'a'], place, 2), [1, 'a']],
    [readInteger(0, place), 0],
    [readInteger(-3, place, -3, 5), -3],
    [readIntegers([5, 0], place, 0, 5), [5, 0]],
    [readString('a', place), 'a'],
    [readString('b', place, ['a', 'b']), 'b'],
    [readBoolean(false, place), false],
    [readU64('0xffffffffffffffff', place), 0xffffffffffffffffn],
    [readU64(4096, place), 4096n],
    [readList([1, 2], place, (v, at) => `${at.path}=${v}`), ['x[0]=1', 'x[1]=2']],
  ])('%#', (got, expected) => {
    expect(got).toEqual(expected);
  });
});

describe('values that are wrong are named with their place', () => {
  test.each([
    [() => readObject([], place, []), 'line 3: x must be an object, got []'],
    [() => readObject(null, place, []), 'line 3: x must be an object, got null'],
    [() => readObject({ b: 1 }, place, ['a']), 'line 3: unknown field x.b'],
    [() => readObject({}, place, ['a']), 'line 3: x.a must be there, got undefined'],
    [() => readObject({}, place, ['toString']), 'line 3: x.toString must be there, got undefined'],
    [() => readArray({}, place), 'line 3: x must be an array, got {}'],
    [() => readArray([1], place, 2), 'line 3: x must be an array of 2, got [1]'],
    [() => readInteger('1', place, 0, 9), 'line 3: x must be an integer from 0 to 9, got "1"'],
    [() => readInteger(10, place, 0, 9), 'line 3: x must be an integer from 0 to 9, got 10'],
    [
      () => readIntegers([1, 1.5], place, 0, 9),
      'line 3: x[1] must be an integer from 0 to 9, got 1.5',
    ],
    [() => readIntegers([-1], place, 0, 9), 'line 3: x[0] must be an integer from 0 to 9, got -1'],
    [() => readIntegers([1], place, 0, 9, 2), 'line 3: x must be an array of 2, got [1]'],
    [() => readString(1, place), 'line 3: x must be a string, got 1'],
    [() => readString('c', place, ['a', 'b']), 'line 3: x must be one of a, b, got "c"'],
    [() => readBoolean(0, place), 'line 3: x must be true or false, got 0'],
    [() => readU64('10', place), 'line 3: x must be an unsigned 64-bit number, got "10"'],
    [() => readU64('0x10000000000000000', place), /unsigned 64-bit/],
    [() => readU64(-1, place), /unsigned 64-bit/],
    [() => readU64(2 ** 53, place), /unsigned 64-bit/],
    [() => readString(['long'.repeat(40)], place), /got \["long[a-z]{51}\.\.\.$/],
  ] as [() => unknown, string | RegExp][])('%#', (run, message) => {
    if (typeof message === 'string') expect(messageOf(run)).toBe(message);
    else expect(messageOf(run)).toMatch(message);
  });
});
