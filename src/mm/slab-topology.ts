import { ArgumentError } from '../lib/errors.ts';
import type { MemoryModel } from './memory-model.ts';
import { MAX_NR_ZONES } from './zone-types.ts';

/** CPUs, nodes and the order of zones, as far as SLAB and SLUB ask. */
export interface SlabTopology {
  /** Node of each CPU; its length is the number of CPUs. */
  readonly cpuNode: readonly number[];
  /** Number of node ids (`nr_node_ids`). */
  readonly nodeIds: number;
  /** Nodes with memory, ascending. */
  readonly memoryNodes: readonly number[];
  /**
   * Per node id the zones in order of preference, as `node * 4 + zone index`.
   * @kernel node_zonelist
   */
  readonly zonelists: readonly (readonly number[])[];
  /** Per node id the zones for `__GFP_THISNODE`. */
  readonly thisNodeZonelists: readonly (readonly number[])[];
}

/** One node with all CPUs and one zone. */
export function singleNodeTopology(cpuCount = 1): SlabTopology {
  return {
    cpuNode: new Array<number>(cpuCount).fill(0),
    nodeIds: 1,
    memoryNodes: [0],
    zonelists: [[2]],
    thisNodeZonelists: [[2]],
  };
}

/** The topology of a memory model, as it is now. */
export function topologyOfModel(model: MemoryModel): SlabTopology {
  const ids = (zones: readonly { readonly id: number }[]): number[] => zones.map(({ id }) => id);
  return {
    cpuNode: Array.from(model.cpuNode),
    nodeIds: model.nodes.length,
    memoryNodes: model.nodes.filter((node) => node.presentPages > 0).map(({ id }) => id),
    zonelists: model.nodes.map((node) => ids(node.zonelists[0])),
    thisNodeZonelists: model.nodes.map((node) => ids(node.zonelists[1])),
  };
}

/** Node part of an entry of a zonelist. */
export function zoneRefNode(zoneRef: number): number {
  return Math.floor(zoneRef / MAX_NR_ZONES);
}

/** Zone index part of an entry of a zonelist. */
export function zoneRefIndex(zoneRef: number): number {
  return zoneRef % MAX_NR_ZONES;
}

/**
 * The node whose memory a CPU uses first: its own, or the nearest one with memory.
 * @kernel numa_mem_id (spec slub 4.13)
 */
export function memoryNodeOf(topology: SlabTopology, cpu: number): number {
  const node = topology.cpuNode[cpu];
  if (topology.memoryNodes.includes(node)) return node;
  const nearest = topology.zonelists[node]?.[0];
  return nearest === undefined ? topology.memoryNodes[0] : zoneRefNode(nearest);
}

/** @throws ArgumentError `BAD_ARGUMENT` for a topology that contradicts itself */
export function checkTopology(topology: SlabTopology): void {
  const { cpuNode, nodeIds, memoryNodes, zonelists } = topology;
  const isNode = (node: number): boolean => Number.isInteger(node) && node >= 0 && node < nodeIds;
  const ok =
    cpuNode.length > 0 &&
    cpuNode.every(isNode) &&
    memoryNodes.length > 0 &&
    memoryNodes.every((node, i) => isNode(node) && (i === 0 || memoryNodes[i - 1] < node)) &&
    zonelists.length === nodeIds &&
    topology.thisNodeZonelists.length === nodeIds;
  if (!ok) throw new ArgumentError('the topology contradicts itself', { topology });
}
