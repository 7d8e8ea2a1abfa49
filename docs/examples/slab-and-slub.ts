/**
 * SLAB and SLUB on one trace: the same objects are taken and given back in the same order, over the
 * same page allocator. Prints what each of them needed.
 */
import { createBuddy } from 'pageframe/buddy';
import { seededRandom, topologyOfModel } from 'pageframe/mm';
import { type KmemCache, SlabAllocator } from 'pageframe/slab';
import { SlubAllocator } from 'pageframe/slub';

const CPUS = 2;
const OBJECT_BYTES = 256;

/** One step: take an object (`slot` is where it is kept), or give back what is kept there. */
interface Step {
  readonly take: boolean;
  readonly slot: number;
  readonly cpu: number;
}

/** A design under the trace, and how it counts its own short ways. */
interface Design {
  readonly name: string;
  readonly cache: KmemCache;
  readonly pages: { taken: number; given: number };
  readonly shortTakes: () => number;
  readonly shortFrees: () => number;
}

/** A page allocator of 64 MiB that counts what it is asked for. */
function countedPages() {
  const buddy = createBuddy({
    zones: [{ zone: 'Normal', startPfn: 0x100000, pages: 16384 }],
    cpuNode: new Array<number>(CPUS).fill(0),
  });
  const source = buddy.pageSource();
  const pages = { taken: 0, given: 0 };
  return {
    pages,
    topology: topologyOfModel(buddy.model),
    source: {
      ...source,
      allocPages: (gfp: number, order: number, node: number, cpu: number) => {
        pages.taken += 2 ** order;
        return source.allocPages(gfp, order, node, cpu);
      },
      freePages: (pfn: number, order: number, cpu: number) => {
        pages.given += 2 ** order;
        source.freePages(pfn, order, cpu);
      },
    },
  };
}

function slabDesign(): Design {
  const { source, topology, pages } = countedPages();
  const slab = new SlabAllocator({ source, topology, boot: 'bare', statistics: true });
  const cache = slab.createCache('object', { size: OBJECT_BYTES });
  if (cache === null) throw new Error('no memory');
  return {
    name: 'SLAB',
    cache,
    pages,
    shortTakes: () => cache.events().allochit,
    shortFrees: () => cache.events().freehit,
  };
}

function slubDesign(): Design {
  const { source, topology, pages } = countedPages();
  const slub = new SlubAllocator({ source, topology, boot: 'bare', config: { stats: true } });
  const cache = slub.createCache('object', { size: OBJECT_BYTES });
  if (cache === null) throw new Error('no memory');
  const count = (name: 'alloc_fastpath' | 'free_fastpath') =>
    Number.parseInt(cache.readAttribute(name), 10);
  return {
    name: 'SLUB',
    cache,
    pages,
    shortTakes: () => count('alloc_fastpath'),
    shortFrees: () => count('free_fastpath'),
  };
}

const take = (slot: number, cpu = 0): Step => ({ take: true, slot, cpu });
const give = (slot: number, cpu = 0): Step => ({ take: false, slot, cpu });
const range = (count: number) => Array.from({ length: count }, (_, i) => i);

/** The trace, in parts. Each begins where the one before ended. */
const PARTS: readonly (readonly [string, readonly Step[]])[] = [
  // One object at a time: a system call that needs a buffer.
  ['pairs', range(10_000).flatMap(() => [take(0), give(0)])],
  // CPU 0 takes, CPU 1 gives back 64 objects later: network packets.
  ['packets', range(10_000).flatMap((i) => (i < 64 ? [take(i)] : [give(i % 64, 1), take(i % 64)]))],
  ['packets end', range(64).map((i) => give(i, 1))],
  // A crowd comes: files are opened.
  ['crowd', range(4000).map((i) => take(i, i % CPUS))],
  // Nine in ten leave, in no order.
  ['leaving', leavers(4000).map((i) => give(i, i % CPUS))],
];

function leavers(count: number): number[] {
  const random = seededRandom(6);
  const order = range(count);
  for (let i = count - 1; i > 0; i--) {
    const other = random.nextU32() % (i + 1);
    [order[i], order[other]] = [order[other], order[i]];
  }
  return order.slice(0, (count * 9) / 10);
}

function percent(part: number, whole: number): string {
  return whole === 0 ? '-' : `${((100 * part) / whole).toFixed(1)} %`;
}

function show(cells: readonly (string | number)[]): void {
  const widths = [12, 5, 12, 13, 13, 12, 12, 9];
  console.log(
    cells.map((cell, i) => String(cell)[i < 2 ? 'padEnd' : 'padStart'](widths[i])).join(''),
  );
}

show([
  'part',
  '',
  'short takes',
  'short frees',
  'pages taken',
  'pages back',
  'pages held',
  'in use',
]);
const designs = [slabDesign(), slubDesign()];
const held = designs.map(() => new Map<number, number>());
for (const [part, steps] of PARTS) {
  designs.forEach((design, d) => {
    const { name, cache, pages } = design;
    const before = [design.shortTakes(), design.shortFrees(), pages.taken, pages.given];
    for (const step of steps) {
      if (step.take) held[d].set(step.slot, cache.alloc(undefined, step.cpu) ?? 0);
      else cache.free(held[d].get(step.slot) ?? 0, step.cpu);
      if (!step.take) held[d].delete(step.slot);
    }
    const takes = steps.filter((step) => step.take).length;
    const pagesHeld = pages.taken - pages.given;
    show([
      d === 0 ? part : '',
      name,
      percent(design.shortTakes() - before[0], takes),
      percent(design.shortFrees() - before[1], steps.length - takes),
      pages.taken - before[2],
      pages.given - before[3],
      pagesHeld,
      percent(held[d].size * OBJECT_BYTES, pagesHeld * 4096),
    ]);
  });
}
for (const { cache, name, pages } of designs) {
  cache.shrink();
  console.log(`${name}: ${pages.taken - pages.given} pages after shrinking`);
}
