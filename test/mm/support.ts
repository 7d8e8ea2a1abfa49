import {
  buildAllZonelists,
  type FreeAreaInitOptions,
  freeAreaInit,
  type LogSink,
  MemoryModel,
  type MemoryModelOptions,
  type MemoryRange,
  PAGES_PER_SECTION,
  reserveBootmemRegion,
  resetManagedPages,
} from '../../src/mm/index.ts';

/** Ranges in the notation `START-END` or `NODE:START-END`, page frames in hex, flags `h` and `m` behind. */
export function ranges(text: string): MemoryRange[] {
  return text.split(/\s+/).map((part) => {
    const match = /^(?:(\d+):)?([0-9a-f]+)-([0-9a-f]+)([hm]*)$/.exec(part);
    if (match === null) throw new Error(`bad range "${part}"`);
    const [, node = '0', start, end, flags] = match;
    return {
      node: Number(node),
      startPfn: Number.parseInt(start, 16),
      endPfn: Number.parseInt(end, 16),
      hotplug: flags.includes('h'),
      mirror: flags.includes('m'),
    };
  });
}

/** A model big enough for the ranges. */
export function modelFor(
  memory: readonly MemoryRange[],
  options: Omit<MemoryModelOptions, 'endPfn'> = {},
): MemoryModel {
  const last = memory[memory.length - 1].endPfn;
  return new MemoryModel({
    endPfn: Math.ceil(last / PAGES_PER_SECTION) * PAGES_PER_SECTION,
    nodeCount: 1 + Math.max(...memory.map(({ node }) => node)),
    ...options,
  });
}

/** A model after `free_area_init`, and what it logged. */
export function initialised(
  text: string,
  areas: FreeAreaInitOptions = {},
  options: Omit<MemoryModelOptions, 'endPfn'> = {},
): { model: MemoryModel; lines: string[]; memory: MemoryRange[] } {
  const memory = ranges(text);
  const model = modelFor(memory, options);
  const lines: string[] = [];
  freeAreaInit(model, memory, areas, (line) => lines.push(line));
  return { model, lines, memory };
}

/** Zones with zonelists, all pages still in use: managed pages are those given, else all present. */
export function machineOf(
  text: string,
  managed: Readonly<Record<string, number>> = {},
  options: Omit<MemoryModelOptions, 'endPfn'> = {},
  log: LogSink | null = null,
): MemoryModel {
  const { model } = initialised(text, {}, options);
  buildAllZonelists(model, {}, log);
  for (const zone of model.zones) {
    zone.managedPages = managed[`${zone.node}:${zone.index}`] ?? zone.presentPages;
    model.totalramPages += zone.managedPages;
  }
  return model;
}

/** Makes everything reserved, as a model without an allocator sees it. */
export function reserveAll(model: MemoryModel): void {
  resetManagedPages(model);
  reserveBootmemRegion(model, 0, model.map.endPfn);
}
