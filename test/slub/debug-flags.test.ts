import { expect, test } from 'vitest';
import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../../src/mm/slab-flags.ts';
import { kmemCacheFlags, noSlubDebug, parseSlubDebug } from '../../src/slub/debug-flags.ts';

const {
  SLAB_CONSISTENCY_CHECKS: F,
  SLAB_RED_ZONE: Z,
  SLAB_POISON: P,
  SLAB_STORE_USER: U,
  SLAB_TRACE: T,
} = SlabFlag;

/** Flags that a cache of that name gets on top of its own. */
function flagsOf(text: string, name: string, own = 0): number {
  return kmemCacheFlags(parseSlubDebug(text), own, name);
}

test('7.12 blocks with and without names', () => {
  const text = '=FZ,foo*,bar;P;U,baz';
  expect(['foo1', 'bar', 'baz', 'other', 'barn'].map((name) => flagsOf(text, name))).toEqual([
    F | Z,
    F | Z,
    U,
    P,
    P,
  ]);
  const { SLAB_NOLEAKTRACE } = SlabFlag;
  expect(flagsOf(text, 'other', SLAB_NOLEAKTRACE)).toBe(P | SLAB_NOLEAKTRACE);
  expect(flagsOf('=,foo', 'foo')).toBe(DEBUG_DEFAULT_FLAGS);
  expect(flagsOf('=,foo', 'other')).toBe(0);
});

test('4.3 the texts that mean everything, nothing, or a letter', () => {
  expect(['', '=', 'x'].map((text) => parseSlubDebug(text).flags)).toEqual([
    DEBUG_DEFAULT_FLAGS,
    DEBUG_DEFAULT_FLAGS,
    DEBUG_DEFAULT_FLAGS,
  ]);
  expect(['=-', '=fz', '=FZ-P', '=T', '=A'].map((text) => parseSlubDebug(text).flags)).toEqual([
    0,
    F | Z,
    P,
    T,
    0,
  ]);
  expect(parseSlubDebug('=O')).toMatchObject({ flags: 0, disableHigherOrder: true });
  expect(parseSlubDebug('=PO')).toMatchObject({ flags: P, disableHigherOrder: true });
});

test('4.3 the last block without names wins; unknown letters are reported', () => {
  const log: string[] = [];
  expect(parseSlubDebug('=P;;zXx;F', (line) => log.push(line)).flags).toBe(F);
  expect(log).toEqual(['X', 'x'].map((letter) => `slub_debug option '${letter}' unknown. skipped`));
});

test('4.3 the first match wins, and STORE_USER goes with NOLEAKTRACE only from the global part', () => {
  const { SLAB_NOLEAKTRACE, SLAB_NO_USER_FLAGS } = SlabFlag;
  expect(flagsOf('=Z,a*;P,ab', 'ab')).toBe(Z);
  expect(flagsOf('=FU', 'a', SLAB_NOLEAKTRACE)).toBe(F | SLAB_NOLEAKTRACE);
  expect(flagsOf('=FU,a', 'a', SLAB_NOLEAKTRACE)).toBe(F | U | SLAB_NOLEAKTRACE);
  expect(flagsOf('=FZPU', 'a', SLAB_NO_USER_FLAGS)).toBe(SLAB_NO_USER_FLAGS);
});

test('4.3 a name that runs into a stray semicolon never matches, a pattern does', () => {
  expect(flagsOf('=Z,foo;', 'foo')).toBe(0);
  expect(flagsOf('=Z,foo;;P', 'foo')).toBe(P);
  expect(flagsOf('=Z,foo;P', 'foo')).toBe(Z);
  expect(flagsOf('=Z,fo*;', 'foo')).toBe(Z);
  expect(flagsOf('=Z,bar,foo;', 'bar')).toBe(Z);
});

test('SLUB_DEBUG_ON is the default of the global flags', () => {
  expect(noSlubDebug(true).flags).toBe(DEBUG_DEFAULT_FLAGS);
  expect(noSlubDebug().flags).toBe(0);
  expect(parseSlubDebug('=Z,foo', null, true).flags).toBe(DEBUG_DEFAULT_FLAGS);
  expect(parseSlubDebug('=Z', null, true).flags).toBe(Z);
});
