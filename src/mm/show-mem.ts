import { listIsEmpty } from '../lib/list.ts';
import { MAX_ORDER } from '../lib/units.ts';
import { freeListHead } from './free-area.ts';
import type { MemoryModel } from './memory-model.ts';
import { Migratetype } from './migratetype.ts';
import { pagesetIndex } from './pageset.ts';
import { NodeStatItem, type NodeStatName, ZoneStatItem } from './vm-items.ts';
import { globalNodeState, globalZoneState, nodeState, zoneState } from './vmstat.ts';
import {
  isManaged,
  isPopulated,
  type MemoryNode,
  WatermarkIndex,
  wmarkPages,
  type Zone,
} from './zone.ts';
import { ZONE_NAMES } from './zone-types.ts';

/** Runs of kswapd without a page freed after which a node counts as hopeless. */
const MAX_RECLAIM_RETRIES = 16;
/** Swapped pages that are cached again. */
const NR_SWAPCACHED = NodeStatItem.nr_swapcached;

/** What is built into the kernel, as far as a memory report shows it. */
export interface ShowMemConfig {
  /** NUMA: zones are named with their node. */
  readonly numa: boolean;
  /** TRANSPARENT_HUGEPAGE. */
  readonly thp: boolean;
  /** HUGETLB_PAGE. */
  readonly hugetlb: boolean;
  /** CMA. */
  readonly cma: boolean;
  /** MEMORY_FAILURE. */
  readonly memoryFailure: boolean;
}

/** What a memory report is made of. */
export interface ShowMemSources {
  /** The machine. */
  readonly model: MemoryModel;
  /** What is built in. */
  readonly config: ShowMemConfig;
  /** Swap space in pages, null for none (SWAP off). */
  readonly swap: {
    /** Size of all swap devices, pages. */
    readonly totalPages: number;
    /** Pages that are free on them. */
    readonly nrFree: number;
  } | null;
}

/** What a report leaves out. */
interface Filter {
  readonly nodemask: Uint8Array | null;
  readonly highestZoneidx: number;
  readonly cpu: number;
}

/**
 * The kernel's memory report.
 * @param nodemask nodes shown (cell 1 per node), null for all
 * @param highestZoneidx zones above this index are left out
 * @param cpu CPU whose lists `local_pcp` is about
 * @kernel show_mem, show_free_areas (spec buddy 5.6, slowpath-compaction 5.2)
 */
export function showMem(
  sources: ShowMemSources,
  nodemask: Uint8Array | null,
  highestZoneidx: number,
  cpu: number,
): string[] {
  const { model, config } = sources;
  const filter: Filter = { nodemask, highestZoneidx, cpu };
  const nodes = model.nodes.filter(
    ({ id, online }) => online && (nodemask === null || nodemask[id] !== 0),
  );
  const zones = nodes
    .flatMap((node) => node.zones)
    .filter((zone) => isPopulated(zone) && zone.index <= highestZoneidx);
  const hasManaged = ({ zones: of }: MemoryNode): boolean =>
    of.some((zone) => zone.index <= highestZoneidx && isManaged(zone));
  return [
    'Mem-Info:',
    ...globalLines(model, zones),
    ...nodes.filter(hasManaged).map((node) => nodeLine(sources, node)),
    ...zones.flatMap((zone) => zoneLines(sources, zone, filter)),
    ...zones.map((zone) => freeListLine(sources, zone)),
    ...(config.hugetlb ? nodes.map(hugetlbLine) : []),
    ...totalLines(sources),
  ];
}

/** Kilobytes of a number of pages. */
function kilobytes(pages: number): string {
  return `${pages * 4}kB`;
}

function pcpPages(model: MemoryModel, zone: Zone): number {
  let pages = 0;
  for (let cpu = 0; cpu < model.cpuCount; cpu++) {
    pages += model.pagesets.count[pagesetIndex(model.pagesets, cpu, zone.id)];
  }
  return pages;
}

function globalLines(model: MemoryModel, zones: readonly Zone[]): string[] {
  const { vmstat } = model;
  const node = (name: NodeStatName): number => globalNodeState(vmstat, NodeStatItem[name]);
  const zone = (item: number): number => globalZoneState(vmstat, item);
  const pcp = zones.reduce((sum, each) => sum + pcpPages(model, each), 0);
  const free = zone(ZoneStatItem.NR_FREE_PAGES);
  return [
    `active_anon:${node('nr_active_anon')} inactive_anon:${node('nr_inactive_anon')} isolated_anon:${node('nr_isolated_anon')}`,
    ` active_file:${node('nr_active_file')} inactive_file:${node('nr_inactive_file')} isolated_file:${node('nr_isolated_file')}`,
    ` unevictable:${node('nr_unevictable')} dirty:${node('nr_dirty')} writeback:${node('nr_writeback')}`,
    ` slab_reclaimable:${node('nr_slab_reclaimable')} slab_unreclaimable:${node('nr_slab_unreclaimable')}`,
    ` mapped:${node('nr_mapped')} shmem:${node('nr_shmem')} pagetables:${node('nr_page_table_pages')}`,
    ` sec_pagetables:${node('nr_sec_page_table_pages')} bounce:${zone(ZoneStatItem.NR_BOUNCE)}`,
    ` kernel_misc_reclaimable:${node('nr_kernel_misc_reclaimable')}`,
    ` free:${free} free_pcp:${pcp} free_cma:${zone(ZoneStatItem.NR_FREE_CMA_PAGES)}`,
  ];
}

function nodeLine({ model, config }: ShowMemSources, { id, kswapdFailures }: MemoryNode): string {
  const pages = (name: NodeStatName): number => nodeState(model.vmstat, id, NodeStatItem[name]);
  const of = (label: string, name: NodeStatName): string => `${label}:${kilobytes(pages(name))}`;
  const thp = [
    `shmem_thp: ${kilobytes(pages('nr_shmem_hugepages'))}`,
    `shmem_pmdmapped: ${kilobytes(pages('nr_shmem_pmdmapped'))}`,
    `anon_thp: ${kilobytes(pages('nr_anon_transparent_hugepages'))}`,
  ];
  return [
    `Node ${id}`,
    of('active_anon', 'nr_active_anon'),
    of('inactive_anon', 'nr_inactive_anon'),
    of('active_file', 'nr_active_file'),
    of('inactive_file', 'nr_inactive_file'),
    of('unevictable', 'nr_unevictable'),
    of('isolated(anon)', 'nr_isolated_anon'),
    of('isolated(file)', 'nr_isolated_file'),
    of('mapped', 'nr_mapped'),
    of('dirty', 'nr_dirty'),
    of('writeback', 'nr_writeback'),
    of('shmem', 'nr_shmem'),
    ...(config.thp ? thp : []),
    of('writeback_tmp', 'nr_writeback_temp'),
    `kernel_stack:${pages('nr_kernel_stack')}kB`,
    of('pagetables', 'nr_page_table_pages'),
    of('sec_pagetables', 'nr_sec_page_table_pages'),
    `all_unreclaimable? ${kswapdFailures >= MAX_RECLAIM_RETRIES ? 'yes' : 'no'}`,
  ].join(' ');
}

/** A zone's name as the report begins its lines. */
function zoneHeading({ config }: ShowMemSources, zone: Zone): string {
  const name = ZONE_NAMES[zone.index];
  return config.numa ? `Node ${zone.node} ${name}` : name;
}

function zoneLines(sources: ShowMemSources, zone: Zone, { cpu }: Filter): string[] {
  const { model } = sources;
  const of = (label: string, pages: number): string => `${label}:${kilobytes(pages)}`;
  const item = (label: string, stat: number): string =>
    of(label, zoneState(model.vmstat, zone.id, stat));
  const local = model.pagesets.count[pagesetIndex(model.pagesets, cpu, zone.id)];
  const counters = [
    zoneHeading(sources, zone),
    item('free', ZoneStatItem.NR_FREE_PAGES),
    of('boost', zone.watermarkBoost),
    of('min', wmarkPages(zone, WatermarkIndex.WMARK_MIN)),
    of('low', wmarkPages(zone, WatermarkIndex.WMARK_LOW)),
    of('high', wmarkPages(zone, WatermarkIndex.WMARK_HIGH)),
    `reserved_highatomic:${zone.nrReservedHighatomic * 4}KB`,
    item('active_anon', ZoneStatItem.NR_ZONE_ACTIVE_ANON),
    item('inactive_anon', ZoneStatItem.NR_ZONE_INACTIVE_ANON),
    item('active_file', ZoneStatItem.NR_ZONE_ACTIVE_FILE),
    item('inactive_file', ZoneStatItem.NR_ZONE_INACTIVE_FILE),
    item('unevictable', ZoneStatItem.NR_ZONE_UNEVICTABLE),
    item('writepending', ZoneStatItem.NR_ZONE_WRITE_PENDING),
    of('present', zone.presentPages),
    of('managed', zone.managedPages),
    item('mlocked', ZoneStatItem.NR_MLOCK),
    item('bounce', ZoneStatItem.NR_BOUNCE),
    of('free_pcp', pcpPages(model, zone)),
    of('local_pcp', local),
    item('free_cma', ZoneStatItem.NR_FREE_CMA_PAGES),
  ];
  return [counters.join(' '), `lowmem_reserve[]: ${zone.lowmemReserve.join(' ')}`];
}

/** Letters of the migratetypes, in the order of their values. @kernel show_migration_types */
const TYPE_LETTERS: readonly (readonly [number, string])[] = [
  [Migratetype.MIGRATE_UNMOVABLE, 'U'],
  [Migratetype.MIGRATE_MOVABLE, 'M'],
  [Migratetype.MIGRATE_RECLAIMABLE, 'E'],
  [Migratetype.MIGRATE_HIGHATOMIC, 'H'],
  [Migratetype.MIGRATE_ISOLATE, 'I'],
];

function freeListLine(sources: ShowMemSources, zone: Zone): string {
  const { areas, map } = sources.model;
  const parts: string[] = [];
  let total = 0;
  for (let order = 0; order < MAX_ORDER; order++) {
    const blocks = areas.nrFree[zone.id * MAX_ORDER + order];
    total += blocks * 2 ** order;
    parts.push(`${blocks}*${kilobytes(2 ** order)}`);
    const letters = TYPE_LETTERS.filter(
      ([type]) => !listIsEmpty(map, freeListHead(areas, zone.id, order, type)),
    );
    if (blocks > 0) parts.push(`(${letters.map(([, letter]) => letter).join('')})`);
  }
  return `${zoneHeading(sources, zone)}: ${parts.join(' ')} = ${kilobytes(total)}`;
}

/** No huge pages are set aside in this model. */
function hugetlbLine({ id }: MemoryNode): string {
  return `Node ${id} hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB`;
}

function totalLines({ model, config, swap }: ShowMemSources): string[] {
  const { vmstat } = model;
  const populated = model.zones.filter(isPopulated);
  const present = populated.reduce((sum, zone) => sum + zone.presentPages, 0);
  const managed = populated.reduce((sum, zone) => sum + zone.managedPages, 0);
  const lines = [`${globalNodeState(vmstat, NodeStatItem.nr_file_pages)} total pagecache pages`];
  if (swap !== null) {
    lines.push(
      `${globalNodeState(vmstat, NR_SWAPCACHED)} pages in swap cache`,
      `Free swap  = ${kilobytes(swap.nrFree)}`,
      `Total swap = ${kilobytes(swap.totalPages)}`,
    );
  }
  lines.push(
    `${present} pages RAM`,
    '0 pages HighMem/MovableOnly',
    `${present - managed} pages reserved`,
  );
  if (config.cma) lines.push('0 pages cma reserved');
  if (config.memoryFailure) lines.push('0 pages hwpoisoned');
  return lines;
}
