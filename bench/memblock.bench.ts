import { seededRandom } from '../src/lib/random.ts';
import { Memblock } from '../src/memblock/index.ts';
import { measure, mix } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

const PAGE = 0x1000n;
/** Reserved pages lie one in 64 KiB: none touches another, so none merges. */
const STRIDE = 0x10000n;
/** More than what is free between two of them: found below all of them only. */
const LARGE = 0x20000n;
const SEARCHES = 20;

/** Growth of the region array: a reservation searches and shifts it, as in the kernel. */
export const memblockBenchmark: Benchmark = {
  name: 'memblock',
  summary: 'reserve pages in random order; then search top-down past all of them',
  run: async (scale) => [
    ['regions', 'µs per reserve', 'µs per search', 'ns per search and region'],
    ...(scale === 'smoke' ? [100, 1_000] : [100, 1_000, 10_000]).map((n) => row(n, scale)),
  ],
};

function row(regions: number, scale: Scale): string[] {
  const order = shuffled(regions);
  const rounds = scale === 'smoke' ? 1 : 3;
  const reserving = {
    name: 'reserve',
    prepare: () => () => reserved(order).regions('reserved').length,
  };
  const searching = {
    name: 'search',
    prepare: () => {
      const memblock = reserved(order);
      return () => search(memblock);
    },
  };
  const [reserve] = measure([reserving], regions, rounds);
  const [find] = measure([searching], SEARCHES, rounds);
  return [
    String(regions),
    (reserve.minNs / 1e3).toFixed(2),
    (find.minNs / 1e3).toFixed(1),
    (find.minNs / regions).toFixed(0),
  ];
}

function reserved(order: readonly number[]): Memblock {
  const memblock = new Memblock();
  memblock.add(0n, BigInt(order.length + 16) * STRIDE);
  memblock.allowResize();
  for (const i of order) memblock.reserve(BigInt(i + 16) * STRIDE, PAGE);
  return memblock;
}

function search(memblock: Memblock): number {
  let hash = 0;
  for (let i = 0; i < SEARCHES; i++) {
    const addr = memblock.physAlloc(LARGE, PAGE) ?? 0n;
    hash = mix(hash, Number(addr / PAGE));
    memblock.physFree(addr, LARGE);
  }
  return hash;
}

/** The numbers below `count` in an order that is the same every time. */
function shuffled(count: number): number[] {
  const random = seededRandom(count);
  const numbers = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.nextU32() % (i + 1);
    [numbers[i], numbers[j]] = [numbers[j], numbers[i]];
  }
  return numbers;
}
