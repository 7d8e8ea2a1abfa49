import { OBJECT_LOADS, type ObjectLoadName, type setUpObjectLoad } from './lib/object-loads.ts';
import { type Design, designCacheHeap, designKmallocHeap } from './lib/slab-heaps.ts';
import { type Contender, measure } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

/** What is measured: both designs, without and with contents. */
const SHAPES: readonly (readonly [Design, boolean])[] = [
  ['SLUB', false],
  ['SLAB', false],
  ['SLUB', true],
  ['SLAB', true],
];

/** SLAB beside SLUB on the loads of `objects`, in one run, in turn. */
export const slabBenchmark: Benchmark = {
  name: 'slab',
  summary: 'SLAB beside SLUB on the object loads, ns per operation (ratio)',
  run: async (scale) => {
    const heads = SHAPES.map(([design, content]) => (content ? `${design}, ArrayBuffer` : design));
    const rows = [['load', ...heads, 'SLAB to SLUB']];
    for (const mix of [false, true]) {
      for (const load of OBJECT_LOADS) rows.push(await row(load, mix, scale));
    }
    return rows;
  },
};

async function row(load: ObjectLoadName, mix: boolean, scale: Scale): Promise<string[]> {
  const operations = scale === 'smoke' ? 16384 : 16 * 16384;
  const contenders = await Promise.all(
    SHAPES.map((shape) => contender(load, shape, mix, operations)),
  );
  const results = measure(contenders, operations, scale === 'smoke' ? 1 : 15);
  const [slub, slab, slubContent, slabContent] = results.map(({ minNs }) => minNs);
  const ratios = `${(slab / slub).toFixed(2)}, ${(slabContent / slubContent).toFixed(2)}`;
  const name = mix ? `kmalloc mix, ${load}` : `64 bytes, ${load}`;
  return [name, ...results.map(({ minNs }) => minNs.toFixed(1)), ratios];
}

async function contender(
  load: ObjectLoadName,
  [design, content]: readonly [Design, boolean],
  mix: boolean,
  operations: number,
): Promise<Contender> {
  const heap = mix ? designKmallocHeap(design, content) : designCacheHeap(design, content);
  // A module of its own, so that the code is compiled for this heap alone.
  const specifier = `./lib/object-loads.ts?slab-${load}-${mix}-${design}-${content}`;
  const loads = (await import(specifier)) as { setUpObjectLoad: typeof setUpObjectLoad };
  const run = loads.setUpObjectLoad(load, heap, mix);
  return { name: heap.name, prepare: () => () => run(operations) };
}
