import { expect, test } from 'vitest';
import { fencesOf, withLines } from './markdown.ts';

const DOCUMENT = [
  '# A',
  '```ts',
  'a();',
  '```',
  '',
  '```text',
  '1',
  '2',
  '```',
  'b',
  '```ts',
  '```',
  '',
];

test('finds the blocks with their languages and places', () => {
  expect(fencesOf(DOCUMENT.join('\n'))).toEqual([
    { index: 0, language: 'ts', lines: ['a();'], start: 3, followsFence: false },
    { index: 1, language: 'text', lines: ['1', '2'], start: 7, followsFence: true },
    { index: 2, language: 'ts', lines: [], start: 12, followsFence: false },
  ]);
});

test('replaces the lines of one block', () => {
  const [, output] = fencesOf(DOCUMENT.join('\n'));
  const changed = withLines(DOCUMENT.join('\n'), output, ['3']);
  expect(changed).toBe(
    ['# A', '```ts', 'a();', '```', '', '```text', '3', '```', 'b', '```ts', '```', ''].join('\n'),
  );
});

test('a block that is never closed is an error', () => {
  expect(() => fencesOf('```ts\na();\n')).toThrow('line 1');
});
