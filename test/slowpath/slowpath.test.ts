import { describe, expect, it } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageCache } from '../../src/reclaim/page-cache.ts';
import { Reclaim } from '../../src/reclaim/reclaim.ts';
import { SlowPath } from '../../src/slowpath/index.ts';

describe('SlowPath', () => {
  it('joins page allocator, reclaim and page cache', () => {
    const buddy = createBuddy({ zones: [{ startPfn: 0, pages: 4096 }], minFreeKbytes: 256 });
    const { model, task } = buddy;
    const reclaim = new Reclaim({ model, allocator: buddy, task });
    const cache = new PageCache(reclaim, {
      pages: buddy,
      directReclaim: false,
    });
    const slowPath = new SlowPath({
      model,
      pages: buddy,
      lru: reclaim,
      reclaim,
      host: cache,
      task,
    });
    buddy.slowPath = slowPath;
    const file = cache.createFile();
    for (let index = 0; index < 3000; index++) cache.read(file, index);
    const blocks: number[] = [];
    for (let i = 0; i < 10; i++) {
      const pfn = buddy.allocPages(Gfp.GFP_KERNEL, 3);
      if (pfn !== null) blocks.push(pfn);
    }
    expect(blocks.length).toBe(10);
  });
});
