import { e820FirmwareMap, type FirmwareMapEntry } from './firmware-map.ts';
import { formatIomemType, formatRamBuffer } from './format.ts';
import { logDebug } from './log.ts';
import type { BootAlloc } from './nosave.ts';
import {
  createResource,
  IoresourceDesc,
  IoresourceFlag,
  insertResource,
  insertResourceExpandToFit,
  type Resource,
} from './resource.ts';
import type { E820State } from './state.ts';
import { type E820Entry, type E820Table, E820Type, type LogSink } from './types.ts';
import { entryEnd, entryLast, max64, min64, wrap64 } from './u64.ts';

const RESOURCE_BYTES = 64n;
const SMP_CACHE_BYTES = 64n;
const MIB = 0x10_0000n;

/** What {@link e820ReserveResources} leaves for the late stage and for sysfs. */
export interface E820Resources {
  /** One resource for each entry of the working map, in table order. */
  readonly resources: Resource[];
  /** The entries of `/sys/firmware/memmap`. */
  readonly firmwareMap: FirmwareMapEntry[];
}

/** What {@link e820ReserveResources} may be told. */
export interface ReserveResourcesOptions {
  /** Whether CONFIG_FIRMWARE_MEMMAP is on, default true. */
  readonly firmwareMemmap?: boolean;
  /** Called for each boot allocation, in order. */
  readonly alloc?: BootAlloc;
}

/**
 * Makes a resource of each entry, puts the busy ones into the tree, and makes the firmware map.
 * @param state the tables
 * @param iomem the root of the tree
 * @param options configuration and allocator
 * @throws E820Error `ENDS_AT_2_64` for a firmware entry that reaches 2^64, a kernel BUG, before
 * anything changed
 * @kernel e820__reserve_resources, spec e820 4.19
 */
export function e820ReserveResources(
  state: E820State,
  iomem: Resource,
  options: ReserveResourcesOptions = {},
): E820Resources {
  const { firmwareMemmap = true, alloc } = options;
  if (firmwareMemmap) e820FirmwareMap(state.tableFirmware);
  const { entries } = state.table;
  alloc?.(RESOURCE_BYTES * BigInt(entries.length), SMP_CACHE_BYTES);
  const resources = entries.map(resourceOf);
  for (let i = 0; i < entries.length; i++) {
    if (isBusy(entries[i])) insertResource(iomem, resources[i]);
  }
  const firmwareMap = firmwareMemmap ? e820FirmwareMap(state.tableFirmware, alloc) : [];
  return { resources, firmwareMap };
}

function resourceOf(entry: E820Entry): Resource {
  const { addr, type } = entry;
  const isRam = type === E820Type.RAM || type === E820Type.RESERVED_KERN;
  const kind = isRam ? IoresourceFlag.SYSTEM_RAM : IoresourceFlag.MEM;
  const flags = isBusy(entry) ? (kind | IoresourceFlag.BUSY) >>> 0 : kind;
  return createResource(formatIomemType(type), addr, entryLast(entry), flags, descOf(type));
}

/** Memory that devices may share is not claimed before they were found. */
function isBusy({ addr, type }: E820Entry): boolean {
  if (addr < MIB) return true;
  return !(
    type === E820Type.RESERVED ||
    type === E820Type.SOFT_RESERVED ||
    type === E820Type.PRAM ||
    type === E820Type.PMEM
  );
}

function descOf(type: number): number {
  switch (type) {
    case E820Type.RESERVED:
      return IoresourceDesc.RESERVED;
    case E820Type.ACPI:
      return IoresourceDesc.ACPI_TABLES;
    case E820Type.NVS:
      return IoresourceDesc.ACPI_NV_STORAGE;
    case E820Type.PMEM:
      return IoresourceDesc.PERSISTENT_MEMORY;
    case E820Type.PRAM:
      return IoresourceDesc.PERSISTENT_MEMORY_LEGACY;
    case E820Type.SOFT_RESERVED:
      return IoresourceDesc.SOFT_RESERVED;
    default:
      return IoresourceDesc.NONE;
  }
}

/**
 * Puts the remaining resources into the tree, at the end of the PCI survey, and keeps the space
 * right above RAM free of devices.
 * @param table the working map
 * @param resources what {@link e820ReserveResources} made
 * @param iomem the root of the tree
 * @param log takes the lines
 * @kernel e820__reserve_resources_late, spec e820 4.20
 */
export function e820ReserveResourcesLate(
  table: E820Table,
  resources: readonly Resource[],
  iomem: Resource,
  log?: LogSink,
): void {
  for (const resource of resources) {
    if (resource.parent === null && resource.end !== 0n) {
      insertResourceExpandToFit(iomem, resource, log);
    }
  }
  for (const entry of table.entries) {
    if (entry.type !== E820Type.RAM) continue;
    const start = entryEnd(entry);
    const last = wrap64(alignUp(start, ramAlignment(start)) - 1n);
    if (start >= last) continue;
    logDebug(log, formatRamBuffer(start, last));
    fillWithRamBuffer(iomem, start, last);
  }
}

function ramAlignment(address: bigint): bigint {
  if (address < MIB) return 0x1_0000n;
  return address < 16n * MIB ? MIB : 64n * MIB;
}

function alignUp(value: bigint, alignment: bigint): bigint {
  return ((value + alignment - 1n) / alignment) * alignment;
}

/** Adds a resource for every part of [start, last] that no top-level resource covers. */
function fillWithRamBuffer(iomem: Resource, start: bigint, last: bigint): void {
  const end = min64(last, iomem.end);
  const flags = (IoresourceFlag.MEM | IoresourceFlag.BUSY) >>> 0;
  let free = max64(start, iomem.start);
  const add = (to: bigint): void => {
    if (free <= to) insertResource(iomem, createResource('RAM buffer', free, to, flags));
  };
  for (const { start: takenStart, end: takenEnd } of [...iomem.children]) {
    if (takenEnd < free) continue;
    if (takenStart > end) break;
    add(takenStart - 1n);
    free = takenEnd + 1n;
  }
  add(end);
}
