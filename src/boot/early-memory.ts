import { earlyReserveMemory } from '../e820/early-reserve.ts';
import { e820MemblockAllocReservedMpcNew, e820MemblockSetup } from '../e820/memblock-setup.ts';
import { parseE820 } from '../e820/parse.ts';
import { type E820Setup, setupE820 } from '../e820/setup.ts';
import { type E820Entry, type E820Firmware, E820Type } from '../e820/types.ts';
import { ArgumentError } from '../lib/errors.ts';
import { Memblock } from '../memblock/memblock.ts';
import type { MemblockOptions } from '../memblock/types.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import {
  applyLateParams,
  type BootParams,
  bootParamHandlers,
  defaultBootParams,
} from './command-line.ts';
import { directMapPages } from './direct-map.ts';
import { BootError } from './errors.ts';
import type { BootLog } from './log.ts';
import type { ReservationProfile } from './reservations.ts';
import type { BootOptions, E820Input } from './types.ts';

/** End of the memory that real mode can address: nothing of it is ever given out. */
const ISA_END_ADDRESS = 0x10_0000n;
const PMD_BYTES = 2n << 20n;
const PAGE_BYTES = 4096n;

/** What is known after the firmware map became memblock. */
export interface EarlyMemory {
  /** The E820 tables. */
  readonly e820: E820Setup;
  /** Memory and reservations; no nodes yet. */
  readonly memblock: Memblock;
  /** The command line. */
  readonly params: BootParams;
}

/**
 * From the firmware map to memblock: reservations of the firmware and of the kernel's image, the
 * command line, the three E820 tables, memory.
 * @throws E820Error for a map that cannot be read or that the kernel refuses; BootError
 * `MEMORY_TOO_SMALL` when the backend ends below the last byte of RAM
 * @kernel setup_arch (spec e820 4.22 steps 1 to 28)
 */
export function earlyMemory(
  options: BootOptions,
  profile: ReservationProfile,
  log: BootLog,
): EarlyMemory {
  const { cmdline = '', setupData = [] } = options;
  const params = defaultBootParams();
  const firmware = firmwareOf(options.e820);
  const e820 = setupE820({
    firmware,
    cmdline,
    setupData,
    earlyParams: bootParamHandlers(params, options.memoryIsolation),
    ...(hasImage(profile) && { kernel: profile.kernelImage }),
  });
  applyLateParams(params, cmdline);
  const { state } = e820;
  if (!state.userdef) checkRam(firmware, state.tableFirmware.entries);
  if (options.memory !== undefined) checkBackend(options.memory, state.maxPfn);
  for (const line of e820.log) log.add(line);
  const memblock = new Memblock(memblockOptions(params, options, log));
  reserveEarly(memblock, options, profile);
  for (const { start, end } of e820.imaBuffers) memblock.reserve(start, end - start);
  if (params.movableNode) memblock.setBottomUp(true);
  memblock.setDebug(params.memblockDebug);
  memblock.setCurrentLimit(ISA_END_ADDRESS);
  e820MemblockSetup(state.table, memblock);
  e820MemblockAllocReservedMpcNew(
    state,
    params.allocMptableBytes,
    (size, align) => memblock.physAlloc(size, align) ?? 0n,
    log.add,
  );
  memblock.reserve(0n, ISA_END_ADDRESS);
  mapMemory(memblock, profile, BigInt(state.maxPfn) * PAGE_BYTES);
  for (const { start, end } of profile.firmware) memblock.reserve(start, end - start);
  return { e820, memblock, params };
}

/** A firmware map from any form of it. */
function firmwareOf(input: E820Input): E820Firmware {
  if (typeof input === 'string') return parseE820(input).firmware;
  if (isEntries(input)) return { entries: input };
  if (Array.isArray(input?.entries)) return input;
  throw new ArgumentError('e820 must be a text, entries, or what a firmware says', { e820: input });
}

function isEntries(input: Exclude<E820Input, string>): input is E820Firmware['entries'] {
  return Array.isArray(input);
}

function hasImage({ kernelImage }: ReservationProfile): boolean {
  return kernelImage.start < kernelImage.end;
}

/**
 * The kernel makes its own image RAM if it must, so a map without any that can be given out would
 * seem to have some.
 * @throws BootError `NO_RAM`
 */
function checkRam(firmware: E820Firmware, entries: readonly E820Entry[]): void {
  const hasPage = entries.some(({ addr, size, type }) => {
    const usable = addr > ISA_END_ADDRESS ? addr : ISA_END_ADDRESS;
    const start = (usable + PAGE_BYTES - 1n) / PAGE_BYTES;
    return type === E820Type.RAM && start < (addr + size) / PAGE_BYTES;
  });
  if (hasPage) return;
  const ignored = firmware.who === undefined && firmware.entries.length < 2;
  const why = ignored ? ': the kernel ignores a firmware map of fewer than 2 entries' : '';
  const message = `the map holds not one whole page of RAM above 1 MiB${why}`;
  throw new BootError('NO_RAM', message, { entries });
}

/**
 * Checks that a backend holds all of RAM.
 * @throws BootError `MEMORY_TOO_SMALL`
 */
export function checkBackend(memory: PhysicalMemory, maxPfn: number): void {
  const needed = maxPfn * Number(PAGE_BYTES);
  if (memory.sizeBytes >= needed) return;
  const message = `RAM needs a backend of ${needed} bytes, got ${memory.sizeBytes}`;
  throw new BootError('MEMORY_TOO_SMALL', message, { needed, sizeBytes: memory.sizeBytes });
}

function memblockOptions(params: BootParams, options: BootOptions, log: BootLog): MemblockOptions {
  return {
    mirroredKernelcore: params.mirroredKernelcore,
    movableNode: params.movableNode,
    ...(options.memory && { memory: options.memory }),
    hz: options.hz ?? 100,
    log: (level, text) => log.add({ level: { err: 3, warning: 4, info: 6 }[level], text }),
  };
}

/** Before anything is known of memory. @kernel early_reserve_memory (spec e820 4.22 step 2) */
function reserveEarly(memblock: Memblock, options: BootOptions, profile: ReservationProfile): void {
  const { initrd, bios, kernelImage } = profile;
  const list = earlyReserveMemory({
    ...(hasImage(profile) && { kernel: kernelImage }),
    ...(initrd && {
      ramdisk: { typeOfLoader: 0xff, image: initrd.start, size: initrd.end - initrd.start },
    }),
    setupData: options.setupData ?? [],
    bios,
  });
  for (const { base, size } of list) memblock.reserve(base, size);
}

/** Direct mapping: a probe for room, its page tables, and then all of memory can be taken. */
function mapMemory(memblock: Memblock, profile: ReservationProfile, endAddr: bigint): void {
  const probe = memblock.physAllocRange(PMD_BYTES, PMD_BYTES, ISA_END_ADDRESS, endAddr);
  if (probe !== null) memblock.physFree(probe, PMD_BYTES);
  const pages = profile.directMapPages ?? directMapPages(memblock);
  for (let page = 0; page < pages; page++) {
    memblock.physAllocRange(PAGE_BYTES, PAGE_BYTES, ISA_END_ADDRESS, endAddr);
  }
  memblock.setCurrentLimit(endAddr);
}
