import { expect, test } from 'vitest';
import {
  ArgumentError,
  assertNoViolations,
  checkInteger,
  InvariantError,
  PageframeError,
} from '../../src/lib/errors.ts';

function errorOf(run: () => unknown): unknown {
  try {
    run();
  } catch (error) {
    return error;
  }
  return null;
}

test('an error carries its class, a stable code and the data', () => {
  class BuddyError extends PageframeError {}
  const error = new BuddyError('DOUBLE_FREE', 'pfn 7 is free', { pfn: 7 });
  expect(error).toBeInstanceOf(Error);
  expect(error.name).toBe('BuddyError');
  expect(error.code).toBe('DOUBLE_FREE');
  expect(error.message).toBe('pfn 7 is free');
  expect(error.data).toEqual({ pfn: 7 });
  expect(new PageframeError('X', 'x').data).toEqual({});
});

test.each([0, 5, 10])('checkInteger accepts %s from 0 to 10', (value) => {
  expect(errorOf(() => checkInteger('count', value, 0, 10))).toBeNull();
});

test.each([-1, 11, 0.5, Number.NaN, Number.POSITIVE_INFINITY, '5' as unknown as number, null])(
  'checkInteger refuses %s with name, value and limits',
  (value) => {
    const error = errorOf(() => checkInteger('count', value as number, 0, 10));
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error).toMatchObject({
      code: 'BAD_ARGUMENT',
      data: { name: 'count', value, min: 0, max: 10 },
      message: `count must be an integer from 0 to 10, got ${String(value)}`,
    });
  },
);

test('broken rules are all listed', () => {
  expect(errorOf(() => assertNoViolations([]))).toBeNull();
  const violations = [
    { rule: 'BUDDY-1', message: 'first' },
    { rule: 'BUDDY-7', message: 'second' },
  ];
  const error = errorOf(() => assertNoViolations(violations));
  expect(error).toBeInstanceOf(InvariantError);
  expect(error).toMatchObject({
    code: 'INVARIANT',
    violations,
    message: '2 broken invariant(s)\n  BUDDY-1: first\n  BUDDY-7: second',
  });
});
