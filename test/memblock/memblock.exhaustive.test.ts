import { describe, expect, test } from 'vitest';
import { checkInvariants, Memblock } from '../../src/memblock/index.ts';

/** Small worlds completely: units of one page, so few that every case can be tried. */
const UNIT = 0x1000n;

type Cells = (number | null)[];

/** What the entries must be: runs of cells with one node. */
function runs(cells: Cells): string {
  let text = '';
  for (let i = 0; i < cells.length; i++) {
    if (cells[i] === null) continue;
    let end = i;
    while (end + 1 < cells.length && cells[end + 1] === cells[i]) end++;
    text += `${i}-${end + 1}n${cells[i]} `;
    i = end;
  }
  return text;
}

const entries = (m: Memblock): string =>
  m
    .regions('memory')
    .filter(({ size }) => size > 0n)
    .map(({ base, end, nid }) => `${base / UNIT}-${end / UNIT}n${nid} `)
    .join('');

describe('edits', () => {
  const UNITS = 4;
  const operations: { text: string; real: (m: Memblock) => void; model: (c: Cells) => void }[] = [];
  for (let start = 0; start < UNITS; start++) {
    for (let end = start + 1; end <= UNITS; end++) {
      const [base, size] = [BigInt(start) * UNIT, BigInt(end - start) * UNIT];
      const fill = (cells: Cells, edit: (cell: number | null) => number | null): void => {
        for (let i = start; i < end; i++) cells[i] = edit(cells[i]);
      };
      for (const nid of [0, 1]) {
        operations.push({
          text: `add ${start}-${end} nid ${nid}`,
          real: (m) => m.addNode(base, size, nid, 0),
          model: (cells) => fill(cells, (cell) => cell ?? nid),
        });
      }
      operations.push({
        text: `remove ${start}-${end}`,
        real: (m) => m.remove(base, size),
        model: (cells) => fill(cells, () => null),
      });
      operations.push({
        text: `node ${start}-${end}`,
        real: (m) => m.setNode(base, size, 'memory', 1),
        model: (cells) => fill(cells, (cell) => (cell === null ? null : 1)),
      });
    }
  }

  test(`every sequence of three of ${operations.length} operations on ${UNITS} units`, () => {
    const wrong: string[] = [];
    const first = new Memblock({ initMemoryRegions: 16 });
    const none = first.snapshot();
    for (const a of operations) {
      for (const b of operations) {
        first.restore(none);
        a.real(first);
        b.real(first);
        const middle = first.snapshot();
        for (const c of operations) {
          first.restore(middle);
          c.real(first);
          const cells: Cells = new Array(UNITS).fill(null);
          for (const { model } of [a, b, c]) model(cells);
          const isRight =
            entries(first) === runs(cells) && checkInvariants(first.state).length === 0;
          if (!isRight) wrong.push(`${a.text}, ${b.text}, ${c.text}: ${entries(first)}`);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});

describe('searches', () => {
  const HALF = UNIT / 2n;
  const CELLS = 8;

  /** Free cells of half a page, per entry of memory, that no reservation takes. */
  function expected(
    memory: readonly (readonly [number, number])[],
    reserved: number,
    size: number,
    align: number,
    start: number,
    end: number,
    isBottomUp: boolean,
  ): number | null {
    const fits: number[] = [];
    for (let at = Math.max(start, 2); at + size <= end; at++) {
      if (at % align !== 0) continue;
      const home = memory.find(([low, high]) => low <= at && at + size <= high);
      if (home === undefined) continue;
      let isFree = true;
      for (let i = at; i < at + size; i++) isFree &&= (reserved & (1 << i)) === 0;
      if (isFree) fits.push(at);
    }
    return fits.length === 0 ? null : isBottomUp ? fits[0] : fits[fits.length - 1];
  }

  const layouts: readonly (readonly (readonly [number, number])[])[] = [
    [[0, 8]],
    [
      [0, 4],
      [4, 8],
    ],
    [
      [1, 3],
      [5, 8],
    ],
  ];

  test.each(layouts.map((memory) => ({ memory })))('of memory $memory', ({ memory }) => {
    const wrong: string[] = [];
    for (let reserved = 0; reserved < 1 << CELLS; reserved++) {
      const m = new Memblock();
      for (const [nid, [low, high]] of memory.entries()) {
        m.addNode(BigInt(low) * HALF, BigInt(high - low) * HALF, nid, 0);
      }
      for (let i = 0; i < CELLS; i++) {
        if (reserved & (1 << i)) m.reserve(BigInt(i) * HALF, HALF);
      }
      const kept = m.snapshot();
      for (const isBottomUp of [false, true]) {
        for (const size of [1, 2, 3]) {
          for (const align of [1, 2, 4]) {
            for (const [start, end] of [
              [0, 8],
              [3, 7],
              [4, 6],
            ]) {
              m.setBottomUp(isBottomUp);
              const [s, a, from, to] = [size, align, start, end].map((n) => BigInt(n) * HALF);
              const got = m.physAllocRange(s, a, from, to);
              const want = expected(memory, reserved, size, align, start, end, isBottomUp);
              if (got !== null) m.restore(kept);
              if (got === (want === null ? null : BigInt(want) * HALF)) continue;
              wrong.push(`reserved ${reserved}, ${size} by ${align} in ${start}-${end}: ${got}`);
            }
          }
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
