import fc from 'fast-check';
import { expect } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { PageFlag } from '../../src/mm/page-flags.ts';
import { RmapMark } from '../../src/reclaim/rmap.ts';
import { ScanControl } from '../../src/reclaim/scan-control.ts';
import { shrinkActiveList, shrinkInactiveList } from '../../src/reclaim/shrink-lists.ts';
import type { ReferenceLru, RefPage } from './reference.ts';
import type { World } from './support.ts';

/** Most pages in use at a time. */
const PAGES_MAX = 60;

const FLAGS: readonly [keyof RefPage, number][] = [
  ['onLru', PageFlag.PG_lru],
  ['active', PageFlag.PG_active],
  ['unevictable', PageFlag.PG_unevictable],
  ['referenced', PageFlag.PG_referenced],
  ['workingset', PageFlag.PG_workingset],
  ['dirty', PageFlag.PG_dirty],
  ['writeback', PageFlag.PG_writeback],
  ['reclaim', PageFlag.PG_reclaim],
  ['mlocked', PageFlag.PG_mlocked],
];

/** Everything that must agree after a command. */
function compare(model: ReferenceLru, world: World): void {
  const { map } = world.model;
  model.lists.forEach((list, lru) => {
    expect(world.reclaim.lruList(0, lru)).toEqual(list.map(({ id }) => id));
  });
  expect(world.pages.freed).toEqual(model.freed);
  expect(world.state.nonresidentAge[0]).toBe(model.age);
  for (const page of model.pages) {
    expect([page.id, map.refcount[page.id]]).toEqual([page.id, page.references]);
    const got = FLAGS.map(([name, flag]) => [name, (map.flags[page.id] & flag) !== 0]);
    expect(got).toEqual(FLAGS.map(([name]) => [name, page[name]]));
  }
}

type Act = (model: ReferenceLru, world: World) => void;

/** A command; its text is the public call, ready to paste. */
class LruCommand implements fc.Command<ReferenceLru, World> {
  private readonly text: string;
  private readonly act: Act;
  private readonly possible: (model: ReferenceLru) => boolean;

  constructor(text: string, act: Act, possible: (model: ReferenceLru) => boolean = () => true) {
    this.text = text;
    this.act = act;
    this.possible = possible;
  }

  check(model: Readonly<ReferenceLru>): boolean {
    return this.possible(model as ReferenceLru);
  }

  run(model: ReferenceLru, world: World): void {
    this.act(model, world);
    compare(model, world);
  }

  toString(): string {
    return this.text;
  }
}

/** A page taken and sent to a list. */
function addPage(anon: boolean, zone: number, mapped: number, cpu: number): LruCommand {
  const text = `add(anon ${anon}, zone ${zone}, mapped ${mapped}, cpu ${cpu})`;
  const act: Act = (model, world) => {
    const pfn = world.page({ anon, zone, mapped });
    model.add(model.create(pfn, anon, zone, mapped), cpu);
    world.reclaim.folioAddLru(pfn, cpu);
  };
  return new LruCommand(text, act, (model) => model.pages.length < PAGES_MAX);
}

/** Something done to one of the pages in use, if it can be done to that page. */
function onPage(
  name: string,
  pick: number,
  act: (model: ReferenceLru, world: World, page: RefPage) => void,
): LruCommand {
  return new LruCommand(
    `${name}(page ${pick})`,
    (model, world) => {
      const page = model.pages[pick % model.pages.length];
      if (page !== undefined) act(model, world, page);
    },
    (model) => model.pages.length > 0,
  );
}

const pick = fc.nat(1000);
const cpu = fc.nat(1);

function control(reclaimIdx: number): ScanControl {
  const permissions = { mayUnmap: true, mayWritepage: true, maySwap: true, reclaimIdx };
  return Object.assign(new ScanControl(), { gfpMask: Gfp.GFP_KERNEL, ...permissions });
}

/** Commands by family; a run takes some of the families, so that extremes are met. */
export const FAMILIES: readonly fc.Arbitrary<fc.Command<ReferenceLru, World>>[] = [
  fc
    .record({ anon: fc.boolean(), zone: fc.constantFrom(2, 3), mapped: fc.nat(2), cpu })
    .map(({ anon, zone, mapped, cpu }) => addPage(anon, zone, anon ? mapped + 1 : mapped, cpu)),
  fc.tuple(pick, cpu).map(([pick, cpu]) =>
    onPage(`folioMarkAccessed cpu ${cpu}`, pick, (model, world, page) => {
      model.mark(page, cpu);
      world.reclaim.folioMarkAccessed(page.id, cpu);
    }),
  ),
  fc.tuple(pick, cpu).map(([pick, cpu]) =>
    onPage(`deactivatePage cpu ${cpu}`, pick, (model, world, page) => {
      model.deactivate(page, cpu);
      world.reclaim.deactivatePage(page.id, cpu);
    }),
  ),
  fc.tuple(pick, cpu).map(([pick, cpu]) =>
    onPage(`deactivateFileFolio cpu ${cpu}`, pick, (model, world, page) => {
      model.deactivateFile(page, cpu);
      world.reclaim.deactivateFileFolio(page.id, cpu);
    }),
  ),
  fc.tuple(pick, cpu, fc.boolean()).map(([pick, cpu, lock]) =>
    onPage(`${lock ? 'mlockFolio' : 'munlockPage'} cpu ${cpu}`, pick, (model, world, page) => {
      if (lock) {
        model.mlock(page, cpu);
        world.reclaim.mlockFolio(page.id, cpu);
      } else {
        model.munlock(page, cpu);
        world.reclaim.munlockPage(page.id, cpu);
      }
    }),
  ),
  fc.tuple(pick, fc.boolean()).map(([pick, dirty]) =>
    onPage(dirty ? 'folioMarkDirty' : 'folioClearDirtyForIo', pick, (_, world, page) => {
      page.dirty = dirty;
      if (dirty) page.reclaim = false;
      if (dirty) world.reclaim.folioMarkDirty(page.id);
      else world.reclaim.folioClearDirtyForIo(page.id);
    }),
  ),
  fc.tuple(pick, cpu).map(([pick, cpu]) =>
    onPage(`write-back cpu ${cpu}`, pick, (model, world, page) => {
      if (page.writeback) {
        model.endWriteback(page, cpu);
        world.reclaim.folioEndWriteback(page.id, cpu);
      } else {
        page.writeback = true;
        world.reclaim.folioStartWriteback(page.id, cpu);
      }
    }),
  ),
  fc.tuple(pick, fc.nat(2), fc.boolean()).map(([pick, young, exec]) =>
    onPage(`use by ${young} mappings, exec ${exec}`, pick, (_, world, page) => {
      page.young = Math.min(young, page.mapped);
      page.exec = exec && page.mapped > 0;
      world.state.rmap.young[page.id] = page.young;
      world.state.rmap.marks[page.id] = page.exec ? RmapMark.EXEC : 0;
    }),
  ),
  fc.tuple(pick, fc.boolean()).map(([pick, get]) =>
    onPage(get ? 'folioGet' : 'folioPut', pick, (model, world, page) => {
      // Cache, mappings, batch slots and an isolation hold references that are not the caller's.
      const isolated = page.onLru || model.inAddBatch(page) ? 0 : 1;
      const own = (page.anon ? 0 : 1) + page.mapped + model.batchSlots(page) + isolated;
      if (get) {
        page.references++;
        world.reclaim.folioGet(page.id);
      } else if (page.references > own) {
        model.put(page);
        world.reclaim.folioPut(page.id);
      }
    }),
  ),
  fc.tuple(pick, cpu).map(([pick, cpu]) =>
    onPage(`isolate or put back cpu ${cpu}`, pick, (model, world, page) => {
      if (page.onLru) {
        model.isolate(page);
        world.reclaim.isolateLruPage(page.id, cpu);
      } else if (!model.inAddBatch(page)) {
        model.putback(page, cpu);
        world.reclaim.putbackLruPage(page.id, cpu);
      }
    }),
  ),
  cpu.map(
    (cpu) =>
      new LruCommand(`lruAddDrain(${cpu})`, (model, world) => {
        model.drain(cpu);
        world.reclaim.lruAddDrain(cpu);
      }),
  ),
  fc
    .tuple(
      fc.constantFrom<0 | 2>(0, 2),
      fc.integer({ min: 1, max: 32 }),
      fc.constantFrom(2, 3),
      cpu,
    )
    .map(
      ([lru, count, index, cpu]) =>
        new LruCommand(
          `shrinkInactiveList(${lru}, ${count}, zone ${index}, ${cpu})`,
          (model, world) => {
            model.shrinkInactive(lru, count, index, cpu);
            shrinkInactiveList(world.state, 0, lru, count, control(index), cpu);
          },
        ),
    ),
  fc
    .tuple(
      fc.constantFrom<1 | 3>(1, 3),
      fc.integer({ min: 1, max: 32 }),
      fc.constantFrom(2, 3),
      cpu,
    )
    .map(
      ([lru, count, index, cpu]) =>
        new LruCommand(
          `shrinkActiveList(${lru}, ${count}, zone ${index}, ${cpu})`,
          (model, world) => {
            model.shrinkActive(lru, count, index, cpu);
            shrinkActiveList(world.state, 0, lru, count, control(index), cpu);
          },
        ),
    ),
];
