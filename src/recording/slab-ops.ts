import { SlabAllocator } from '../slab/allocator.ts';
import type { SlabCache } from '../slab/cache.ts';
import { isOffSlab } from '../slab/freelist.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import type { SlabCacheGeometry } from '../slab/types.ts';
import { type Guesses, replayWithGuesses } from './guesses.ts';
import { IndexPages } from './index-pages.ts';
import type { KernelState } from './kernel-state.ts';
import { metaOf } from './kmem-create.ts';
import { loadedOptions, loadPages, type OpsMachine, replayOpsLines } from './kmem-ops.ts';
import { readOpsLines } from './kmem-ops-lines.ts';
import { geometryOf } from './slab-geometry.ts';
import { readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, requestedFlags, slabMaxOrders } from './slab-machine.ts';
import { type CacheRecord, readCacheStates, recordOfCache } from './slab-state.ts';
import type { Recording, RecordingMeta, ReplayOutcome } from './types.ts';

/** Entries of an array shown in a report. */
const SHOWN_ENTRIES = 10;

/**
 * Replays a recording of kind `slab_ops`. The kernel's own caches are not in it: index arrays off the
 * slab are kept outside of memory, and where they lie is not compared. When their kmalloc cache took a
 * page is found by trying.
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replaySlabOps(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readOpsLines(recording.lines, {
    geometry: readSlabGeometry,
    cacheStates: readCacheStates,
  });
  const load = lines.find(({ content }) => content.kind === 'load')?.content;
  const managed =
    load?.kind === 'load' ? load.state.zones.reduce((sum, zone) => sum + zone.managed, 0) : 0;
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, managed), (slabMaxOrder) =>
    replayWithGuesses((guesses) =>
      replayOpsLines(lines, (state) => newMachine(meta, state, slabMaxOrder, debug, guesses)),
    ),
  );
}

function newMachine(
  meta: RecordingMeta,
  state: KernelState,
  slabMaxOrder: number,
  debug: boolean,
  guesses: Guesses,
): OpsMachine<SlabCache, SlabCacheGeometry> {
  const pages = loadPages(state);
  const options = loadedOptions(pages);
  const indexPages = new IndexPages(options.source, guesses);
  const allocator = new SlabAllocator({
    ...options,
    source: indexPages.pageSource(),
    nodeCpus: pages.buddy.model.nodes.map(({ cpus }) => cpus),
    config: { debug },
    // Caches of the same shape are caches of their own in these recordings.
    parameters: { ...parseSlabParameters(meta.cmdline), maxOrder: slabMaxOrder, nomerge: true },
  });
  return {
    ...pages,
    allocator,
    geometryOf,
    requestedFlags: (flags) => requestedFlags(flags, debug),
    recordOf: recordOfCache,
    listsOf,
    follow: (_, cache) => {
      indexPages.isOffSlab = isOffSlab(cache);
    },
    diverged: (agreed) => {
      guesses.agreed = agreed;
    },
  };
}

/** The arrays and slab lists of a cache that hold something, one text line each. */
function listsOf(cache: SlabCache): string[] {
  const record = recordOfCache(cache);
  const lines = record.cpus.map((ac, cpu) => `cpu ${cpu}: ${entriesText(ac)}`);
  for (const n of record.nodes) {
    const where = `node ${n.node}`;
    if (n.shared !== null) lines.push(`${where} shared: ${entriesText(n.shared)}`);
    n.alien.forEach((ac, node) => {
      if (ac !== null) lines.push(`${where} alien ${node}: ${entriesText(ac)}`);
    });
    for (const name of ['partial', 'full', 'free'] as const) {
      const slabs = n[name].map(({ pfn, active }) => `${pfn} (${active})`);
      if (slabs.length > 0) lines.push(`${where} slabs_${name}: ${headOf(slabs)}`);
    }
  }
  return lines;
}

function entriesText({ avail, limit, entries }: CacheRecord['cpus'][number]): string {
  const newest = entries.slice(-SHOWN_ENTRIES).map((address) => `0x${address.toString(16)}`);
  const head = entries.length > newest.length ? '... ' : '';
  return `${avail} of ${limit}: ${head}${newest.join(' ')}`;
}

function headOf(texts: readonly string[]): string {
  const shown = texts.slice(0, SHOWN_ENTRIES).join(' ');
  return texts.length > SHOWN_ENTRIES ? `${shown} ... (${texts.length})` : shown;
}
