import { MemoryModel } from '../../src/mm/memory-model.ts';
import { defaultTask, type TaskContext } from '../../src/mm/task.ts';
import type { Zone } from '../../src/mm/zone.ts';
import {
  type OomHost,
  SlowPath,
  type SlowPathOptions,
  type SlowPathPages,
  type SlowPathReclaim,
  type SlowPathRequest,
} from '../../src/slowpath/index.ts';

/** A slow path whose page allocator and reclaim follow a script; everything asked of them is noted. */
export interface Scripted {
  readonly model: MemoryModel;
  readonly slowPath: SlowPath;
  readonly task: TaskContext;
  /** What was asked, in order. */
  readonly calls: string[];
  /** The kernel's log. */
  readonly log: string[];
  readonly request: SlowPathRequest;
  /** Runs the slow path. */
  alloc(gfp: number, order: number): number;
}

/** What the script says. */
export interface Script {
  /** Which attempts find a page, by number from 1 or by flags. Default: none. */
  readonly page?: (attempt: number, flags: number, gfp: number) => number;
  /** Pages that each direct reclaim frees. Default 0. */
  readonly freed?: (round: number) => number;
  /** Reclaimable pages of every zone. Default 0. */
  readonly reclaimable?: number;
  /** Whether a watermark check passes. Default: only those for order 0. */
  readonly watermark?: (order: number, mark: number, free: number) => boolean;
  readonly oom?: OomHost;
  readonly options?: Partial<SlowPathOptions>;
  readonly migratetype?: number;
  readonly highestZoneidx?: number;
  readonly nodemask?: Uint8Array | null;
  readonly zonelist?: readonly Zone[];
}

function scriptedPages(script: Script, calls: string[]): SlowPathPages {
  let attempts = 0;
  return {
    captureControl: null,
    getPageFromFreelist(gfp, _order, flags) {
      attempts++;
      calls.push(`try 0x${flags.toString(16)}`);
      return script.page?.(attempts, flags, gfp) ?? -1;
    },
    zoneWatermarkOk: (_zone, order, mark) => script.watermark?.(order, mark, -1) ?? false,
    watermarkOkWith: (_zone, order, mark, _highest, _flags, free) =>
      script.watermark?.(order, mark, free) ?? (order === 0 && free > mark),
    unreserveHighatomicPageblock(_request, force) {
      calls.push(`unreserve${force ? ' force' : ''}`);
      return false;
    },
    drainAllPages: () => calls.push('drain'),
    isolateFreePage: () => 0,
    findSuitableFallback: () => -1,
    putbackIsolatedPage() {},
    prepNewPage() {},
    freePages() {},
    drainLocalPages() {},
    fragmentationIndex: () => 1000,
    extfragForOrder: () => 0,
  };
}

function scriptedReclaim(script: Script, calls: string[]): SlowPathReclaim {
  let rounds = 0;
  return {
    tryToFreePages() {
      rounds++;
      const freed = script.freed?.(rounds) ?? 0;
      calls.push(`reclaim ${freed}`);
      return freed;
    },
    zoneReclaimablePages: () => script.reclaimable ?? 0,
    wakeupKswapd: (zone) => calls.push(`wake ${zone}`),
  };
}

/** Makes a scripted slow path over two nodes with a Normal zone each. */
export function scripted(script: Script = {}): Scripted {
  const model = new MemoryModel({ endPfn: 0x800, nodeCount: 2, cpuNode: [0] });
  const zones = model.nodes.map((node) => {
    const zone = node.zones[2];
    zone.startPfn = node.id * 0x400;
    zone.spannedPages = 0x400;
    zone.presentPages = 0x400;
    zone.managedPages = 0x400;
    zone.contiguous = true;
    zone.watermark.set([100, 120, 140, 160]);
    node.presentPages = 0x400;
    node.nrZones = 3;
    return zone;
  });
  model.map.zone.fill(zones[0].id + 1, 0, 0x400);
  model.map.zone.fill(zones[1].id + 1, 0x400, 0x800);
  model.totalramPages = 0x800;
  const calls: string[] = [];
  const log: string[] = [];
  const task = defaultTask();
  const slowPath = new SlowPath({
    model,
    pages: scriptedPages(script, calls),
    reclaim: scriptedReclaim(script, calls),
    task,
    log: (line) => log.push(line),
    ...(script.oom && { oom: script.oom }),
    ...script.options,
  });
  const request: SlowPathRequest = {
    zonelist: script.zonelist ?? zones,
    nodemask: script.nodemask ?? null,
    preferredZoneref: 0,
    migratetype: script.migratetype ?? 0,
    highestZoneidx: script.highestZoneidx ?? 2,
    spreadDirtyPages: false,
  };
  const alloc = (gfp: number, order: number): number =>
    slowPath.allocPagesSlowpath(gfp, order, request, 0);
  return { model, slowPath, task, calls, log, request, alloc };
}
