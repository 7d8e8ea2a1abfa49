import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  type Links,
  listAdd,
  listAddTail,
  listDel,
  listInit,
  listIsEmpty,
  listLength,
  listMove,
  listMoveTail,
  listSplice,
  listToArray,
} from '../../src/lib/list.ts';

const ELEMENTS = 8;
/** Two heads behind the elements. */
const A = ELEMENTS;
const B = ELEMENTS + 1;

let links: Links;

beforeEach(() => {
  links = { next: new Int32Array(ELEMENTS + 2), prev: new Int32Array(ELEMENTS + 2) };
  listInit(links, A);
  listInit(links, B);
});

/** The elements from tail to head, by the other links. */
function backwards(head: number): number[] {
  const elements: number[] = [];
  for (let index = links.prev[head]; index !== head; index = links.prev[index]) {
    elements.push(index);
  }
  return elements;
}

describe('worked examples', () => {
  test('add puts in front, add_tail behind', () => {
    listAdd(links, A, 1);
    listAdd(links, A, 2);
    listAddTail(links, A, 3);
    expect(listToArray(links, A)).toEqual([2, 1, 3]);
    expect(listLength(links, A)).toBe(3);
    expect(listIsEmpty(links, A)).toBe(false);
    expect(listIsEmpty(links, B)).toBe(true);
  });

  test('del leaves the cells of the element alone', () => {
    for (const index of [1, 2, 3]) listAddTail(links, A, index);
    listDel(links, 2);
    expect(listToArray(links, A)).toEqual([1, 3]);
    expect([links.prev[2], links.next[2]]).toEqual([1, 3]);
  });

  test('splice puts a list in front of another', () => {
    for (const index of [1, 2]) listAddTail(links, A, index);
    for (const index of [3, 4]) listAddTail(links, B, index);
    listSplice(links, A, B);
    expect(listToArray(links, A)).toEqual([3, 4, 1, 2]);
    expect(listIsEmpty(links, B)).toBe(true);
    listSplice(links, A, B);
    expect(listToArray(links, A)).toEqual([3, 4, 1, 2]);
  });
});

/** One step: the operation, an element and which of the two lists. */
const step = fc.record({
  operation: fc.constantFrom('add', 'addTail', 'del', 'move', 'moveTail', 'splice'),
  index: fc.nat({ max: ELEMENTS - 1 }),
  toB: fc.boolean(),
});

test('any sequence of operations agrees with arrays, in both directions', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      listInit(links, A);
      listInit(links, B);
      let model: [number[], number[]] = [[], []];
      for (const { operation, index, toB } of steps) {
        const head = toB ? B : A;
        const listed = model.some((list) => list.includes(index));
        const isInsertion = operation === 'add' || operation === 'addTail';
        if (operation !== 'splice' && listed === isInsertion) continue;
        if (operation === 'add') listAdd(links, head, index);
        else if (operation === 'addTail') listAddTail(links, head, index);
        else if (operation === 'del') listDel(links, index);
        else if (operation === 'move') listMove(links, head, index);
        else if (operation === 'moveTail') listMoveTail(links, head, index);
        else listSplice(links, head, toB ? A : B);
        model = after(model, operation, index, toB);
        for (const [head, list] of [
          [A, model[0]],
          [B, model[1]],
        ] as const) {
          expect(listToArray(links, head)).toEqual(list);
          expect(backwards(head)).toEqual([...list].reverse());
          expect(listLength(links, head)).toBe(list.length);
          expect(listIsEmpty(links, head)).toBe(list.length === 0);
        }
      }
    }),
  );
});

/** What two arrays hold after the operation. */
function after(
  model: [number[], number[]],
  operation: string,
  index: number,
  toB: boolean,
): [number[], number[]] {
  if (operation === 'splice') {
    return toB ? [[], [...model[0], ...model[1]]] : [[...model[1], ...model[0]], []];
  }
  const [a, b] = model.map((list) => list.filter((element) => element !== index));
  const lists: [number[], number[]] = [a ?? [], b ?? []];
  const target = lists[toB ? 1 : 0];
  if (operation === 'add' || operation === 'move') target.unshift(index);
  if (operation === 'addTail' || operation === 'moveTail') target.push(index);
  return lists;
}
