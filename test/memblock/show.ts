import { Memblock, type MemblockOptions, type MemblockTypeName } from '../../src/memblock/index.ts';

export const ALL_ONES = 2n ** 64n - 1n;
export const NOMAP = 4;
export const HOTPLUG = 1;

/** Entries as `[base,end)`, hex without `0x`, with flags and node where they are not the default. */
export function show(memblock: Memblock, type: MemblockTypeName): string {
  const entries = memblock.regions(type).map(({ base, end, flags, nid }) => {
    const node = nid === memblock.state.maxNumnodes ? '' : ` nid ${nid}`;
    const bits = flags === 0 ? '' : ` flags ${flags.toString(16)}`;
    return `[${base.toString(16)},${end.toString(16)})${node}${bits}`;
  });
  return entries.join(' ');
}

/** A memblock, its log and its warnings; all invariants are checked after each call. */
export function watched(options: MemblockOptions = {}): {
  memblock: Memblock;
  log: string[];
  warnings: string[];
} {
  const log: string[] = [];
  const warnings: string[] = [];
  const memblock = new Memblock({
    checks: 'full',
    debug: true,
    log: (level, text) => log.push(`${level} ${text}`),
    warn: (reason) => warnings.push(reason),
    ...options,
  });
  return { memblock, log, warnings };
}

/** A memblock with these ranges of memory and these reservations, given as `[start, end)`. */
export function withRanges(
  memory: readonly (readonly [bigint, bigint])[],
  reserved: readonly (readonly [bigint, bigint])[] = [],
  options: MemblockOptions = {},
): Memblock {
  const memblock = new Memblock({ checks: 'full', ...options });
  for (const [start, end] of memory) memblock.add(start, end - start);
  for (const [start, end] of reserved) memblock.reserve(start, end - start);
  return memblock;
}
