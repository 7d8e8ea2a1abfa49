import { expect, test } from 'vitest';
import { formatTable } from '../../src/cli/table.ts';

test('left columns are aligned to the left, numbers to the right, without blanks at the end', () => {
  const rows = [
    ['zone', 'name', 'pages'],
    ['0', 'Normal', '7'],
    ['10', 'A', '123456'],
  ];
  expect(formatTable(rows, 2)).toBe(
    ['zone  name     pages', '0     Normal       7', '10    A       123456', ''].join('\n'),
  );
  expect(
    formatTable(
      [
        ['a', 'bcd'],
        ['e', ''],
      ],
      2,
    ),
  ).toBe('a  bcd\ne\n');
});
