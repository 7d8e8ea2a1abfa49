import { E820Error } from './errors.ts';
import { formatExpanded } from './format.ts';
import { logInfo } from './log.ts';
import type { LogSink } from './types.ts';
import { checkU64, max64, min64 } from './u64.ts';

/** Flags of a resource, with the kernel's names and values. */
export const IoresourceFlag = {
  /** Physical address space. */
  MEM: 0x200,
  /** RAM of the system: MEM with the SYSRAM bit. */
  SYSTEM_RAM: 0x1000200,
  /** In use: drivers may not take it. */
  BUSY: 0x80000000,
} as const;

/** What a resource describes, with the kernel's names and values. */
export const IoresourceDesc = {
  /** Nothing special. */
  NONE: 0,
  /** ACPI tables. */
  ACPI_TABLES: 2,
  /** ACPI non-volatile storage. */
  ACPI_NV_STORAGE: 3,
  /** Persistent memory. */
  PERSISTENT_MEMORY: 4,
  /** Persistent memory of the older type. */
  PERSISTENT_MEMORY_LEGACY: 5,
  /** Reserved by the firmware. */
  RESERVED: 7,
  /** Set aside for a special purpose. */
  SOFT_RESERVED: 8,
} as const;

/** A node of the `/proc/iomem` tree. Children ascend and never overlap. @kernel struct resource */
export interface Resource {
  /** First byte. */
  start: bigint;
  /** Last byte, inclusive. */
  end: bigint;
  /** Name, as `/proc/iomem` shows it. */
  readonly name: string;
  /** Bits of {@link IoresourceFlag}. */
  readonly flags: number;
  /** A value of {@link IoresourceDesc}. */
  readonly desc: number;
  /** The node above, null for the root and for a node outside any tree. */
  parent: Resource | null;
  /** The nodes below, by start. */
  children: Resource[];
}

/**
 * Makes a resource outside any tree.
 * @param name what `/proc/iomem` shows
 * @param start first byte
 * @param end last byte, inclusive
 * @param flags bits of {@link IoresourceFlag}
 * @param desc a value of {@link IoresourceDesc}
 * @throws E820Error `BAD_ADDRESS`
 */
export function createResource(
  name: string,
  start: bigint,
  end: bigint,
  flags: number = IoresourceFlag.MEM,
  desc: number = IoresourceDesc.NONE,
): Resource {
  checkU64('start', start);
  checkU64('end', end);
  return { start, end, name, flags, desc, parent: null, children: [] };
}

/**
 * Makes the root of the tree.
 * @param physBits physical address bits of the CPU, 32 to 64
 * @throws E820Error `BAD_NUMBER`
 * @kernel iomem_resource, spec e820 4.19
 */
export function createIomem(physBits: number): Resource {
  if (!Number.isInteger(physBits) || physBits < 32 || physBits > 64) {
    const message = `physBits must be an integer from 32 to 64, got ${String(physBits)}`;
    throw new E820Error('BAD_NUMBER', message, { name: 'physBits', value: physBits });
  }
  return createResource('PCI mem', 0n, 2n ** BigInt(physBits) - 1n);
}

/**
 * Links a resource as a direct child of `parent`, where nothing else may be.
 * @returns null, or the resource in the way (`parent` itself if the range does not lie in it)
 * @kernel request_resource_conflict, spec e820 4.19
 */
export function requestResource(parent: Resource, resource: Resource): Resource | null {
  const { start, end } = resource;
  if (end < start || start < parent.start || end > parent.end) return parent;
  const { children } = parent;
  const index = firstEndingFrom(children, start);
  if (index < children.length && children[index].start <= end) return children[index];
  children.splice(index, 0, resource);
  resource.parent = parent;
  return null;
}

/**
 * Puts a resource into the tree below `parent` wherever it fits: inside a larger one, or around
 * smaller ones. Of two equal ranges the newcomer becomes the parent.
 * @returns null, or the resource that crosses one of its borders
 * @kernel insert_resource_conflict, spec e820 4.19
 */
export function insertResource(parent: Resource, resource: Resource): Resource | null {
  let above = parent;
  for (;;) {
    const conflict = requestResource(above, resource);
    if (conflict === null || conflict === above) return conflict;
    if (!containsMore(conflict, resource)) return takeOver(above, resource);
    above = conflict;
  }
}

/**
 * Puts a resource into the tree, widening it over whatever crosses its borders. Gives up silently
 * where the root is in the way.
 * @param root the root of the tree
 * @param resource nothing happens if it has a parent already
 * @param log takes one "Expanded resource" line for each step
 * @kernel insert_resource_expand_to_fit, spec e820 4.19
 */
export function insertResourceExpandToFit(root: Resource, resource: Resource, log?: LogSink): void {
  if (resource.parent !== null) return;
  for (;;) {
    const conflict = insertResource(root, resource);
    if (conflict === null || conflict === root) return;
    resource.start = min64(resource.start, conflict.start);
    resource.end = max64(resource.end, conflict.end);
    logInfo(log, formatExpanded(resource.name, conflict.name));
  }
}

/** Index of the first child that does not end below `start`. */
function firstEndingFrom(children: readonly Resource[], start: bigint): number {
  let index = 0;
  while (index < children.length && children[index].end < start) index++;
  return index;
}

/** Whether `outer` covers `inner` and is not equal to it. */
function containsMore(outer: Resource, inner: Resource): boolean {
  if (outer.start > inner.start || outer.end < inner.end) return false;
  return outer.start !== inner.start || outer.end !== inner.end;
}

/** The resource takes the place of the children that it covers, unless one crosses its borders. */
function takeOver(parent: Resource, resource: Resource): Resource | null {
  const { children } = parent;
  const first = firstEndingFrom(children, resource.start);
  let after = first;
  while (after < children.length && children[after].start <= resource.end) {
    const child = children[after];
    if (child.start < resource.start || child.end > resource.end) return child;
    after++;
  }
  resource.children = children.splice(first, after - first, resource);
  resource.parent = parent;
  for (const child of resource.children) child.parent = resource;
  return null;
}

/** Deepest indent of `/proc/iomem`. */
const MAX_LEVEL = 5;

/** What {@link formatIomem} may be told. */
export interface FormatIomemOptions {
  /** Show zero for all numbers, as to a reader without CAP_SYS_ADMIN. */
  readonly hideAddresses?: boolean;
}

/**
 * The lines of `/proc/iomem`: every resource but the root, children after their parent.
 * @param root the root of the tree
 * @param options who reads
 * @kernel r_show, spec e820 5.4
 */
export function formatIomem(root: Resource, options: FormatIomemOptions = {}): string[] {
  const lines: string[] = [];
  const stack = root.children.map((resource) => ({ resource, depth: 0 })).reverse();
  for (let top = stack.pop(); top !== undefined; top = stack.pop()) {
    const { resource, depth } = top;
    const start = options.hideAddresses ? 0n : resource.start;
    const end = options.hideAddresses ? 0n : resource.end;
    const indent = '  '.repeat(Math.min(depth, MAX_LEVEL));
    lines.push(`${indent}${digits8(start)}-${digits8(end)} : ${resource.name}`);
    for (let i = resource.children.length - 1; i >= 0; i--) {
      stack.push({ resource: resource.children[i], depth: depth + 1 });
    }
  }
  return lines;
}

function digits8(value: bigint): string {
  return value.toString(16).padStart(8, '0');
}
