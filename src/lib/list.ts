/**
 * Circular doubly linked lists threaded through a pair of arrays. An element is an index (a page
 * frame number); a head is an index past the last element. A head that points to itself is an empty
 * list. The same link cells serve every list an element can be on, one at a time, as in the kernel.
 */
export interface Links {
  /** Following index. */
  readonly next: Int32Array;
  /** Preceding index. */
  readonly prev: Int32Array;
}

/** Makes `head` an empty list, or `index` linked to itself only. @kernel INIT_LIST_HEAD */
export function listInit({ next, prev }: Links, head: number): void {
  next[head] = head;
  prev[head] = head;
}

/** Links `index` right after `head`: it becomes the first element. @kernel list_add */
export function listAdd({ next, prev }: Links, head: number, index: number): void {
  const first = next[head];
  next[head] = index;
  prev[index] = head;
  next[index] = first;
  prev[first] = index;
}

/** Links `index` right before `head`: it becomes the last element. @kernel list_add_tail */
export function listAddTail({ next, prev }: Links, head: number, index: number): void {
  const last = prev[head];
  prev[head] = index;
  next[index] = head;
  prev[index] = last;
  next[last] = index;
}

/** Unlinks `index`; its own cells keep their values. @kernel list_del */
export function listDel({ next, prev }: Links, index: number): void {
  const before = prev[index];
  const after = next[index];
  next[before] = after;
  prev[after] = before;
}

/** Moves `index` from its list to right after `head`. @kernel list_move */
export function listMove(links: Links, head: number, index: number): void {
  listDel(links, index);
  listAdd(links, head, index);
}

/** Moves `index` from its list to right before `head`. @kernel list_move_tail */
export function listMoveTail(links: Links, head: number, index: number): void {
  listDel(links, index);
  listAddTail(links, head, index);
}

/** Whether the list has no element. @kernel list_empty */
export function listIsEmpty({ next }: Links, head: number): boolean {
  return next[head] === head;
}

/** Moves all elements of `from`, in order, to the front of `to`; `from` becomes empty. @kernel list_splice_init */
export function listSplice(links: Links, to: number, from: number): void {
  const { next, prev } = links;
  const first = next[from];
  if (first === from) return;
  const last = prev[from];
  const after = next[to];
  next[to] = first;
  prev[first] = to;
  next[last] = after;
  prev[after] = last;
  listInit(links, from);
}

/** Number of elements; walks the list. */
export function listLength({ next }: Links, head: number): number {
  let count = 0;
  for (let index = next[head]; index !== head; index = next[index]) count++;
  return count;
}

/** The elements from head to tail, for snapshots and tests. */
export function listToArray({ next }: Links, head: number): number[] {
  const elements: number[] = [];
  for (let index = next[head]; index !== head; index = next[index]) elements.push(index);
  return elements;
}
