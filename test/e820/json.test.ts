import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { e820ToJson, parseE820Json, readE820Json } from '../../src/e820/index.ts';
import { arbitraryEntries, errorOf, map } from './support.ts';

describe('the JSON form', () => {
  it('reads lists and objects, text and numbers', () => {
    const expected = map('100000+7ee0000 1; 0+ffffffffffffffff 2');
    const list = '[["0x100000", 133038080, 1], [0, "18446744073709551615", 2]]';
    const objects =
      '[{"addr":"0x100000","size":"0x7EE0000","type":1},{"addr":0,"size":"0xffffffffffffffff","type":2}]';
    expect(parseE820Json(list)).toEqual(expected);
    expect(parseE820Json(objects)).toEqual(expected);
    for (const field of ['e820', 'e820Firmware', 'entries']) {
      expect(parseE820Json(`{"${field}": ${list}}`)).toEqual(expected);
    }
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        expect(parseE820Json(JSON.stringify(e820ToJson(entries)))).toEqual(entries);
      }),
    );
    expect(e820ToJson(map('100000+7ee0000 1'))).toEqual([
      { addr: '0x100000', size: '0x7ee0000', type: 1 },
    ]);
  });

  it.each([
    ['{', undefined],
    ['5', undefined],
    ['null', undefined],
    ['{"map":[]}', undefined],
    ['[["0x0", 1]]', 0],
    ['[["0x0", 1, 1], 7]', 1],
    ['[null]', 0],
    ['[[-1, 1, 1]]', 0],
    ['[["-0x1", 1, 1]]', 0],
    ['[[9007199254740993, 1, 1]]', 0],
    ['[["0x10000000000000000", 1, 1]]', 0],
    ['[[0.5, 1, 1]]', 0],
    ['[[0, "", 1]]', 0],
    ['[[0, 1, "usable"]]', 0],
    ['[[0, 1, -1]]', 0],
    ['[[0, 1, 4294967296]]', 0],
    ['[{"addr":0,"size":1}]', 0],
  ])('refuses %s', (json, position) => {
    const error = errorOf(() => parseE820Json(json));
    expect(error.code).toBe('BAD_JSON');
    expect(error.data.position).toBe(position);
  });

  it('takes a value that was parsed already', () => {
    expect(readE820Json([['0x5', '0x6', 7]])).toEqual(map('5+6 7'));
    expect(errorOf(() => readE820Json([[Number.NaN, 0, 0]])).code).toBe('BAD_JSON');
  });
});
