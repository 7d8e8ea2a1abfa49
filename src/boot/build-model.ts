import { alignUp } from '../lib/units.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { type FreeAreaInitOptions, freeAreaInit } from '../mm/free-area-init.ts';
import { MemoryModel } from '../mm/memory-model.ts';
import { PAGES_PER_SECTION } from '../mm/sections.ts';
import { buildAllZonelists } from '../mm/zonelist.ts';
import type { BootParams } from './command-line.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import { findDmaReserve, firstMemoryPfn, memoryRanges } from './memblock-ranges.ts';
import type { NumaLayout } from './numa.ts';
import type { MachineOptions } from './types.ts';

/** Page frames that a model can hold: 4 TiB. */
const PFN_MAX = 2 ** 30;

/** Bytes of a struct page; SLAB does not need it aligned to 16. (spec memory-model 2.3) */
const STRUCT_PAGE_BYTES = 64;
const SLAB_STRUCT_PAGE_BYTES = 56;

/** The shape of the machine whose model is built. */
export interface ModelShape {
  /** Nodes and CPUs. */
  readonly layout: Pick<NumaLayout, 'nodeCount' | 'cpuNode' | 'nodeCpus' | 'distance'>;
  /** Node ids that firmware knows. Default: all. */
  readonly isPossible?: (node: number) => boolean;
  /** One past the highest page frame of RAM. */
  readonly maxLowPfn: number;
  /** Pages below 16 MiB that cannot be given out. Default: from memblock. */
  readonly dmaReserve?: number | undefined;
}

/**
 * Builds nodes, zones and the page map from memblock. Nothing is free yet, and zonelists are empty.
 * @throws BootError `NO_RAM`, `TOO_LARGE`, before anything is built
 * @kernel paging_init (spec memory-model 4.1 to 4.6)
 */
export function buildModel(
  memblock: Memblock,
  shape: ModelShape,
  params: BootParams,
  options: MachineOptions,
  log: BootLog,
): MemoryModel {
  const ranges = memoryRanges(memblock);
  const last = ranges[ranges.length - 1];
  if (last === undefined) throw new BootError('NO_RAM', 'there is not one whole page of RAM', {});
  if (last.endPfn > PFN_MAX) {
    const message = `RAM ends at page frame ${last.endPfn}, the model ends at ${PFN_MAX}`;
    throw new BootError('TOO_LARGE', message, { endPfn: last.endPfn, maxPfn: PFN_MAX });
  }
  const { layout, maxLowPfn, isPossible = () => true } = shape;
  const model = new MemoryModel({
    endPfn: alignUp(last.endPfn, PAGES_PER_SECTION),
    nodeCount: layout.nodeCount,
    cpuNode: layout.cpuNode,
    ...(layout.distance && { distance: layout.distance }),
    pageblockOrder: pageblockOrderOf(options),
    memoryIsolation: options.memoryIsolation ?? true,
    hz: options.hz ?? 100,
  });
  for (const node of model.nodes) {
    node.possible = isPossible(node.id);
    node.cpus = layout.nodeCpus[node.id] ?? [];
  }
  const areas: FreeAreaInitOptions = {
    maxLowPfn,
    firstPfn: firstMemoryPfn(memblock),
    dmaReserve: shape.dmaReserve ?? findDmaReserve(memblock),
    structPageBytes: options.slab === 'slab' ? SLAB_STRUCT_PAGE_BYTES : STRUCT_PAGE_BYTES,
    deferred: isDeferred(params, options),
    kernelcore: params.kernelcore,
    movablecore: params.movablecore,
    mirroredKernelcore: params.mirroredKernelcore,
    movableNode: params.movableNode,
  };
  freeAreaInit(model, ranges, areas, log.info);
  return model;
}

/** log2 of the pages in a pageblock. (spec memory-model 2.2) */
export function pageblockOrderOf({ hugetlb = true }: MachineOptions): number {
  return hugetlb ? 9 : 10;
}

/** Whether most struct pages are initialised late. @kernel deferred_struct_pages (spec 4.11) */
export function isDeferred(params: BootParams, options: MachineOptions): boolean {
  return options.deferredInit === true && !params.earlyPageExt;
}

/**
 * Brings nodes that have only CPUs online and builds the zonelists.
 * @returns the estimate that the `Built ... zonelists` line shows
 * @kernel build_all_zonelists (spec memory-model 4.7, 4.8)
 */
export function buildZonelists(model: MemoryModel, params: BootParams, log: BootLog): number {
  for (const node of model.nodes) {
    if (model.cpuNode.includes(node.id)) node.online = true;
  }
  const { mminitLoglevel } = params;
  return buildAllZonelists(model, { mminitLoglevel }, log.info);
}
