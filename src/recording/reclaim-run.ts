import { Gfp } from '../mm/gfp.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { LRU_NAMES, LruList, LruvecFlag, PgdatFlag } from '../reclaim/constants.ts';
import type { Reclaim } from '../reclaim/reclaim.ts';
import { ScanControl } from '../reclaim/scan-control.ts';
import { getScanCount, prepareScanCount } from '../reclaim/scan-count.ts';
import { shrinkLruvec } from '../reclaim/shrink-lruvec.ts';
import { doShrinkSlab, makeShrinker, SHRINK_STOP } from '../reclaim/shrinker.ts';
import type { ShrinkControl } from '../reclaim/types.ts';
import type { LruMachine } from './lru-state.ts';
import type { Numbers, PagesCall, ReclaimCall, ScanCall, ShrinkSlabCall } from './reclaim-calls.ts';

/** Scans of a shrinker that a recording shows. */
const SCANS_SHOWN = 512;
/** `step` of a recorded shrinker counts eighths. */
const STEP_PARTS = 8;
/** Pages of a list shown in a report. */
const SHOWN_PAGES = 12;
/** Target of a fresh scan_control, as the recorder makes it. */
const ANY_ZONE = 3;

/** What a call had to give and what it gave, as texts. */
export interface Answer {
  /** What the kernel did. */
  readonly expected: string;
  /** What the model did. */
  readonly got: string;
}

const DONE: Answer = { expected: 'success', got: 'success' };

/** Makes a call on the lists of a machine. */
export function runReclaimCall(
  machine: LruMachine,
  call: Exclude<ReclaimCall, ShrinkSlabCall>,
): Answer {
  switch (call.name) {
    case 'lru_add':
      for (const [pfn, index] of call.pages) addPage(machine, pfn, index);
      return DONE;
    case 'get_scan_count':
      return scanCount(machine.reclaim, call);
    case 'shrink_lruvec':
    case 'shrink_node':
      return shrink(machine.reclaim, call);
    default:
      runPagesCall(machine.reclaim, call);
      return DONE;
  }
}

/** A new clean page for a position of the file. */
function addPage({ cache, file, reclaim }: LruMachine, pfn: number, index: number): void {
  const { map } = reclaim.state;
  if (map.refcount[pfn] !== 0) throw new Error(`page frame ${pfn} is still in use`);
  map.refcount[pfn] = 1;
  cache.addFolio(file, index, pfn, Gfp.GFP_HIGHUSER_MOVABLE);
  reclaim.folioPut(pfn);
}

function runPagesCall(reclaim: Reclaim, { name, pfns }: PagesCall): void {
  if (name === 'lru_add_drain') reclaim.lruAddDrain();
  if (name === 'lru_note_refault_snapshot') reclaim.snapshotRefaults(0);
  for (const pfn of pfns) {
    if (name === 'mark_accessed') reclaim.folioMarkAccessed(pfn);
    else if (name === 'end_writeback') reclaim.folioEndWriteback(pfn);
    else if (name === 'set_dirty') reclaim.folioMarkDirty(pfn);
    else if (name === 'clear_dirty') reclaim.state.map.flags[pfn] &= ~PageFlag.PG_dirty;
    else if (name === 'deactivate_page') reclaim.deactivatePage(pfn);
    else if (name === 'deactivate_file_folio') reclaim.deactivateFileFolio(pfn);
    else reclaim.folioGet(pfn);
  }
}

/** prepare_scan_count and get_scan_count with a fresh scan_control. */
function scanCount({ state }: Reclaim, call: ScanCall): Answer {
  const sc = new ScanControl();
  const nr = new Float64Array(LRU_NAMES.length - 1);
  sc.priority = call.args.priority;
  sc.reclaimIdx = ANY_ZONE;
  sc.maySwap = true;
  prepareScanCount(state, 0, sc);
  getScanCount(state, 0, sc, nr);
  return {
    expected: `${resultText(call.result)}, [${call.nr.join(', ')}]`,
    got: `${resultText(preparedBy(sc))}, [${[...nr].join(', ')}]`,
  };
}

/** shrink_lruvec or shrink_node with the recorded scan_control. */
function shrink(reclaim: Reclaim, call: ScanCall): Answer {
  const { args, name, result } = call;
  const { state } = reclaim;
  const sc = new ScanControl();
  sc.gfpMask = Gfp.GFP_KERNEL | Gfp.__GFP_MOVABLE;
  sc.priority = args.priority;
  sc.nrToReclaim = args.nrToReclaim;
  sc.reclaimIdx = args.reclaimIdx;
  sc.order = args.order ?? 0;
  sc.mayWritepage = name === 'shrink_lruvec' || args.mayWritepage === 1;
  sc.mayUnmap = true;
  sc.maySwap = true;
  state.task.pfKswapd = args.kswapd === 1;
  let prepared: Numbers = {};
  try {
    if (name === 'shrink_node') {
      reclaim.shrinkNode(0, sc);
    } else {
      prepareScanCount(state, 0, sc);
      prepared = preparedBy(sc);
      shrinkLruvec(state, 0, sc, 0);
    }
  } finally {
    state.task.pfKswapd = false;
  }
  const got: Numbers = { ...prepared, ...countsOf(reclaim, sc) };
  const compared = Object.keys(result).map((field) => [field, got[field]]);
  return { expected: resultText(result), got: resultText(Object.fromEntries(compared)) };
}

function preparedBy(sc: ScanControl): Numbers {
  return {
    mayDeactivate: sc.mayDeactivate,
    cacheTrimMode: sc.cacheTrimMode ? 1 : 0,
    fileIsTiny: sc.fileIsTiny ? 1 : 0,
  };
}

/** Everything that a shrink call may show. */
function countsOf({ state }: Reclaim, sc: ScanControl): Numbers {
  const [pgdatFlags] = state.pgdatFlags;
  const [lruvecFlags] = state.lruvecFlags;
  return {
    nrScanned: sc.nrScanned,
    nrReclaimed: sc.nrReclaimed,
    dirty: sc.nrDirty,
    unqueuedDirty: sc.nrUnqueuedDirty,
    congested: sc.nrCongested,
    writeback: sc.nrWriteback,
    immediate: sc.nrImmediate,
    taken: sc.nrTaken,
    fileTaken: sc.nrFileTaken,
    pgdatDirty: (pgdatFlags & PgdatFlag.PGDAT_DIRTY) === 0 ? 0 : 1,
    pgdatWriteback: (pgdatFlags & PgdatFlag.PGDAT_WRITEBACK) === 0 ? 0 : 1,
    congestedFlag: (lruvecFlags & LruvecFlag.LRUVEC_CONGESTED) === 0 ? 0 : 1,
  };
}

function resultText(result: Numbers): string {
  const fields = Object.entries(result).map(([name, number]) => `${name}=${number}`);
  return fields.join(' ');
}

/** Asks a shrinker like the recorded one. */
export function runShrinkSlab({ state }: Reclaim, call: ShrinkSlabCall): Answer {
  const { batch, nrDeferred, priority, seeks, step } = call.args;
  let { freeable } = call.args;
  const scans: number[] = [];
  const shrinker = makeShrinker(
    {
      name: 'recorded',
      batch,
      seeks,
      countObjects: () => freeable,
      scanObjects: ({ nrToScan }) => {
        if (scans.length < SCANS_SHOWN) scans.push(nrToScan);
        if (step === 0) return SHRINK_STOP;
        const freed = Math.min(freeable, Math.floor((nrToScan * step) / STEP_PARTS));
        freeable -= freed;
        return freed;
      },
    },
    1,
    0,
  );
  shrinker.nrDeferred[0] = nrDeferred;
  const sc: ShrinkControl = {
    gfpMask: Gfp.GFP_KERNEL,
    nid: 0,
    nrToScan: 0,
    nrScanned: 0,
    cpu: 0,
  };
  const freed = doShrinkSlab(state, sc, shrinker, priority);
  const text = (freed: number, deferred: number, asked: readonly number[]): string =>
    `freed=${freed} nrDeferred=${deferred} scans [${asked.join(', ')}]`;
  return {
    expected: text(call.freed, call.nrDeferred, call.scans),
    got: text(freed, shrinker.nrDeferred[0], scans),
  };
}

/** Both ends of the machine's LRU lists, one text line each. */
export function lruContext({ reclaim }: LruMachine): string[] {
  return LRU_NAMES.slice(0, LruList.LRU_UNEVICTABLE).flatMap((name, list) => {
    const pages = reclaim.lruList(0, list);
    if (pages.length === 0) return [];
    if (pages.length <= 2 * SHOWN_PAGES) return [`${name} from the head: ${pages.join(' ')}`];
    const head = pages.slice(0, SHOWN_PAGES).join(' ');
    const tail = pages.slice(-SHOWN_PAGES).join(' ');
    return [`${name} from the head: ${head} ... ${tail} (${pages.length})`];
  });
}
