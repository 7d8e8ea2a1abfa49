import { Memblock } from '../memblock/memblock.ts';
import { MODEL_NODES_MAX } from '../mm/zone-types.ts';
import type { BootParams } from './command-line.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import { pfnDownAddr, regionsOf } from './memblock-ranges.ts';
import type { NumaLayout } from './numa.ts';
import type { BootRegion, MemblockBootOptions } from './types.ts';

const ADDRESS_END = 1n << 64n;

/** Memory regions without a node belong to this one. */
const DEFAULT_NODE = 0;

/**
 * A memblock that holds the given regions.
 * @throws BootError `BAD_REGION` for a region that is no range or of no possible node
 */
export function memblockFromRegions(
  options: MemblockBootOptions,
  params: BootParams,
  log: BootLog,
): Memblock {
  options.memblockMemory.forEach((region, i) => {
    checkRegion('memory', region, i);
  });
  options.memblockReserved.forEach((region, i) => {
    checkRegion('reserved', region, i);
  });
  const memblock = new Memblock({
    mirroredKernelcore: params.mirroredKernelcore,
    movableNode: params.movableNode,
    initMemoryRegions: Math.max(128, options.memblockMemory.length + 2),
    initReservedRegions: Math.max(128, options.memblockReserved.length + 2),
    ...(options.memory && { memory: options.memory }),
    hz: options.hz ?? 100,
    log: (level, text) => log.add({ level: { err: 3, warning: 4, info: 6 }[level], text }),
  });
  for (const { base, size, flags = 0, nid = DEFAULT_NODE } of options.memblockMemory) {
    memblock.addNode(base, size, nid < 0 ? DEFAULT_NODE : nid, flags);
  }
  for (const { base, size, nid = -1 } of options.memblockReserved) {
    memblock.reserve(base, size);
    if (nid >= 0) memblock.setNode(base, size, 'reserved', nid);
  }
  memblock.setDebug(params.memblockDebug);
  return memblock;
}

/** Nodes and CPUs of a machine that is described by its regions. */
export function layoutFromRegions(
  options: MemblockBootOptions,
  memblock: Memblock,
): Pick<NumaLayout, 'nodeCount' | 'cpuNode' | 'nodeCpus' | 'distance'> {
  const cpuNode = options.cpuNode ?? new Array<number>(options.cpus ?? 1).fill(DEFAULT_NODE);
  const named = [...regionsOf(memblock, 'memory').map(({ nid }) => nid), ...cpuNode];
  const nodeCount = options.nodeCount ?? 1 + Math.max(0, ...named);
  const outside = named.find((node) => !Number.isInteger(node) || node < 0 || node >= nodeCount);
  if (outside !== undefined || nodeCount > MODEL_NODES_MAX) {
    const message = `a region or CPU is of node ${outside}, there are ${nodeCount}`;
    throw new BootError('BAD_NODES', message, { node: outside, nodeCount });
  }
  const nodeCpus = Array.from({ length: nodeCount }, (_, id) =>
    cpuNode.flatMap((node, cpu) => (node === id ? [cpu] : [])),
  );
  return {
    nodeCount,
    cpuNode,
    nodeCpus: options.nodeCpus ?? nodeCpus,
    distance: options.distance,
  };
}

/** One past the highest page frame of the regions. */
export function endPfnOfRegions(memblock: Memblock): number {
  const regions = regionsOf(memblock, 'memory');
  const last = regions[regions.length - 1];
  return last === undefined ? 0 : pfnDownAddr(last.end);
}

function checkRegion(array: 'memory' | 'reserved', region: BootRegion, index: number): void {
  const { base, size, flags = 0, nid = -1 } = region;
  const isRange = base >= 0n && size >= 0n && base + size <= ADDRESS_END;
  const isNode = Number.isInteger(nid) && nid >= -1 && nid < MODEL_NODES_MAX;
  if (isRange && isNode && Number.isInteger(flags)) return;
  const message = `${array} region ${index} is no range, or of no possible node`;
  throw new BootError('BAD_REGION', message, { array, index, base, size, flags, nid });
}
