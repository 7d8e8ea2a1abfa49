import { applyLateParams, defaultBootParams } from '../boot/command-line.ts';
import { setupWatermarks } from '../boot/finish-boot.ts';
import type { BootRegion } from '../boot/types.ts';
import { type E820Setup, setupE820 } from '../e820/setup.ts';
import type { AddressRange } from '../e820/types.ts';
import { InvariantError, PageframeError } from '../lib/errors.ts';
import { bootFromMemblock, Machine } from '../machine.ts';
import { bringUpCpus, setupPerCpuPageset } from '../mm/watermark-setup.ts';
import { compareBootLines, imageSizesOf } from './boot-lines.ts';
import { type BootRecording, readBootRecording } from './boot-reader.ts';
import { type Difference, firstDifference } from './difference.ts';
import type { KernelState, ZoneRecord } from './kernel-state.ts';
import { kernelStateOf } from './state-compare.ts';
import { zoneOfRecord } from './state-load.ts';
import type { Divergence, Recording, ReplayOutcome } from './types.ts';

/** Where the recorded kernels are loaded: there is no KASLR. */
const KERNEL_START = 0x100_0000n;
const PAGE_BYTES = 4096n;

/** One comparison: its name, the line that it is about, and what it found. */
interface Check {
  readonly call: string;
  readonly line: number;
  readonly difference: Difference | null;
}

/**
 * Replays a recording of kind `boot` (recordings README, "boot-*"): the firmware map and the command
 * line give the E820 table, the page frame numbers and the map's log lines; the memblock regions give
 * the free lists and the other log lines; the managed pages and CPUs of the booted machine give the
 * watermarks and what hangs on them.
 * @throws RecordingError for a line, field or value that it does not understand
 */
export function replayBoot(recording: Recording): ReplayOutcome {
  const boot = readBootRecording(recording);
  const checks = runChecks(boot, recording);
  const failed = checks.findIndex(({ difference }) => difference !== null);
  const divergence = failed < 0 ? null : divergenceOf(checks[failed], failed + 1);
  return { operations: checks.length, divergence };
}

function runChecks(boot: BootRecording, recording: Recording): Check[] {
  const cmdline = recording.meta?.cmdline ?? '';
  const setup = orRefusal('e820 set-up', boot.e820Firmware.line, () =>
    setupE820({
      firmware: { entries: boot.e820Firmware.value, who: 'BIOS-e820' },
      cmdline,
      ...kernelRange(boot),
    }),
  );
  if ('difference' in setup) return [setup];
  const machine = orRefusal('boot from memblock', boot.memblock.line, () =>
    bootToRelease(boot, recording),
  );
  const mapChecks = [checkE820(boot, setup), checkPfns(boot, setup), checkMemory(boot, setup)];
  if (!(machine instanceof Machine)) return [...mapChecks, machine];
  return [
    ...mapChecks,
    ...checkLines(boot, setup, machine),
    checkReleased(boot, machine),
    checkBooted(boot, machine, cmdline),
  ];
}

/** What `run` gives; a failed check when the model refuses what the kernel accepted. */
function orRefusal<T>(call: string, line: number, run: () => T): T | Check {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof PageframeError) || error instanceof InvariantError) throw error;
    const got = `${error.code}: ${error.message}`;
    return { call, line, difference: { path: '', expected: 'accepted', got, context: [] } };
  }
}

function divergenceOf({ call, line, difference }: Check, operation: number): Divergence {
  const { path = '', expected = '', got = '', context = [] } = difference ?? {};
  return { operation, line, call: path === '' ? call : `${call}: ${path}`, expected, got, context };
}

/** The kernel image, which set-up makes sure to be RAM. */
function kernelRange(boot: BootRecording): { kernel?: AddressRange } {
  const image = boot.memblock.value.reserved.find(({ base }) => base === KERNEL_START);
  if (image === undefined) return {};
  return { kernel: { start: image.base, end: image.base + image.size } };
}

function checkE820(boot: BootRecording, { state }: E820Setup): Check {
  const difference = firstDifference(boot.e820.value, state.table.entries, 'e820');
  return { call: 'e820 table', line: boot.e820.line, difference };
}

function checkPfns(boot: BootRecording, { state }: E820Setup): Check {
  // All of memory is mapped directly: the two ends are the same from then on.
  const got = { maxPfn: state.maxPfn, maxLowPfn: state.maxPfn, minLowPfn: 0 };
  const difference = firstDifference(boot.pfns.value, got, 'pfns');
  return { call: 'page frame numbers', line: boot.pfns.line, difference };
}

/** The memory regions, without their nodes, are the RAM of the table in whole pages. */
function checkMemory(boot: BootRecording, { state }: E820Setup): Check {
  const ram = state.table.entries.filter(({ type }) => type === 1 || type === 128);
  const got = joined(ram.map(({ addr, size }) => ({ start: addr, end: addr + size })))
    .map(({ start, end }) => ({
      start: ((start + PAGE_BYTES - 1n) / PAGE_BYTES) * PAGE_BYTES,
      end: (end / PAGE_BYTES) * PAGE_BYTES,
    }))
    .filter(({ start, end }) => start < end);
  const { memory } = boot.memblock.value;
  const expected = joined(memory.map(({ base, size }) => ({ start: base, end: base + size })));
  const difference = firstDifference(expected, got, 'memory');
  return { call: 'memblock memory', line: boot.memblock.line, difference };
}

function joined(ranges: readonly AddressRange[]): AddressRange[] {
  const result: AddressRange[] = [];
  for (const range of ranges) {
    const last = result[result.length - 1];
    if (last?.end === range.start) result[result.length - 1] = { ...last, end: range.end };
    else result.push(range);
  }
  return result;
}

/** One check per recorded line, so that the number of operations tells how much was compared. */
function checkLines(boot: BootRecording, setup: E820Setup, machine: Machine): Check[] {
  const { value: recorded, line } = boot.dmesg;
  const printed = [...setup.log.map(({ text }) => text), ...machine.dmesg()];
  const { memory, reserved } = boot.memblock.value;
  const endAddr = BigInt(boot.pfns.value.maxPfn) * PAGE_BYTES;
  const found = compareBootLines(recorded, printed, { endAddr, memory, reserved });
  const checks = recorded.map((text): Check => ({ call: text, line, difference: null }));
  if (found === null) return checks;
  const { index, expected, got } = found;
  checks[Math.min(index, recorded.length - 1)] = {
    call: 'kernel log',
    line,
    difference: {
      path: `dmesg[${index}]`,
      expected: expected ?? 'nothing',
      got: got ?? 'nothing',
      context: recorded.slice(Math.max(0, index - 3), index + 4),
    },
  };
  return checks;
}

/** A machine as it is right after the release. */
function bootToRelease(boot: BootRecording, recording: Recording): Machine {
  const { memory, reserved } = boot.memblock.value;
  const { value: booted } = boot.booted;
  const nodeIds = booted.nodes.map(({ node }) => node);
  const regionIds = memory.map(({ nid }) => nid);
  const nodeCount = 1 + Math.max(0, ...nodeIds, ...booted.cpuNode, ...regionIds);
  const imageSizes = imageSizesOf(boot.dmesg.value);
  return bootFromMemblock({
    memblockMemory: memory as readonly BootRegion[],
    memblockReserved: reserved,
    nodeCount,
    cpuNode: booted.cpuNode,
    nodeCpus: byNode(nodeCount, nodeIds, booted.nodeCpus, []),
    distance: distances(nodeCount, boot.afterFreeAll.value),
    hugetlb: recording.meta?.hugetlb ?? true,
    memoryIsolation: false,
    ...(recording.meta?.allocator === 'slab' && { slab: 'slab' }),
    cmdline: recording.meta?.cmdline ?? '',
    maxLowPfn: boot.pfns.value.maxLowPfn,
    ...(imageSizes && { imageSizes }),
    until: 'release',
  });
}

/** Rows that stand in the order of listed nodes, by node id. */
function byNode<T>(count: number, ids: readonly number[], rows: readonly T[], none: T): T[] {
  return Array.from({ length: count }, (_, id) => rows[ids.indexOf(id)] ?? none);
}

function distances(nodeCount: number, { nodes, distance }: KernelState): number[][] {
  const ids = nodes.map(({ node }) => node);
  return byNode(nodeCount, ids, distance, []).map((row) => {
    const cells: number[] = [];
    ids.forEach((id, i) => {
      if (row[i] !== undefined) cells[id] = row[i];
    });
    return cells;
  });
}

/**
 * The whole state. The node of the boot CPU, the only one known then, is an input; no per-CPU list
 * and no event is recorded.
 */
function checkReleased(boot: BootRecording, { model }: Machine): Check {
  const { value: expected, line } = boot.afterFreeAll;
  const state = kernelStateOf(model);
  const got: KernelState = {
    ...state,
    cpuNode: expected.cpuNode,
    nodeCpus: [],
    zones: state.zones.map((zone) => ({ ...zone, pcp: [] })),
    events: null,
  };
  const difference = firstDifference(expected, got);
  return { call: 'afterFreeAll', line, difference };
}

/** What follows from managed pages and CPUs, when they are those of the booted kernel. */
function checkBooted(boot: BootRecording, { model }: Machine, cmdline: string): Check {
  const { value: expected, line } = boot.booted;
  const params = defaultBootParams();
  applyLateParams(params, cmdline);
  model.totalramPages = 0;
  for (const record of expected.zones) {
    zoneOfRecord(model, record).managedPages = record.managed;
    model.totalramPages += record.managed;
  }
  setupPerCpuPageset(model);
  bringUpCpus(model);
  setupWatermarks(model, params.thp ?? 'madvise');
  const got = kernelStateOf(model);
  const difference = firstDifference(tunedPart(expected), tunedPart(got));
  return { call: 'booted', line, difference };
}

/** The part of a state that managed pages and CPUs decide, and what boot does not change any more. */
function tunedPart(state: KernelState): unknown {
  const zonePart = (zone: ZoneRecord) => ({
    node: zone.node,
    name: zone.name,
    startPfn: zone.startPfn,
    spanned: zone.spanned,
    present: zone.present,
    managed: zone.managed,
    watermark: zone.watermark,
    lowmemReserve: zone.lowmemReserve,
    percpuDriftMark: zone.percpuDriftMark,
    pagesetHigh: zone.pagesetHigh,
    pagesetBatch: zone.pagesetBatch,
    pcp: zone.pcp.map(({ cpu, high, batch, statThreshold }) => ({
      cpu,
      high,
      batch,
      statThreshold,
    })),
  });
  return {
    minFreeKbytes: state.minFreeKbytes,
    watermarkScaleFactor: state.watermarkScaleFactor,
    watermarkBoostFactor: state.watermarkBoostFactor,
    nodes: state.nodes.map(({ kswapdOrder: _, ...node }) => node),
    zones: state.zones.map(zonePart),
  };
}
