import { memparse } from '../e820/memparse.ts';
import { MODEL_NODES_MAX } from '../mm/zone-types.ts';
import type { BootLog } from './log.ts';
import { formatWide, fullDistance, type NodeBlock, type NumaLayout } from './numa.ts';

/** What `numa=fake=` asks for. */
export interface NumaEmulation {
  /** Number of nodes in total, or of each node with `perNode`; 0 when a size is given. */
  readonly count: number;
  /** Bytes of each node, 0 when a count is given. */
  readonly sizeBytes: bigint;
  /** Each node is split on its own (`numa=fake=4U`). */
  readonly perNode: boolean;
  /** Distances row by row, empty for those of the real nodes. */
  readonly distances: readonly number[];
}

/** Nodes are cut at multiples of this, from their start. @kernel FAKE_NODE_MIN_SIZE */
const FAKE_NODE_MIN_SIZE = 32n << 20n;

/**
 * Reads the text after `numa=fake=`: a number of nodes (`4`), nodes of each node (`4U`), or a size
 * (`512M`), and distances after a colon.
 * @returns null when nothing is asked for
 */
export function parseNumaFake(text: string): NumaEmulation | null {
  const [head, rows = ''] = text.split(':', 2);
  const distances = rows === '' ? [] : rows.split(',').map(Number);
  const { value } = memparse(head);
  if (value === 0n || distances.some((entry) => !Number.isInteger(entry))) return null;
  const shared = { distances, perNode: false };
  if (/^\d+[kmgtpe]/i.test(head)) return { ...shared, count: 0, sizeBytes: value };
  const count = Number(value < 1024n ? value : 1024n);
  return { ...shared, count, sizeBytes: 0n, perNode: /^\d+u/i.test(head) };
}

/**
 * Cuts the nodes of a layout into emulated ones, in turn from each node. Nodes are as large as
 * multiples of 32 MiB allow, larger ones first; the last of each node takes the rest.
 *
 * Every CPU is in the mask of all pieces of its node, and belongs to the lowest of them.
 * @param ramIn bytes of RAM in a range
 * @returns the new layout, the given one when there is not enough memory
 * @kernel numa_emulation
 */
export function emulateNodes(
  layout: NumaLayout,
  emulation: NumaEmulation,
  ramIn: (start: bigint, end: bigint) => bigint,
  log: BootLog,
): NumaLayout {
  const { blocks, parents } = splitBlocks(layout, emulation, ramIn);
  if (blocks.length === 0 || parents.length > MODEL_NODES_MAX) {
    log.warning('Not enough memory for each node.  NUMA emulation disabled.');
    return layout;
  }
  for (const { node, start, end } of blocks) {
    log.info(`Faking node ${node} at ${formatWide(start, end)} (${(end - start) >> 20n}MB)`);
  }
  const nodeCount = parents.length;
  const lowestPiece = (parent: number) => Math.max(0, parents.indexOf(parent));
  return {
    nodeCount,
    blocks: [...blocks].sort((a, b) => (a.start < b.start ? -1 : 1)),
    earlyCpuNode: layout.cpuNode.map((_, cpu) => cpu % nodeCount),
    cpuNode: layout.cpuNode.map(lowestPiece),
    nodeCpus: parents.map((parent) => layout.nodeCpus[parent] ?? []),
    distance: emulatedDistance(layout, emulation, parents),
  };
}

/** Emulated blocks in the order of their node ids, and the real node of each id. */
interface Split {
  readonly blocks: NodeBlock[];
  readonly parents: number[];
}

type RamIn = (start: bigint, end: bigint) => bigint;

function splitBlocks(layout: NumaLayout, emulation: NumaEmulation, ramIn: RamIn): Split {
  const ram = (blocks: readonly NodeBlock[]) =>
    blocks.reduce((sum, block) => sum + ramIn(block.start, block.end), 0n);
  const split: Split = { blocks: [], parents: [] };
  if (emulation.perNode) {
    for (const block of layout.blocks) {
      cutInTurn(split, [block], sharesOf(ram([block]), emulation.count), ramIn);
    }
    return split;
  }
  const shares =
    emulation.count > 0
      ? sharesOf(ram(layout.blocks), emulation.count)
      : { size: roundDown(emulation.sizeBytes), larger: 0 };
  cutInTurn(split, layout.blocks, shares, ramIn);
  return split;
}

/** Size of a node, and how many of the first nodes get a unit more. */
interface Shares {
  readonly size: bigint;
  readonly larger: number;
}

function sharesOf(ram: bigint, count: number): Shares {
  const size = roundDown(ram / BigInt(count));
  const rest = ram - size * BigInt(count);
  return { size, larger: Number(rest / FAKE_NODE_MIN_SIZE) };
}

/** Takes a piece of each block in turn until all are used up. */
function cutInTurn(
  split: Split,
  blocks: readonly NodeBlock[],
  { size, larger }: Shares,
  ramIn: RamIn,
): void {
  if (size === 0n) return;
  const starts = blocks.map((block) => block.start);
  let made = 0;
  for (let left = blocks.length; left > 0; ) {
    left = 0;
    for (let i = 0; i < blocks.length; i++) {
      const block = blocks[i];
      if (starts[i] >= block.end || split.parents.length > MODEL_NODES_MAX) continue;
      const wanted = made < larger ? size + FAKE_NODE_MIN_SIZE : size;
      const end = pieceEnd(starts[i], block.end, size, wanted, ramIn);
      split.blocks.push({ ...block, start: starts[i], end, node: split.parents.length });
      split.parents.push(block.node);
      starts[i] = end;
      made++;
      if (end < block.end) left++;
    }
  }
}

/** End of a piece that holds `size` bytes of RAM and leaves enough for another, or takes it all. */
function pieceEnd(
  start: bigint,
  limit: bigint,
  size: bigint,
  wanted: bigint,
  ramIn: RamIn,
): bigint {
  let end = start + wanted;
  while (end < limit && ramIn(start, end) < size) end += FAKE_NODE_MIN_SIZE;
  return end >= limit || ramIn(end, limit) < size ? limit : end;
}

function roundDown(bytes: bigint): bigint {
  return bytes - (bytes % FAKE_NODE_MIN_SIZE);
}

function emulatedDistance(
  layout: NumaLayout,
  { distances }: NumaEmulation,
  parents: readonly number[],
): number[][] {
  const real = fullDistance(layout);
  return parents.map((from, i) =>
    parents.map((to, j) => distances[i * parents.length + j] ?? real[from][to]),
  );
}
