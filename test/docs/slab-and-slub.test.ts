import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { fencesOf, withLines } from '../support/markdown.ts';
import { ROOT, textOf } from '../support/source.ts';

const DOCUMENT = 'docs/slab-and-slub.md';
const PRINTED = 'docs/examples/slab-and-slub.txt';

test('the table of the guide is what its example prints', () => {
  const document = textOf(DOCUMENT);
  const printed = textOf(PRINTED).trimEnd().split('\n');
  const at = document.slice(0, document.indexOf('[prints]')).split('\n').length;
  const fence = fencesOf(document).find(({ start }) => start > at);
  if (fence === undefined) throw new Error('the guide has no table');
  if (process.env.UPDATE_DOCS === '1') {
    writeFileSync(join(ROOT, DOCUMENT), withLines(document, fence, printed));
  } else {
    expect(fence.lines).toEqual(printed);
  }
});
