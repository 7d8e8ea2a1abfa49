import { checkInteger } from '../lib/errors.ts';
import { FreeAreas } from './free-area.ts';
import { PageMap } from './page-map.ts';
import { Pagesets } from './pageset.ts';
import { Sections } from './sections.ts';
import { Vmstat } from './vmstat.ts';
import { MemoryNode, type Zone } from './zone.ts';
import { MAX_NR_ZONES, MODEL_NODES_MAX } from './zone-types.ts';

/** The shape of a machine, before any page frame has a zone. */
export interface MemoryModelOptions {
  /** One past the highest page frame number. */
  readonly endPfn: number;
  /** Number of node ids, 1 to 63. Default 1. */
  readonly nodeCount?: number;
  /** Node of each CPU; its length is the number of CPUs. Default: one CPU on node 0. */
  readonly cpuNode?: readonly number[];
  /** Distances between nodes. Default: 10 to itself, 20 to others. */
  readonly distance?: readonly (readonly number[])[];
  /** log2 of the pages in a pageblock: 9, or 10 without HUGETLB_PAGE. Default 9. */
  readonly pageblockOrder?: number;
  /** List heads to leave room for. Default: enough for any machine. */
  readonly listHeads?: number;
  /** Whether the kernel has ISOLATE as a fifth migratetype (MEMORY_ISOLATION). Default true. */
  readonly memoryIsolation?: boolean;
  /** Clock ticks per second. Default 100. */
  readonly hz?: number;
}

/** Tunables under `/proc/sys/vm` that the shared words depend on, with the kernel's defaults. */
export interface VmTunables {
  /** KiB kept free; 1024 until boot computes it. */
  minFreeKbytes: number;
  /** What a user wrote to `min_free_kbytes`, -1 for nothing. */
  userMinFreeKbytes: number;
  /** Distance between watermarks in 1/10000 of managed pages. */
  watermarkScaleFactor: number;
  /** Largest boost in 1/10000 of the high watermark, 0 for none. */
  watermarkBoostFactor: number;
  /** Divisors of `lowmem_reserve`, by zone index. */
  lowmemReserveRatio: number[];
  /** `percpu_pagelist_high_fraction`, 0 for off. */
  percpuPagelistHighFraction: number;
  /** `min_unmapped_ratio`, percent. */
  minUnmappedRatio: number;
  /** `min_slab_ratio`, percent. */
  minSlabRatio: number;
  /** `swappiness`, 0 to 200. */
  swappiness: number;
  /** `zone_reclaim_mode`, bits 1, 2, 4. */
  nodeReclaimMode: number;
  /** `extfrag_threshold`. */
  extfragThreshold: number;
  /** `numa_stat`: 1 counts NUMA events. */
  numaStat: number;
}

/** A fresh set of tunables with the kernel's defaults. */
export function defaultTunables(): VmTunables {
  return {
    minFreeKbytes: 1024,
    userMinFreeKbytes: -1,
    watermarkScaleFactor: 10,
    watermarkBoostFactor: 15000,
    lowmemReserveRatio: [256, 256, 32, 0],
    percpuPagelistHighFraction: 0,
    minUnmappedRatio: 1,
    minSlabRatio: 5,
    swappiness: 60,
    nodeReclaimMode: 0,
    extfragThreshold: 500,
    numaStat: 1,
  };
}

/**
 * What all allocators of one machine share: page map, nodes and zones, free lists, per-CPU lists,
 * counters, tunables. Every machine has its own; nothing is global.
 */
export class MemoryModel {
  /** The page frames. */
  readonly map: PageMap;
  /** Which sections have a memmap. */
  readonly sections: Sections;
  /** All nodes by id, offline ones included. */
  readonly nodes: readonly MemoryNode[];
  /** All zones by id, empty ones included. */
  readonly zones: readonly Zone[];
  /** Buddy free lists. */
  readonly areas: FreeAreas;
  /** Per-CPU page lists. */
  readonly pagesets: Pagesets;
  /** Counters. */
  readonly vmstat: Vmstat;
  /** Node of each CPU (`cpu_to_node`). */
  readonly cpuNode: Int32Array;
  /** Distance of two nodes, `from * nodeCount + to`. */
  readonly distance: Int32Array;
  /** Tunables. */
  readonly tunables: VmTunables;
  /** MIGRATE_TYPES of the build: 5 with MEMORY_ISOLATION, else 4. */
  readonly migrateTypes: number;
  /** Clock ticks per second. */
  readonly hz: number;
  /** Grouping by mobility is off: every request is UNMOVABLE. @kernel page_group_by_mobility_disabled */
  mobilityDisabled = false;
  /** Pages handed to the buddy allocator in total. @kernel totalram_pages */
  totalramPages = 0;
  /** Sum over nodes. @kernel totalreserve_pages */
  totalreservePages = 0;

  constructor(options: MemoryModelOptions) {
    const { endPfn, nodeCount = 1, cpuNode = [0], distance, pageblockOrder = 9 } = options;
    checkInteger('nodeCount', nodeCount, 1, MODEL_NODES_MAX);
    checkInteger('cpus', cpuNode.length, 1, 4096);
    for (const node of cpuNode) checkInteger('cpuNode', node, 0, nodeCount - 1);
    const { listHeads } = options;
    this.map = new PageMap({
      endPfn,
      pageblockOrder,
      ...(listHeads === undefined ? {} : { listHeads }),
    });
    this.sections = new Sections(endPfn);
    this.nodes = Array.from({ length: nodeCount }, (_, id) => new MemoryNode(id));
    this.zones = this.nodes.flatMap((node) => node.zones);
    this.areas = new FreeAreas(this.map, this.zones.length);
    this.pagesets = new Pagesets(this.map, cpuNode.length, this.zones.length);
    this.vmstat = new Vmstat(cpuNode.length, this.zones.length, nodeCount);
    this.cpuNode = Int32Array.from(cpuNode);
    this.distance = distanceTable(nodeCount, distance);
    this.tunables = defaultTunables();
    this.migrateTypes = (options.memoryIsolation ?? true) ? 5 : 4;
    this.hz = options.hz ?? 100;
    for (const node of this.nodes) {
      node.cpus = cpuNode.flatMap((of, cpu) => (of === node.id ? [cpu] : []));
    }
  }

  /** Number of simulated CPUs; all of them are online. */
  get cpuCount(): number {
    return this.cpuNode.length;
  }
}

/** CPUs that are online, ascending: those in the mask of any node, all where no mask is known. */
export function onlineCpus(model: MemoryModel): number[] {
  const inMasks = new Set(model.nodes.flatMap((node) => node.cpus));
  const all = Array.from(model.cpuNode.keys());
  return inMasks.size === 0 ? all : all.filter((cpu) => inMasks.has(cpu));
}

/** All zones of online nodes, empty ones included, by node and zone index. @kernel for_each_zone */
export function onlineZones(model: MemoryModel): Zone[] {
  return model.zones.filter((zone) => model.nodes[zone.node].online);
}

/** The zone of a page frame. @throws never for initialised pages of the model */
export function zoneOfPage(model: MemoryModel, pfn: number): Zone {
  return model.zones[model.map.zone[pfn] - 1];
}

/** Node of a page frame. @kernel page_to_nid */
export function nodeOfPage(model: MemoryModel, pfn: number): number {
  return Math.floor((model.map.zone[pfn] - 1) / MAX_NR_ZONES);
}

/** Distance between two nodes. @kernel node_distance */
export function nodeDistance(model: MemoryModel, from: number, to: number): number {
  return model.distance[from * model.nodes.length + to];
}

function distanceTable(
  nodeCount: number,
  rows: readonly (readonly number[])[] | undefined,
): Int32Array {
  const table = new Int32Array(nodeCount * nodeCount);
  for (let from = 0; from < nodeCount; from++) {
    for (let to = 0; to < nodeCount; to++) {
      const given = rows?.[from]?.[to];
      if (given !== undefined) checkInteger('distance', given, 1, 255);
      table[from * nodeCount + to] = given ?? (from === to ? 10 : 20);
    }
  }
  return table;
}
