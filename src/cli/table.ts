/**
 * A table as text, one line per row; columns are as wide as their widest cell.
 * @param rows cells; the first row holds the headings
 * @param leftColumns how many columns are aligned to the left; numbers are aligned to the right
 */
export function formatTable(rows: readonly (readonly string[])[], leftColumns: number): string {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  const lines = rows.map((row) => {
    const cells = row.map((cell, column) =>
      column < leftColumns ? cell.padEnd(widths[column]) : cell.padStart(widths[column]),
    );
    return `${cells.join('  ').trimEnd()}\n`;
  });
  return lines.join('');
}
