import { seededRandom } from '../src/lib/random.ts';
import { Gfp } from '../src/mm/gfp.ts';
import { PageFlag } from '../src/mm/page-flags.ts';
import { PageCache } from '../src/reclaim/page-cache.ts';
import { Reclaim } from '../src/reclaim/reclaim.ts';
import { ScanControl } from '../src/reclaim/scan-control.ts';
import { shrinkActiveList } from '../src/reclaim/shrink-lists.ts';
import { shrinkLruvec } from '../src/reclaim/shrink-lruvec.ts';
import type { PageAllocatorForReclaim } from '../src/reclaim/types.ts';
import { benchBuddy } from './lib/page-heaps.ts';
import { type Contender, type Measurement, measure, mix } from './measure.ts';
import type { Benchmark } from './types.ts';

/** What this package promises: nanoseconds per page scanned. */
const SCAN_PROMISED_NS = 60;
/** And how much longer than a page allocation and its free one mark may take. */
const MARK_PROMISED_RATIO = 2;
/** Loads that are scanning and nothing else. */
const PROMISED = ['scan, keep', 'scan, evict', 'deactivate'];
const SIZES = { smoke: [4096], full: [65536, 262144, 1048576] } as const;

/** Scanning and marking, with memory size. */
export const reclaimBenchmark: Benchmark = {
  name: 'reclaim',
  summary: 'LRU scanning, ns per page (promised); a mark against an alloc/free pair',
  run: async (scale) => {
    const rounds = scale === 'smoke' ? 1 : 5;
    const rows = [['load', 'pages', 'ns', 'promised']];
    for (const pages of SIZES[scale]) {
      for (const { minNs, name } of measure(scans(pages), pages, rounds)) {
        const promised = PROMISED.includes(name) ? `${SCAN_PROMISED_NS}` : '';
        rows.push([name, `${pages}`, minNs.toFixed(1), promised]);
      }
    }
    const marked = SIZES[scale][0];
    const [pair, mark] = marks(marked, 5 * rounds);
    const ratio = (mark.minNs / pair.minNs).toFixed(2);
    rows.push([pair.name, `${marked}`, pair.minNs.toFixed(1), '']);
    rows.push([
      `${mark.name}: ${ratio} of a pair`,
      `${marked}`,
      mark.minNs.toFixed(1),
      `${MARK_PROMISED_RATIO} x`,
    ]);
    return rows;
  },
};

/** Where freed pages go. */
type Target = 'nowhere' | 'buddy';

/** Takes pages and forgets them, so that only scanning is measured. */
const NOWHERE: PageAllocatorForReclaim = {
  freeUnrefPage: () => undefined,
  freeUnrefPageList: () => undefined,
  zoneWatermarkOk: () => true,
  zoneWatermarkOkSafe: () => true,
};

/** A machine full of pages of one file, the oldest page frames first or in a random order. */
function fullOfCache(
  pages: number,
  target: Target,
  shuffled = false,
): { reclaim: Reclaim; pfns: Int32Array } {
  const buddy = benchBuddy(pages + 8192);
  const allocator = target === 'buddy' ? buddy : NOWHERE;
  const reclaim = new Reclaim({ model: buddy.model, allocator, task: buddy.task });
  const cache = new PageCache(reclaim, { pages: buddy, kswapd: 'deferred', directReclaim: false });
  const file = cache.createFile();
  const pfns = new Int32Array(pages);
  for (let i = 0; i < pages; i++) {
    pfns[i] = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0) as number;
  }
  if (shuffled) shuffle(pfns);
  for (let i = 0; i < pages; i++) {
    cache.addFolio(file, i, pfns[i], Gfp.GFP_HIGHUSER_MOVABLE);
    reclaim.folioPut(pfns[i]);
  }
  reclaim.lruAddDrain();
  return { reclaim, pfns };
}

function shuffle(values: Int32Array): void {
  const random = seededRandom(6);
  for (let i = values.length - 1; i > 0; i--) {
    const other = random.nextU32() % (i + 1);
    [values[i], values[other]] = [values[other], values[i]];
  }
}

function control(pages: number): ScanControl {
  const sc = new ScanControl();
  sc.gfpMask = Gfp.GFP_KERNEL;
  sc.priority = 0;
  sc.nrToReclaim = pages;
  sc.mayUnmap = true;
  sc.mayWritepage = true;
  return sc;
}

/** Passes over a list of so many pages. */
function scans(pages: number): Contender[] {
  const freed = (target: Target, shuffled: boolean) => () => {
    const { reclaim } = fullOfCache(pages, target, shuffled);
    return () => {
      const sc = control(pages);
      shrinkLruvec(reclaim.state, 0, sc, 0);
      return mix(sc.nrScanned, sc.nrReclaimed);
    };
  };
  const kept = fullOfCache(pages, 'nowhere');
  for (const pfn of kept.pfns) kept.reclaim.folioGet(pfn);
  return [
    {
      name: 'scan, keep',
      prepare: () => {
        kept.reclaim.foldCounters();
        return () => {
          const sc = control(pages);
          shrinkLruvec(kept.reclaim.state, 0, sc, 0);
          return sc.nrScanned;
        };
      },
    },
    { name: 'scan, evict', prepare: freed('nowhere', false) },
    { name: 'deactivate', prepare: () => deactivation(pages) },
    { name: 'scan, evict, free to buddy', prepare: freed('buddy', false) },
    { name: 'scan, evict, in random order', prepare: freed('nowhere', true) },
  ];
}

/** All pages are active and become inactive. */
function deactivation(pages: number): () => number {
  const { reclaim, pfns } = fullOfCache(pages, 'nowhere');
  for (const pfn of pfns) reclaim.folioActivate(pfn);
  reclaim.lruAddDrain();
  return () => {
    for (let left = pages; left > 0; left -= 32) {
      shrinkActiveList(reclaim.state, 0, 3, 32, control(pages), 0);
    }
    return reclaim.state.isolation.taken;
  };
}

/**
 * An allocation and its free, and one mark. Every page is marked twice: the first mark sets a flag,
 * the second one sends the page to the active list.
 */
function marks(pages: number, rounds: number): readonly [Measurement, Measurement] {
  const { reclaim, pfns } = fullOfCache(pages, 'nowhere');
  const { flags } = reclaim.state.map;
  const buddy = benchBuddy();
  const pair: Contender = {
    name: 'alloc/free pair',
    prepare: () => () => {
      let hash = 0;
      for (let i = 0; i < 2 * pages; i++) {
        const pfn = buddy.allocPages(Gfp.GFP_HIGHUSER_MOVABLE, 0) as number;
        hash = mix(hash, pfn);
        buddy.freePages(pfn, 0);
      }
      return hash;
    },
  };
  const mark: Contender = {
    name: 'mark accessed',
    prepare: () => {
      reclaim.lruAddDrain();
      for (const pfn of pfns) reclaim.deactivatePage(pfn);
      reclaim.lruAddDrain();
      for (const pfn of pfns) flags[pfn] &= ~PageFlag.PG_referenced;
      return () => {
        for (let i = 0; i < pages; i++) reclaim.folioMarkAccessed(pfns[i]);
        for (let i = 0; i < pages; i++) reclaim.folioMarkAccessed(pfns[i]);
        return mix(flags[pfns[0]], flags[pfns[pages - 1]]);
      };
    },
  };
  const [a, b] = measure([pair, mark], 2 * pages, rounds);
  return [a, b];
}
