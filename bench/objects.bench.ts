import type { ObjectHeap } from './lib/object-heaps.ts';
import {
  cacheHeap,
  codemixObjects,
  kmallocHeap,
  newArrays,
  poolObjects,
  thingObjects,
} from './lib/object-heaps.ts';
import { OBJECT_LOADS, type ObjectLoadName, type setUpObjectLoad } from './lib/object-loads.ts';
import { pageframeHeap } from './lib/page-heaps.ts';
import type { setUpLoad } from './lib/page-loads.ts';
import { type Contender, type Measurement, measure } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

/** `@thi.ng/malloc` walks its lists: fewer operations, or nobody would wait for it. */
const THING_OPERATIONS: Readonly<Record<ObjectLoadName, number>> = {
  repeat: 16384,
  bulk: 16384,
  rand: 1024,
  mixed: 1024,
};

type AnyHeap = ObjectHeap<number> | ObjectHeap<Uint8Array>;

/** Objects of one size and of mixed sizes against npm peers, in one run, in turn. */
export const objectsBenchmark: Benchmark = {
  name: 'objects',
  summary: 'object loads against npm peers, ns per operation (ratio to malloc)',
  run: async (scale) => {
    const heads = heapsOf(false).map(({ name }) => name);
    const rows = [['load', ...heads, 'page repeat', 'to malloc', 'to page']];
    for (const load of OBJECT_LOADS) rows.push(await row(load, false, scale));
    for (const load of OBJECT_LOADS) rows.push(await row(load, true, scale));
    return rows;
  },
};

function heapsOf(mix: boolean): readonly AnyHeap[] {
  const ours = mix ? kmallocHeap : cacheHeap;
  return [ours(false), ours(true), codemixObjects(), thingObjects(), poolObjects(), newArrays()];
}

async function row(load: ObjectLoadName, mix: boolean, scale: Scale): Promise<string[]> {
  const operations = scale === 'smoke' ? 16384 : 16 * 16384;
  const contenders = await Promise.all(
    heapsOf(mix).map((heap, i) => contender(load, heap, mix, operations, i)),
  );
  contenders.push(await pageRepeat(operations));
  const results = measure(contenders, operations, scale === 'smoke' ? 1 : 15);
  const [ours, content, malloc] = results;
  const page = results[results.length - 1];
  const ratio = (of: Measurement, to: Measurement): string => (of.minNs / to.minNs).toFixed(2);
  const toPage = load === 'repeat' ? `${ratio(ours, page)}, ${ratio(content, page)}` : '';
  return [
    mix ? `kmalloc mix, ${load}` : `64 bytes, ${load}`,
    ...results.map(({ minNs }) => minNs.toFixed(1)),
    `${ratio(ours, malloc)}, ${ratio(content, malloc)}`,
    toPage,
  ];
}

async function contender(
  load: ObjectLoadName,
  heap: AnyHeap,
  mix: boolean,
  operations: number,
  index: number,
): Promise<Contender> {
  // A module of its own, so that the code is compiled for this heap alone.
  const specifier = `./lib/object-loads.ts?${load}-${mix}-${index}`;
  const loads = (await import(specifier)) as { setUpObjectLoad: typeof setUpObjectLoad };
  const run = loads.setUpObjectLoad(load, heap as ObjectHeap<unknown>, mix);
  const own = heap.name === '@thi.ng/malloc' ? THING_OPERATIONS[load] : operations;
  return { name: heap.name, prepare: () => () => run(own), operations: own };
}

/** The page allocator's `repeat`, which the fast path of objects is measured by. */
async function pageRepeat(operations: number): Promise<Contender> {
  const specifier = './lib/page-loads.ts?objects';
  const loads = (await import(specifier)) as { setUpLoad: typeof setUpLoad };
  const run = loads.setUpLoad('repeat', pageframeHeap());
  return { name: 'page repeat', prepare: () => () => run(operations), operations };
}
