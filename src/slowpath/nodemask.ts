import type { MemoryModel } from '../mm/memory-model.ts';
import type { CompactionContext } from './compaction-context.ts';

/** Nodes that the running task may use: those of its cpuset, or all with memory. @kernel current->mems_allowed */
export function memsAllowed(ctx: CompactionContext): readonly number[] {
  if (ctx.cpusets !== null) return ctx.cpusets.memsAllowed();
  return ctx.model.nodes.filter((node) => node.presentPages > 0).map((node) => node.id);
}

/** A mask of nodes: cell 1 per node of the list. */
export function nodemaskOf(model: MemoryModel, nodes: readonly number[]): Uint8Array {
  const mask = new Uint8Array(model.nodes.length);
  for (const node of nodes) mask[node] = 1;
  return mask;
}
