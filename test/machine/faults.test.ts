// covers: src/machine/join.ts
import { describe, expect, test } from 'vitest';
import type { BootOptions } from '../../src/boot/types.ts';
import type { Machine } from '../../src/machine.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { setMinFreeKbytes, setWatermarkScaleFactor } from '../../src/mm/sysctl.ts';
import { SHRINK_STOP } from '../../src/reclaim/shrinker.ts';
import { bootOf, problems, takeAll } from './support.ts';

/** What the host of a machine does wrong must not cost it a page. */

const HUGE = Gfp.GFP_TRANSHUGE | Gfp.__GFP_NOWARN;

/** Two processes share the memory page by page; then one of them exits. */
function fragmented(options: Partial<BootOptions>): Machine {
  const machine = bootOf(32, options);
  const { processes } = machine;
  const stays = processes.spawn({ comm: 'stays' });
  const leaves = processes.spawn({ comm: 'leaves' });
  const [kept, given] = [stays, leaves].map((process) => processes.mmap(process, 8000));
  for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
    processes.touch(stays, kept, i);
    processes.touch(leaves, given, i);
  }
  processes.exit(leaves);
  machine.reclaim.lruAddDrainAll();
  machine.buddy.drainAllPages();
  return machine;
}

/** Fills the machine with pages of a file, and the rest with pages of a caller. */
function fullOfFile(options: Partial<BootOptions>, isWritten: boolean): Machine {
  const machine = bootOf(32, options);
  const { pageCache } = machine;
  const file = pageCache.createFile();
  for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
    if (isWritten) pageCache.write(file, i);
    else pageCache.read(file, i);
  }
  takeAll(machine);
  return machine;
}

function ownedPages(machine: Machine): number {
  const { file, anon, batch, slab, caller, lost } = machine.owners().pages;
  return file + anon + batch + slab + caller + lost;
}

describe('migration', () => {
  test('that throws leaves every page with its owner', () => {
    let calls = 0;
    const machine = fragmented({
      host: {
        migrate: () => {
          calls++;
          throw new Error('no migration today');
        },
      },
    });
    const owned = ownedPages(machine);
    expect(() => machine.allocPages(HUGE, 9)).toThrow('no migration today');
    expect(calls).toBe(1);
    expect(ownedPages(machine)).toBe(owned);
    expect(problems(machine)).toEqual([]);
    expect(() => machine.slowPath.compactMemory()).toThrow('no migration today');
    machine.slowPath.wakeupKcompactd(0, 9, 3);
    expect(() => machine.runKcompactd(0)).toThrow('no migration today');
    expect(machine.slowPath.kcompactdState(0)).toBe('asleep');
    expect(ownedPages(machine)).toBe(owned);
    expect(problems(machine)).toEqual([]);
  });

  test('that throws in the middle of a batch loses neither those before nor those after', () => {
    let calls = 0;
    const machine: Machine = fragmented({
      host: {
        migrate: (from, to, mode) => {
          if (++calls === 20) throw new Error('the 20th');
          return machine.pageCache.migrate(from, to, mode);
        },
      },
    });
    const owned = ownedPages(machine);
    expect(() => machine.allocPages(HUGE, 9)).toThrow('the 20th');
    expect(ownedPages(machine)).toBe(owned);
    expect(problems(machine)).toEqual([]);
    expect(machine.allocPages(HUGE, 9)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });

  test.each([
    ['asks to be tried again, always', 1],
    ['is always refused', 2],
  ])('that %s gives no block and costs nothing', (_, outcome) => {
    const machine = fragmented({ host: { migrate: () => outcome } });
    const owned = ownedPages(machine);
    expect(machine.allocPages(HUGE, 9)).toBeNull();
    machine.slowPath.compactMemory();
    expect(ownedPages(machine)).toBe(owned);
    expect(problems(machine)).toEqual([]);
  });
});

describe('writing out', () => {
  const swapping = (options: Partial<BootOptions>): Machine => {
    const machine = bootOf(32, { swapPages: 2000, ...options });
    const { processes } = machine;
    const process = processes.spawn({ comm: 'demo' });
    const memory = processes.mmap(process, 8000);
    for (let i = 0; machine.reclaim.kswapdState(0) === 'long-sleep'; i++) {
      processes.touch(process, memory, i);
    }
    takeAll(machine);
    return machine;
  };

  test('that throws in kswapd and in direct reclaim leaves every page on its list', () => {
    const machine = swapping({
      host: {
        writepage: () => {
          throw new Error('the disk is gone');
        },
      },
    });
    const owned = ownedPages(machine);
    expect(() => machine.runKswapd(0)).toThrow('the disk is gone');
    expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow('the disk is gone');
    expect(machine.task.pfMemalloc).toBe(false);
    expect(machine.task.pfKswapd).toBe(false);
    expect(ownedPages(machine)).toBe(owned);
    expect(problems(machine)).toEqual([]);
  });

  test('that fails is what the kernel takes it for, a write that is done', () => {
    const machine = swapping({ host: { writepage: () => -5 } });
    const owned = ownedPages(machine);
    expect(machine.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_NORETRY, 0)).not.toBeNull();
    machine.runKswapd(0);
    expect(ownedPages(machine)).toBeLessThan(owned);
    expect(problems(machine)).toEqual([]);
  });

  test('that is refused by the mapping leaves the page dirty', () => {
    const machine = fullOfFile({ host: { hasWritepage: () => false } }, true);
    machine.runKswapd(0);
    expect(problems(machine)).toEqual([]);
  });
});

describe('a shrinker', () => {
  const withShrinker = (
    countObjects: () => number,
    scanObjects: (sc: { nrToScan: number; nrScanned: number }) => number,
  ): Machine => {
    const machine = fullOfFile({}, false);
    machine.reclaim.registerShrinker({ name: 'liar', countObjects, scanObjects });
    return machine;
  };

  test('that promises objects and frees none does not stop reclaim', () => {
    let asked = 0;
    const machine = withShrinker(
      () => 1_000_000,
      () => {
        asked++;
        return 0;
      },
    );
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(asked).toBeGreaterThan(0);
    expect(problems(machine)).toEqual([]);
  });

  test('that says it freed more than there is gives nobody a page that is not there', () => {
    const machine = withShrinker(
      () => 10_000,
      (sc) => sc.nrToScan * 1000,
    );
    const before = machine.owners().pages.free;
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(machine.owners().pages.free).toBeLessThan(before + 200);
    machine.reclaim.dropSlab();
    expect(problems(machine)).toEqual([]);
  });

  test('that looks at nothing and does not say so is an error, and the machine goes on', () => {
    let isStuck = true;
    const machine = withShrinker(
      () => 1_000_000,
      (sc) => {
        if (!isStuck) return SHRINK_STOP;
        sc.nrScanned = 0;
        return 1;
      },
    );
    const stuck = expect.objectContaining({ code: 'SHRINKER_STUCK' });
    expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow(stuck);
    expect(problems(machine)).toEqual([]);
    isStuck = false;
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });

  test('that throws ends the request with its error', () => {
    const machine = withShrinker(
      () => 1_000_000,
      () => {
        throw new Error('shrunk too far');
      },
    );
    expect(() => machine.allocPages(Gfp.GFP_KERNEL, 0)).toThrow('shrunk too far');
    expect(() => machine.runKswapd(0)).toThrow('shrunk too far');
    expect(machine.task).toMatchObject({ pfMemalloc: false, pfKswapd: false });
    expect(problems(machine)).toEqual([]);
  });
});

describe('limits of zero', () => {
  test('no reserve, no distance between watermarks, no swap', () => {
    const machine = bootOf(32, { swapPages: 0 });
    setMinFreeKbytes(machine.model, 0);
    setWatermarkScaleFactor(machine.model, 1);
    const pages = takeAll(machine, Gfp.GFP_ATOMIC);
    expect(machine.allocPages(Gfp.GFP_KERNEL | Gfp.__GFP_NORETRY, 0)).toBeNull();
    for (const pfn of pages) machine.freePages(pfn, 0);
    expect(machine.owners().pages.caller).toBe(0);
    expect(problems(machine)).toEqual([]);
  });

  test('no proactive compaction, no fragmentation threshold', () => {
    const machine = fragmented({});
    machine.slowPath.compactionProactiveness = 0;
    machine.slowPath.extfragThreshold = 0;
    machine.tick(2 * machine.model.hz);
    expect(machine.allocPages(HUGE, 9)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });

  test('writes that take no time, a disk that takes one at a time', () => {
    const machine = fullOfFile({ disk: { writeJiffies: 0, queueDepth: 1 } }, true);
    machine.pageCache.sync();
    machine.tick(20);
    expect(machine.allocPages(Gfp.GFP_KERNEL, 0)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });
});

describe('objects', () => {
  test.each(['slub', 'slab'] as const)('%s: what cannot be had leaves nothing behind', (slab) => {
    const machine = bootOf(32, { slab });
    const cache = machine.slab.createCache('demo', { size: 1000 });
    const gfp = Gfp.GFP_NOWAIT | Gfp.__GFP_NOWARN;
    const objects: number[] = [];
    for (;;) {
      const address = cache?.alloc(gfp);
      if (address === null || address === undefined) break;
      objects.push(address);
    }
    const bulk = new Array<number>(50).fill(0);
    expect(cache?.allocBulk(gfp, bulk)).toBe(0);
    expect(machine.kmalloc(100_000, gfp)).toBeNull();
    expect(problems(machine)).toEqual([]);
    for (const address of objects) cache?.free(address);
    cache?.shrink();
    expect(cache?.destroy()).toBe(true);
    expect(problems(machine)).toEqual([]);
  });

  test('there is no room for the first caches any more', () => {
    const machine = bootOf(32);
    const pages = takeAll(machine, Gfp.GFP_ATOMIC);
    expect(() => machine.kmalloc(8)).toThrow(expect.objectContaining({ code: 'PANIC' }));
    expect(problems(machine)).toEqual([]);
    for (const pfn of pages) machine.freePages(pfn, 0);
    expect(machine.kmalloc(8)).not.toBeNull();
    expect(problems(machine)).toEqual([]);
  });
});
