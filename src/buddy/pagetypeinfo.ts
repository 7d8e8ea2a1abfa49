import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from '../mm/free-area.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import { MIGRATETYPE_NAMES } from '../mm/migratetype.ts';
import { pageblockMigratetype, zoneIdOf } from '../mm/page-map.ts';
import { isPopulated, type MemoryNode, type Zone, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { badText, linesOf, matchLine, readNumbers, right } from './text.ts';

/** Blocks of a list beyond which nobody counts. */
const COUNT_LIMIT = 100000;

const FORMAT = 'pagetypeinfo';
const HEADING = 'Free pages count per migrate type at order';
const BLOCKS_HEADING = 'Number of blocks type ';

/** What `/proc/pagetypeinfo` says of a zone. */
export interface PagetypeinfoZone {
  /** Node id. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** By migratetype name, free blocks by order; 100000 stands for as many or more. */
  readonly freeBlocks: Readonly<Record<string, readonly number[]>>;
  /** By migratetype name, pageblocks. */
  readonly pageblocks: Readonly<Record<string, number>>;
}

/** `/proc/pagetypeinfo` as numbers. */
export interface Pagetypeinfo {
  /** log2 of the pages in a pageblock. */
  readonly pageblockOrder: number;
  /** Populated zones. */
  readonly zones: readonly PagetypeinfoZone[];
}

/**
 * `/proc/pagetypeinfo`: free blocks by migratetype and order, pageblocks by migratetype, node by node.
 * @kernel pagetypeinfo_show (spec buddy 5.2)
 */
export function formatPagetypeinfo(model: MemoryModel): string {
  return model.nodes
    .filter((node) => node.presentPages > 0)
    .map((node) => nodeText(model, node))
    .join('');
}

function nodeText(model: MemoryModel, node: MemoryNode): string {
  const { pageblockOrder } = model.map;
  const zones = node.zones.filter(isPopulated);
  const types = MIGRATETYPE_NAMES.slice(0, model.migrateTypes);
  const orders = Array.from({ length: MAX_ORDER }, (_, order) => `${right(order, 6)} `);
  return [
    `Page block order: ${pageblockOrder}`,
    `Pages per block:  ${1 << pageblockOrder}`,
    '',
    `${HEADING.padEnd(43)} ${orders.join('')}`,
    ...zones.flatMap((zone) => types.map((_, type) => freeLine(model, zone, type))),
    '',
    `${BLOCKS_HEADING.padEnd(23)}${types.map((name) => `${right(name, 12)} `).join('')}`,
    ...zones.map((zone) => blockLine(model, zone)),
    '',
  ].join('\n');
}

function freeLine(model: MemoryModel, zone: Zone, type: number): string {
  const name = MIGRATETYPE_NAMES[type];
  let line = `Node ${right(zone.node, 4)}, zone ${right(ZONE_NAMES[zone.index], 8)}, type ${right(name, 12)} `;
  for (let order = 0; order < MAX_ORDER; order++) {
    const blocks = countBlocks(model, zone, order, type);
    line += `${blocks === COUNT_LIMIT ? '>' : ''}${right(blocks, 6)} `;
  }
  return line;
}

function countBlocks({ areas, map }: MemoryModel, zone: Zone, order: number, type: number): number {
  const head = freeListHead(areas, zone.id, order, type);
  let blocks = 0;
  let pfn = map.next[head];
  while (pfn !== head && blocks < COUNT_LIMIT) {
    blocks++;
    pfn = map.next[pfn];
  }
  return blocks;
}

/** Pageblocks by type, told from one page each, counted from the first page of the zone. */
function blockLine({ map, migrateTypes }: MemoryModel, zone: Zone): string {
  const counts = new Array<number>(migrateTypes).fill(0);
  const end = zoneEndPfn(zone);
  for (let pfn = zone.startPfn; pfn < end; pfn += 1 << map.pageblockOrder) {
    if (zoneIdOf(map, pfn) !== zone.id) continue;
    const type = pageblockMigratetype(map, pfn);
    if (type < migrateTypes) counts[type]++;
  }
  const numbers = counts.map((count) => `${right(count, 12)} `).join('');
  return `Node ${zone.node}, zone ${right(ZONE_NAMES[zone.index], 8)} ${numbers}`;
}

/** A zone while it is being read. */
interface ZoneDraft {
  node: number;
  zone: string;
  freeBlocks: Record<string, readonly number[]>;
  pageblocks: Record<string, number>;
}

/**
 * Reads `/proc/pagetypeinfo` back.
 * @throws BuddyError `BAD_TEXT` for a line of another form
 */
export function parsePagetypeinfo(text: string): Pagetypeinfo {
  const zones: ZoneDraft[] = [];
  let types: string[] = [];
  let pageblockOrder = -1;
  for (const line of linesOf(text)) {
    if (line.startsWith('Page block order:')) {
      pageblockOrder = Number(matchLine(FORMAT, line, /^Page block order: (\d+)$/)[0]);
    } else if (line.startsWith(BLOCKS_HEADING)) {
      types = line.slice(BLOCKS_HEADING.length).trim().split(/ +/);
    } else if (line.includes(', type')) {
      readFreeLine(line, zones);
    } else if (line.startsWith('Node')) {
      readBlockLine(line, zones, types);
    } else if (line !== '' && !line.startsWith(HEADING) && !line.startsWith('Pages per block:')) {
      throw badText(FORMAT, line);
    }
  }
  return { pageblockOrder, zones };
}

function readFreeLine(line: string, zones: ZoneDraft[]): void {
  const pattern = /^Node +(\d+), zone +(\S+), type +(\S+) (.*)$/;
  const [node, zone, type, rest] = matchLine(FORMAT, line, pattern);
  let draft = zones.find((each) => each.node === Number(node) && each.zone === zone);
  if (draft === undefined) {
    draft = { node: Number(node), zone, freeBlocks: {}, pageblocks: {} };
    zones.push(draft);
  }
  draft.freeBlocks[type] = readNumbers(FORMAT, rest, MAX_ORDER);
}

function readBlockLine(line: string, zones: ZoneDraft[], types: readonly string[]): void {
  const [node, zone, rest] = matchLine(FORMAT, line, /^Node +(\d+), zone +(\S+) (.*)$/);
  const draft = zones.find((each) => each.node === Number(node) && each.zone === zone);
  if (draft === undefined) throw badText(FORMAT, line);
  readNumbers(FORMAT, rest, types.length).forEach((count, i) => {
    draft.pageblocks[types[i]] = count;
  });
}
