import type { ObjectHeapName } from './lib/contender.ts';
import { OBJECT_LOADS, type ObjectLoadName } from './lib/object-loads.ts';
import { measureIsolated } from './measure-isolated.ts';
import type { Benchmark, Scale } from './types.ts';

/** What is measured: both designs, without and with contents. */
const HEAPS: readonly ObjectHeapName[] = ['SLUB', 'SLAB', 'SLUB, ArrayBuffer', 'SLAB, ArrayBuffer'];

/** SLAB beside SLUB on the loads of `objects`, in one run, in turn. */
export const slabBenchmark: Benchmark = {
  name: 'slab',
  summary: 'SLAB beside SLUB on the object loads, ns per operation (ratio)',
  run: async (scale) => {
    const rows = [['load', ...HEAPS, 'SLAB to SLUB']];
    for (const mix of [false, true]) {
      for (const load of OBJECT_LOADS) rows.push(await row(load, mix, scale));
    }
    return rows;
  },
};

async function row(load: ObjectLoadName, mix: boolean, scale: Scale): Promise<string[]> {
  const operations = scale === 'smoke' ? 16384 : 16 * 16384;
  const specs = HEAPS.map((heap) => ({ kind: 'objects', heap, load, mix, operations }) as const);
  const results = await measureIsolated(specs, scale === 'smoke' ? 1 : 15);
  const [slub, slab, slubContent, slabContent] = results;
  const ratios = `${(slab / slub).toFixed(2)}, ${(slabContent / slubContent).toFixed(2)}`;
  const name = mix ? `kmalloc mix, ${load}` : `64 bytes, ${load}`;
  return [name, ...results.map((ns) => ns.toFixed(1)), ratios];
}
