import { describe, expect, test } from 'vitest';
import type { BuddyAllocator } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { freeLists, world } from './world.ts';

// All sequences of calls up to a length over small worlds. Every allocator checks all rules of spec
// buddy 6 after every call; at the end everything is freed, and the zone must be whole again (rule 19).

type Op = (world: SmallWorld) => void;

/** An allocator and the blocks that it handed out, oldest first. */
interface SmallWorld {
  readonly buddy: BuddyAllocator;
  readonly held: { pfn: number; order: number }[];
}

function alloc(gfp: number, order: number, cpu = 0): Op {
  return ({ buddy, held }) => {
    const pfn = buddy.allocPages(gfp, order, -1, cpu);
    if (pfn === null) return;
    for (const other of held) {
      const apart = other.pfn + 2 ** other.order <= pfn || pfn + 2 ** order <= other.pfn;
      if (!apart) throw new Error(`block ${pfn} overlaps block ${other.pfn}`);
    }
    held.push({ pfn, order });
  };
}

function freeOldest(cpu = 0): Op {
  return ({ buddy, held }) => {
    const block = held.shift();
    if (block !== undefined) buddy.freePages(block.pfn, block.order, cpu);
  };
}

function freeNewest(cpu = 0): Op {
  return ({ buddy, held }) => {
    const block = held.pop();
    if (block !== undefined) buddy.freePages(block.pfn, block.order, cpu);
  };
}

/** Every sequence of `length` of the calls, as digits of a number. @returns how many there were */
function allSequences(
  ops: readonly Op[],
  length: number,
  make: () => BuddyAllocator,
  atEnd: (buddy: BuddyAllocator) => void,
): number {
  const count = ops.length ** length;
  for (let number = 0; number < count; number++) {
    const small: SmallWorld = { buddy: make(), held: [] };
    let digits = number;
    try {
      for (let i = 0; i < length; i++) {
        ops[digits % ops.length](small);
        digits = Math.floor(digits / ops.length);
      }
      for (const { pfn, order } of small.held) small.buddy.freePages(pfn, order);
      small.buddy.drainAllPages();
      atEnd(small.buddy);
    } catch (error) {
      throw new Error(`sequence ${number} of length ${length}`, { cause: error });
    }
  }
  return count;
}

/** Free pages by block, whatever list they are on. */
function blocks(buddy: BuddyAllocator): string[] {
  return freeLists(buddy)
    .flatMap((line) => {
      const [list, rest] = [line.slice(1).split(' ')[0], line.slice(line.indexOf('[') + 1, -1)];
      return rest.split(' ').map((pfn) => `${pfn}/${list}`);
    })
    .sort();
}

describe('16 pages in one block, no per-CPU lists', () => {
  const make = (): BuddyAllocator =>
    world({
      zones: [{ start: 0x10, pages: 16, free: { M4: [0x10] } }],
      pageblockOrder: 4,
      options: { checks: 'full' },
    });

  test('orders 0 to 3, freed in either order', () => {
    const ops = [
      alloc(0, 0),
      alloc(Gfp.__GFP_MOVABLE, 1),
      alloc(0, 2),
      alloc(Gfp.__GFP_RECLAIMABLE, 3),
      freeOldest(),
      freeNewest(),
    ];
    const count = allSequences(ops, 5, make, (buddy) => expect(blocks(buddy)).toEqual(['10/4']));
    expect(count).toBe(7776);
  });
});

describe('32 pages in two pageblocks, per-CPU lists of two CPUs', () => {
  const make = (): BuddyAllocator =>
    world({
      zones: [{ start: 0x20, pages: 32, watermark: [1, 2, 3], free: { M5: [0x20] } }],
      cpuNode: [0, 0],
      pageblockOrder: 4,
      batch: 2,
      high: 8,
      threshold: 2,
      options: { checks: 'full' },
    });

  test('allocated on one CPU and freed on the other', () => {
    const ops = [
      alloc(Gfp.__GFP_MOVABLE, 0, 0),
      alloc(0, 0, 1),
      alloc(Gfp.GFP_ATOMIC, 1, 1),
      alloc(Gfp.__GFP_RECLAIMABLE, 3, 0),
      freeOldest(0),
      freeNewest(1),
      ({ buddy }: SmallWorld) => buddy.drainLocalPages(1),
    ];
    const atEnd = (buddy: BuddyAllocator): void => {
      expect(blocks(buddy)).toEqual(['20/5']);
      expect([...buddy.state.pagesets.count].every((count) => count === 0)).toBe(true);
    };
    expect(allSequences(ops, 5, make, atEnd)).toBe(16807);
  });
});

describe('24 pages that run out, with reserves', () => {
  const make = (): BuddyAllocator =>
    world({
      zones: [{ start: 0x40, pages: 24, watermark: [4, 6, 8], free: { M4: [0x40], U3: [0x50] } }],
      pageblockOrder: 3,
      batch: 1,
      high: 4,
      options: { checks: 'full' },
    });

  test('with atomic, ordinary and emergency requests', () => {
    const ops = [
      alloc(Gfp.GFP_ATOMIC, 3),
      alloc(Gfp.GFP_NOWAIT | Gfp.__GFP_MOVABLE, 2),
      alloc(Gfp.GFP_NOWAIT | Gfp.__GFP_MEMALLOC, 1),
      alloc(Gfp.GFP_ATOMIC | Gfp.__GFP_RECLAIMABLE, 0),
      freeOldest(),
      ({ buddy }: SmallWorld) => buddy.drainAllPages(),
    ];
    const whole = (buddy: BuddyAllocator): void => {
      let pages = 0;
      for (const block of blocks(buddy)) pages += 2 ** Number(block.split('/')[1]);
      expect(pages).toBe(24);
    };
    expect(allSequences(ops, 5, make, whole)).toBe(7776);
  });
});
