import { expect, test } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkActiveList, shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import { ReferenceLru, type RefPage } from './reference.ts';
import { World } from './support.ts';

/** Steps of a sequence. */
const LENGTH = 4;

interface Pair {
  readonly world: World;
  readonly reference: ReferenceLru;
  readonly pages: readonly RefPage[];
}

function control(): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions });
}

/** What can be done; a step on a page that is gone does nothing. */
const STEPS: readonly [string, (pair: Pair) => void][] = [
  ['mark 0 on cpu 0', (pair) => onPage(pair, 0, 0, 'mark')],
  ['mark 0 on cpu 1', (pair) => onPage(pair, 0, 1, 'mark')],
  ['mark 1 on cpu 1', (pair) => onPage(pair, 1, 1, 'mark')],
  ['lock 0 on cpu 1', (pair) => onPage(pair, 0, 1, 'mlock')],
  ['unlock 0 on cpu 0', (pair) => onPage(pair, 0, 0, 'munlock')],
  [
    'drain cpu 0',
    ({ world, reference }) => {
      world.reclaim.lruAddDrain(0);
      reference.drain(0);
    },
  ],
  [
    'drain cpu 1',
    ({ world, reference }) => {
      world.reclaim.lruAddDrain(1);
      reference.drain(1);
    },
  ],
  [
    'shrink',
    ({ world, reference }) => {
      shrinkInactiveList(world.state, 0, 2, 32, control(), 0);
      reference.shrinkInactive(2, 32, 3, 0);
    },
  ],
  [
    'deactivate',
    ({ world, reference }) => {
      shrinkActiveList(world.state, 0, 3, 32, control(), 0);
      reference.shrinkActive(3, 32, 3, 0);
    },
  ],
];

function onPage(pair: Pair, which: number, cpu: number, call: 'mark' | 'mlock' | 'munlock'): void {
  const page = pair.pages[which];
  if (page.freed) return;
  const { reclaim } = pair.world;
  if (call === 'mark') reclaim.folioMarkAccessed(page.id, cpu);
  else if (call === 'mlock') reclaim.mlockFolio(page.id, cpu);
  else reclaim.munlockPage(page.id, cpu);
  pair.reference[call](page, cpu);
}

/** Two pages waiting in the add batches of two CPUs. */
function start(): Pair {
  const world = new World({ nodes: [[0, 0, 4, 0]], cpuNode: [0, 0], checks: 'basic' });
  const reference = new ReferenceLru(2);
  const pages = [0, 1].map((cpu) => {
    const page = reference.create(world.page(), false, 2, 0);
    world.reclaim.folioAddLru(page.id, cpu);
    reference.add(page, cpu);
    return page;
  });
  return { world, reference, pages };
}

test(`all sequences of up to ${LENGTH} steps on two pages`, () => {
  // Every sequence begins like others: states that were met are not followed again.
  const seen = new Set<string>();
  const pending: (readonly number[])[] = [[]];
  let sequences = 0;
  for (let sequence = pending.pop(); sequence !== undefined; sequence = pending.pop()) {
    const pair = start();
    for (const step of sequence) STEPS[step][1](pair);
    sequences++;
    const { reclaim, model, pages } = pair.world;
    const names = sequence.map((step) => STEPS[step][0]).join(', ');
    const lists = pair.reference.lists.map((list) => list.map(({ id }) => id));
    expect([names, ...[0, 1, 2, 3].map((lru) => reclaim.lruList(0, lru))]).toEqual([
      names,
      ...lists,
    ]);
    expect([names, pages.freed]).toEqual([names, pair.reference.freed]);
    expect([names, reclaim.state.nonresidentAge[0]]).toEqual([names, pair.reference.age]);
    const { batchCount, batchPages } = reclaim.state;
    const { flags, refcount } = model.map;
    const state = JSON.stringify([
      lists,
      [...batchPages],
      [...batchCount],
      [...flags],
      [...refcount],
    ]);
    if (seen.has(state) || sequence.length === LENGTH) continue;
    seen.add(state);
    for (let step = 0; step < STEPS.length; step++) pending.push([...sequence, step]);
  }
  expect(sequences).toBeGreaterThan(500);
});
