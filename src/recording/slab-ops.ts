import { BuddyAllocator } from '../buddy/allocator.ts';
import { hex, PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import { topologyOfModel } from '../mm/slab-topology.ts';
import { SlabAllocator } from '../slab/allocator.ts';
import type { SlabCache } from '../slab/cache.ts';
import { parseSlabParameters } from '../slab/parameters.ts';
import type { SlabCacheGeometry } from '../slab/types.ts';
import { type Difference, firstDifference } from './difference.ts';
import { RecordingError } from './errors.ts';
import {
  type Place,
  placeIn,
  readInteger,
  readList,
  readObject,
  readRecord,
  readString,
} from './fields.ts';
import { type KernelState, parseKernelState } from './kernel-state.ts';
import {
  formatAddresses,
  formatKmemCall,
  isAllocation,
  type KmemCall,
  readKmemCall,
  runKmemCall,
} from './kmem-calls.ts';
import { asDivergence, createAs, formatCreate, metaOf } from './kmem-create.ts';
import { readSlabGeometry } from './slab-geometry-record.ts';
import { isDebugBuild, replayWithOrders, requestedFlags, slabMaxOrders } from './slab-machine.ts';
import { type CacheRecord, readCacheStates, recordOfCache } from './slab-state.ts';
import { compareKernelState } from './state-compare.ts';
import { loadKernelState } from './state-load.ts';
import type { Divergence, RecordedLine, Recording, RecordingMeta, ReplayOutcome } from './types.ts';
import { WrittenMemory } from './written-memory.ts';

const MAX_PFN = 2 ** 31;
/** Entries of an array shown in a report. */
const SHOWN_ENTRIES = 10;

/** A line as read. */
type OpsLine =
  | { readonly kind: 'load'; readonly state: KernelState }
  | { readonly kind: 'caches'; readonly caches: readonly SlabCacheGeometry[] }
  | { readonly kind: 'cacheState'; readonly caches: readonly CacheRecord[] }
  | { readonly kind: 'state'; readonly state: KernelState }
  | { readonly kind: 'bytes'; readonly pfn: number; readonly bytes: Uint8Array }
  | { readonly kind: 'call'; readonly call: KmemCall };

/** A numbered line as read. */
interface NumberedLine {
  readonly number: number;
  readonly content: OpsLine;
}

/** The machine under replay. */
interface Machine {
  readonly loaded: KernelState;
  readonly buddy: BuddyAllocator;
  readonly memory: WrittenMemory;
  readonly allocator: SlabAllocator;
  readonly debug: boolean;
  caches: readonly SlabCache[];
}

/**
 * Replays a recording of kind `slab_ops`. The kernel's own caches are not in it: index arrays off the
 * slab are kept outside of memory, and where they lie is not compared.
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replaySlabOps(recording: Recording): ReplayOutcome {
  const meta = metaOf(recording);
  const lines = readLines(recording.lines);
  const load = lines.find(({ content }) => content.kind === 'load')?.content;
  const managed =
    load?.kind === 'load' ? load.state.zones.reduce((sum, zone) => sum + zone.managed, 0) : 0;
  const debug = isDebugBuild(recording.lines);
  return replayWithOrders(slabMaxOrders(meta, managed), (slabMaxOrder) =>
    replayLines(lines, (state) => newMachine(meta, state, slabMaxOrder, debug)),
  );
}

/** Reads all lines, so that a foreign one is never passed over. */
function readLines(lines: readonly RecordedLine[]): NumberedLine[] {
  let caches = 0;
  return lines.map(({ number, value }) => {
    const place: Place = { line: number, path: 'line' };
    if (Array.isArray(value)) {
      return { number, content: { kind: 'call', call: readKmemCall(value, place, caches) } };
    }
    const content = readFieldLine(value, place);
    if (content.kind === 'caches') caches = content.caches.length;
    return { number, content };
  });
}

function readFieldLine(line: unknown, place: Place): OpsLine {
  const fields = Object.entries(readRecord(line, place));
  const [name, value] = fields.length === 1 ? fields[0] : ['', null];
  const at = placeIn(place, name);
  switch (name) {
    case 'load':
    case 'state':
      return { kind: name, state: parseKernelState(value, place.line, name) };
    case 'caches':
      return { kind: name, caches: readList(value, at, readSlabGeometry) };
    case 'cacheState':
      return { kind: name, caches: readCacheStates(value, at) };
    case 'bytes': {
      const record = readObject(value, at, ['pfn', 'hex']);
      return {
        kind: name,
        pfn: readInteger(record.pfn, placeIn(at, 'pfn'), 0, MAX_PFN),
        bytes: readHex(record.hex, placeIn(at, 'hex')),
      };
    }
    default: {
      const names = fields.map(([field]) => field).join(', ');
      const message = `line ${place.line}: a line with the fields ${names}`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: place.line });
    }
  }
}

function readHex(value: unknown, place: Place): Uint8Array {
  const text = readString(value, place);
  if (text.length !== PAGE_SIZE * 2 || !/^[0-9a-f]*$/i.test(text)) {
    const message = `line ${place.line}: ${place.path} must be the bytes of a page`;
    throw new RecordingError('BAD_VALUE', message, { ...place });
  }
  return Uint8Array.from({ length: PAGE_SIZE }, (_, i) =>
    Number.parseInt(text.slice(i * 2, i * 2 + 2), 16),
  );
}

function newMachine(
  meta: RecordingMeta,
  state: KernelState,
  slabMaxOrder: number,
  debug: boolean,
): Machine {
  const buddy = new BuddyAllocator(loadKernelState(state));
  const { model } = buddy;
  const memory = new WrittenMemory(model.map.endPfn * PAGE_SIZE);
  const topology = topologyOfModel(model);
  const allocator = new SlabAllocator({
    source: buddy.pageSource(),
    memory,
    boot: 'bare',
    topology,
    nodeCpus: model.nodes.map(({ cpus }) => cpus),
    vmstat: model.vmstat,
    config: { debug },
    // Caches of the same shape are caches of their own in these recordings.
    parameters: { ...parseSlabParameters(meta.cmdline), maxOrder: slabMaxOrder, nomerge: true },
  });
  return { loaded: state, buddy, memory, allocator, debug, caches: [] };
}

function replayLines(
  lines: readonly NumberedLine[],
  start: (state: KernelState) => Machine,
): ReplayOutcome {
  let machine: Machine | null = null;
  let operations = 0;
  let divergence: Divergence | null = null;
  for (const { number, content } of lines) {
    if (content.kind === 'load') {
      machine = start(content.state);
      continue;
    }
    if (machine === null) {
      const message = `line ${number}: nothing was loaded before`;
      throw new RecordingError('UNKNOWN_LINE', message, { line: number });
    }
    operations++;
    divergence ??= replayLine(machine, content, operations, number);
  }
  return { operations, divergence };
}

function replayLine(
  machine: Machine,
  content: Exclude<OpsLine, { kind: 'load' }>,
  operation: number,
  line: number,
): Divergence | null {
  switch (content.kind) {
    case 'caches':
      return createCaches(machine, content.caches, operation, line);
    case 'cacheState': {
      const got = machine.caches.map(recordOfCache);
      const difference = firstDifference(content.caches, got, 'cacheState');
      return asDivergence(difference, 'cacheState', operation, line);
    }
    case 'state': {
      const { buddy, loaded } = machine;
      const difference = compareKernelState(buddy.model, content.state, { loaded });
      return asDivergence(difference, 'state', operation, line);
    }
    case 'bytes': {
      const difference = compareBytes(machine.memory, content.pfn, content.bytes);
      return asDivergence(difference, 'bytes', operation, line);
    }
    case 'call':
      return replayCall(machine, content.call, operation, line);
  }
}

/** Compares the bytes of a page frame that were written since the recording began. */
function compareBytes(memory: WrittenMemory, pfn: number, expected: Uint8Array): Difference | null {
  const start = pfnToAddr(pfn);
  for (let i = 0; i < expected.length; i++) {
    if (!memory.isWritten(start + i)) continue;
    const got = memory.readU8(start + i);
    if (got === expected[i]) continue;
    const path = `byte ${i} of page frame ${pfn}`;
    return { path, expected: hex(expected[i], 2), got: hex(got, 2), context: [] };
  }
  return null;
}

/** Makes the recorded caches. Whether one has a constructor shows only in its shape. */
function createCaches(
  machine: Machine,
  recorded: readonly SlabCacheGeometry[],
  operation: number,
  line: number,
): Divergence | null {
  const made: SlabCache[] = [];
  machine.caches = made;
  for (const geometry of recorded) {
    const request = {
      size: geometry.objectSize,
      align: geometry.align,
      flags: requestedFlags(geometry.flags, machine.debug),
      hasCtor: false,
    };
    let cache = createAs(machine.allocator, geometry.name, request);
    let difference = firstDifference(geometry, cache?.geometry() ?? null);
    if (difference !== null) {
      cache?.destroy();
      cache = createAs(machine.allocator, geometry.name, { ...request, hasCtor: true });
      const second = firstDifference(geometry, cache?.geometry() ?? null);
      if (second === null) difference = null;
    }
    if (difference !== null || cache === null) {
      return asDivergence(difference, formatCreate(geometry.name, request), operation, line);
    }
    made.push(cache);
  }
  return null;
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
    got = runKmemCall(cache, call);
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
    context: listsOf(cache),
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
