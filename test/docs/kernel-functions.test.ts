import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { filesBelow, ROOT, textOf } from '../support/source.ts';

/**
 * `docs/kernel-functions.md` lists where each kernel function is modelled. It is made of the
 * `@kernel` tags, so that it cannot promise more than there is; `UPDATE_DOCS=1` writes it.
 */
const PAGE = 'docs/kernel-functions.md';
/** What stands above the made part. */
const MARK = '<!-- made from the @kernel tags by test/docs/kernel-functions.test.ts -->';
/** A C function, as opposed to a structure, a macro or a source file. */
const FUNCTION = /^_{0,3}[a-z][a-z0-9]*(_[a-z0-9]+)*_?$/;
/** Single words that are functions; others are variables or prose. */
const ONE_WORD = new Set([
  'balloon',
  'expand',
  'fls',
  'kfree',
  'kmalloc',
  'krealloc',
  'ksize',
  'kswapd',
  'kcompactd',
  'pageout',
  'rmqueue',
]);

/** The functions that the tags of a file name. */
function taggedFunctions(path: string): string[] {
  const names: string[] = [];
  for (const [, tag] of textOf(path).matchAll(/@kernel ((?:[^\n*]|\*(?!\/)|\n\s*\* (?! *@))*)/g)) {
    const text = tag.replaceAll(/\n\s*\*/g, ' ').replaceAll(/\([^)]*\)/g, '');
    for (const part of text.split(/,|;| and /)) {
      const name = part.trim();
      if (FUNCTION.test(name) && (name.includes('_') || ONE_WORD.has(name))) names.push(name);
    }
  }
  return names;
}

/** Files by function, by folder of `src`. */
function functionsByFolder(): Map<string, Map<string, string[]>> {
  const folders = new Map<string, Map<string, string[]>>();
  for (const path of filesBelow('src', '.ts')) {
    const folder = path.split('/').slice(1, -1).join('/') || 'machine.ts';
    const functions = folders.get(folder) ?? new Map<string, string[]>();
    for (const name of taggedFunctions(path)) {
      const files = functions.get(name) ?? [];
      if (!files.includes(path)) files.push(path);
      functions.set(name, files);
    }
    if (functions.size > 0) folders.set(folder, functions);
  }
  return folders;
}

function table(): string {
  const parts: string[] = [];
  for (const [folder, functions] of [...functionsByFolder()].sort()) {
    parts.push(`### ${folder}`, '', '| kernel function | modelled in |', '|---|---|');
    for (const [name, files] of [...functions].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const links = files.map((path) => `[${path.split('/').at(-1)}](../${path})`);
      parts.push(`| \`${name}\` | ${links.join(', ')} |`);
    }
    parts.push('');
  }
  return `${parts.join('\n').trimEnd()}\n`;
}

test('the page of kernel functions says what the tags say', () => {
  const [above, below] = textOf(PAGE).split(`${MARK}\n\n`);
  const made = table();
  if (process.env.UPDATE_DOCS === '1') {
    writeFileSync(join(ROOT, PAGE), `${above}${MARK}\n\n${made}`);
    return;
  }
  expect(below).toBe(made);
});

test('a function that is said to be left out or simplified is told apart from the modelled ones', () => {
  const [above] = textOf(PAGE).split(MARK);
  const leftOut = above.slice(above.indexOf('## Left out'));
  const rows = leftOut.split('\n').filter((line) => line.startsWith('| `'));
  const cells = rows.map((row) => row.split('|')[1]);
  const named = cells.flatMap((cell) =>
    [...cell.matchAll(/`([a-z_0-9]+)`/g)].map(([, name]) => name),
  );
  const modelled = new Set([...functionsByFolder().values()].flatMap((of) => [...of.keys()]));
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((name) => modelled.has(name))).toEqual([]);
});
