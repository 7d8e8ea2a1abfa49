import { BuddyAllocator } from '../buddy/allocator.ts';
import { hex, NIL, PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import type { KmemCache } from '../mm/kmem-cache.ts';
import type { PageSource } from '../mm/page-source.ts';
import { type SlabTopology, topologyOfModel } from '../mm/slab-topology.ts';
import type { Vmstat } from '../mm/vmstat.ts';
import { type Difference, firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import type { KernelState } from './kernel-state.ts';
import {
  formatAddresses,
  formatKmemCall,
  isAllocation,
  type KmemCall,
  runKmemCall,
} from './kmem-calls.ts';
import { asDivergence, createAs, formatCreate } from './kmem-create.ts';
import type { ShapeMachine } from './kmem-geometry.ts';
import type { NamedGeometry } from './kmem-geometry-record.ts';
import type { NumberedLine, OpsLine } from './kmem-ops-lines.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';
import type { Divergence, ReplayOutcome } from './types.ts';
import { WrittenMemory } from './written-memory.ts';

/** What a replay needs of the geometry of a cache to make it again. */
export interface OpsGeometry extends NamedGeometry {
  /** Usable bytes of an object. */
  readonly objectSize: number;
  /** Alignment of objects, bytes. */
  readonly align: number;
}

/** The page allocator as loaded, and the memory above which an object allocator starts. */
export interface LoadedPages {
  /** The state that was loaded. */
  readonly loaded: KernelState;
  /** The page allocator. */
  readonly buddy: BuddyAllocator;
  /** The bytes of objects. */
  readonly memory: WrittenMemory;
}

/** The page allocator and the object allocator under replay: SLAB's or SLUB's. */
export interface OpsMachine<C extends KmemCache, G extends OpsGeometry>
  extends LoadedPages,
    Pick<ShapeMachine<C, G>, 'geometryOf'> {
  /** The object allocator. */
  readonly allocator: Pick<ShapeMachine<C, G>['allocator'], 'createCache'>;
  /** The flags that a creator gave, from those of the cache that came of it. */
  readonly requestedFlags: (flags: number) => number;
  /** What a cache holds, in the form of the recordings. */
  readonly recordOf: (cache: C) => unknown;
  /** The lists of a cache, one text line each. */
  readonly listsOf: (cache: C) => string[];
  /**
   * Told before each call, if wanted: the call, its cache, and how to ask for the object that the
   * kernel gave next in it; -1 for none.
   */
  readonly follow?: (call: KmemCall, cache: C, next: () => number) => void;
  /** Told, if wanted, how many objects of the call that diverged are those of the kernel. */
  readonly diverged?: (agreed: number) => void;
}

/** What allocators on loaded pages have in common. */
interface LoadedOptions {
  /** Where slabs come from. */
  readonly source: PageSource;
  /** The bytes of objects. */
  readonly memory: WrittenMemory;
  /** The kernel's own caches are not looked at. */
  readonly boot: 'bare';
  /** CPUs and nodes. */
  readonly topology: SlabTopology;
  /** Counters of the machine. */
  readonly vmstat: Vmstat;
}

/** The page allocator of a `load` line. */
export function loadPages(loaded: KernelState): LoadedPages {
  const buddy = new BuddyAllocator(loadKernelState(loaded));
  return { loaded, buddy, memory: new WrittenMemory(buddy.model.map.endPfn * PAGE_SIZE) };
}

/** The options of an object allocator on loaded pages. */
export function loadedOptions({ buddy, memory }: LoadedPages): LoadedOptions {
  const { model } = buddy;
  const topology = topologyOfModel(model);
  return { source: buddy.pageSource(), memory, boot: 'bare', topology, vmstat: model.vmstat };
}

/** A machine and the caches that the recording made on it. */
interface Run<C extends KmemCache, G extends OpsGeometry> {
  readonly machine: OpsMachine<C, G>;
  caches: readonly C[];
}

/**
 * Replays the lines of a slab_ops or slub_ops recording.
 * @param start makes the machine of a `load` line
 * @throws RecordingError for a line before the first `load`
 */
export function replayOpsLines<C extends KmemCache, G extends OpsGeometry>(
  lines: readonly NumberedLine<G>[],
  start: (state: KernelState) => OpsMachine<C, G>,
): ReplayOutcome {
  let run: Run<C, G> | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const { number, content } of lines) {
    if (content.kind === 'load') {
      run = { machine: start(content.state), caches: [] };
      continue;
    }
    if (run === null) {
      const message = `line ${number}: nothing was loaded before`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: number });
    }
    operations++;
    divergence ??= replayLine(run, content, operations, number);
  }
  return { operations, divergence };
}

function replayLine<C extends KmemCache, G extends OpsGeometry>(
  run: Run<C, G>,
  content: Exclude<OpsLine<G>, { kind: 'load' }>,
  operation: number,
  line: number,
): Divergence | null {
  const { buddy, loaded, memory, recordOf } = run.machine;
  switch (content.kind) {
    case 'caches':
      return createCaches(run, content.caches, operation, line);
    case 'cacheState': {
      const got = run.caches.map(recordOf);
      const difference = firstDifference(content.caches, got, 'cacheState');
      return asDivergence(difference, 'cacheState', operation, line);
    }
    case 'state': {
      const difference = compareKernelState(buddy.model, content.state, { loaded });
      return asDivergence(difference, 'state', operation, line);
    }
    case 'bytes': {
      const difference = compareBytes(memory, content.pfn, content.bytes);
      return asDivergence(difference, 'bytes', operation, line);
    }
    case 'call':
      return replayCall(run, content.call, operation, line);
  }
}

/** Makes the recorded caches. Whether one has a constructor shows only in its shape. */
function createCaches<C extends KmemCache, G extends OpsGeometry>(
  run: Run<C, G>,
  recorded: readonly G[],
  operation: number,
  line: number,
): Divergence | null {
  const { allocator, geometryOf, memory, requestedFlags } = run.machine;
  const made: C[] = [];
  run.caches = made;
  for (const geometry of recorded) {
    const request = {
      size: geometry.objectSize,
      align: geometry.align,
      flags: requestedFlags(geometry.flags),
      hasCtor: false,
    };
    let cache = createAs(allocator, geometry.name, request);
    const difference = firstDifference(geometry, geometryOf(cache));
    if (difference !== null) {
      cache?.destroy();
      // What a constructor wrote is not recorded.
      const forget = (address: number): void => memory.forget(address, geometry.objectSize);
      cache = createAs(allocator, geometry.name, { ...request, hasCtor: true }, forget);
    }
    if (cache === null || firstDifference(geometry, geometryOf(cache)) !== null) {
      return asDivergence(difference, formatCreate(geometry.name, request), operation, line);
    }
    made.push(cache);
  }
  return null;
}

/** Compares the bytes of a page frame that were written since the recording began. */
function compareBytes(memory: WrittenMemory, pfn: number, expected: Uint8Array): Difference | null {
  const start = pfnToAddr(pfn);
  for (let at = 0; at < PAGE_SIZE; at++) {
    if (!memory.isWritten(start + at)) continue;
    const got = memory.readU8(start + at);
    if (got === expected[at]) continue;
    const path = `byte ${at} of page frame ${pfn}`;
    return { path, expected: hex(expected[at], 2), got: hex(got, 2), context: [] };
  }
  return null;
}

function replayCall<C extends KmemCache, G extends OpsGeometry>(
  { machine, caches }: Run<C, G>,
  call: KmemCall,
  operation: number,
  line: number,
): Divergence | null {
  const cache = caches[call.cache];
  const expected = isAllocation(call) ? call.addresses : [];
  let got: readonly number[] = [];
  let refused = '';
  try {
    const slots = new Array<number>(call.count).fill(NIL);
    machine.follow?.(call, cache, () => expected[slots.indexOf(NIL)] ?? NIL);
    got = runKmemCall(cache, call, slots);
  } catch (error) {
    // The kernel took the call, so a refusal is a divergence, not an error of the recording.
    if (!(error instanceof Error)) throw error;
    refused = `${error.name}: ${error.message}`;
  }
  const same = got.length === expected.length && got.every((address, i) => address === expected[i]);
  if (refused === '' && same) return null;
  machine.diverged?.(got.findIndex((address, i) => address !== expected[i]));
  return {
    operation,
    line,
    call: formatKmemCall(call, cache.name),
    expected: isAllocation(call) ? formatAddresses(expected) : 'success',
    got: refused === '' ? formatAddresses(got) : refused,
    context: machine.listsOf(cache),
  };
}
