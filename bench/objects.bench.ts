import type { ContenderSpec, ObjectHeapName } from './lib/contender.ts';
import { OBJECT_LOADS, type ObjectLoadName } from './lib/object-loads.ts';
import { measureIsolated } from './measure-isolated.ts';
import type { Benchmark, Scale } from './types.ts';

/** `@thi.ng/malloc` walks its lists: fewer operations, or nobody would wait for it. */
const THING_OPERATIONS: Readonly<Record<ObjectLoadName, number>> = {
  repeat: 16384,
  bulk: 16384,
  rand: 1024,
  mixed: 1024,
};

const HEAPS: readonly ObjectHeapName[] = [
  'pageframe',
  'pageframe, ArrayBuffer',
  'malloc',
  '@thi.ng/malloc',
  'typedarray-pool',
  'new Uint8Array',
];

/** Objects of one size and of mixed sizes against npm peers, in one run, in turn. */
export const objectsBenchmark: Benchmark = {
  name: 'objects',
  summary: 'object loads against npm peers, ns per operation (ratio to malloc)',
  run: async (scale) => {
    const rows = [['load', ...HEAPS, 'page repeat', 'to malloc', 'to page']];
    for (const load of OBJECT_LOADS) rows.push(await row(load, false, scale));
    for (const load of OBJECT_LOADS) rows.push(await row(load, true, scale));
    return rows;
  },
};

async function row(load: ObjectLoadName, mix: boolean, scale: Scale): Promise<string[]> {
  const usual = scale === 'smoke' ? 16384 : 16 * 16384;
  const objects = HEAPS.map((heap): ContenderSpec => {
    const operations = heap === '@thi.ng/malloc' ? THING_OPERATIONS[load] : usual;
    return { kind: 'objects', heap, load, mix, operations };
  });
  // The page allocator's `repeat`, which the fast path of objects is measured by.
  const pages = { kind: 'pages', heap: 'pageframe', load: 'repeat', operations: usual } as const;
  const results = await measureIsolated([...objects, pages], scale === 'smoke' ? 1 : 15);
  const [ours, content, malloc] = results;
  const page = results[results.length - 1];
  const ratios = (to: number): string => `${(ours / to).toFixed(2)}, ${(content / to).toFixed(2)}`;
  return [
    mix ? `kmalloc mix, ${load}` : `64 bytes, ${load}`,
    ...results.map((ns) => ns.toFixed(1)),
    ratios(malloc),
    load === 'repeat' ? ratios(page) : '',
  ];
}
