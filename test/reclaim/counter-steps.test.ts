import fc from 'fast-check';
import { expect, test } from 'vitest';
import { modNodeState, modZoneState, Vmstat } from '../../src/mm/vmstat.ts';
import { stepNodeState, stepZoneState } from '../../src/reclaim/counter-steps.ts';

test('many steps are as many single updates', () => {
  const steps = fc.record({
    threshold: fc.integer({ min: 0, max: 125 }),
    before: fc.integer({ min: -125, max: 125 }),
    step: fc.constantFrom(1, -1),
    count: fc.nat(400),
  });
  fc.assert(
    fc.property(steps, ({ threshold, before, step, count }) => {
      const [one, many] = [new Vmstat(2, 8, 2), new Vmstat(2, 8, 2)];
      for (const vm of [one, many]) {
        vm.nodeThreshold.fill(threshold);
        vm.zoneThreshold.fill(threshold);
        vm.nodeDiff.fill(before);
        vm.zoneDiff.fill(before);
      }
      for (let i = 0; i < count; i++) {
        modNodeState(one, 1, 1, 3, step);
        modZoneState(one, 1, 5, 2, step);
      }
      stepNodeState(many, 1, 1, 3, step, count);
      stepZoneState(many, 1, 5, 2, step, count);
      expect(many.snapshot()).toEqual(one.snapshot());
    }),
  );
});
