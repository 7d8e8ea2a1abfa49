import fc from 'fast-check';
import {
  createE820Table,
  type E820Entry,
  E820Error,
  type E820MemblockTarget,
  type E820Table,
  type LogLine,
  type LogSink,
} from '../../src/e820/index.ts';

/** Entries in the notation of the specification: `addr+size type; ...`, all hexadecimal. */
export function map(text: string): E820Entry[] {
  return text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^([0-9a-f]+)\+([0-9a-f]+) ([0-9a-f]+)$/.exec(part);
      if (match === null) throw new Error(`bad entry "${part}"`);
      return {
        addr: BigInt(`0x${match[1]}`),
        size: BigInt(`0x${match[2]}`),
        type: Number.parseInt(match[3], 16),
      };
    });
}

/** The same notation of entries. */
export function text(entries: readonly E820Entry[] | E820Table): string {
  const list = Array.isArray(entries)
    ? (entries as readonly E820Entry[])
    : (entries as E820Table).entries;
  return list
    .map((e) => `${e.addr.toString(16)}+${e.size.toString(16)} ${e.type.toString(16)}`)
    .join('; ');
}

/** A table from the notation. */
export function table(notation: string, capacity?: number): E820Table {
  return createE820Table(map(notation), capacity);
}

/** A sink that keeps the texts, and the lines themselves. */
export function capture(): { log: LogSink; texts: string[]; lines: LogLine[] } {
  const texts: string[] = [];
  const lines: LogLine[] = [];
  const log = (line: LogLine): void => {
    texts.push(line.text);
    lines.push(line);
  };
  return { log, texts, lines };
}

/** The E820Error that `run` throws. */
export function errorOf(run: () => unknown): E820Error {
  try {
    run();
  } catch (error) {
    if (error instanceof E820Error) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** A memblock of its own: regions as a list, merged where they touch, trimmed as the kernel does. */
export class NaiveMemblock implements E820MemblockTarget {
  regions: { base: bigint; size: bigint }[] = [];
  reserved: { base: bigint; size: bigint }[] = [];
  calls: string[] = [];
  total = 0n;

  allowResize(): void {
    this.calls.push('allowResize');
  }
  add(base: bigint, size: bigint): void {
    this.calls.push(`add ${base.toString(16)}+${size.toString(16)}`);
    const all = [...this.regions, { base, size }].sort((a, b) => (a.base < b.base ? -1 : 1));
    this.regions = [];
    for (const region of all) {
      const last = this.regions.at(-1);
      const end = region.base + region.size;
      if (last === undefined || last.base + last.size < region.base) this.regions.push(region);
      else if (end > last.base + last.size) last.size = end - last.base;
    }
    this.regions = this.regions.map((region) => ({ ...region }));
    this.total = this.regions.reduce((sum, region) => sum + region.size, 0n);
  }
  reserve(base: bigint, size: bigint): void {
    this.calls.push(`reserve ${base.toString(16)}+${size.toString(16)}`);
    this.reserved.push({ base, size });
  }
  trimMemory(align: bigint): void {
    this.calls.push(`trim ${align.toString(16)}`);
    const kept: { base: bigint; size: bigint }[] = [];
    for (const { base, size } of this.regions) {
      const start = ((base + align - 1n) / align) * align;
      const end = ((base + size) / align) * align;
      if (start < end) kept.push({ base: start, size: end - start });
      else this.total -= size;
    }
    this.regions = kept;
  }
  dumpAll(): void {
    this.calls.push('dumpAll');
  }
}

/** Types that tables of the property tests have, the unusual ones among them. */
export const arbitraryType: fc.Arbitrary<number> = fc.constantFrom(
  1,
  1,
  1,
  2,
  2,
  3,
  4,
  5,
  7,
  12,
  20,
  128,
  0xefffffff,
  0xffffffff,
  0,
);

/**
 * Entries whose borders often meet: multiples of a small step in a small space, now and then an
 * odd one.
 */
export const arbitraryEntries: fc.Arbitrary<E820Entry[]> = fc.array(
  fc.record({
    addr: fc.oneof(
      { weight: 8, arbitrary: fc.nat(24).map((n) => BigInt(n) * 0x800n) },
      { weight: 1, arbitrary: fc.bigInt(0n, 0x2_0000_0000n) },
    ),
    size: fc.oneof(
      { weight: 8, arbitrary: fc.nat(12).map((n) => BigInt(n) * 0x800n) },
      { weight: 1, arbitrary: fc.bigInt(0n, 0x1_0000_0000n) },
    ),
    type: arbitraryType,
  }),
  { maxLength: 12 },
);

/**
 * The definition of sanitising without a sweep (spec e820 4.6): cut at every border, take the
 * largest type of each piece, join neighbours.
 */
export function naiveSanitise(entries: readonly E820Entry[], capacity: number): E820Entry[] | null {
  const wraps = entries.some((e) => e.addr + e.size >= 2n ** 64n);
  if (entries.length < 2 || wraps) return null;
  const used = entries.filter((e) => e.size > 0n);
  const cuts = [...new Set(used.flatMap((e) => [e.addr, e.addr + e.size]))];
  cuts.sort((a, b) => (a < b ? -1 : 1));
  const joined: E820Entry[] = [];
  for (let i = 0; i + 1 < cuts.length; i++) {
    const [low, high] = [cuts[i], cuts[i + 1]];
    const covering = used.filter((e) => e.addr <= low && e.addr + e.size >= high);
    const type = Math.max(0, ...covering.map((e) => e.type));
    if (type === 0) continue;
    const last = joined.at(-1);
    const touches = last !== undefined && last.addr + last.size === low && last.type === type;
    if (touches && type !== 12 && type !== 0xefffffff) {
      joined[joined.length - 1] = { ...last, size: high - last.addr };
    } else {
      joined.push({ addr: low, size: high - low, type });
    }
  }
  return joined.slice(0, capacity);
}
