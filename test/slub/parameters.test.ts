import { expect, test } from 'vitest';
import { ArgumentError } from '../../src/lib/errors.ts';
import { autoInitLine, defaultParameters, parseSlubParameters } from '../../src/slub/parameters.ts';
import { testSlub } from './support.ts';

test('3.4 the parameters of a command line', () => {
  expect(parseSlubParameters('')).toEqual(defaultParameters());
  const text =
    'quiet slub_min_order=1 slub_max_order=12 slub_min_objects=7 slab_nomerge slub_debug=FZ,x init_on_alloc=1 init_on_free=on';
  expect(parseSlubParameters(text)).toEqual({
    minOrder: 1,
    maxOrder: 10,
    minObjects: 7,
    nomerge: true,
    slubDebug: '=FZ,x',
    initOnAlloc: true,
    initOnFree: true,
  });
});

test('later parameters win, and broken ones change nothing', () => {
  expect(parseSlubParameters('slub_nomerge slab_merge').nomerge).toBe(false);
  expect(parseSlubParameters('slab_nomerge slub_merge slub_nomerge').nomerge).toBe(true);
  expect(parseSlubParameters('slub_max_order=x init_on_alloc=maybe')).toEqual(defaultParameters());
  expect(parseSlubParameters('init_on_alloc=1 init_on_alloc=off').initOnAlloc).toBe(false);
  expect(parseSlubParameters('slub_debug').slubDebug).toBe('');
});

test('4.3 poison wins over clearing, and is said once', () => {
  const clears = { ...defaultParameters(), initOnAlloc: true };
  expect(autoInitLine(true, clears)).toMatch(/^mem auto-init: SLAB_POISON will take precedence/);
  expect(autoInitLine(false, clears)).toBeNull();
  expect(autoInitLine(true, defaultParameters())).toBeNull();
});

test('parameters out of range are refused', () => {
  expect(() => testSlub({ parameters: { maxOrder: 11 } })).toThrow(ArgumentError);
  expect(() => testSlub({ parameters: { minObjects: -1 } })).toThrow(ArgumentError);
});
