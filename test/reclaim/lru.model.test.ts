import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkInvariants } from '../../src/reclaim/invariants.ts';
import { FAMILIES } from './commands.ts';
import { ReferenceLru } from './reference.ts';
import { World } from './support.ts';

/** What all runs together reached, so that no branch is left to luck. */
const reached = new Set<string>();

function note(world: World): void {
  const names = [
    'pgactivate',
    'pgdeactivate',
    'pgrotated',
    'pgskip_movable',
    'pgsteal_direct',
    'pgrefill',
    'unevictable_pgs_culled',
    'unevictable_pgs_rescued',
    'unevictable_pgs_munlocked',
  ] as const;
  for (const name of names) if (world.event(name) > 0) reached.add(name);
}

test('lists, flags and references agree with plain arrays after every call', () => {
  const [add, ...others] = FAMILIES;
  // Some families at a time: an even mix would hover around the same states.
  const commands = fc
    .subarray(others, { minLength: 2 })
    .chain((families) => fc.commands([add, add, ...families], { maxCommands: 120, size: 'max' }));
  fc.assert(
    fc.property(commands, (run) => {
      const world = new World({ nodes: [[0, 0, 200, 200]], cpuNode: [0, 0] });
      fc.modelRun(() => ({ model: new ReferenceLru(2), real: world }), run);
      expect(checkInvariants(world.state)).toEqual([]);
      note(world);
    }),
  );
  expect([...reached].sort()).toEqual([
    'pgactivate',
    'pgdeactivate',
    'pgrefill',
    'pgrotated',
    'pgskip_movable',
    'pgsteal_direct',
    'unevictable_pgs_culled',
    'unevictable_pgs_munlocked',
    'unevictable_pgs_rescued',
  ]);
});
