import { MAX_NR_ZONES } from '../mm/zone-types.ts';
import { DEF_PRIORITY, SWAP_CLUSTER_MAX } from './constants.ts';

/** Deactivation of anonymous pages is allowed. */
export const DEACTIVATE_ANON = 1;
/** Deactivation of file pages is allowed. */
export const DEACTIVATE_FILE = 2;

/**
 * What one reclaim run wants, may do and has done so far.
 *
 * @kernel struct scan_control (spec reclaim 2.5)
 */
export class ScanControl {
  /** Target in pages. */
  nrToReclaim: number = SWAP_CLUSTER_MAX;
  /** Price of anonymous pages, copied at each pass. */
  anonCost = 0;
  /** Price of file pages, copied at each pass. */
  fileCost = 0;
  /** `DEACTIVATE_ANON`, `DEACTIVATE_FILE`. */
  mayDeactivate = 0;
  /** Deactivate both kinds whatever their balance. */
  forceDeactivate = false;
  /** An active list was left alone. */
  skippedDeactivate = false;
  /** Pages may be written out. */
  mayWritepage = false;
  /** Mapped pages may be unmapped. */
  mayUnmap = false;
  /** Anonymous pages may be swapped out. */
  maySwap = false;
  /** A zone is ready for compaction. */
  compactionReady = false;
  /** There is plenty of inactive page cache. */
  cacheTrimMode = false;
  /** There is nearly no page cache. */
  fileIsTiny = false;
  /** Memory is being freed for hibernation. */
  hibernationMode = false;
  /** log2 of the pages of the request. */
  order = 0;
  /** Fraction of the lists to scan, as a right shift. */
  priority: number = DEF_PRIORITY;
  /** Highest zone index whose pages help. */
  reclaimIdx: number = MAX_NR_ZONES - 1;
  /** The request's mask. */
  gfpMask = 0;
  /** Nodes that may be used (cell 1 per allowed node), null for all. */
  nodemask: Uint8Array | null = null;
  /** Pages examined. */
  nrScanned = 0;
  /** Pages freed. */
  nrReclaimed = 0;
  /** Of this pass: dirty or in write-back. */
  nrDirty = 0;
  /** Of this pass: dirty and not in write-back. */
  nrUnqueuedDirty = 0;
  /** Of this pass: in write-back and met before. */
  nrCongested = 0;
  /** Of this pass: in write-back. */
  nrWriteback = 0;
  /** Of this pass: in write-back, met before, while kswapd sees nothing else. */
  nrImmediate = 0;
  /** Of this pass: file pages isolated. */
  nrFileTaken = 0;
  /** Of this pass: pages isolated. */
  nrTaken = 0;
}

/** Forgets the counts of the last pass over a node. */
export function clearPassCounts(sc: ScanControl): void {
  sc.nrDirty = 0;
  sc.nrUnqueuedDirty = 0;
  sc.nrCongested = 0;
  sc.nrWriteback = 0;
  sc.nrImmediate = 0;
  sc.nrFileTaken = 0;
  sc.nrTaken = 0;
}
