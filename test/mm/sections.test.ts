import { expect, test } from 'vitest';
import { PageframeError } from '../../src/lib/errors.ts';
import { memoryPresent, pfnValid, Sections, sparseInit } from '../../src/mm/sections.ts';

test('a section is present as a whole when a range touches it', () => {
  const sections = new Sections(0x28000);
  sparseInit(sections, [
    { startPfn: 1, endPfn: 0x9f, node: 0 },
    { startPfn: 0x100, endPfn: 0x8001, node: 0 },
    { startPfn: 0x20000, endPfn: 0x20001, node: 0 },
  ]);
  expect([...sections.node]).toEqual([1, 1, 0, 0, 1]);
  expect(sections.presentCount).toBe(3);
  expect(
    [0, 0xffff, 0x10000, 0x1ffff, 0x20000, 0x27fff].map((pfn) => pfnValid(sections, pfn)),
  ).toEqual([true, true, false, false, true, true]);
});

test('page frames outside are not valid', () => {
  const sections = new Sections(0x8000);
  memoryPresent(sections, { startPfn: 0, endPfn: 0x8000, node: 0 });
  expect([-1, 0x8000, 2 ** 31, 2 ** 40].some((pfn) => pfnValid(sections, pfn))).toBe(false);
});

test('the first range that touches a section gives it its node', () => {
  const sections = new Sections(0x10000);
  sparseInit(sections, [
    { startPfn: 0, endPfn: 0x9000, node: 1 },
    { startPfn: 0x9000, endPfn: 0x10000, node: 0 },
  ]);
  expect([...sections.node]).toEqual([2, 2]);
});

test('an empty range marks nothing, a range past the end is refused', () => {
  const sections = new Sections(0x8000);
  memoryPresent(sections, { startPfn: 5, endPfn: 5, node: 0 });
  expect(sections.presentCount).toBe(0);
  const outside = { startPfn: 0, endPfn: 0x8001, node: 0 };
  expect(() => memoryPresent(sections, outside)).toThrowError(PageframeError);
  expect(sections.presentCount).toBe(0);
});
