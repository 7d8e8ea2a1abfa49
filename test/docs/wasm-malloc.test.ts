import { beforeAll, expect, test, vi } from 'vitest';
import type * as Example from '../../docs/examples/wasm-malloc.ts';

let example: typeof Example;

beforeAll(async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  example = await import('../../docs/examples/wasm-malloc.ts');
  log.mockRestore();
});

/** Reads the sections of a module: number and content of each. */
function sections(bytes: Uint8Array): [number, Uint8Array][] {
  expect([...bytes.subarray(0, 8)]).toEqual([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const found: [number, Uint8Array][] = [];
  for (let at = 8; at < bytes.length; ) {
    const [id, length] = bytes.subarray(at, at + 2);
    found.push([id, bytes.subarray(at + 2, at + 2 + length)]);
    at += 2 + length;
  }
  return found;
}

test('the bytes are the sections that the comments name', () => {
  const found = sections(example.LIST_MODULE);
  // types, imports, functions, globals, exports, code
  expect(found.map(([id]) => id)).toEqual([1, 2, 3, 6, 7, 10]);
  expect(found.map(([, content]) => content[0])).toEqual([4, 3, 3, 1, 3, 3]);
  const text = (content: Uint8Array): string =>
    String.fromCharCode(...content).replaceAll(/[^a-z]+/g, ' ');
  expect(text(found[1][1])).toContain('env memory');
  expect(text(found[1][1])).toContain('env malloc');
  expect(text(found[4][1])).toBe(' push sum clear ');
});

test('a list of a real module lives in objects of SLUB', () => {
  const { list, slub, memory } = example.listOverSlub(4);
  for (const value of [10, 20, 30]) expect(list.push(value)).toBe(1);
  expect(list.sum()).toBe(60);
  const cache = slub.cache('kmalloc-8');
  expect(cache?.stats().totalObjects).toBe(512);
  // The nodes are in the module's memory: value, then the address of the node before it.
  const words = new Uint32Array(memory.buffer);
  const first = words.indexOf(10) * 4;
  expect(slub.locate(first)).toMatchObject({ cache: 'kmalloc-8', index: 0, inUse: true });
  expect([words[first / 4], words[first / 4 + 1]]).toEqual([10, 0]);
  expect([words[first / 4 + 2], words[first / 4 + 3]]).toEqual([20, first]);
  list.clear();
  expect(list.sum()).toBe(0);
  expect(slub.locate(first)).toMatchObject({ inUse: false });
  expect(cache?.shrink()).toBe(false);
});

test('the module is told when there is no memory, and goes on after clear', () => {
  const { list, slub } = example.listOverSlub(2);
  let pushed = 0;
  while (list.push(1) === 1) pushed++;
  expect(pushed).toBeGreaterThan(14 * 512 - 1);
  expect(list.sum()).toBe(pushed);
  list.clear();
  slub.assertInvariants();
  // Pages on the CPU's list of the page allocator do not count as free, so not all come back.
  const again = Math.floor(pushed / 2);
  for (let i = 0; i < again; i++) expect(list.push(2)).toBe(1);
  expect(list.sum()).toBe(2 * again);
});

test('a free pointer that the module overwrote is noticed', () => {
  const { list, slub, memory } = example.listOverSlub(2);
  list.push(1);
  list.push(2);
  const words = new Uint32Array(memory.buffer);
  const second = words.indexOf(2) * 4;
  slub.kfree(second);
  // The list still has the node that was freed behind its back: writing to it hits the pointer.
  words[second / 4] = 0x41414141;
  expect(() => list.push(3)).toThrow(expect.objectContaining({ code: 'FREELIST_CORRUPT' }));
});
