// covers: src/slab/dump-object.ts src/slab/debug-layout.ts src/slab/debug-report.ts src/slab/oom-report.ts
import { describe, expect, test } from 'vitest';
import { noMemory } from '../../src/memory/none.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { SlabFlag } from '../../src/mm/slab-flags.ts';
import type { SlabCache } from '../../src/slab/cache.ts';
import { redzone1Address, redzone2Address } from '../../src/slab/debug-layout.ts';
import type { SlabOptions } from '../../src/slab/types.ts';
import { made, type TestSlab, take, testSlab } from './support.ts';

const RED_INACTIVE = '5b e3 74 9d 02 11 f9 09';
const RED_ACTIVE = 'c0 88 56 63 c5 56 41 d8';

function debugSlab(options: Partial<SlabOptions> = {}): TestSlab & { lines: string[] } {
  const lines: string[] = [];
  const set = testSlab({ config: { debug: true }, log: (line) => lines.push(line), ...options });
  return { ...set, lines };
}

function bytes(set: TestSlab, from: number, length: number): string {
  return Array.from({ length }, (_, i) =>
    set.memory
      .readU8(from + i)
      .toString(16)
      .padStart(2, '0'),
  ).join(' ');
}

function virtual(address: number): string {
  return (0xffff888000000000n + BigInt(address)).toString(16);
}

describe('the slot of spec slab 7.8', () => {
  test('holds red zones, the object and its last user', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 100 }));
    expect(cache.geometry()).toMatchObject({ size: 128, num: 32, limit: 32, batchcount: 16 });
    set.slab.callSite = { address: 0xffffffff81234567n, symbolOf: () => 'demo+0x1/0x2' };
    const address = cache.alloc() as number;
    const slot = address - 8;
    expect(slot % 128).toBe(0);
    expect(bytes(set, slot, 8)).toBe(RED_ACTIVE);
    expect(bytes(set, address, 100)).toBe(`${'5a '.repeat(99)}a5`);
    expect(bytes(set, slot + 112, 8)).toBe(RED_ACTIVE);
    expect(bytes(set, slot + 120, 8)).toBe('67 45 23 81 ff ff ff ff');
    cache.free(address);
    expect(bytes(set, slot, 8)).toBe(RED_INACTIVE);
    expect(bytes(set, address, 100)).toBe(`${'6b '.repeat(99)}a5`);
    expect(bytes(set, slot + 112, 8)).toBe(RED_INACTIVE);
    expect(set.lines).toEqual([]);
  });

  test('of an object of one byte is only the end mark', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 1, align: 16 }));
    const address = cache.alloc() as number;
    expect(bytes(set, address, 1)).toBe('a5');
  });

  test('has a new slab prepared, with no user', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 100 }));
    cache.alloc();
    expect(bytes(set, 0x1000, 8)).toBe(RED_INACTIVE);
    expect(bytes(set, 0x1000 + 120, 8)).toBe('00 00 00 00 00 00 00 00');
    // The last object is the host of the index array.
    expect(bytes(set, 0x1000 + 31 * 128 + 8, 4)).toBe('00 01 02 03');
  });

  test('keeps no second red zone word without a last user', () => {
    const { slab } = debugSlab();
    const cache = made(slab.createCache('demo', { size: 100 })) as SlabCache;
    expect(redzone2Address(cache, 256) - redzone1Address(cache, 256)).toBe(112);
    cache.flags &= ~SlabFlag.SLAB_STORE_USER;
    expect(redzone2Address(cache, 256) - redzone1Address(cache, 256)).toBe(120);
  });
});

test('a full slab poisons the host of its index array again', () => {
  const set = debugSlab();
  const cache = made(set.slab.createCache('demo', { size: 1024, align: 64 }));
  const objects = take(cache, 4);
  for (const address of objects) cache.free(address);
  cache.shrink();
  const again = take(cache, 4);
  expect(again).toEqual(objects);
  expect(set.lines).toEqual([]);
  // All four were found poisoned when they were handed out, although one had held indexes.
  for (const address of again) expect(bytes(set, address, 4)).toBe('5a 5a 5a 5a');
});

test('so does one whose last object is taken past the arrays, as a reserve (spec slab 4.24)', () => {
  const set = debugSlab();
  set.slab.memallocSocks = true;
  const cache = made(set.slab.createCache('demo', { size: 1024, align: 16 }));
  const objects = take(cache, 4);
  const flags = set.slab.state.map.flags;
  const pfn = Math.floor(objects[0] / 4096);
  flags[pfn] |= PageFlag.PG_active;
  // The array is bypassed on both ways: the freed object becomes the host, and is taken again.
  cache.free(objects[1]);
  set.slab.state.task.pfMemalloc = true;
  expect(cache.alloc()).toBe(objects[1]);
  expect(bytes(set, objects[1], 8)).toBe('5a 5a 5a 5a 5a 5a 5a 5a');
  expect(set.lines).toEqual([]);
});

test('a bulk call that cannot get all is no double free', () => {
  const set = debugSlab();
  const cache = made(set.slab.createCache('demo', { size: 100 }));
  set.pages.budget = 1;
  const slots = new Array<number>(40).fill(-1);
  expect(cache.allocBulk(Gfp.GFP_KERNEL, slots)).toBe(0);
  expect(set.lines.filter((line) => !/Unable to allocate|^ {2}/.test(line))).toEqual([]);
  expect(take(cache, 32)).toHaveLength(32);
});

describe('reports (spec slab 5.4)', () => {
  test('a write to a freed object', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    set.slab.callSite = { address: 0x10n, symbolOf: (at) => `caller_${at}` };
    const [address] = take(cache, 1);
    cache.free(address);
    set.memory.writeU8(address + 3, 0x00);
    set.memory.writeU8(address + 4, 0x41);
    set.memory.writeU8(address + 20, 0x6a);
    expect(cache.alloc()).toBe(address);
    const at = virtual(address);
    const poison16 = '6b '.repeat(16).trim();
    expect(set.lines.slice(0, 7)).toEqual([
      `Slab corruption (Not tainted): demo start=${at}, len=40`,
      'Redzone: 0x9f911029d74e35b/0x9f911029d74e35b',
      'Last user: (caller_16)',
      `000: 6b 6b 6b 00 41 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkk.Akkkkkkkkkkk`,
      `010: 6b 6b 6b 6b 6a 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b 6b  kkkkjkkkkkkkkkkk`,
      'Single bit error detected. Probably bad RAM.',
      'Run memtest86+ or a similar memory test tool.',
    ]);
    expect(set.lines[7]).toBe(`Prev obj: start=${virtual(address - cache.size)}, len=40`);
    expect(set.lines).toContain(`Next obj: start=${virtual(address + cache.size)}, len=40`);
    expect(set.lines).toContain(`000: ${poison16}  ${'k'.repeat(16)}`);
  });

  test('stops after six lines, and looks past the first byte of the next', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 200 }));
    const [address] = take(cache, 1);
    cache.free(address);
    set.memory.fill(address, 200, 0x11);
    cache.alloc();
    const end = set.lines.findIndex((line) => line.startsWith('Prev'));
    expect(set.lines.slice(3, end).map((line) => line.slice(0, 3))).toEqual([
      '000',
      '010',
      '020',
      '030',
      '040',
      '050',
    ]);
    const other = debugSlab();
    const second = made(other.slab.createCache('demo', { size: 200 }));
    const [at] = take(second, 1);
    second.free(at);
    // Byte 16 is not looked at after a damaged line at 0, and the last byte must be 0xa5.
    for (const offset of [0, 16, 199]) other.memory.writeU8(at + offset, 0x6c);
    second.alloc();
    const shown = other.lines.slice(
      3,
      other.lines.findIndex((line) => line.startsWith('Prev')),
    );
    expect(shown.map((line) => line.slice(0, 3))).toEqual(['000', '0c0']);
  });

  test('the end mark is the only byte of its line that may differ', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    const [address] = take(cache, 1);
    cache.free(address);
    set.memory.writeU8(address + 39, 0x6b);
    cache.alloc();
    expect(set.lines[3]).toBe(`020: ${'6b '.repeat(8).trim().padEnd(49)}kkkkkkkk`);
  });

  test('a write past the end of a used object', () => {
    const set = debugSlab({ stackDump: () => ['Call Trace:'], taint: 0x200 });
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    const [address] = take(cache, 1);
    set.memory.writeU8(redzone2Address(cache, 256 + 15), 0x12);
    cache.free(address);
    expect(set.lines).toEqual([
      "slab error in verify_redzone_free(): cache `demo': memory outside object was overwritten",
      'Call Trace:',
      'Disabling lock debugging due to kernel taint',
      `${virtual(address - 8)}: redzone 1:0xd84156c5635688c0, redzone 2:0xd84156c563568812`,
    ]);
    expect(set.slab.taint).toBe(0x220);
    set.memory.writeU8(address, 1);
    set.lines.length = 0;
    cache.alloc();
    expect(set.lines[0]).toMatch(/^Slab corruption \(Tainted: G {4}B {3}W {9}\): demo start=/);
  });

  test('a double free, which is refused after the report', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    const [address] = take(cache, 1);
    cache.free(address);
    expect(() => cache.free(address)).toThrow(expect.objectContaining({ code: 'DOUBLE_FREE' }));
    expect(set.lines[0]).toBe(
      "slab error in verify_redzone_free(): cache `demo': double free detected",
    );
  });

  test('red zones of a free object that were overwritten', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    const [address] = take(cache, 1);
    cache.free(address);
    set.memory.writeU8(address - 1, 0);
    expect(cache.alloc()).toBe(address);
    expect(set.lines[0]).toBe(
      "slab error in cache_alloc_debugcheck_after(): cache `demo': " +
        'double free, or memory outside object was overwritten',
    );
    expect(bytes(set, address - 8, 8)).toBe(RED_ACTIVE);
  });

  test('what was overwritten shows at the latest when the slab goes', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 40 }));
    const [address] = take(cache, 1);
    cache.free(address);
    set.memory.writeU8(address - 8, 0);
    set.memory.writeU8(redzone2Address(cache, 256 + 15), 0);
    set.memory.writeU8(address, 0);
    cache.shrink();
    expect(
      set.lines.filter((line) => !/^([0-9a-f]{3}:|Redzone|Last|Prev|Next|Dis)/.test(line)),
    ).toEqual([
      `Slab corruption (Not tainted): demo start=${virtual(address)}, len=40`,
      "slab error in slab_destroy_debugcheck(): cache `demo': start of a freed object was overwritten",
      "slab error in slab_destroy_debugcheck(): cache `demo': end of a freed object was overwritten",
    ]);
  });

  test('an index that is in the free part already stops the kernel', () => {
    const set = debugSlab({ checks: 'basic' });
    const cache = made(set.slab.createCache('demo', { size: 1024, align: 64 }));
    cache.tune({ limit: 1, batchcount: 1, shared: 0 });
    const objects = take(cache, 2);
    const host = cache.slabs.freelist[1];
    // Position 2 is the next one; let it name the object that comes back.
    set.memory.writeU8(host + 2, 0);
    cache.free(objects[0]);
    expect(() => cache.free(objects[1])).toThrow(
      expect.objectContaining({ code: 'FREELIST_CORRUPT' }),
    );
    expect(set.lines.at(-1)).toBe(
      `slab: double free detected in cache 'demo', objp ${virtual(objects[0])}`,
    );
  });

  test('an address outside of memory', () => {
    const set = debugSlab();
    expect(() => set.slab.kfree(0x1000 * 4096)).toThrow(
      expect.objectContaining({ code: 'FOREIGN_POINTER' }),
    );
    expect(set.lines).toEqual([`kfree_debugcheck: out of range ptr ${virtual(0x1000 * 4096)}h`]);
  });

  test('an object that is not aligned', () => {
    const set = debugSlab({ checks: 'basic' });
    const cache = made(set.slab.createCache('demo', { size: 40 })) as SlabCache;
    cache.alloc();
    cache.slabs.sMem[1] += 4;
    const address = cache.alloc() as number;
    expect(set.lines).toContain(`0x${virtual(address)}: not aligned to arch_slab_minalign()=8`);
  });
});

describe('constructors in debug builds', () => {
  test('run at every allocation of a poisoned object', () => {
    const set = debugSlab();
    const seen: number[] = [];
    const cache = made(set.slab.createCache('demo', { size: 40, ctor: (at) => seen.push(at) }));
    const [address] = take(cache, 1);
    cache.free(address);
    take(cache, 1);
    expect(seen).toEqual([address, address]);
  });

  test('run when the slab is made if objects are not poisoned, and are watched', () => {
    const set = debugSlab();
    const ctor = (at: number): void => {
      set.memory.writeU8(at - 1, 0);
      set.memory.writeU8(at + 40, 0);
    };
    const flags = SlabFlag.SLAB_TYPESAFE_BY_RCU;
    const cache = made(set.slab.createCache('demo', { size: 40, flags, ctor }));
    cache.alloc();
    expect(set.lines[0]).toBe(
      "slab error in cache_init_objs_debug(): cache `demo': constructor overwrote the end of an object",
    );
    expect(set.lines).toContain(
      "slab error in cache_init_objs_debug(): cache `demo': constructor overwrote the start of an object",
    );
  });
});

test('without content nothing is checked, and the results are the same', () => {
  const withContent = debugSlab();
  const without = debugSlab({ memory: noMemory(0x1000 * 4096) });
  const run = ({ slab }: TestSlab): number[] => {
    const cache = made(slab.createCache('demo', { size: 100 }));
    const rcu = made(
      slab.createCache('rcu', { size: 90, flags: SlabFlag.SLAB_TYPESAFE_BY_RCU, ctor: () => 0 }),
    );
    const objects = [...take(cache, 50), ...take(rcu, 20)];
    for (const address of objects) slab.kfree(address);
    cache.shrink();
    return [...objects, ...take(cache, 40)];
  };
  expect(run(without)).toEqual(run(withContent));
});

describe('want of memory', () => {
  test('is reported at most ten times in five seconds, and never for exact attempts', () => {
    let now = 0;
    const set = debugSlab({ jiffies: () => now });
    const cache = made(set.slab.createCache('demo', { size: 100 }));
    take(cache, 1);
    set.pages.budget = 0;
    take(cache, 31);
    expect(cache.alloc()).toBeNull();
    expect(set.lines).toEqual([
      'SLAB: Unable to allocate memory on node 0, gfp=0xcc0(GFP_KERNEL)',
      '  cache: demo, object size: 128, order: 0',
      '  node 0: slabs: 1/1, objs: 32/32',
    ]);
    for (let i = 0; i < 20; i++) cache.alloc();
    expect(set.lines).toHaveLength(30);
    now = 501;
    cache.alloc();
    expect(set.lines).toHaveLength(33);
    cache.alloc(Gfp.GFP_KERNEL | Gfp.__GFP_NOWARN);
    expect(set.lines).toHaveLength(33);
  });

  test('is not reported without DEBUG_SLAB', () => {
    const lines: string[] = [];
    const { slab, pages } = testSlab({ log: (line) => lines.push(line) });
    const cache = made(slab.createCache('demo', { size: 100 }));
    pages.budget = 0;
    expect(cache.alloc()).toBeNull();
    expect(lines).toEqual([]);
  });
});

describe('the description of an address (spec slab 5.5)', () => {
  test('names slot, offsets and last user', () => {
    const set = debugSlab();
    const cache = made(set.slab.createCache('demo', { size: 100 }));
    set.slab.callSite = { address: 7n, symbolOf: (at) => `caller_${at}` };
    const address = cache.alloc() as number;
    const slot = virtual(address - 8);
    expect(set.slab.dumpObject(address + 4)).toBe(
      ` slab demo start ${slot} data offset 8 pointer offset 4 allocated at caller_7`,
    );
    const fresh = set.slab.dumpObject(address + cache.size) ?? '';
    expect(fresh.endsWith('data offset 8 pointer offset 0')).toBe(true);
    expect(set.slab.dumpObject(address - 8)).toContain('pointer offset');
  });

  test('is short without debug words, and null outside of slabs', () => {
    const { slab } = testSlab();
    const block = slab.kmalloc(100) as number;
    expect(slab.dumpObject(block + 1)).toBe(
      ` slab kmalloc-128 start ${virtual(block)} pointer offset 1 size 128`,
    );
    expect(slab.dumpObject(0x700000)).toBeNull();
    expect(slab.dumpObject(100)).toBeNull();
  });
});
