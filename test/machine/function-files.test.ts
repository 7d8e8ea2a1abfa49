import { expect, test } from 'vitest';
import { functionFile } from '../../src/machine/function-files.ts';
import { filesBelow, textOf } from '../support/source.ts';

/** Functions that tell when they are entered, with the file that says so. */
function tellingFunctions(): [name: string, file: string][] {
  return filesBelow('src', '.ts').flatMap((file) => {
    const calls = textOf(file).matchAll(/functionEntry\?\.\(\s*'(\w+)'/g);
    return [...calls].map(([, name]): [string, string] => [name, file]);
  });
}

test('every function that tells is known with its file', () => {
  const telling = tellingFunctions();
  expect(telling.length).toBeGreaterThan(30);
  expect(telling.map(([name]) => [name, functionFile(name)])).toEqual(telling);
});

test('every file that is named has a function of that name', () => {
  const names = new Set(tellingFunctions().map(([name]) => name));
  const named = [...textOf('src/machine/function-files.ts').matchAll(/'(\w+)'/g)];
  expect(named.length).toBeGreaterThan(30);
  expect(named.map(([, name]) => name).filter((name) => !names.has(name))).toEqual([]);
});

test('functions that do not tell are in no file', () => {
  expect(functionFile('kfree')).toBeNull();
});
