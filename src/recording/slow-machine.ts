import { BuddyAllocator } from '../buddy/allocator.ts';
import { hex, NIL } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { pageblockSkip, setCompound, setPageblockSkip } from '../mm/page-map.ts';
import { VM_EVENT_NAMES, VmEvent } from '../mm/vm-items.ts';
import { vmEvent } from '../mm/vmstat.ts';
import { isPopulated, type Zone, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { Reclaim } from '../reclaim/reclaim.ts';
import { SlowPath } from '../slowpath/slowpath.ts';
import { listsOf } from './buddy.ts';
import { type Difference, firstDifference } from './difference.ts';
import { badValue, type Place, placeIn } from './fields.ts';
import type { KernelState, ZoneName } from './kernel-state.ts';
import {
  compareLruState,
  type LruMachine,
  type LruState,
  loadCounters,
  loadLruState,
  markEvicted,
} from './lru-state.ts';
import { lruContext } from './reclaim-run.ts';
import { RecordedPageCache } from './recorded-page-cache.ts';
import type { CompactRecord, EventDifferences, SlowCall } from './slow-calls.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';

/** Mask of the recorded driver's page cache reads. */
const READ_GFP = Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_NOWARN | Gfp.__GFP_NORETRY;

/** Counters that have no number of their own in the model. */
type Events = Record<string, number>;

/** What a call had to give and what it gave, as texts. */
export interface SlowAnswer {
  /** What the kernel did. */
  readonly expected: string;
  /** What the model did. */
  readonly got: string;
}

/** A machine under replay that holds what the recorded kernel held: all of it in one object. */
export class SlowMachine {
  readonly #loaded: KernelState;
  readonly #buddy: BuddyAllocator;
  readonly #slowPath: SlowPath;
  readonly #lru: LruMachine;
  #lruLoaded: LruState | null = null;

  /** @param loaded the state that the recording starts from */
  constructor(loaded: KernelState) {
    const model = loadKernelState(loaded);
    this.#loaded = loaded;
    const buddy = new BuddyAllocator(model);
    const { task } = buddy;
    task.pfKthread = true;
    task.rtTask = true;
    const reclaim = new Reclaim({ model, allocator: buddy, task });
    const cache = new RecordedPageCache(reclaim);
    const file = cache.createFile({ writepage: false, dirtyAccounting: false });
    this.#slowPath = new SlowPath({
      model,
      pages: buddy,
      lru: reclaim,
      reclaim,
      host: cache,
      task,
    });
    const slowPath = this.#slowPath;
    reclaim.extendHost({
      compactionSuitable: (zone, order, index) => slowPath.compactionSuitable(zone, order, index),
      wakeupKcompactd: (node, order, index) => slowPath.wakeupKcompactd(node, order, index),
      resetIsolationSuitable: (node) => slowPath.resetIsolationSuitable(node),
    });
    buddy.slowPath = slowPath;
    buddy.hooks = { wakeupKswapd: (...wanted) => reclaim.wakeupKswapd(...wanted) };
    this.#buddy = buddy;
    this.#lru = { reclaim, cache, file };
  }

  /** Takes `lruLoad`. */
  loadLru(lru: LruState, line: number): void {
    loadLruState(this.#lru, lru, line);
    this.#lruLoaded = lru;
  }

  /** Takes `file`: positions without a page hold shadows. */
  loadFile(pages: number): void {
    markEvicted(this.#lru, pages);
    if (this.#lruLoaded !== null) loadCounters(this.#lru.reclaim.state, this.#lruLoaded);
  }

  /** Takes `compound`. @throws RecordingError `BAD_VALUE` for a block that is not in use */
  loadCompound(blocks: readonly (readonly [number, number])[], place: Place): void {
    const { map } = this.#buddy.state;
    blocks.forEach(([pfn, order], i) => {
      const pages = 2 ** order;
      const used = pfn % pages === 0 && map.refcount.subarray(pfn, pfn + pages).every((n) => n > 0);
      if (!used) throw badValue(placeIn(place, i), 'a block in use', [pfn, order]);
      setCompound(map, pfn, order);
    });
  }

  /** Takes the first `compact`. @throws RecordingError `BAD_VALUE` for a zone that is not there */
  loadCompact(records: readonly CompactRecord[], place: Place): void {
    const { map } = this.#buddy.state;
    records.forEach((record, i) => {
      const zone = this.#buddy.state.zones[ZONE_NAMES.indexOf(record.zone)];
      if (!isPopulated(zone)) throw badValue(placeIn(place, i), 'a populated zone', record.zone);
      const state = this.#slowPath.state.compaction.zones[zone.id];
      state.cachedMigratePfn[0] = record.cachedMigratePfn[0];
      state.cachedMigratePfn[1] = record.cachedMigratePfn[1];
      state.cachedFreePfn = record.cachedFreePfn;
      state.initMigratePfn = record.initMigratePfn;
      state.initFreePfn = record.initFreePfn;
      state.considered = record.considered;
      state.deferShift = record.deferShift;
      state.orderFailed = record.orderFailed;
      state.blockskipFlush = record.blockskipFlush === 1;
      for (const pfn of record.skip) setPageblockSkip(map, pfn, true);
    });
  }

  /** Compares with a recorded `state`. */
  compareState(expected: KernelState): Difference | null {
    return compareKernelState(this.#buddy.model, expected, { loaded: this.#loaded });
  }

  /** Compares with a recorded `lru`. */
  compareLru(expected: LruState): Difference | null {
    return compareLruState(this.#lru, expected);
  }

  /** Compares with a recorded `compact`. */
  compareCompact(expected: readonly CompactRecord[]): Difference | null {
    const { zones } = this.#buddy.state;
    const got = zones.filter(isPopulated).map((zone) => this.#compactRecord(zone));
    return firstDifference(expected, got);
  }

  /** The machine's lists and what compaction remembers, one text line each. */
  context(): string[] {
    const zones = this.#buddy.state.zones.filter(isPopulated);
    const compaction = zones.map((zone) => `compact ${JSON.stringify(this.#compactRecord(zone))}`);
    return [...compaction, ...lruContext(this.#lru), ...listsOf(this.#buddy)];
  }

  #compactRecord(zone: Zone): CompactRecord {
    const { map } = this.#buddy.state;
    const state = this.#slowPath.state.compaction.zones[zone.id];
    const skip: number[] = [];
    const step = 1 << map.pageblockOrder;
    for (let pfn = zone.startPfn & -step; pfn < zoneEndPfn(zone); pfn += step) {
      if (pageblockSkip(map, pfn)) skip.push(pfn);
    }
    return {
      zone: ZONE_NAMES[zone.index] as ZoneName,
      cachedFreePfn: state.cachedFreePfn,
      cachedMigratePfn: [...state.cachedMigratePfn],
      initMigratePfn: state.initMigratePfn,
      initFreePfn: state.initFreePfn,
      considered: state.considered,
      deferShift: state.deferShift,
      orderFailed: state.orderFailed,
      blockskipFlush: state.blockskipFlush ? 1 : 0,
      skip,
    };
  }

  /** Makes a call. */
  run(call: SlowCall): SlowAnswer {
    switch (call.name) {
      case 'alloc':
        return this.#alloc(call);
      case 'read':
        return this.#read(call);
      case 'free':
        this.#buddy.freePages(call.pfn, call.order, call.cpu);
        return DONE;
      case 'drain_local':
        this.#buddy.drainLocalPages(call.cpu);
        return DONE;
      case 'lru_add_drain':
        this.#lru.reclaim.lruAddDrain();
        return DONE;
      case 'set_dirty':
        this.#lru.reclaim.folioMarkDirty(call.pfn);
        return DONE;
      case 'task':
        this.#buddy.task.pfKthread = call.kthread;
        this.#buddy.task.rtTask = call.rt;
        return DONE;
    }
  }

  #alloc(call: Extract<SlowCall, { name: 'alloc' }>): SlowAnswer {
    const before = this.#events();
    const pfn = this.#buddy.allocPages(call.gfp, call.order, call.node, call.cpu);
    return {
      expected: `${pfnText(call.pfn)}, events ${eventText(call.events)}`,
      got: `${pfnText(pfn)}, events ${eventText(this.#eventsSince(before))}`,
    };
  }

  #read(call: Extract<SlowCall, { name: 'read' }>): SlowAnswer {
    const before = this.#events();
    for (const [i, { index, pfn }] of call.steps.entries()) {
      const step = `step ${i}, position ${index}: `;
      const cached = this.#lru.file.page(index);
      if (cached >= 0) {
        if (pfn !== undefined) return differs(step, pfnText(pfn), `cached pfn ${cached}`);
        this.#lru.reclaim.folioMarkAccessed(cached);
        continue;
      }
      const got = this.#buddy.allocPages(READ_GFP, 0);
      if (pfn === undefined) return differs(step, 'cached', pfnText(got));
      if (got !== pfn) return differs(step, pfnText(pfn), pfnText(got));
      if (got === null) continue;
      this.#lru.cache.addFolio(this.#lru.file, index, got, READ_GFP);
      this.#lru.reclaim.folioPut(got);
    }
    const expected = eventText(call.events);
    return { expected, got: eventText(this.#eventsSince(before)) };
  }

  #events(): Events {
    const { vmstat } = this.#buddy.model;
    return Object.fromEntries(VM_EVENT_NAMES.map((name) => [name, vmEvent(vmstat, VmEvent[name])]));
  }

  #eventsSince(before: Events): EventDifferences {
    const grown = Object.entries(this.#events()).map(
      ([name, count]) => [name, count - before[name]] as const,
    );
    return Object.fromEntries(grown.filter(([, count]) => count !== 0));
  }
}

const DONE: SlowAnswer = { expected: 'success', got: 'success' };

function differs(step: string, expected: string, got: string): SlowAnswer {
  return { expected: step + expected, got: step + got };
}

function pfnText(pfn: number | null): string {
  return pfn === null ? 'no page' : `pfn ${pfn}`;
}

/** Events in an order that does not depend on who lists them. */
function eventText(events: EventDifferences): string {
  return JSON.stringify(Object.fromEntries(Object.entries(events).sort()));
}

/** The call as text, e.g. `alloc(gfp=0xdc0, order=1, node 0, cpu 1)`. */
export function formatSlowCall(call: SlowCall): string {
  switch (call.name) {
    case 'alloc': {
      const node = call.node === NIL ? 'any node' : `node ${call.node}`;
      return `alloc(gfp=${hex(call.gfp)}, order=${call.order}, ${node}, cpu ${call.cpu})`;
    }
    case 'free':
      return `free(${call.pfn}, order=${call.order}, cpu ${call.cpu})`;
    case 'drain_local':
      return `drain_local(cpu ${call.cpu})`;
    case 'lru_add_drain':
      return 'lru_add_drain()';
    case 'set_dirty':
      return `set_dirty(${call.pfn})`;
    case 'task':
      return `task(kthread=${call.kthread ? 1 : 0}, rt=${call.rt ? 1 : 0})`;
    case 'read':
      return `read(${call.steps.length} positions)`;
  }
}
