import { type EarlyParamHandlers, splitCommandLine } from '../e820/early-param.ts';
import { parseAllocMptable } from '../e820/memblock-setup.ts';
import { memparse, parseDigits } from '../e820/memparse.ts';
import { parseMemblockParam } from '../memblock/format.ts';
import type { CoreSize } from '../mm/movable-zone.ts';
import type { ThpEnabled } from '../mm/watermark-setup.ts';
import { type NumaEmulation, parseNumaFake } from './numa-emulation.ts';

/** What the command line says about memory, besides `mem=` and `memmap=`. */
export interface BootParams {
  /** `kernelcore=`. */
  kernelcore: CoreSize;
  /** `movablecore=`. */
  movablecore: CoreSize;
  /** `kernelcore=mirror`. */
  mirroredKernelcore: boolean;
  /** `movable_node`. */
  movableNode: boolean;
  /** `numa=off`. */
  numaOff: boolean;
  /** `numa=fake=`. */
  numaFake: NumaEmulation | null;
  /** `memblock=debug`. */
  memblockDebug: boolean;
  /** `mminit_loglevel=`. */
  mminitLoglevel: number;
  /** `page_poison=`. */
  pagePoison: boolean;
  /** `init_on_alloc=`. */
  initOnAlloc: boolean;
  /** `init_on_free=`. */
  initOnFree: boolean;
  /** `early_page_ext`: no page is left for later. */
  earlyPageExt: boolean;
  /** Bytes that `alloc_mptable` asks for, 0 for none. */
  allocMptableBytes: bigint;
  /** Bytes that `swiotlb=` asks for, 0 for `noforce`; null when it does not say. */
  swiotlbBytes: bigint | null;
  /** `transparent_hugepage=`, null when it does not say. */
  thp: ThpEnabled | null;
  /** `page_alloc.shuffle=`. */
  shuffle: boolean;
}

const EINVAL = -22;
const NOTHING: CoreSize = { pages: 0, percent: 0 };
/** Bytes of a slot of the bounce buffer. @kernel IO_TLB_SIZE */
const IO_TLB_BYTES = 2048n;

/** What an empty command line says. */
export function defaultBootParams(): BootParams {
  return {
    kernelcore: NOTHING,
    movablecore: NOTHING,
    mirroredKernelcore: false,
    movableNode: false,
    numaOff: false,
    numaFake: null,
    memblockDebug: false,
    mminitLoglevel: 0,
    pagePoison: false,
    initOnAlloc: false,
    initOnFree: false,
    earlyPageExt: false,
    allocMptableBytes: 0n,
    swiotlbBytes: null,
    thp: null,
    shuffle: false,
  };
}

/**
 * Handlers that fill `params` from the early pass over the command line.
 * @param memoryHotplug whether CONFIG_MEMORY_HOTPLUG is on: without it `movable_node` does nothing
 * (spec memblock 2.3). It implies MEMORY_ISOLATION.
 * @kernel early_param
 */
export function bootParamHandlers(params: BootParams, memoryHotplug = true): EarlyParamHandlers {
  return {
    kernelcore: (value) => {
      if (value === 'mirror') {
        params.mirroredKernelcore = true;
        return 0;
      }
      params.kernelcore = parseCore(value, params.kernelcore);
      return value === null ? EINVAL : 0;
    },
    movablecore: (value) => {
      params.movablecore = parseCore(value, params.movablecore);
      return value === null ? EINVAL : 0;
    },
    movable_node: () => {
      params.movableNode = memoryHotplug;
      return 0;
    },
    numa: (value) => (value === null ? EINVAL : parseNuma(params, value)),
    memblock: (value) => {
      params.memblockDebug = value !== null && parseMemblockParam(value);
      return 0;
    },
    mminit_loglevel: (value) => {
      params.mminitLoglevel = Number(parseDigits(value ?? '').value);
      return 0;
    },
    page_poison: (value) => setBool(value, (on) => (params.pagePoison = on)),
    init_on_alloc: (value) => setBool(value, (on) => (params.initOnAlloc = on)),
    init_on_free: (value) => setBool(value, (on) => (params.initOnFree = on)),
    early_page_ext: () => {
      params.earlyPageExt = true;
      return 0;
    },
    alloc_mptable: (value) => {
      params.allocMptableBytes = parseAllocMptable(value);
      return 0;
    },
    swiotlb: (value) => parseSwiotlb(params, value ?? ''),
  };
}

/**
 * Fills `params` from the parameters that are handled later in boot.
 * @kernel __setup, module_param
 */
export function applyLateParams(params: BootParams, cmdline: string): void {
  for (const { name, value } of splitCommandLine(cmdline)) {
    if (name === 'transparent_hugepage' && isThpEnabled(value)) params.thp = value;
    if (name === 'page_alloc.shuffle') setBool(value, (on) => (params.shuffle = on));
  }
}

/** A size in bytes, or a percentage, which leaves the size given before as it is. (spec 4.3 step 2) */
function parseCore(text: string | null, before: CoreSize): CoreSize {
  if (text === null) return before;
  const { value, used } = parseDigits(text);
  if (text[used] === '%') return { pages: before.pages, percent: Number(value) };
  return { pages: Number(memparse(text).value / 4096n), percent: 0 };
}

function parseNuma(params: BootParams, value: string): number {
  if (value.startsWith('off')) params.numaOff = true;
  if (value.startsWith('fake=')) params.numaFake = parseNumaFake(value.slice(5));
  return 0;
}

function parseSwiotlb(params: BootParams, value: string): number {
  if (/^\d/.test(value)) params.swiotlbBytes = parseDigits(value).value * IO_TLB_BYTES;
  if (value.split(',').includes('noforce')) params.swiotlbBytes = 0n;
  return 0;
}

function isThpEnabled(value: string | null): value is ThpEnabled {
  return value === 'always' || value === 'madvise' || value === 'never';
}

/** Reads a yes or no; the error for anything else. @kernel kstrtobool */
function setBool(value: string | null, set: (on: boolean) => void): number {
  const text = value ?? '';
  if (/^(?:[yYtT1]|[oO][nN])/.test(text)) set(true);
  else if (/^(?:[nNfF0]|[oO][fF])/.test(text)) set(false);
  else return EINVAL;
  return 0;
}
