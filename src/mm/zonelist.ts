import { type MemoryModel, nodeDistance } from './memory-model.ts';
import { MIGRATE_PCPTYPES, Migratetype } from './migratetype.ts';
import { type PageMap, setPageblockMigratetype } from './page-map.ts';
import type { LogSink } from './trace.ts';
import { isPopulated, type MemoryNode, WatermarkIndex, wmarkPages, type Zone } from './zone.ts';
import { MAX_NR_ZONES, MAX_NUMNODES, ZONE_NAMES, ZoneType } from './zone-types.ts';

/** What a node with CPUs costs in the order of nodes. @kernel PENALTY_FOR_NODE_WITH_CPUS */
const PENALTY_FOR_NODE_WITH_CPUS = 1;

/** How zonelists are built. */
export interface BuildZonelistsOptions {
  /**
   * Whether nodes with CPUs are avoided: true when lists are built anew at run time, false at boot,
   * when no CPU is in any node's mask yet. Default false.
   */
  readonly cpusKnown?: boolean;
  /** `mminit_loglevel=`: from 1 on every zonelist is logged. Default 0. */
  readonly mminitLoglevel?: number;
}

/**
 * Builds the zonelists of all nodes, decides on grouping by mobility, and logs both.
 * @returns pages that requests of the boot CPU's node can have, as logged
 * @kernel build_all_zonelists (spec memory-model 4.7, 4.8)
 */
export function buildAllZonelists(
  model: MemoryModel,
  options: BuildZonelistsOptions = {},
  log: LogSink | null = null,
): number {
  const nodeLoad = new Int32Array(model.nodes.length);
  for (const node of model.nodes) {
    if (!node.possible) continue;
    const order = nodeFallbackOrder(model, node.id, nodeLoad, options.cpusKnown === true);
    node.zonelists[0] = order.flatMap((id) => zonesFromTop(model.nodes[id]));
    node.zonelists[1] = zonesFromTop(node);
    log?.(`Fallback order for Node ${node.id}: ${order.map((id) => `${id} `).join('')}`);
  }
  if ((options.mminitLoglevel ?? 0) >= 1) logZonelists(model, log);
  const totalPages = decideMobilityGrouping(model);
  const onlineNodes = model.nodes.filter((node) => node.online).length;
  const grouping = model.mobilityDisabled ? 'off' : 'on';
  log?.(
    `Built ${onlineNodes} zonelists, mobility grouping ${grouping}.  Total pages: ${totalPages}`,
  );
  log?.(`Policy zone: ${ZONE_NAMES[policyZone(model)]}`);
  return totalPages;
}

/**
 * The nodes in the order in which a node's requests fall back to them, itself first.
 * @param nodeLoad how often each node was the first of its distance, over the whole build; grows
 * @param cpusKnown whether nodes with CPUs are avoided
 * @kernel find_next_best_node (spec memory-model 4.7)
 */
export function nodeFallbackOrder(
  model: MemoryModel,
  local: number,
  nodeLoad: Int32Array,
  cpusKnown: boolean,
): number[] {
  const order: number[] = [];
  const used = new Set<number>();
  let previous = local;
  let next = local;
  while (next >= 0) {
    if (nodeDistance(model, local, next) !== nodeDistance(model, local, previous)) nodeLoad[next]++;
    order.push(next);
    used.add(next);
    previous = next;
    next = nextBestNode(model, local, used, nodeLoad, cpusKnown);
  }
  return order;
}

function nextBestNode(
  model: MemoryModel,
  local: number,
  used: ReadonlySet<number>,
  nodeLoad: Int32Array,
  cpusKnown: boolean,
): number {
  let best = -1;
  let bestValue = Number.POSITIVE_INFINITY;
  for (const node of model.nodes) {
    if (node.presentPages === 0 || used.has(node.id)) continue;
    let distance = nodeDistance(model, local, node.id);
    if (node.id < local) distance++;
    if (cpusKnown && node.cpus.length > 0) distance += PENALTY_FOR_NODE_WITH_CPUS;
    const value = distance * MAX_NUMNODES + nodeLoad[node.id];
    if (value >= bestValue) continue;
    best = node.id;
    bestValue = value;
  }
  return best;
}

/** Populated zones of a node, the highest first. @kernel build_zonerefs_node */
function zonesFromTop(node: MemoryNode): Zone[] {
  return [...node.zones].reverse().filter(isPopulated);
}

/**
 * Switches grouping by mobility off on machines too small for a pageblock of each type.
 * @returns pages above the high watermarks in the fallback list of the boot CPU's node
 * @kernel page_group_by_mobility_disabled (spec memory-model 4.8)
 */
export function decideMobilityGrouping(model: MemoryModel): number {
  let totalPages = 0;
  for (const zone of model.nodes[model.cpuNode[0]].zonelists[0]) {
    const high = wmarkPages(zone, WatermarkIndex.WMARK_HIGH);
    totalPages += Math.max(0, zone.managedPages - high);
  }
  const pageblockPages = 1 << model.map.pageblockOrder;
  model.mobilityDisabled = totalPages < pageblockPages * model.migrateTypes;
  return totalPages;
}

/** Highest zone index, ZONE_MOVABLE apart, on any zonelist: memory policies apply from it on. @kernel policy_zone */
export function policyZone(model: MemoryModel): number {
  let highest = 0;
  for (const zone of model.zones) {
    if (isPopulated(zone) && zone.index < ZoneType.ZONE_MOVABLE) {
      highest = Math.max(highest, zone.index);
    }
  }
  return highest;
}

/**
 * Sets the type of a pageblock as the kernel's callers do: with grouping by mobility off, mergeable
 * types become UNMOVABLE.
 * @kernel set_pageblock_migratetype (spec memory-model 4.8, 4.15)
 */
export function changePageblockMigratetype(
  model: { readonly map: PageMap; readonly mobilityDisabled: boolean },
  pfn: number,
  migratetype: number,
): void {
  const off = model.mobilityDisabled && migratetype < MIGRATE_PCPTYPES;
  setPageblockMigratetype(model.map, pfn, off ? Migratetype.MIGRATE_UNMOVABLE : migratetype);
}

/** One line per list and zone that it can start at. @kernel mminit_verify_zonelist (spec 5.1) */
function logZonelists(model: MemoryModel, log: LogSink | null): void {
  for (const node of model.nodes) {
    if (!node.online) continue;
    node.zonelists.forEach((list, which) => {
      for (let index = 0; index < MAX_NR_ZONES; index++) {
        if (!isPopulated(node.zones[index])) continue;
        const entries = list
          .filter((zone) => zone.index <= index)
          .map((zone) => `${zone.node}:${ZONE_NAMES[zone.index]} `);
        const kind = which === 0 ? 'general' : 'thisnode';
        const head = `${node.id}:${ZONE_NAMES[index]} = `;
        log?.(`mminit::zonelist ${kind} ${head}${entries.join('')}`);
      }
    });
  }
}
