import { describe, expect, it } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { InstantLru, SlowPath } from '../../src/slowpath/index.ts';
import { wrongOwners } from './world.ts';

describe('InstantLru', () => {
  it('registers pages in use once, and gives them back', () => {
    const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 1024 }] });
    const lru = new InstantLru(buddy.model);
    const pfn = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0) ?? -1;
    lru.register(pfn);
    expect(lru.pages).toEqual([pfn]);
    const bad = expect.objectContaining({ code: 'BAD_STATE' });
    expect(() => lru.register(pfn)).toThrow(bad);
    expect(() => lru.register(5000)).toThrow(bad);
    expect(() => lru.unregister(pfn + 1)).toThrow(bad);
    expect(() => lru.unregister(-1)).toThrow(bad);
    lru.unregister(pfn);
    expect(() => lru.unregister(pfn)).toThrow(bad);
    buddy.freePages(pfn, 0);
    expect(() => lru.register(pfn)).toThrow(bad);
    expect(buddy.model.map.flags[pfn] & PageFlag.PG_lru).toBe(0);
  });

  it('is all that a machine needs to compact', () => {
    const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 4096 }], minFreeKbytes: 64 });
    const { model } = buddy;
    const lru = new InstantLru(model);
    const slowPath = new SlowPath({ model, pages: buddy, lru, task: buddy.task });
    buddy.slowPath = slowPath;
    const pages: number[] = [];
    for (let pfn = 0; pfn !== null && pages.length < 3900; ) {
      pfn = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_NORETRY, 0) ?? -1;
      if (pfn < 0) break;
      pages.push(pfn);
    }
    const kept = pages.filter((_, i) => i % 4 === 0);
    for (const pfn of pages.filter((_, i) => i % 4 !== 0)) buddy.freePages(pfn, 0);
    for (const pfn of kept) lru.register(pfn);
    const huge = buddy.allocPages(Gfp.GFP_TRANSHUGE, 9);
    expect(huge).not.toBeNull();
    expect(lru.pages).toHaveLength(kept.length);
    const claimed = lru.pages.map((pfn) => [pfn, 0] as const);
    expect(wrongOwners(model, [...claimed, [huge ?? 0, 9]])).toEqual([]);
    lru.lruAddDrain(0);
    lru.lruAddDrainAll();
  });
});
