import type { PageHeap } from './lib/page-heaps.ts';
import { codemixHeap, pageframeHeap, thingHeap, typedarrayPoolHeap } from './lib/page-heaps.ts';
import { PAGE_LOADS, type PageLoadName, type setUpLoad } from './lib/page-loads.ts';
import { type Measurement, measure } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

/** Ratios to npm `malloc` that this package promises to stay below. */
const PROMISED: Readonly<Record<PageLoadName, number>> = {
  repeat: 0.5,
  bulk: 0.4,
  rand: 0.4,
  mixed: 0.4,
};

/** `@thi.ng/malloc` walks its list of free blocks: fewer operations, or nobody would wait for it. */
const THING_OPERATIONS: Readonly<Record<PageLoadName, number>> = {
  repeat: 16384,
  bulk: 16384,
  rand: 1024,
  mixed: 1024,
};

/** The four page loads against npm peers, in one run, in turn. */
export const pagesBenchmark: Benchmark = {
  name: 'pages',
  summary: 'page loads against npm peers, ns per operation (ratio to malloc; promised)',
  run: async (scale) => {
    const heaps = [pageframeHeap(), codemixHeap(), typedarrayPoolHeap(), thingHeap()];
    const rows = [['load', ...heaps.map(({ name }) => name), 'ratio', 'promised']];
    for (const load of PAGE_LOADS) rows.push(await row(load, heaps, scale));
    return rows;
  },
};

type AnyHeap = PageHeap<number> | PageHeap<Uint8Array>;

async function row(load: PageLoadName, heaps: readonly AnyHeap[], scale: Scale): Promise<string[]> {
  const operations = scale === 'smoke' ? 16384 : 16 * 16384;
  const contenders = await Promise.all(
    heaps.map(async (heap) => {
      // A module of its own, so that the code is compiled for this heap alone.
      const specifier = `./lib/page-loads.ts?${load}-${heap.name}`;
      const loads = (await import(specifier)) as { setUpLoad: typeof setUpLoad };
      const run = loads.setUpLoad(load, heap as PageHeap<unknown>);
      const own = heap.name === '@thi.ng/malloc' ? THING_OPERATIONS[load] : operations;
      return { name: heap.name, prepare: () => () => run(own), operations: own };
    }),
  );
  const results = measure(contenders, operations, scale === 'smoke' ? 1 : 15);
  return [load, ...results.map(nanoseconds), ratio(results), `${PROMISED[load]}`];
}

function nanoseconds({ minNs }: Measurement): string {
  return minNs.toFixed(1);
}

function ratio([ours, malloc]: readonly Measurement[]): string {
  return (ours.minNs / malloc.minNs).toFixed(2);
}
