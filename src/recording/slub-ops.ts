import { BuddyAllocator } from '../buddy/allocator.ts';
import { hex, NIL, PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import { topologyOfModel } from '../mm/slab-topology.ts';
import { SlubAllocator } from '../slub/allocator.ts';
import type { SlubCache } from '../slub/cache.ts';
import { parseSlubParameters } from '../slub/parameters.ts';
import { slabOfAddress } from '../slub/pointer.ts';
import { type Difference, firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import type { KernelState } from './kernel-state.ts';
import { formatAddresses, formatKmemCall, isAllocation, type KmemCall } from './kmem-calls.ts';
import { asDivergence, createAs, formatCreate, metaOf } from './kmem-create.ts';
import { geometryOf, type SlubGeometryRecord } from './slub-machine.ts';
import { type NumberedLine, type OpsLine, readOpsLines } from './slub-ops-lines.ts';
import { recordOfSlubCache, type SlabRecord } from './slub-state.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';
import type { Divergence, Recording, RecordingMeta, ReplayOutcome } from './types.ts';
import { WrittenMemory } from './written-memory.ts';

/** Slabs and objects of a list shown in a report. */
const SHOWN = 12;
/** Values of the cycle counter that let a remote search go ahead, or not. */
const CYCLES_SEARCH = 0;
const CYCLES_SKIP = 1023;

/** The machine under replay. */
interface Machine {
  readonly loaded: KernelState;
  readonly buddy: BuddyAllocator;
  readonly memory: WrittenMemory;
  readonly allocator: SlubAllocator;
  caches: readonly SlubCache[];
  /** What the running call returned in the kernel. */
  expected: readonly number[];
  /** How many of them the model has given already. */
  given: () => number;
}

/**
 * Replays a recording of kind `slub_ops`.
 *
 * The cycle counter, by which the kernel decides about 2 in 100 times not to look at the partial
 * slabs of other nodes, is not recorded: the search goes ahead where the kernel's result shows it.
 *
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replaySlubOps(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  let machine: Machine | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const { number, content } of readOpsLines(recording.lines)) {
    if (content.kind === 'load') {
      machine = newMachine(meta, content.state);
      continue;
    }
    if (machine === null) {
      const message = `line ${number}: nothing was loaded before`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: number });
    }
    operations++;
    divergence ??= replayLine(machine, { number, content }, operations);
  }
  return { operations, divergence };
}

function newMachine(meta: RecordingMeta, state: KernelState): Machine {
  const buddy = new BuddyAllocator(loadKernelState(state));
  const { model } = buddy;
  const memory = new WrittenMemory(model.map.endPfn * PAGE_SIZE);
  const allocator = new SlubAllocator({
    source: buddy.pageSource(),
    memory,
    boot: 'bare',
    topology: topologyOfModel(model),
    vmstat: model.vmstat,
    // Caches of the same shape are caches of their own in these recordings.
    parameters: { ...parseSlubParameters(meta.cmdline), nomerge: true },
    cycles: () => (isRemoteExpected(machine) ? CYCLES_SEARCH : CYCLES_SKIP),
  });
  const machine: Machine = {
    loaded: state,
    buddy,
    memory,
    allocator,
    caches: [],
    expected: [],
    given: () => 0,
  };
  return machine;
}

/** Whether the object that comes next in the kernel is in a slab of some node's partial list. */
function isRemoteExpected({ allocator, expected, given }: Machine): boolean {
  const { state } = allocator;
  const slab = slabOfAddress(state, expected[given()] ?? NIL);
  return slab >= 0 && state.slabs.frozen[slab] === 0;
}

function replayLine(
  machine: Machine,
  { number, content }: NumberedLine & { content: Exclude<OpsLine, { kind: 'load' }> },
  operation: number,
): Divergence | null {
  const { allocator, buddy, loaded } = machine;
  switch (content.kind) {
    case 'caches':
      return createCaches(machine, content.caches, operation, number);
    case 'cacheState': {
      const got = machine.caches.map((cache) => recordOf(allocator, cache));
      const difference = firstDifference(content.caches, got, 'cacheState');
      return asDivergence(difference, 'cacheState', operation, number);
    }
    case 'state': {
      const difference = compareKernelState(buddy.model, content.state, { loaded });
      return asDivergence(difference, 'state', operation, number);
    }
    case 'bytes': {
      const difference = compareBytes(machine, content.pfn, content.bytes);
      return asDivergence(difference, 'bytes', operation, number);
    }
    case 'call':
      return replayCall(machine, content.call, operation, number);
  }
}

function recordOf(
  { state }: SlubAllocator,
  cache: SlubCache,
): ReturnType<typeof recordOfSlubCache> {
  const found = state.caches.find(({ name }) => name === cache.name);
  if (found === undefined) throw new RecordingError('BAD_VALUE', `no cache ${cache.name}`, {});
  return recordOfSlubCache(state, found);
}

/** Makes the recorded caches. Whether one has a constructor shows only in its shape. */
function createCaches(
  machine: Machine,
  recorded: readonly SlubGeometryRecord[],
  operation: number,
  line: number,
): Divergence | null {
  const made: SlubCache[] = [];
  machine.caches = made;
  for (const geometry of recorded) {
    const request = {
      size: geometry.objectSize,
      align: geometry.align,
      // The two highest bits are the kernel's own.
      flags: (geometry.flags & 0x3fffffff) >>> 0,
      hasCtor: false,
    };
    let cache = createAs(machine.allocator, geometry.name, request);
    const difference = firstDifference(geometry, geometryOf(cache));
    if (difference !== null) {
      cache?.destroy();
      const { memory } = machine;
      const forget = (address: number): void => memory.forget(address, geometry.objectSize);
      const withCtor = { ...request, hasCtor: true };
      cache = createAs(machine.allocator, geometry.name, withCtor, forget);
    }
    if (cache === null || firstDifference(geometry, geometryOf(cache)) !== null) {
      return asDivergence(difference, formatCreate(geometry.name, request), operation, line);
    }
    made.push(cache);
  }
  return null;
}

/** Compares the bytes of a page frame that were written since the recording began. */
function compareBytes({ memory }: Machine, pfn: number, expected: Uint8Array): Difference | null {
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

/** Makes a call; the addresses that it gave. */
function runCall(machine: Machine, cache: SlubCache, call: KmemCall): readonly number[] {
  const { cpu, gfp, node, addresses, count } = call;
  machine.expected = isAllocation(call) ? addresses : [];
  machine.given = () => 0;
  switch (call.name) {
    case 'calloc': {
      const address = node === NIL ? cache.alloc(gfp, cpu) : cache.allocNode(gfp, node, cpu);
      return address === null ? [] : [address];
    }
    case 'calloc_bulk': {
      const slots = new Array<number>(count).fill(NIL);
      machine.given = () => slots.indexOf(NIL);
      return slots.slice(0, cache.allocBulk(gfp, slots, cpu));
    }
    case 'cfree':
      cache.free(addresses[0], cpu);
      return [];
    case 'cfree_bulk':
      cache.freeBulk([...addresses], cpu);
      return [];
  }
}

function replayCall(
  machine: Machine,
  call: KmemCall,
  operation: number,
  line: number,
): Divergence | null {
  const cache = machine.caches[call.cache];
  const expected = isAllocation(call) ? call.addresses : [];
  let got: readonly number[] = [];
  let refused = '';
  try {
    got = runCall(machine, cache, call);
  } catch (error) {
    // The kernel took the call, so a refusal is a divergence, not an error of the recording.
    if (!(error instanceof Error)) throw error;
    refused = `${error.name}: ${error.message}`;
  }
  const same = got.length === expected.length && got.every((address, i) => address === expected[i]);
  if (refused === '' && same) return null;
  return {
    operation,
    line,
    call: formatKmemCall(call, cache.name),
    expected: isAllocation(call) ? formatAddresses(expected) : 'success',
    got: refused === '' ? formatAddresses(got) : refused,
    context: listsOf(machine.allocator, cache),
  };
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
