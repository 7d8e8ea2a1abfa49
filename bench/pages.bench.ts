import type { PageHeapName } from './lib/contender.ts';
import { PAGE_LOADS, type PageLoadName } from './lib/page-loads.ts';
import { measureIsolated } from './measure-isolated.ts';
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

const HEAPS: readonly PageHeapName[] = ['pageframe', 'malloc', 'typedarray-pool', '@thi.ng/malloc'];

/** The four page loads against npm peers, in one run, in turn. */
export const pagesBenchmark: Benchmark = {
  name: 'pages',
  summary: 'page loads against npm peers, ns per operation (ratio to malloc; promised)',
  run: async (scale) => {
    const rows = [['load', ...HEAPS, 'ratio', 'promised']];
    for (const load of PAGE_LOADS) rows.push(await row(load, scale));
    return rows;
  },
};

async function row(load: PageLoadName, scale: Scale): Promise<string[]> {
  const usual = scale === 'smoke' ? 16384 : 16 * 16384;
  const specs = HEAPS.map((heap) => {
    const operations = heap === '@thi.ng/malloc' ? THING_OPERATIONS[load] : usual;
    return { kind: 'pages', heap, load, operations } as const;
  });
  const results = await measureIsolated(specs, scale === 'smoke' ? 1 : 15);
  const ratio = (results[0] / results[1]).toFixed(2);
  return [load, ...results.map((ns) => ns.toFixed(1)), ratio, `${PROMISED[load]}`];
}
