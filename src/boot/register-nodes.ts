import { MEMBLOCK_ALLOC_ACCESSIBLE, MEMBLOCK_ALLOC_ANYWHERE } from '../memblock/constants.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import { regionsOf } from './memblock-ranges.ts';
import { formatShort, type NodeBlock, type NumaLayout } from './numa.ts';

const PAGE_BYTES = 4096n;

/**
 * Gives memory and reservations of memblock their nodes, and takes each node's data.
 * @param nodeDataBytes length of a node's data, 0 for none
 * @throws BootError `BAD_NODES` when RAM belongs to no node, before anything changed;
 * `OUT_OF_BOOT_MEMORY` when there is no room for a node's data
 * @kernel numa_register_memblks (spec memblock 4.21)
 */
export function registerNodes(
  memblock: Memblock,
  layout: NumaLayout,
  nodeDataBytes: bigint,
  log: BootLog,
): void {
  checkCover(memblock, layout.blocks);
  const { maxNumnodes } = memblock.state;
  memblock.setNode(0n, MEMBLOCK_ALLOC_ANYWHERE, 'memory', maxNumnodes);
  memblock.setNode(0n, MEMBLOCK_ALLOC_ANYWHERE, 'reserved', maxNumnodes);
  memblock.clearHotplug(0n, MEMBLOCK_ALLOC_ANYWHERE);
  for (const { start, end, hotplug } of layout.blocks) {
    if (hotplug) memblock.markHotplug(start, end - start);
  }
  memblock.setBottomUp(false);
  reserveDistances(memblock, layout, nodeDataBytes);
  for (const { start, end, node } of layout.blocks) {
    memblock.setNode(start, end - start, 'memory', node);
  }
  for (const { start, end, node } of layout.blocks) {
    memblock.setNode(start, end - start, 'reserved', node);
  }
  keepKernelNodes(memblock, layout.blocks);
  for (let node = 0; node < layout.nodeCount; node++) {
    if (layout.blocks.some((block) => block.node === node)) {
      allocNodeData(memblock, node, nodeDataBytes, log);
    }
  }
  memblock.dumpAll();
}

/** The table of distances, one byte each, if there is one. @kernel numa_alloc_distance */
function reserveDistances(memblock: Memblock, layout: NumaLayout, nodeDataBytes: bigint): void {
  if (layout.distance === undefined || nodeDataBytes === 0n) return;
  const size = BigInt(layout.nodeCount * layout.nodeCount);
  memblock.physAllocRange(size, PAGE_BYTES, 0n, MEMBLOCK_ALLOC_ACCESSIBLE);
}

/** RAM that no block covers would belong to no node. */
function checkCover(memblock: Memblock, blocks: readonly NodeBlock[]): void {
  for (const { base, end } of regionsOf(memblock, 'memory')) {
    let covered = base;
    for (const block of blocks) {
      if (block.start <= covered && covered < block.end) covered = block.end;
    }
    if (covered + PAGE_BYTES > end) continue;
    const message = `RAM ${formatShort({ start: covered, end })} belongs to no node`;
    throw new BootError('BAD_NODES', message, { start: covered, end });
  }
}

/** Nodes that already hold something of the kernel cannot be unplugged. */
function keepKernelNodes(memblock: Memblock, blocks: readonly NodeBlock[]): void {
  const { maxNumnodes } = memblock.state;
  const nodes = new Set(regionsOf(memblock, 'reserved').map(({ nid }) => nid));
  for (const { start, end, node } of blocks) {
    if (node !== maxNumnodes && nodes.has(node)) memblock.clearHotplug(start, end - start);
  }
}

/** @kernel alloc_node_data */
function allocNodeData(memblock: Memblock, node: number, bytes: bigint, log: BootLog): void {
  if (bytes === 0n) return;
  const start = memblock.physAllocTryNid(bytes, memblock.state.smpCacheBytes, node);
  if (start === null) {
    const message = `no room for the data of node ${node}`;
    throw new BootError('OUT_OF_BOOT_MEMORY', message, { node, size: bytes });
  }
  log.info(`NODE_DATA(${node}) allocated ${formatShort({ start, end: start + bytes })}`);
  const actual = memblock.searchPfnNid(Number(start / PAGE_BYTES))?.nid;
  if (actual !== undefined && actual !== node) {
    log.info(`    NODE_DATA(${node}) on node ${actual}`);
  }
}
