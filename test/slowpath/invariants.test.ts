import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../src/lib/errors.ts';
import { VmEvent } from '../../src/mm/vm-items.ts';
import { assertInvariants, checkInvariants } from '../../src/slowpath/index.ts';
import { createWorld, type World } from './world.ts';

const world = (): World =>
  createWorld({
    startPfn: 0x1000,
    endPfn: 0x1800,
    watermark: [8, 10, 12],
    kind: (pfn) => (pfn % 2 === 0 ? 'lru' : 'free'),
    options: { checks: 'full' },
  });

describe('checkInvariants', () => {
  it('finds nothing after a run', () => {
    const of = world();
    of.slowPath.compactMemory();
    expect(checkInvariants(of.slowPath.state)).toEqual([]);
    expect(() => assertInvariants(of.slowPath.state)).not.toThrow();
  });

  const state = (of: World) => of.ctx.zones[of.zone.id];
  it.each<[string, (of: World) => void]>([
    [
      'SLOWPATH-1',
      (of) => {
        of.ctx.runs = 1;
      },
    ],
    [
      'SLOWPATH-1',
      (of) => {
        of.buddy.captureControl = { zone: 1, order: 3, page: -1 };
      },
    ],
    [
      'SLOWPATH-6',
      (of) => {
        state(of).deferShift = 7;
      },
    ],
    [
      'SLOWPATH-6',
      (of) => {
        state(of).considered = 2;
      },
    ],
    [
      'SLOWPATH-6',
      (of) => {
        state(of).orderFailed = 12;
      },
    ],
    [
      'SLOWPATH-7',
      (of) => {
        state(of).cachedMigratePfn[1] = 0x1200;
      },
    ],
    [
      'SLOWPATH-7',
      (of) => {
        state(of).cachedFreePfn = 0x2000;
      },
    ],
    [
      'SLOWPATH-9',
      (of) => {
        of.model.vmstat.events[VmEvent.compact_stall]++;
      },
    ],
    [
      'SLOWPATH-15',
      (of) => {
        of.zone.nrReservedHighatomic = 100;
      },
    ],
  ])('%s', (rule, spoil) => {
    const of = world();
    spoil(of);
    expect(checkInvariants(of.slowPath.state).map((violation) => violation.rule)).toEqual([rule]);
    expect(() => assertInvariants(of.slowPath.state)).toThrow(InvariantError);
  });

  it('is called after every public call of a module made for it', () => {
    const of = world();
    state(of).deferShift = 9;
    expect(() => of.slowPath.tick()).toThrow(InvariantError);
    expect(() => of.slowPath.compactNode(0)).toThrow(InvariantError);
    expect(() => of.slowPath.runKcompactd(0)).toThrow(InvariantError);
    expect(() => of.slowPath.restore(of.slowPath.snapshot())).toThrow(InvariantError);
  });
});
