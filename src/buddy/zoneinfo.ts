import type { MemoryModel } from '../mm/memory-model.ts';
import { pagesetIndex } from '../mm/pageset.ts';
import {
  NODE_STAT_NAMES,
  NUMA_STAT_NAMES,
  shownNodeStat,
  ZONE_STAT_NAMES,
  ZoneStatItem,
} from '../mm/vm-items.ts';
import { nodeState, zoneNumaEvent, zoneState } from '../mm/vmstat.ts';
import { isPopulated, WatermarkIndex, wmarkPages, type Zone } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { badText, linesOf, matchLine, right } from './text.ts';

const FORMAT = 'zoneinfo';
/** Runs of kswapd without a page freed after which a node counts as hopeless. */
const MAX_RECLAIM_RETRIES = 16;

/** A CPU's page lists as `/proc/zoneinfo` shows them. */
export interface ZoneinfoPageset {
  /** CPU id. */
  readonly cpu: number;
  /** Pages on its lists. */
  readonly count: number;
  /** Flush threshold in pages. */
  readonly high: number;
  /** Chunk in blocks. */
  readonly batch: number;
  /** Threshold of the zone's counters on this CPU. */
  readonly threshold: number;
}

/** What `/proc/zoneinfo` says of a zone. */
export interface ZoneinfoZone {
  /** Node id. */
  readonly node: number;
  /** Zone name. */
  readonly zone: string;
  /** Counters of the node, in its first populated zone only. */
  readonly perNode: Readonly<Record<string, number>>;
  /** free, boost, min, low, high, spanned, present, managed, cma; pages, boost included. */
  readonly pages: Readonly<Record<string, number>>;
  /** `lowmem_reserve`, by zone index. */
  readonly protection: readonly number[];
  /** Counters of the zone and its NUMA events; empty for a zone without memory. */
  readonly counters: Readonly<Record<string, number>>;
  /** Page lists by CPU. */
  readonly pagesets: readonly ZoneinfoPageset[];
  /** 1 when kswapd has given up on the node; -1 for a zone without memory. */
  readonly nodeUnreclaimable: number;
  /** First page frame; -1 for a zone without memory. */
  readonly startPfn: number;
}

/** `/proc/zoneinfo`: everything about every zone of every online node. @kernel zoneinfo_show (spec buddy 5.3) */
export function formatZoneinfo(model: MemoryModel): string {
  let text = '';
  for (const node of model.nodes) {
    if (!node.online) continue;
    let isFirst = true;
    for (const zone of node.zones) {
      const withNode = isFirst && isPopulated(zone);
      text += `${zoneLines(model, zone, withNode).join('\n')}\n`;
      if (withNode) isFirst = false;
    }
  }
  return text;
}

function zoneLines(model: MemoryModel, zone: Zone, withNode: boolean): string[] {
  const lines = [`Node ${zone.node}, zone ${right(ZONE_NAMES[zone.index], 8)}`];
  if (withNode) lines.push('  per-node stats', ...nodeLines(model, zone.node));
  lines.push(...sizeLines(model, zone));
  if (!isPopulated(zone)) return lines;
  const { vmstat } = model;
  ZONE_STAT_NAMES.forEach((name, item) => {
    lines.push(counterLine(name, zoneState(vmstat, zone.id, item)));
  });
  NUMA_STAT_NAMES.forEach((name, item) => {
    lines.push(counterLine(name, zoneNumaEvent(vmstat, zone.id, item)));
  });
  lines.push('  pagesets');
  for (let cpu = 0; cpu < model.cpuCount; cpu++) lines.push(...pagesetLines(model, zone, cpu));
  const hopeless = model.nodes[zone.node].kswapdFailures >= MAX_RECLAIM_RETRIES ? 1 : 0;
  lines.push(`  node_unreclaimable:  ${hopeless}`, `  start_pfn:           ${zone.startPfn}`);
  return lines;
}

function counterLine(name: string, value: number): string {
  return `      ${name.padEnd(12)} ${value}`;
}

function nodeLines({ vmstat }: MemoryModel, node: number): string[] {
  return NODE_STAT_NAMES.map((name, item) => {
    return counterLine(name, shownNodeStat(name, nodeState(vmstat, node, item)));
  });
}

function sizeLines({ vmstat }: MemoryModel, zone: Zone): string[] {
  const sizes: readonly (readonly [string, number])[] = [
    ['boost', zone.watermarkBoost],
    ['min', wmarkPages(zone, WatermarkIndex.WMARK_MIN)],
    ['low', wmarkPages(zone, WatermarkIndex.WMARK_LOW)],
    ['high', wmarkPages(zone, WatermarkIndex.WMARK_HIGH)],
    ['spanned', zone.spannedPages],
    ['present', zone.presentPages],
    ['managed', zone.managedPages],
    ['cma', 0],
  ];
  return [
    `  pages free     ${zoneState(vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES)}`,
    ...sizes.map(([name, pages]) => `        ${name.padEnd(8)} ${pages}`),
    `        protection: (${zone.lowmemReserve.join(', ')})`,
  ];
}

function pagesetLines({ pagesets, vmstat }: MemoryModel, zone: Zone, cpu: number): string[] {
  const cell = pagesetIndex(pagesets, cpu, zone.id);
  return [
    `    cpu: ${cpu}`,
    `              count: ${pagesets.count[cell]}`,
    `              high:  ${pagesets.high[cell]}`,
    `              batch: ${pagesets.batch[cell]}`,
    `  vm stats threshold: ${vmstat.zoneThreshold[cpu * vmstat.zoneCount + zone.id]}`,
  ];
}

type Draft<T> = { -readonly [K in keyof T]: T[K] };

/** A zone while it is being read. */
interface ZoneDraft
  extends Omit<Draft<ZoneinfoZone>, 'perNode' | 'pages' | 'counters' | 'pagesets'> {
  perNode: Record<string, number>;
  pages: Record<string, number>;
  counters: Record<string, number>;
  pagesets: Draft<ZoneinfoPageset>[];
}

/**
 * Reads `/proc/zoneinfo` back.
 * @throws BuddyError `BAD_TEXT` for a line of another form
 */
export function parseZoneinfo(text: string): ZoneinfoZone[] {
  const zones: ZoneDraft[] = [];
  let inNode = false;
  for (const line of linesOf(text)) {
    if (line.startsWith('Node ')) {
      const [node, zone] = matchLine(FORMAT, line, /^Node (\d+), zone +(\S+)$/);
      zones.push(emptyZone(Number(node), zone));
      continue;
    }
    const zone = zones[zones.length - 1];
    if (zone === undefined) throw badText(FORMAT, line);
    if (line === '  per-node stats') inNode = true;
    else if (line.startsWith('  pages free')) inNode = false;
    readZoneLine(zone, line, inNode);
  }
  return zones;
}

function emptyZone(node: number, zone: string): ZoneDraft {
  return {
    node,
    zone,
    perNode: {},
    pages: {},
    protection: [],
    counters: {},
    pagesets: [],
    nodeUnreclaimable: -1,
    startPfn: -1,
  };
}

function readZoneLine(zone: ZoneDraft, line: string, inNode: boolean): void {
  if (line === '  per-node stats' || line === '  pagesets') return;
  const protection = /^ {8}protection: \((.*)\)$/.exec(line);
  if (protection !== null) {
    zone.protection = protection[1].split(', ').map(Number);
    return;
  }
  const [indent, name, value] = matchLine(FORMAT, line, /^( +)([a-z_ ]+?):? +(\d+)$/);
  const number = Number(value);
  if (name === 'pages free') zone.pages.free = number;
  else if (indent.length === 8) zone.pages[name] = number;
  else if (indent.length === 6 && inNode) zone.perNode[name] = number;
  else if (indent.length === 6) zone.counters[name] = number;
  else if (name === 'node_unreclaimable') zone.nodeUnreclaimable = number;
  else if (name === 'start_pfn') zone.startPfn = number;
  else readPagesetLine(zone, line, name, number);
}

function readPagesetLine(zone: ZoneDraft, line: string, name: string, value: number): void {
  if (name === 'cpu') {
    zone.pagesets.push({ cpu: value, count: 0, high: 0, batch: 0, threshold: 0 });
    return;
  }
  const pageset = zone.pagesets[zone.pagesets.length - 1];
  if (pageset === undefined) throw badText(FORMAT, line);
  if (name === 'count' || name === 'high' || name === 'batch') pageset[name] = value;
  else if (name === 'vm stats threshold') pageset.threshold = value;
  else throw badText(FORMAT, line);
}
