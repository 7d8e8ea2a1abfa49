// covers: src/memory/array-buffer.ts src/memory/sparse.ts src/memory/none.ts
import { describe, expect, test } from 'vitest';
import { ContractError, physicalMemoryContract } from '../../src/memory/contract.ts';
import {
  arrayBufferMemory,
  noMemory,
  type PhysicalMemory,
  sparseMemory,
} from '../../src/memory/index.ts';

/** What the type library for Node leaves out. */
declare const WebAssembly: {
  Memory: new (descriptor: { initial: number }) => { readonly buffer: ArrayBuffer };
};

/** One page of WebAssembly is what the contract asks for. */
function wasmMemory(sizeBytes: number): PhysicalMemory {
  const { buffer } = new WebAssembly.Memory({ initial: 1 });
  expect(buffer.byteLength).toBe(sizeBytes);
  return arrayBufferMemory(buffer);
}

const backends: [string, (sizeBytes: number) => PhysicalMemory][] = [
  ['ArrayBuffer', (size) => arrayBufferMemory(new ArrayBuffer(size))],
  ['SharedArrayBuffer', (size) => arrayBufferMemory(new SharedArrayBuffer(size))],
  ['WebAssembly.Memory', wasmMemory],
  ['sparse', sparseMemory],
  ['none', noMemory],
];

describe.each(backends)('contract of %s', (_, make) => {
  test.each(physicalMemoryContract(make))('$name', ({ run }) => run());
});

/** A memory that works, but for what `spoil` replaces. */
function spoilt(
  spoil: (right: PhysicalMemory, bytes: Uint8Array) => Partial<PhysicalMemory>,
): (sizeBytes: number) => PhysicalMemory {
  return (sizeBytes) => {
    const buffer = new ArrayBuffer(sizeBytes);
    const right = arrayBufferMemory(buffer);
    return {
      sizeBytes,
      readU8: (addr) => right.readU8(addr),
      writeU8: (addr, value) => right.writeU8(addr, value),
      readU32: (addr) => right.readU32(addr),
      writeU32: (addr, value) => right.writeU32(addr, value),
      fill: (addr, length, byte) => right.fill(addr, length, byte),
      copy: (to, from, length) => right.copy(to, from, length),
      ...spoil(right, new Uint8Array(buffer)),
    };
  };
}

const shared = new ArrayBuffer(65536);

const defects: [string, (sizeBytes: number) => PhysicalMemory][] = [
  ['a wrong size', spoilt((right) => ({ sizeBytes: right.sizeBytes + 4096 }))],
  [
    'rubbish at the start',
    spoilt((_, bytes) => {
      bytes[100] = 1;
      return {};
    }),
  ],
  ['signed words', spoilt((right) => ({ readU32: (addr) => right.readU32(addr) | 0 }))],
  [
    'big-endian words',
    spoilt((_, bytes) => ({
      readU32: (addr) => new DataView(bytes.buffer).getUint32(addr, false),
      writeU32: (addr, value) => new DataView(bytes.buffer).setUint32(addr, value, false),
    })),
  ],
  [
    'a fill of one byte too many',
    spoilt((_, b) => ({ fill: (a, n, v) => void b.fill(v, a, a + n + 1) })),
  ],
  [
    'a copy that always starts at the lowest byte',
    spoilt((right) => ({
      copy: (to, from, n) => {
        for (let i = 0; i < n; i++) right.writeU8(to + i, right.readU8(from + i));
      },
    })),
  ],
  ['reads beyond the end', spoilt((_, bytes) => ({ readU8: (addr) => bytes[addr] ?? 0 }))],
  ['fills cut at the end', spoilt((_, b) => ({ fill: (a, n, v) => void b.fill(v, a, a + n) }))],
  ['one buffer for all', () => arrayBufferMemory(shared)],
  ['content although contentless', spoilt(() => ({ contentless: true }))],
  ['words of another content', spoilt(() => ({ words: new Uint32Array(16384) }))],
  ['too few words', spoilt((right) => ({ words: right.words?.subarray(1) }))],
];

test.each(defects)('the contract notices %s', (_, make) => {
  const broken = physicalMemoryContract(make).filter(({ run }) => {
    try {
      run();
    } catch (error) {
      expect(error).toBeInstanceOf(ContractError);
      return true;
    }
    return false;
  });
  expect(broken.length).toBeGreaterThan(0);
});
