import { MemoryModel } from '../mm/memory-model.ts';
import { NR_VM_ZONE_STAT_ITEMS, ZoneStatItem } from '../mm/vm-items.ts';
import { MAX_DMA_PFN, MAX_DMA32_PFN, ZONE_NAMES } from '../mm/zone-types.ts';
import { Reclaim } from '../reclaim/reclaim.ts';
import { RecordingError } from './errors.ts';
import { type Place, readBoolean, readObject, readRecord } from './fields.ts';
import {
  compareLruState,
  type LruMachine,
  type LruState,
  loadLruState,
  parseLruState,
} from './lru-state.ts';
import { formatReclaimCall, type ReclaimCall, readReclaimCall } from './reclaim-calls.ts';
import { type Answer, lruContext, runReclaimCall, runShrinkSlab } from './reclaim-run.ts';
import { RecordedPageCache } from './recorded-page-cache.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

/** A line, understood. */
type Step =
  | { readonly is: 'call'; readonly call: ReclaimCall }
  | { readonly is: 'file'; readonly writepage: boolean }
  | { readonly is: 'load' | 'compare'; readonly lru: LruState };

/** Where and what differs; the caller knows which operation it was. */
type Found = Omit<Divergence, 'operation' | 'line'>;

/**
 * Replays a recording of kind `reclaim` (recordings README, "reclaim-*").
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replayReclaim(recording: Recording): ReplayOutcome {
  const steps = recording.lines.map(readStep);
  const endPfn = 1 + steps.reduce((highest, step) => Math.max(highest, highestPfn(step)), 0);
  const cpus = steps.reduce((most, step) => Math.max(most, cpusOf(step)), 1);
  const replay = new Replay(endPfn, cpus);
  let operations = 0;
  let divergence: Divergence | null = null;
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i];
    const line = recording.lines[i].number;
    if (step.is === 'file') {
      replay.setWritepage(step.writepage);
    } else if (step.is === 'load') {
      replay.load(step.lru, line);
    } else {
      operations++;
      if (divergence !== null) continue;
      const found =
        step.is === 'call' ? replay.call(step.call, line) : replay.compare(step.lru, line);
      if (found !== null) divergence = { ...found, operation: operations, line };
    }
  }
  return { operations, divergence };
}

function readStep(line: RecordedLine): Step {
  const place: Place = { line: line.number, path: 'line' };
  if (Array.isArray(line.value)) return { is: 'call', call: readReclaimCall(line.value, place) };
  const fields = readRecord(line.value, place);
  if (Object.hasOwn(fields, 'lruLoad')) {
    const { lruLoad } = readObject(fields, place, ['lruLoad']);
    return { is: 'load', lru: parseLruState(lruLoad, line.number, 'lruLoad') };
  }
  if (Object.hasOwn(fields, 'lru')) {
    const { lru } = readObject(fields, place, ['lru']);
    return { is: 'compare', lru: parseLruState(lru, line.number) };
  }
  if (Object.hasOwn(fields, 'file')) {
    const { file } = readObject(fields, place, ['file']);
    const { writepage } = readObject(file, place, ['writepage']);
    return { is: 'file', writepage: readBoolean(writepage, place) };
  }
  const message = `line ${line.number}: a line with the fields ${Object.keys(fields).join(', ')}`;
  throw new RecordingError('UNKNOWN_LINE', message, { line: line.number });
}

/** The page map must reach as far as the highest page that the recording names. */
function highestPfn(step: Step): number {
  if (step.is === 'file') return 0;
  if (step.is === 'call') {
    if (step.call.name !== 'lru_add') return 0;
    return step.call.pages.reduce((highest, [pfn]) => Math.max(highest, pfn), 0);
  }
  const pages = Object.values(step.lru.lists).flat();
  return pages.reduce((highest, [pfn]) => Math.max(highest, pfn), 0);
}

/** CPUs whose differences the counters of a recorded state tell. */
function cpusOf(step: Step): number {
  if (step.is !== 'load' && step.is !== 'compare') return 1;
  const { nodeStat, zoneStat } = step.lru;
  const counters = [nodeStat, ...Object.values(zoneStat)].flatMap((named) => Object.values(named));
  return Math.max(1, ...counters.map((counter) => counter.length - 1));
}

/** A machine of one node without zones; its page allocator only takes pages back. */
function makeReclaim(endPfn: number, cpus: number): Reclaim {
  const model = new MemoryModel({ endPfn, cpuNode: new Array<number>(cpus).fill(0) });
  const release = (pfn: number): void => {
    model.map.flags[pfn] = 0;
    model.map.private[pfn] = 0;
  };
  const reclaim = new Reclaim({
    model,
    allocator: {
      freeUnrefPage: release,
      freeUnrefPageList: (pfns) => {
        for (let i = 0; i < pfns.length; i++) release(pfns[i]);
      },
      zoneWatermarkOk: () => true,
      zoneWatermarkOkSafe: () => true,
    },
  });
  reclaim.task.pfKthread = true;
  return reclaim;
}

/** The machine under replay; every start makes a new one. Calls are made on CPU 0. */
class Replay {
  readonly #endPfn: number;
  readonly #cpus: number;
  #reclaim: Reclaim;
  #writepage = true;
  #machine: LruMachine | null = null;

  constructor(endPfn: number, cpus: number) {
    this.#endPfn = endPfn;
    this.#cpus = cpus;
    this.#reclaim = makeReclaim(endPfn, cpus);
  }

  /** Whether the file's mapping has a writepage. */
  setWritepage(writepage: boolean): void {
    this.#writepage = writepage;
    if (this.#machine !== null) this.#machine.file.writepage = writepage;
  }

  /** Starts from a recorded state. */
  load(lru: LruState, line: number): void {
    if (this.#machine !== null) this.#reclaim = makeReclaim(this.#endPfn, this.#cpus);
    const { map } = this.#reclaim.state;
    for (const name of Object.keys(lru.zoneStat)) this.#addZone(name);
    for (const [pfn] of Object.values(lru.lists).flat()) map.refcount[pfn] = 1;
    const cache = new RecordedPageCache(this.#reclaim);
    const file = cache.createFile({ writepage: this.#writepage, dirtyAccounting: false });
    this.#machine = { reclaim: this.#reclaim, cache, file };
    loadLruState(this.#machine, lru, line);
    this.#takeOver(lru);
  }

  /** Compares a recorded state with what the machine holds. */
  compare(lru: LruState, line: number): Found | null {
    const difference = compareLruState(this.#loaded(line), lru);
    this.#takeOver(lru);
    if (difference === null) return null;
    const { context, expected, got, path } = difference;
    return { call: `lru, ${path}`, expected, got, context };
  }

  /** Makes a call and compares its result. */
  call(call: ReclaimCall, line: number): Found | null {
    let answer: Answer;
    try {
      answer =
        call.name === 'do_shrink_slab'
          ? runShrinkSlab(this.#reclaim, call)
          : runReclaimCall(this.#loaded(line), call);
    } catch (error) {
      // The kernel took the call, so a refusal is a divergence, not an error of the recording.
      if (!(error instanceof Error) || error instanceof RecordingError) throw error;
      answer = { expected: 'success', got: `${error.name}: ${error.message}` };
    }
    if (answer.expected === answer.got) return null;
    const context = this.#machine === null ? [] : lruContext(this.#machine);
    return { call: formatReclaimCall(call), ...answer, context };
  }

  #loaded(line: number): LruMachine {
    if (this.#machine !== null) return this.#machine;
    const message = `line ${line}: nothing was loaded before`;
    throw new RecordingError('UNKNOWN_LINE', message, { line });
  }

  /** A zone of x86-64 by its name, as far as the page map reaches. */
  #addZone(name: string): void {
    const { map, nodes } = this.#reclaim.state.model;
    const [node] = nodes;
    const zone = node.zones[ZONE_NAMES.indexOf(name)];
    const starts = [0, MAX_DMA_PFN, MAX_DMA32_PFN];
    zone.startPfn = Math.min(starts[zone.index] ?? map.endPfn, map.endPfn);
    const end = Math.min(starts[zone.index + 1] ?? map.endPfn, map.endPfn);
    zone.spannedPages = end - zone.startPfn;
    // A zone may be there although the recording names no page of it.
    zone.presentPages = Math.max(1, zone.spannedPages);
    zone.managedPages = zone.presentPages;
    map.zone.fill(zone.id + 1, zone.startPfn, end);
    node.nrZones = Math.max(node.nrZones, zone.index + 1);
  }

  /** Free pages move with what is not recorded: they are what the file says. */
  #takeOver(lru: LruState): void {
    const { nodes, vmstat } = this.#reclaim.state.model;
    for (const zone of nodes[0].zones) {
      const free = lru.zoneStat[ZONE_NAMES[zone.index]]?.nr_free_pages;
      if (free === undefined) continue;
      const cell = zone.id * NR_VM_ZONE_STAT_ITEMS + ZoneStatItem.NR_FREE_PAGES;
      vmstat.zone[cell] = free[0];
      for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
        vmstat.zoneDiff[cpu * vmstat.zoneCount * NR_VM_ZONE_STAT_ITEMS + cell] = free[cpu + 1];
      }
    }
  }
}
