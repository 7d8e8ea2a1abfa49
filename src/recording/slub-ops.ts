import { SlubAllocator } from '../slub/allocator.ts';
import type { SlubCache } from '../slub/cache.ts';
import { parseSlubParameters } from '../slub/parameters.ts';
import { slabOfAddress } from '../slub/pointer.ts';
import { RecordingError } from './errors.ts';
import { type Guesses, replayWithGuesses } from './guesses.ts';
import type { KernelState } from './kernel-state.ts';
import { metaOf } from './kmem-create.ts';
import { loadedOptions, loadPages, type OpsMachine, replayOpsLines } from './kmem-ops.ts';
import { readOpsLines } from './kmem-ops-lines.ts';
import { geometryOf, readSlubGeometry, type SlubGeometryRecord } from './slub-machine.ts';
import { readSlubCacheStates, recordOfSlubCache, type SlabRecord } from './slub-state.ts';
import type { Recording, RecordingMeta, ReplayOutcome } from './types.ts';

/** Slabs and objects of a list shown in a report. */
const SHOWN = 12;
/** Values of the cycle counter that let a remote search go ahead, or not. */
const CYCLES_SEARCH = 0;
const CYCLES_SKIP = 1023;
/** Flags of a cache that its creator gave: the two highest bits are the kernel's own. */
const CREATOR_FLAGS = 0x3fffffff;

/**
 * Replays a recording of kind `slub_ops`.
 *
 * The cycle counter, by which the kernel decides about 2 in 100 times not to look at the partial
 * slabs of other nodes, is not recorded: the search goes ahead where the kernel's result shows it.
 * A bulk call that got nothing leaves no result; what it did is found by trying.
 *
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replaySlubOps(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readOpsLines(recording.lines, {
    geometry: readSlubGeometry,
    cacheStates: readSlubCacheStates,
  });
  return replayWithGuesses((guesses) =>
    replayOpsLines(lines, (state) => newMachine(meta, state, guesses)),
  );
}

function newMachine(
  meta: RecordingMeta,
  state: KernelState,
  guesses: Guesses,
): OpsMachine<SlubCache, SlubGeometryRecord> {
  const pages = loadPages(state);
  let searches = (): boolean => true;
  const allocator: SlubAllocator = new SlubAllocator({
    ...loadedOptions(pages),
    // Caches of the same shape are caches of their own in these recordings.
    parameters: { ...parseSlubParameters(meta.cmdline), nomerge: true },
    cycles: () => (searches() ? CYCLES_SEARCH : CYCLES_SKIP),
  });
  return {
    ...pages,
    allocator,
    geometryOf,
    requestedFlags: (flags) => (flags & CREATOR_FLAGS) >>> 0,
    recordOf: (cache) => recordOf(allocator, cache),
    listsOf: (cache) => listsOf(allocator, cache),
    follow: ({ name, addresses }, _, next) => {
      const isUnknown = name === 'calloc_bulk' && addresses.length === 0;
      searches = () => (isUnknown ? guesses.guess(true) : isInPartialSlab(allocator, next()));
    },
    diverged: (agreed) => {
      guesses.agreed = agreed;
    },
  };
}

/** Whether an object is in a slab of some node's partial list. */
function isInPartialSlab({ state }: SlubAllocator, object: number): boolean {
  const slab = slabOfAddress(state, object);
  return slab >= 0 && state.slabs.frozen[slab] === 0;
}

function recordOf(
  { state }: SlubAllocator,
  cache: SlubCache,
): ReturnType<typeof recordOfSlubCache> {
  const found = state.caches.find(({ name }) => name === cache.name);
  if (found === undefined) throw new RecordingError('BAD_VALUE', `no cache ${cache.name}`, {});
  return recordOfSlubCache(state, found);
}

/** The lists of a cache after the call, one text line each. */
function listsOf(allocator: SlubAllocator, cache: SlubCache): string[] {
  const { cpus, nodes } = recordOf(allocator, cache);
  const lines = cpus.map(({ cpu, slab, freelist, partial }) => {
    const own = slab === null ? 'no slab' : `slab ${slabText(slab)} freelist ${textOf(freelist)}`;
    return `cpu ${cpu}: ${own}, partial ${textOf(partial.map(slabText))}`;
  });
  for (const { node, partial, full } of nodes) {
    lines.push(`node ${node} partial: ${textOf(partial.map(slabText))}`);
    if (full.length > 0) lines.push(`node ${node} full: ${textOf(full.map(slabText))}`);
  }
  return lines;
}

function slabText({ pfn, inuse, objects }: SlabRecord): string {
  return `${pfn} (${inuse}/${objects})`;
}

function textOf(elements: readonly (string | number)[]): string {
  const shown = elements.slice(0, SHOWN).join(' ');
  return elements.length > SHOWN ? `[${shown} ... (${elements.length})]` : `[${shown}]`;
}
