import { describe, expect, test } from 'vitest';
import { seededRandom } from '../../src/lib/random.ts';
import { sparseMemory } from '../../src/memory/sparse.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { bootOf, bootTwoNodes, problems } from './support.ts';

describe.each(['slub', 'slab'] as const)('%s of a machine', (slab) => {
  test('has the nodes and CPUs of the machine', () => {
    const machine = bootTwoNodes(32, { slab, cpus: 4 });
    const cache = machine.slab.createCache('demo', { size: 256 });
    for (const node of [0, 1]) {
      const address = cache?.allocNode(Gfp.GFP_KERNEL, node, 3) ?? 0;
      expect(machine.slab.locate(address)?.node).toBe(node);
    }
    expect(() => cache?.alloc(Gfp.GFP_KERNEL, 4)).toThrow();
    expect(problems(machine)).toEqual([]);
  });

  test('writes into the memory of the machine', () => {
    const memory = sparseMemory(64 * 2 ** 20);
    const machine = bootOf(32, { slab, memory });
    const address = machine.kmalloc(64, Gfp.GFP_KERNEL | Gfp.__GFP_ZERO) ?? 0;
    memory.writeU32(address, 0xdeadbeef);
    const moved = machine.slab.krealloc(address, 4000) ?? 0;
    expect(moved).not.toBe(address);
    expect(memory.readU32(moved)).toBe(0xdeadbeef);
    expect(machine.memory).toBe(memory);
    machine.kfree(moved);
    machine.kfree(null);
    expect(problems(machine)).toEqual([]);
  });

  test('takes the random numbers of the machine', () => {
    const machine = bootOf(32, { slab, random: seededRandom(5) });
    expect(machine.kmalloc(32)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });

  test('checks itself after every call when the machine does', () => {
    const machine = bootOf(32, { slab, checks: 'full' });
    const address = machine.kmalloc(32);
    machine.kfree(address);
    expect(() => machine.kfree(address)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
    machine.assertInvariants();
  });
});

test('SLUB logs into the log of the machine, and reads its clock', () => {
  const lines: string[] = [];
  const machine = bootOf(32, { slab: 'slub', log: ({ text }) => lines.push(text) });
  const cache = machine.slab.createCache('demo', { size: 2000 });
  const untilFailure = (): void => {
    for (;;) if (cache?.alloc(Gfp.GFP_NOWAIT) === null) return;
  };
  const complaints = (): number =>
    lines.filter((line) => line.startsWith('SLUB: Unable to allocate')).length;
  for (let i = 0; i < 20; i++) untilFailure();
  expect(complaints()).toBe(10);
  machine.tick(10 * machine.model.hz);
  untilFailure();
  expect(complaints()).toBe(11);
  expect(lines).toEqual(machine.dmesg(7));
});
