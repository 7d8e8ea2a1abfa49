import { bootAllocAll } from './boot/boot-alloc.ts';
import { buildModel, buildZonelists, isDeferred, pageblockOrderOf } from './boot/build-model.ts';
import {
  applyLateParams,
  type BootParams,
  bootParamHandlers,
  defaultBootParams,
} from './boot/command-line.ts';
import { reserveCommandLines } from './boot/command-line-copies.ts';
import { checkBackend, earlyMemory } from './boot/early-memory.ts';
import {
  type FinishAllocator,
  type FinishOptions,
  releaseBootMemory,
  startPageAllocator,
} from './boot/finish-boot.ts';
import { reserveLargeHashes } from './boot/large-hashes.ts';
import { BootLog } from './boot/log.ts';
import { endPfnOfRegions, layoutFromRegions, memblockFromRegions } from './boot/memblock-input.ts';
import { findDmaReserve, memoryRanges, ramBytesIn } from './boot/memblock-ranges.ts';
import { dummyNumaLayout, firmwareNumaLayout, type NumaLayout } from './boot/numa.ts';
import { emulateNodes } from './boot/numa-emulation.ts';
import { reservePercpuAreas } from './boot/percpu-areas.ts';
import { registerNodes } from './boot/register-nodes.ts';
import { defaultReservations, type ReservationProfile } from './boot/reservations.ts';
import { reserveSparseMemmap } from './boot/sparse-memmap.ts';
import { reserveSwiotlb } from './boot/swiotlb.ts';
import type { BootOptions, MachineOptions, MemblockBootOptions } from './boot/types.ts';
import { BuddyAllocator } from './buddy/allocator.ts';
import { freePagesCore } from './buddy/boot-release.ts';
import { parseEarlyParams } from './e820/early-param.ts';
import { createIomem } from './e820/resource.ts';
import { type E820Finish, type E820Setup, finishE820Setup } from './e820/setup.ts';
import { checkInteger } from './lib/errors.ts';
import { Machine, type MachineParts } from './machine/machine.ts';
import type { Memblock } from './memblock/memblock.ts';
import type { MemoryModel } from './mm/memory-model.ts';
import { defaultTask } from './mm/task.ts';

export { Machine, type MachineE820 } from './machine/machine.ts';

/** CPUs that a machine can have. @kernel NR_CPUS */
const CPUS_MAX = 4096;
/** Physical address bits of the CPU. */
const PHYS_BITS = 46;
const PAGE_BYTES = 4096n;
/** The CPU that boots. */
const BOOT_CPU = 0;

/**
 * Boots a machine from its firmware map, as Linux 6.1 does: E820, memblock, nodes, zones, page map,
 * zonelists, release into the free lists, per-CPU lists, watermarks; then page cache, reclaim,
 * compaction and OOM killer are attached. The object allocator boots at its first use.
 * @param options the map and what else is known of the machine
 * @throws E820Error for a map that cannot be read or that the kernel refuses (`NO_RAM`,
 * `INVALID_USER_MAP`, ...), BootError for a machine that cannot boot, ArgumentError for numbers that
 * make no sense; nothing is left behind then
 * @kernel start_kernel (spec memory-model 4.0)
 * @example
 * ```ts
 * const machine = boot({ e820: 'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable' });
 * machine.buddy.allocPages(0xcc0, 0);
 * ```
 */
export function boot(options: BootOptions): Machine {
  const cpus = options.cpus ?? 1;
  checkInteger('cpus', cpus, 1, CPUS_MAX);
  const log = new BootLog(options.log ?? null);
  const profile: ReservationProfile = { ...defaultReservations(), ...options.reservations };
  const { e820, memblock, params } = earlyMemory(options, profile, log);
  const { maxPfn } = e820.state;
  const endAddr = BigInt(maxPfn) * PAGE_BYTES;
  const layout = numaLayout(options, params, memblock, endAddr, cpus, log);
  registerNodes(memblock, layout, profile.nodeDataBytes, log);
  const dmaReserve = findDmaReserve(memblock);
  if (profile.pageMap) {
    reserveSparseMemmap(memblock, memoryRanges(memblock), pageblockOrderOf(options));
  }
  const shape = { layout, maxLowPfn: maxPfn, dmaReserve };
  const model = buildModel(memblock, shape, params, options, log);
  bootAllocAll(memblock, profile.beforeResources);
  const finish = finishE820(e820, memblock, profile.hibernation, log);
  reserveCommandLines(memblock, profile.commandLineChars, options.cmdline ?? '');
  const totalPages = reserveLate(model, memblock, layout, profile, params, log);
  reserveSwiotlb(memblock, maxPfn, params.swiotlbBytes ?? profile.swiotlbBytes, cpus);
  const parts = { model, memblock, e820: { setup: e820, finish }, totalPages };
  const { imageSizes } = profile;
  return start(parts, params, options, { maxLowPfn: maxPfn, imageSizes }, log);
}

/**
 * Boots a machine from its memblock regions as they are just before the release, when nothing else is
 * known of it: nodes, zones, page map, zonelists, release into the free lists, per-CPU lists,
 * watermarks.
 * @param options the regions and what else is known of the machine
 * @throws BootError for a machine that cannot boot, ArgumentError for numbers that make no sense;
 * nothing is left behind then
 * @kernel paging_init, memblock_free_all (spec memory-model 4.1 to 4.14)
 */
export function bootFromMemblock(options: MemblockBootOptions): Machine {
  checkInteger('cpus', options.cpuNode?.length ?? options.cpus ?? 1, 1, CPUS_MAX);
  const log = new BootLog(options.log ?? null);
  const params = defaultBootParams();
  const { cmdline = '', memoryIsolation } = options;
  parseEarlyParams(cmdline, bootParamHandlers(params, memoryIsolation), log.add);
  applyLateParams(params, cmdline);
  const memblock = memblockFromRegions(options, params, log);
  const layout = layoutFromRegions(options, memblock);
  const maxLowPfn = options.maxLowPfn ?? endPfnOfRegions(memblock);
  checkInteger('maxLowPfn', maxLowPfn, 0, Number.MAX_SAFE_INTEGER);
  if (options.memory !== undefined) checkBackend(options.memory, endPfnOfRegions(memblock));
  const named = new Set([...layout.cpuNode, ...memoryRanges(memblock).map(({ node }) => node)]);
  const isPossible = (node: number) => named.has(node);
  const shape = { layout, isPossible, maxLowPfn, dmaReserve: options.dmaReserve };
  const model = buildModel(memblock, shape, params, options, log);
  const totalPages = buildZonelists(model, params, log);
  const parts = { model, memblock, e820: null, totalPages };
  const { imageSizes = defaultReservations().imageSizes } = options;
  return start(parts, params, options, { maxLowPfn, imageSizes }, log);
}

/** Nodes by firmware, or one for all; cut into emulated ones if the command line says so. */
function numaLayout(
  options: BootOptions,
  params: BootParams,
  memblock: Memblock,
  endAddr: bigint,
  cpus: number,
  log: BootLog,
): NumaLayout {
  const { nodes, distance } = options;
  const layout =
    nodes === undefined || params.numaOff
      ? dummyNumaLayout(endAddr, cpus, log)
      : firmwareNumaLayout(nodes, distance, endAddr, cpus, log);
  if (params.numaFake === null) return layout;
  const ramIn = (start: bigint, end: bigint) => ramBytesIn(memblock, start, end);
  return emulateNodes(layout, params.numaFake, ramIn, log);
}

/** Resources, nosave regions and the gap for PCI devices. (spec e820 4.22 step 32) */
function finishE820(
  e820: E820Setup,
  memblock: Memblock,
  hibernation: boolean,
  log: BootLog,
): E820Finish {
  const finish = finishE820Setup(e820.state, {
    iomem: createIomem(PHYS_BITS),
    hibernation,
    alloc: (size, align) => {
      memblock.alloc(size, align);
    },
  });
  for (const line of finish.log) log.add(line);
  return finish;
}

/** What is reserved between zones and release. Returns the estimate of the `Built` line. */
function reserveLate(
  model: MemoryModel,
  memblock: Memblock,
  layout: NumaLayout,
  profile: ReservationProfile,
  params: BootParams,
  log: BootLog,
): number {
  bootAllocAll(memblock, profile.beforePercpu);
  reservePercpuAreas(memblock, layout.earlyCpuNode, profile.percpuBytes);
  bootAllocAll(memblock, profile.afterPercpu);
  const totalPages = buildZonelists(model, params, log);
  const nodes = model.nodes.filter((node) => node.presentPages > 0).length;
  if (profile.largeHashes) reserveLargeHashes(memblock, totalPages, nodes);
  bootAllocAll(memblock, profile.afterHashes);
  return totalPages;
}

type StartParts = Pick<MachineParts, 'memblock' | 'e820' | 'totalPages'> & {
  readonly model: MemoryModel;
};

/** Introduces the allocators to each other and releases memory to the page allocator. */
function start(
  parts: StartParts,
  params: BootParams,
  options: MachineOptions & Pick<BootOptions, 'cmdline'>,
  shape: Pick<FinishOptions, 'maxLowPfn' | 'imageSizes'>,
  log: BootLog,
): Machine {
  const task = options.task ?? defaultTask();
  const memory = options.memory ?? null;
  const { cpusets, random, trace, checks } = options;
  const shuffle = params.shuffle && random !== undefined ? random : null;
  const thp = options.thp === null ? null : (params.thp ?? options.thp ?? 'madvise');
  const buddy = new BuddyAllocator(parts.model, {
    task,
    log: log.warning,
    thp: thp !== null,
    initOnAlloc: params.initOnAlloc,
    initOnFree: params.initOnFree,
    pagePoison: params.pagePoison,
    ...(memory && { memory }),
    ...(trace && { trace }),
    ...(checks && { checks }),
    ...(cpusets && { cpusets }),
    ...(shuffle && { shuffle }),
  });
  const finish: FinishOptions = {
    ...shape,
    vmallocPages: options.vmallocPages === true,
    autoInit: { alloc: params.initOnAlloc, free: params.initOnFree },
    deferred: isDeferred(params, options),
    shuffle,
    thp,
  };
  const pages: FinishAllocator = {
    freeBlock: (pfn, order) => freePagesCore(buddy.state, pfn, order, BOOT_CPU, true),
    allocPages: (gfp, order) => buddy.allocPages(gfp, order, -1, BOOT_CPU),
  };
  releaseBootMemory(parts.model, parts.memblock, pages, finish, log);
  const running = options.until !== 'release';
  if (running) startPageAllocator(parts.model, parts.memblock, pages, finish, log);
  const { memblock, e820, totalPages } = parts;
  return new Machine({
    ...{ memblock, e820, totalPages, buddy, memory, task, options, random, running },
    cmdline: options.cmdline ?? '',
    trace: trace ?? null,
    checks: checks ?? 'basic',
    log: log.warning,
    lines: log.lines,
  });
}
