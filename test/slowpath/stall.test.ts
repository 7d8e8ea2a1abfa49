import { expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { vmEvent } from '../../src/mm/vmstat.ts';
import { createWorld } from './world.ts';

// Spec 4.5: "throw a "would loop forever" error when a full round changed nothing"; spec 4.12:
// "considered += 1; if considered >= 2^shift: considered = 2^shift, false".
it('a round in which compaction is put off once more is no round that changed nothing', () => {
  const of = createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [8, 10, 12],
    kind: (pfn) => {
      if (pfn >= 0x1200 && pfn < 0x1600) return 'fixed';
      return pfn % 2 === 0 ? 'lru' : 'free';
    },
  });
  of.ctx.zones[of.zone.id].deferShift = 3;
  const { GFP_HIGHUSER_MOVABLE, __GFP_NOFAIL, __GFP_NOWARN } = Gfp;
  // Deferred 7 times, once in EARLY and 6 times in LOOP; the 8th run makes the block.
  expect(of.buddy.allocPages(GFP_HIGHUSER_MOVABLE | __GFP_NOFAIL | __GFP_NOWARN, 4)).toBe(0x1000);
  const { vmstat } = of.model;
  expect(vmEvent(vmstat, VmEvent.compact_stall)).toBe(8);
  expect(vmEvent(vmstat, VmEvent.compact_fail)).toBe(7);
  expect(vmEvent(vmstat, VmEvent.compact_success)).toBe(1);
  const deferred = of.events.filter((event) => event.startsWith('mm_compaction_deferred'));
  expect(deferred.length).toBe(7);
  expect(deferred[6]).toMatch(/order=4 order_failed=0 consider=7 limit=8$/);
});
