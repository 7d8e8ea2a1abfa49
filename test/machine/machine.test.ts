// covers: src/machine/machine.ts src/machine/join.ts
import { describe, expect, test } from 'vitest';
import type { BootOptions } from '../../src/boot/types.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import type { TraceSink } from '../../src/mm/trace.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { kernelStateOf } from '../../src/recording/state-compare.ts';
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import { bootOf, bootTwoNodes, problems, takeAll } from './support.ts';

const NOWARN = Gfp.__GFP_NOWARN;

describe('boot', () => {
  test('attaching the rest changes nothing that boot left behind', () => {
    const full = bootTwoNodes(64);
    const short = bootTwoNodes(64, { slowPath: 'short', slab: null });
    expect(kernelStateOf(full.model)).toEqual(kernelStateOf(short.model));
    expect(full.model.vmstat.snapshot()).toEqual(short.model.vmstat.snapshot());
    expect(full.dmesg()).toEqual(short.dmesg());
    expect(full.owners().pages).toEqual(short.owners().pages);
    expect(problems(full)).toEqual([]);
  });

  test.each(['slub', 'slab'] as const)('%s boots at once when it is named', (slab) => {
    const machine = bootOf(32, { slab });
    expect(machine.owners().pages.slab).toBeGreaterThan(0);
    expect(machine.slab).toBeInstanceOf(slab === 'slub' ? SlubAllocator : SlabAllocator);
    expect(machine.slab).toBe(machine.slab);
    expect(problems(machine)).toEqual([]);
  });

  test('the object allocator boots at its first use when it is not', () => {
    const machine = bootOf(32);
    expect(machine.owners().pages.slab).toBe(0);
    const address = machine.kmalloc(100);
    expect(machine.slab).toBeInstanceOf(SlubAllocator);
    expect(machine.owners().pages.slab).toBeGreaterThan(0);
    machine.kfree(address);
    expect(problems(machine)).toEqual([]);
  });

  test('parts that were left out say so', () => {
    const machine = bootOf(32, { slowPath: 'short', slab: null });
    const parts = ['reclaim', 'pageCache', 'slowPath', 'processes', 'slab'] as const;
    for (const part of parts) {
      expect(() => machine[part]).toThrow(expect.objectContaining({ code: 'LEFT_OUT' }));
    }
    expect(() => machine.runKswapd(0)).toThrow(expect.objectContaining({ code: 'LEFT_OUT' }));
    machine.tick(250);
    expect(machine.jiffies).toBe(250);
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });

  test('a machine that stopped at the release has none of them', () => {
    const machine = bootOf(32, { until: 'release', slab: 'slub' });
    expect(() => machine.slab).toThrow(expect.objectContaining({ code: 'LEFT_OUT' }));
    expect(() => machine.reclaim).toThrow(expect.objectContaining({ code: 'LEFT_OUT' }));
  });

  test('the command line reaches the object allocator', () => {
    const plain = bootOf(32).slab.createCache('a', { size: 64 });
    const debug = bootOf(32, { cmdline: 'slub_debug=Z' }).slab.createCache('a', { size: 64 });
    expect(debug?.size).toBeGreaterThan(plain?.size ?? 0);
  });
});

describe('contexts', () => {
  test('a request that may wait reclaims, one that may not fails', () => {
    const machine = bootOf(32);
    const file = machine.pageCache.createFile();
    for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
      machine.pageCache.read(file, i);
    }
    takeAll(machine);
    expect(machine.allocPages(Gfp.GFP_NOWAIT | NOWARN, 0)).toBeNull();
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(vmEvent(machine.model.vmstat, VmEvent.pgsteal_direct)).toBeGreaterThan(0);
    expect(problems(machine)).toEqual([]);
  });

  test('an interrupt reaches deeper into the reserves than a task that cannot wait', () => {
    const machine = bootOf(32);
    takeAll(machine);
    const inInterrupt = machine.allocPages(Gfp.GFP_ATOMIC | NOWARN, 0);
    expect(inInterrupt).not.toBeNull();
    machine.task.pfMemalloc = true;
    expect(machine.allocPages(Gfp.GFP_NOWAIT | NOWARN, 0)).not.toBeNull();
  });

  test('any CPU may ask, and gets memory of its node', () => {
    const machine = bootTwoNodes(32);
    for (const cpu of [0, 1]) {
      const pfn = machine.allocPages(Gfp.GFP_KERNEL, 0, -1, cpu) ?? -1;
      expect((machine.model.map.zone[pfn] - 1) >> 2).toBe(cpu);
      machine.freePages(pfn, 0, 1 - cpu);
    }
    expect(machine.owners().pages.caller).toBe(0);
  });
});

describe('time', () => {
  test('tick runs the kswapd that a request woke', () => {
    const machine = bootOf(32);
    const file = machine.pageCache.createFile();
    for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
      machine.pageCache.read(file, i);
    }
    machine.tick(1);
    expect(machine.reclaim.kswapdState(0)).toBe('short-sleep');
    expect(vmEvent(machine.model.vmstat, VmEvent.pgsteal_kswapd)).toBeGreaterThan(0);
    machine.tick(11);
    expect(machine.reclaim.kswapdState(0)).toBe('long-sleep');
    expect(machine.jiffies).toBe(12);
  });

  test('a host with a scheduler runs kswapd itself', () => {
    const machine = bootOf(32);
    const file = machine.pageCache.createFile();
    for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
      machine.pageCache.read(file, i);
    }
    expect(machine.runKswapd(0)).toBe('short-sleep');
    expect(machine.slowPath.kcompactdState(0)).toBe('asleep');
    machine.slowPath.compactionProactiveness = 20;
    expect(machine.slowPath.kcompactdState(0)).toBe('running');
    machine.runKcompactd(0);
    expect(machine.slowPath.kcompactdState(0)).toBe('asleep');
    expect(() => machine.runKcompactd(1)).toThrow(
      expect.objectContaining({ code: 'BAD_ARGUMENT' }),
    );
    expect(() => machine.tick(-1)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
  });
});

describe('tracing', () => {
  const recorder = (): { names: string[]; sink: TraceSink } => {
    const names: string[] = [];
    const note = (name: string) => () => {
      names.push(name);
    };
    return {
      names,
      sink: {
        mmPageAlloc: note('mmPageAlloc'),
        kmemCacheAlloc: note('kmemCacheAlloc'),
        mmVmscanKswapdWake: note('mmVmscanKswapdWake'),
        mmCompactionBegin: note('mmCompactionBegin'),
      },
    };
  };

  test.each(['slub', 'slab'] as const)('one sink sees all allocators, with %s', (slab) => {
    const { names, sink } = recorder();
    const machine = bootOf(32, { slab });
    const cache = machine.slab.createCache('demo', { size: 100 });
    machine.trace = sink;
    cache?.alloc();
    machine.slowPath.compactMemory();
    machine.reclaim.wakeupKswapd(machine.model.nodes[0].zones[1].id, 0, 10, 1);
    machine.runKswapd(0);
    expect(new Set(names)).toEqual(new Set(['mmPageAlloc', 'kmemCacheAlloc', 'mmCompactionBegin']));
    names.length = 0;
    machine.trace = null;
    cache?.alloc();
    machine.allocPages(Gfp.GFP_KERNEL, 0);
    machine.slowPath.compactMemory();
    expect(names).toEqual([]);
    expect(machine.trace).toBeNull();
  });

  test('a sink given at boot is there, and is given to an object allocator that boots later', () => {
    const { names, sink } = recorder();
    const machine = bootOf(32, { trace: sink });
    expect(machine.trace).toBe(sink);
    machine.slab.createCache('demo', { size: 100 })?.alloc();
    expect(names).toContain('kmemCacheAlloc');
  });
});

describe('the OOM killer', () => {
  const fill = (options: Partial<BootOptions>): ReturnType<typeof bootOf> => {
    const machine = bootOf(32, options);
    takeAll(machine);
    return machine;
  };

  test('without a process that can be killed the kernel panics, and nothing is lost', () => {
    const machine = fill({});
    machine.processes.spawn({ comm: 'init', pid: 1 });
    const before = machine.owners().pages;
    expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow(
      expect.objectContaining({ code: 'KERNEL_PANIC' }),
    );
    expect(machine.owners().pages).toEqual(before);
    expect(problems(machine)).toEqual([]);
    expect(machine.dmesg()).toContain('Out of memory and no killable processes...');
  });

  test('processes of the user are asked when there is a table of theirs', () => {
    const asked: string[] = [];
    const machine = fill({
      oom: {
        tasks: [],
        current: null,
        kill: () => undefined,
        notify: () => {
          asked.push('notify');
          throw new Error('enough');
        },
      },
    });
    expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow('enough');
    expect(asked).toEqual(['notify']);
    expect(problems(machine)).toEqual([]);
  });

  test('a loop that changes nothing is told to the hook, which may throw', () => {
    const rounds: number[] = [];
    const machine = fill({
      hooks: {
        onStall: ({ rounds: count }) => {
          rounds.push(count);
          if (count === 3) throw new Error('enough');
        },
      },
    });
    const gfp = Gfp.GFP_NOFS | Gfp.__GFP_NOFAIL;
    machine.task.oomVictim = false;
    expect(() => {
      for (;;) machine.allocPages(gfp | NOWARN, 0);
    }).toThrow('enough');
    expect(rounds).toEqual([1, 2, 3]);
    expect(problems(machine)).toEqual([]);
  });

  test('its report names slab caches when they are most of the memory', () => {
    const machine = bootOf(32, { slab: 'slub' });
    const cache = machine.slab.createCache('hoard', { size: 4000 });
    expect(() => {
      for (;;) cache?.alloc();
    }).toThrow(expect.objectContaining({ code: 'KERNEL_PANIC' }));
    expect(machine.dmesg().join('\n')).toMatch(/Unreclaimable slab info:.*hoard/s);
    expect(problems(machine)).toEqual([]);
  });
});
