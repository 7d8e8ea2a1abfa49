/**
 * kmalloc as the `malloc` of a WebAssembly module, over the module's own memory.
 *
 * The module keeps a linked list. It has no allocator: it imports `malloc` and `free`. The page
 * allocator hands out 4 KiB frames of the WebAssembly.Memory, SLUB cuts them into objects, and what
 * SLUB writes into free objects is written into that same memory.
 */
import { createBuddy } from 'pageframe/buddy';
import { arrayBufferMemory } from 'pageframe/memory';
import { SlubAllocator } from 'pageframe/slub';

/**
 * The module, as bytes. In text:
 *
 *     (module
 *       (import "env" "memory" (memory 1))
 *       (import "env" "malloc" (func $malloc (param i32) (result i32)))
 *       (import "env" "free" (func $free (param i32)))
 *       (global $head (mut i32) (i32.const 0))
 *       (func (export "push") (param $value i32) (result i32) (local $node i32)
 *         (if (i32.eqz (local.tee $node (call $malloc (i32.const 8)))) (then (return (i32.const 0))))
 *         (i32.store (local.get $node) (local.get $value))
 *         (i32.store offset=4 (local.get $node) (global.get $head))
 *         (global.set $head (local.get $node))
 *         (i32.const 1))
 *       (func (export "sum") (result i32) (local $node i32) (local $total i32) ...)
 *       (func (export "clear") (local $next i32) ...))
 */
export const LIST_MODULE: Uint8Array<ArrayBuffer> = Uint8Array.from(
  [
    '00 61 73 6d 01 00 00 00', // "\0asm", version 1
    // types: (i32) -> i32, (i32) -> (), () -> i32, () -> ()
    '01 11 04 60 01 7f 01 7f 60 01 7f 00 60 00 01 7f 60 00 00',
    // imports: env.memory of at least 1 page, env.malloc of type 0, env.free of type 1
    '02 27 03 03 65 6e 76 06 6d 65 6d 6f 72 79 02 00 01',
    '03 65 6e 76 06 6d 61 6c 6c 6f 63 00 00 03 65 6e 76 04 66 72 65 65 00 01',
    '03 04 03 00 02 03', // functions 2, 3, 4 have types 0, 2, 3
    '06 06 01 7f 01 41 00 0b', // global 0: mutable i32, 0
    '07 16 03 04 70 75 73 68 00 02 03 73 75 6d 00 03 05 63 6c 65 61 72 00 04', // push, sum, clear
    '0a 71 03', // code of three functions
    // push: node = malloc(8); if node is 0 return 0
    '25 01 01 7f 41 08 10 00 22 01 45 04 40 41 00 0f 0b',
    // node[0] = value; node[4] = head; head = node; return 1
    '20 01 20 00 36 02 00 20 01 23 00 36 02 04 20 01 24 00 41 01 0b',
    // sum: node = head; while node is not 0
    '28 01 02 7f 23 00 21 00 02 40 03 40 20 00 45 0d 01',
    // total += node[0]; node = node[4]; and so on; return total
    '20 01 20 00 28 02 00 6a 21 01 20 00 28 02 04 21 00 0c 00 0b 0b 20 01 0b',
    // clear: while head is not 0: next = head[4]; free(head); head = next
    '20 01 01 7f 02 40 03 40 23 00 45 0d 01 23 00 28 02 04 21 00',
    '23 00 10 01 20 00 24 00 0c 00 0b 0b 0b',
  ]
    .join(' ')
    .split(' ')
    .map((byte) => Number.parseInt(byte, 16)),
);

/** The little of the WebAssembly interface that is used here: without the DOM, its types are not there. */
declare const WebAssembly: {
  readonly Memory: new (descriptor: { initial: number; maximum: number }) => WasmMemory;
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object, imports: object) => { readonly exports: object };
};

/** A WebAssembly.Memory. */
interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

/** What the module exports. */
interface ListModule {
  /** Puts a value in front of the list; 0 when there is no memory. */
  push(value: number): number;
  /** Sum of all values. */
  sum(): number;
  /** Empties the list. */
  clear(): void;
}

const WASM_PAGE = 65536;
/** The first 64 KiB stay with the module, for a stack and static data that this one does not have. */
const FIRST_PFN = WASM_PAGE / 4096;

/** An instance of the module on a memory of `wasmPages` pages, and the allocator that serves it. */
export function listOverSlub(wasmPages: number): {
  list: ListModule;
  slub: SlubAllocator;
  memory: WasmMemory;
} {
  const memory = new WebAssembly.Memory({ initial: wasmPages, maximum: wasmPages });
  const pages = (wasmPages * WASM_PAGE) / 4096 - FIRST_PFN;
  const buddy = createBuddy({ zones: [{ startPfn: FIRST_PFN, pages }], minFreeKbytes: 0 });
  const slub = new SlubAllocator({
    source: buddy.pageSource(),
    memory: arrayBufferMemory(memory.buffer),
    boot: 'bare',
  });
  const env = {
    memory,
    malloc: (bytes: number) => slub.kmalloc(bytes) ?? 0,
    free: (address: number) => slub.kfree(address),
  };
  const instance = new WebAssembly.Instance(new WebAssembly.Module(LIST_MODULE), { env });
  return { list: instance.exports as ListModule, slub, memory };
}

const { list, slub, memory } = listOverSlub(4);
for (let value = 1; value <= 1000; value++) list.push(value);
console.log(`sum of 1 to 1000: ${list.sum()}`);

const used = (): string[] =>
  slub
    .slabinfo()
    .split('\n')
    .filter((line) => /^kmalloc-8 /.test(line));
console.log(used()[0]);

const last = slub.kmalloc(8) ?? 0;
const node = new DataView(memory.buffer);
console.log(`node of 1000 holds ${node.getUint32(last - 8, true)}`);
console.log(`its neighbour is in ${slub.locate(last)?.cache}, object ${slub.locate(last)?.index}`);
slub.kfree(last);

list.clear();
console.log(`after clear: ${list.sum()}`);
slub.cache('kmalloc-8')?.shrink();
console.log(used()[0]);

let pushed = 0;
while (list.push(1) === 1) pushed++;
console.log(`192 KiB hold ${pushed} nodes of 8 bytes`);
