import { expect, test } from 'vitest';
import { createBuddy } from '../../src/buddy/index.ts';
import { kmemFtrace } from '../../src/mm/ftrace-kmem.ts';

test('page tracepoints in the words of ftrace, in the order of events (spec buddy 5.7)', () => {
  const lines: string[] = [];
  const trace = kmemFtrace((event, text) => lines.push(`${event}: ${text}`), {
    pagePointer: (pfn) => (pfn === -1 ? '0000000000000000' : '00000000a1b2c3d4'),
  });
  const buddy = createBuddy({ zones: [{ startPfn: 0x10000, pages: 4096 }], trace });
  lines.length = 0;
  const pfn = buddy.allocPages(0xcc0, 4) ?? -1;
  buddy.freePages(pfn, 4);
  buddy.allocPages(0x2800, 10, -1);
  const page = 'page=00000000a1b2c3d4';
  expect(lines.slice(0, 4)).toEqual([
    `mm_page_alloc_extfrag: ${page} pfn=0x10000 alloc_order=4 fallback_order=10 pageblock_order=9 alloc_migratetype=0 fallback_migratetype=1 fragmenting=0 change_ownership=1`,
    `mm_page_alloc_zone_locked: ${page} pfn=0x10000 order=4 migratetype=0 percpu_refill=0`,
    `mm_page_alloc: ${page} pfn=0x10000 order=4 migratetype=0 gfp_flags=GFP_KERNEL`,
    `mm_page_free: ${page} pfn=0x10000 order=4`,
  ]);
});
