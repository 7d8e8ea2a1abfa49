import { type EarlyParamHandlers, parseEarlyParams } from './early-param.ts';
import { e820EndOfLowRamPfn, e820EndOfRamPfn, LOW_RAM_END_PFN } from './end-of-ram.ts';
import { E820Error } from './errors.ts';
import { e820MemorySetup } from './memory-setup.ts';
import { type BootAlloc, e820RegisterNosaveRegions, type NosaveRegion } from './nosave.ts';
import { e820SetupPciGap, type PciGap } from './pci-gap.ts';
import { type E820Resources, e820ReserveResources } from './reserve-resources.ts';
import type { Resource } from './resource.ts';
import { e820ReserveSetupData, parseSetupData } from './setup-data.ts';
import { createE820State, type E820State, type E820StateOptions } from './state.ts';
import { e820AddKernelRange, trimBiosRange } from './trim.ts';
import {
  type AddressRange,
  type E820Firmware,
  type E820Table,
  E820Type,
  type LogLine,
  type LogSink,
  type SetupDataNode,
} from './types.ts';
import { entryEnd, pfnDown, pfnUp } from './u64.ts';
import { e820EarlyParams, e820FinishEarlyParams, INVALID_USER_MAP } from './user-map.ts';

/** An edit that a platform makes at one step of the set-up, with the operations of this module. */
export type E820Hook = (state: E820State, log: LogSink) => void;

/** What {@link setupE820} starts from. */
export interface E820SetupOptions extends E820StateOptions {
  /** The map as firmware or the boot loader gave it. */
  readonly firmware: E820Firmware;
  /** Kernel command line, default empty; `mem=` and `memmap=` count. */
  readonly cmdline?: string;
  /** Handlers of other early parameters, called in the order of the command line. */
  readonly earlyParams?: EarlyParamHandlers;
  /** The boot loader's setup_data list. */
  readonly setupData?: readonly SetupDataNode[];
  /** Physical range from `_text` to `_end`; without it, RAM there is not checked. */
  readonly kernel?: AddressRange;
  /** Whether CONFIG_MEMORY_HOTPLUG is on (default): `mem=` limits hot-add too. */
  readonly memoryHotplug?: boolean;
  /** EFI's edits, after the command line (step 7). */
  readonly efiHook?: E820Hook;
  /** Edits of EFI and hypervisors after the user's map was printed (step 11). */
  readonly platformHook?: E820Hook;
  /** The GART check (step 14). */
  readonly gartHook?: E820Hook;
  /** The MTRR trim, after the end of RAM was found (step 16). */
  readonly mtrrHook?: E820Hook;
}

/** What the set-up leaves. */
export interface E820Setup {
  /** The three tables, the ends of RAM, and the rest of the kernel's state. */
  readonly state: E820State;
  /** The kernel log of the set-up, in order, debug lines included. */
  readonly log: LogLine[];
  /** The setup_data list after its nodes were handled. */
  readonly setupData: readonly SetupDataNode[];
  /** Buffers of IMA nodes, which memblock has to keep. */
  readonly imaBuffers: readonly AddressRange[];
}

/**
 * Runs the boot order of `setup_arch` as far as it concerns the map, from the firmware's entries to
 * the ends of RAM (spec e820 4.22, steps 4 to 18). Next come `e820MemblockSetup` (step 22) and
 * {@link finishE820Setup} (step 32).
 * @param options where to start from
 * @throws E820Error `INVALID_USER_MAP` where the kernel panics on `mem=` or `memmap=`, `NO_RAM`
 * when not one whole page of RAM is left (both with the log so far in `data.log`), `SAME_TYPE` for
 * a `memmap=` that is a kernel BUG, and the errors of bad arguments
 * @kernel setup_arch
 * @example
 * ```ts
 * const { state, log } = setupE820({ ...parseE820(dmesg), cmdline: 'mem=700M' });
 * ```
 */
export function setupE820(options: E820SetupOptions): E820Setup {
  const { firmware, cmdline = '', earlyParams = {}, memoryHotplug = true } = options;
  const state = createE820State(options);
  const lines: LogLine[] = [];
  const log: LogSink = (line) => {
    lines.push(line);
  };
  e820MemorySetup(state, firmware, log);
  const parsed = parseSetupData(state, options.setupData ?? [], log);
  const handlers = { ...earlyParams, ...e820EarlyParams(state, log, memoryHotplug) };
  parseEarlyParams(cmdline, handlers, log);
  options.efiHook?.(state, log);
  e820ReserveSetupData(state, parsed.nodes, log);
  finishEarlyParams(state, lines, log);
  options.platformHook?.(state, log);
  if (options.kernel !== undefined) e820AddKernelRange(state, options.kernel, log);
  trimBiosRange(state, log);
  options.gartHook?.(state, log);
  findEndsOfRam(state, options.mtrrHook, log);
  if (state.maxPfn === 0 || !holdsWholePage(state.table)) {
    throw new E820Error('NO_RAM', 'the map holds not one whole page of RAM', {
      value: state.table.entries,
      log: lines,
    });
  }
  return { state, log: lines, setupData: parsed.nodes, imaBuffers: parsed.imaBuffers };
}

/** Whether memblock will get a page: RAM and RESERVED_KERN that touch count as one. */
function holdsWholePage(table: E820Table): boolean {
  let start = 0n;
  let end = 0n;
  for (const entry of table.entries) {
    if (entry.type !== E820Type.RAM && entry.type !== E820Type.RESERVED_KERN) continue;
    if (entry.addr !== end) start = entry.addr;
    end = entryEnd(entry);
    if (pfnUp(start) < pfnDown(end)) return true;
  }
  return false;
}

/** The panic on a bad user map, with the log that leads to it. */
function finishEarlyParams(state: E820State, lines: LogLine[], log: LogSink): void {
  try {
    e820FinishEarlyParams(state, log);
  } catch (error) {
    if (!(error instanceof E820Error) || error.code !== 'INVALID_USER_MAP') throw error;
    log({ level: 0, text: `Kernel panic - not syncing: ${INVALID_USER_MAP}` });
    throw new E820Error(error.code, error.message, { ...error.data, log: lines });
  }
}

/** Steps 15 to 18. */
function findEndsOfRam(state: E820State, mtrrHook: E820Hook | undefined, log: LogSink): void {
  const { table, maxArchPfn } = state;
  state.maxPfn = e820EndOfRamPfn(table, maxArchPfn, log);
  mtrrHook?.(state, log);
  state.maxPossiblePfn = state.maxPfn;
  state.maxLowPfn =
    state.maxPfn > LOW_RAM_END_PFN ? e820EndOfLowRamPfn(table, maxArchPfn, log) : state.maxPfn;
}

/** What {@link finishE820Setup} may be told. */
export interface E820FinishOptions {
  /** The root of the `/proc/iomem` tree, with what was put into it before. */
  readonly iomem: Resource;
  /** Whether CONFIG_HIBERNATION is on (default); off: no nosave regions, no lines. */
  readonly hibernation?: boolean;
  /** Whether CONFIG_FIRMWARE_MEMMAP is on (default). */
  readonly firmwareMemmap?: boolean;
  /** Take the nosave walk of early 6.1.y kernels. */
  readonly earlyNosaveWalk?: boolean;
  /** Called for each boot allocation, in the kernel's order. */
  readonly alloc?: BootAlloc;
}

/** What {@link finishE820Setup} leaves. */
export interface E820Finish extends E820Resources {
  /** Page frames that hibernation leaves out. */
  readonly nosave: NosaveRegion[];
  /** Address space for PCI devices. */
  readonly pciGap: PciGap;
  /** The log lines, in order. */
  readonly log: LogLine[];
}

/**
 * Registers resources, nosave regions and the PCI gap (spec e820 4.22, step 32). The rest waits for
 * the PCI survey: `e820ReserveResourcesLate`, and then `e820ReallocateTables`.
 * @param state what {@link setupE820} left
 * @param options tree, configuration and allocator
 * @throws E820Error `ENDS_AT_2_64` for a firmware entry that reaches 2^64, a kernel BUG, before
 * anything changed
 * @kernel setup_arch
 */
export function finishE820Setup(state: E820State, options: E820FinishOptions): E820Finish {
  const { iomem, hibernation = true, earlyNosaveWalk = false, ...rest } = options;
  const lines: LogLine[] = [];
  const log: LogSink = (line) => {
    lines.push(line);
  };
  const resources = e820ReserveResources(state, iomem, rest);
  const walk = { earlyWalk: earlyNosaveWalk, ...(rest.alloc && { alloc: rest.alloc }) };
  const nosave = hibernation ? e820RegisterNosaveRegions(state.table, state.maxPfn, log, walk) : [];
  const pciGap = e820SetupPciGap(state, log);
  return { ...resources, nosave, pciGap, log: lines };
}
