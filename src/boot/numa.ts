import { MAX_NUMNODES, MODEL_NODES_MAX } from '../mm/zone-types.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import type { BootNode } from './types.ts';

/** A range of memory of one node. @kernel struct numa_memblk */
export interface NodeBlock {
  /** First byte. */
  readonly start: bigint;
  /** First byte behind it. */
  readonly end: bigint;
  /** Node id. */
  readonly node: number;
  /** The memory can be unplugged. */
  readonly hotplug: boolean;
}

/** Which memory and CPUs belong to which node. */
export interface NumaLayout {
  /** Number of node ids. */
  readonly nodeCount: number;
  /** Memory of the nodes, ascending, joined where no other node lies between. */
  readonly blocks: readonly NodeBlock[];
  /** Node of each CPU while the system comes up: decides where per-CPU areas lie. */
  readonly earlyCpuNode: readonly number[];
  /** Node of each CPU. */
  readonly cpuNode: readonly number[];
  /** CPUs in the mask of each node. */
  readonly nodeCpus: readonly (readonly number[])[];
  /** Distances of nodes, undefined for the default. */
  readonly distance: readonly (readonly number[])[] | undefined;
}

/**
 * One node with all memory and all CPUs, as the kernel makes up when firmware tells of none.
 * @param endAddr first byte behind RAM
 * @kernel dummy_numa_init
 */
export function dummyNumaLayout(endAddr: bigint, cpus: number, log: BootLog): NumaLayout {
  log.info(`Faking a node at ${formatWide(0n, endAddr)}`);
  const all = Array.from({ length: cpus }, (_, cpu) => cpu);
  return {
    nodeCount: 1,
    blocks: [{ start: 0n, end: endAddr, node: 0, hotplug: false }],
    earlyCpuNode: all.map(() => 0),
    cpuNode: all.map(() => 0),
    nodeCpus: [all],
    distance: undefined,
  };
}

/**
 * The nodes that firmware tells of.
 * @param endAddr first byte behind RAM; memory of nodes above it is ignored
 * @throws BootError `BAD_NODES` for overlapping blocks, too many nodes, or CPUs named twice or not
 * at all there; `BAD_REGION` for a range that is none
 * @kernel numa_cleanup_meminfo, numa_init_array
 */
export function firmwareNumaLayout(
  nodes: readonly BootNode[],
  distance: readonly (readonly number[])[] | undefined,
  endAddr: bigint,
  cpus: number,
  log: BootLog,
): NumaLayout {
  if (nodes.length === 0 || nodes.length > MODEL_NODES_MAX) {
    const message = `there must be 1 to ${MODEL_NODES_MAX} nodes, got ${nodes.length}`;
    throw new BootError('BAD_NODES', message, { nodes: nodes.length });
  }
  const blocks = nodes.flatMap((node, id) => nodeBlocks(node, id, endAddr));
  blocks.sort((a, b) => (a.start < b.start ? -1 : 1));
  checkOverlap(blocks);
  const joined = joinBlocks(blocks, log);
  const withMemory = nodes.flatMap((_, id) => (joined.some((b) => b.node === id) ? [id] : []));
  const cpuNode = assignCpus(nodes, withMemory, cpus);
  return {
    nodeCount: nodes.length,
    blocks: joined,
    earlyCpuNode: cpuNode,
    cpuNode,
    nodeCpus: nodes.map((_, id) => cpuNode.flatMap((node, cpu) => (node === id ? [cpu] : []))),
    distance,
  };
}

function nodeBlocks(node: BootNode, id: number, endAddr: bigint): NodeBlock[] {
  return node.memory.flatMap(({ start, end, hotplug = false }) => {
    if (start < 0n || end < start || end >= 1n << 64n) {
      const message = `node ${id} has a memory range that is none`;
      throw new BootError('BAD_REGION', message, { node: id, start, end });
    }
    const clipped = end < endAddr ? end : endAddr;
    return start < clipped ? [{ start, end: clipped, node: id, hotplug }] : [];
  });
}

function checkOverlap(blocks: readonly NodeBlock[]): void {
  for (let i = 1; i < blocks.length; i++) {
    const [before, block] = [blocks[i - 1], blocks[i]];
    if (block.start >= before.end) continue;
    const message = `memory of node ${before.node} overlaps memory of node ${block.node}`;
    throw new BootError('BAD_NODES', message, { before, block });
  }
}

/** Joins blocks of a node where no other node's block lies between. */
function joinBlocks(blocks: readonly NodeBlock[], log: BootLog): NodeBlock[] {
  const joined: NodeBlock[] = [];
  for (const block of blocks) {
    const last = joined[joined.length - 1];
    if (last === undefined || last.node !== block.node || last.hotplug !== block.hotplug) {
      joined.push(block);
      continue;
    }
    const whole = { ...last, end: block.end };
    log.info(
      `NUMA: Node ${block.node} ${formatShort(last)} + ${formatShort(block)} -> ${formatShort(whole)}`,
    );
    joined[joined.length - 1] = whole;
  }
  return joined;
}

/** CPUs that no node names go round the nodes with memory. */
function assignCpus(
  nodes: readonly BootNode[],
  withMemory: readonly number[],
  cpus: number,
): number[] {
  const cpuNode = new Array<number>(cpus).fill(-1);
  nodes.forEach((node, id) => {
    for (const cpu of node.cpus ?? []) {
      if (!(cpu in cpuNode) || cpuNode[cpu] !== -1) {
        const message = `node ${id} names CPU ${cpu}, which is none or of another node`;
        throw new BootError('BAD_NODES', message, { node: id, cpu, cpus });
      }
      cpuNode[cpu] = id;
    }
  });
  let turn = 0;
  for (let cpu = 0; cpu < cpus; cpu++) {
    if (cpuNode[cpu] !== -1) continue;
    cpuNode[cpu] = withMemory[turn % withMemory.length] ?? 0;
    turn++;
  }
  return cpuNode;
}

/** Distance table with the kernel's defaults filled in, for tables that are cut from it. */
export function fullDistance(layout: NumaLayout): number[][] {
  const ids = Array.from({ length: Math.min(layout.nodeCount, MAX_NUMNODES) }, (_, id) => id);
  return ids.map((from) =>
    ids.map((to) => layout.distance?.[from]?.[to] ?? (from === to ? 10 : 20)),
  );
}

/** `[mem A-B]` with 16 digits, end inclusive. */
export function formatWide(start: bigint, end: bigint): string {
  return `[mem ${hexDigits(start, 16)}-${hexDigits(end - 1n, 16)}]`;
}

/** `[mem A-B]` with at least 8 digits, end inclusive. */
export function formatShort({ start, end }: { start: bigint; end: bigint }): string {
  return `[mem ${hexDigits(start, 8)}-${hexDigits(end - 1n, 8)}]`;
}

function hexDigits(value: bigint, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
