import { checkInteger } from '../lib/errors.ts';
import { type MemoryModel, nodeOfPage } from './memory-model.ts';
import { PAGE_FLAGS_MASK, PageFlag } from './page-flags.ts';
import { zoneIdOf } from './page-map.ts';
import { MAX_NR_ZONES } from './zone-types.ts';

/** Names of flags in the order in which `%pGp` prints them, which is not that of the bits. */
const PRINT_ORDER = [
  'locked',
  'waiters',
  'error',
  'referenced',
  'uptodate',
  'dirty',
  'lru',
  'active',
  'workingset',
  'slab',
  'owner_priv_1',
  'arch_1',
  'reserved',
  'private',
  'private_2',
  'writeback',
  'head',
  'mappedtodisk',
  'reclaim',
  'swapbacked',
  'unevictable',
  'mlocked',
  'uncached',
  'hwpoison',
] as const;

/** How the high part of the flag word is laid out in a build. */
export interface PageFlagLayout {
  /** Bits of the node number: 6, or 10 with MAXSMP. Default 6. */
  readonly nodesShift?: number;
  /** Bits of the zone number: 2 for up to 4 zones, else 3. Default 2. */
  readonly zonesShift?: number;
}

/** The parts of a flag word. */
export interface PageFlagFields {
  /** PG_ bits, see `PageFlag`. */
  readonly flags: number;
  /** Node number. */
  readonly node: number;
  /** Zone index. */
  readonly zone: number;
}

/**
 * A flag word as the kernel prints it, with node and zone: hex, then names in parentheses.
 * @throws ArgumentError `BAD_ARGUMENT` when a field does not fit its bits
 * @kernel %pGp (spec memory-model 5.4)
 */
export function formatPageFlags(fields: PageFlagFields, layout: PageFlagLayout = {}): string {
  const { nodesShift = 6, zonesShift = 2 } = layout;
  const { node, zone } = fields;
  checkInteger('node', node, 0, 2 ** nodesShift - 1);
  checkInteger('zone', zone, 0, 2 ** zonesShift - 1);
  const flags = fields.flags & PAGE_FLAGS_MASK;
  // Both links lie in the upper 32 bits of the word: the node at the top, the zone below it.
  const high = node * 2 ** (32 - nodesShift) + zone * 2 ** (32 - nodesShift - zonesShift);
  const digits = high === 0 ? flags.toString(16) : flags.toString(16).padStart(8, '0');
  const word = `0x${high === 0 ? '' : high.toString(16)}${digits}`;
  const names: string[] = PRINT_ORDER.filter((name) => (flags & PageFlag[`PG_${name}`]) !== 0);
  return `${word}(${[...names, `node=${node}`, `zone=${zone}`].join('|')})`;
}

/**
 * The flag word of a page frame as the kernel prints it.
 * @param pfn an initialised page frame
 * @kernel dump_page (spec memory-model 5.4)
 */
export function formatPage(model: MemoryModel, pfn: number, layout: PageFlagLayout = {}): string {
  const zone = zoneIdOf(model.map, pfn) % MAX_NR_ZONES;
  const fields = { flags: model.map.flags[pfn], node: nodeOfPage(model, pfn), zone };
  return formatPageFlags(fields, layout);
}
