import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { parseDmesg } from './dmesg.ts';
import { formatE820Map } from './format.ts';
import type { NosaveRegion } from './nosave.ts';
import type { PciGap } from './pci-gap.ts';
import { e820MappedAll, e820MappedAny } from './query.ts';
import type { Resource } from './resource.ts';
import type { E820State } from './state.ts';
import { type E820Entry, type E820Table, E820Type } from './types.ts';
import { entryEnd, pfnDown, pfnUp } from './u64.ts';
import { isNoMergeType, sanitisedEntries } from './update-table.ts';

/** Parts of a boot that {@link checkInvariants} looks at when they are given. */
export interface E820CheckedParts {
  /** What the nosave registration returned. */
  readonly nosave?: readonly NosaveRegion[];
  /** The chosen PCI gap. */
  readonly pciGap?: PciGap;
  /** The root of the resource tree. */
  readonly iomem?: Resource;
}

/**
 * Checks the state after the set-up against the rules of spec e820 6 that can be seen from it:
 * E820-1, 2, 5 and 20 for all tables, 12 to 14 for the working map, and 17 to 19 for the parts
 * that are given. A table whose sanitising was "not done" (-1) has its form checked no further.
 * @param state what `setupE820` left
 * @param parts what `finishE820Setup` left
 * @returns all broken rules
 */
export function checkInvariants(
  state: E820State,
  parts: E820CheckedParts = {},
): InvariantViolation[] {
  const { table, tableKexec, tableFirmware } = state;
  const found: InvariantViolation[] = [];
  for (const one of [table, tableKexec, tableFirmware]) {
    if (sanitisedEntries(one.entries, one.capacity) === null) continue;
    found.push(...checkSanitisedTable(one), ...checkText(one.entries));
  }
  if (sanitisedEntries(table.entries, table.capacity) !== null) {
    found.push(...checkQueries(table), ...checkEndOfRam(state), ...checkTrimmed(table));
    if (parts.nosave !== undefined) found.push(...checkNosave(table, parts.nosave));
    if (parts.pciGap !== undefined) found.push(...checkPciGap(table, parts.pciGap));
  }
  if (parts.iomem !== undefined) found.push(...checkResourceTree(parts.iomem));
  return found;
}

/**
 * Throws when a rule is broken.
 * @throws InvariantError with all broken rules
 */
export function assertInvariants(state: E820State, parts: E820CheckedParts = {}): void {
  assertNoViolations(checkInvariants(state, parts));
}

/**
 * Checks the form of a table that was sanitised successfully: E820-1, 2 and 5.
 * @returns all broken rules
 */
export function checkSanitisedTable(table: E820Table): InvariantViolation[] {
  const { entries, capacity } = table;
  const found: InvariantViolation[] = [];
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry.size === 0n) found.push(broken(1, `entry ${i} is empty`));
    if (entry.type === 0) found.push(broken(1, `entry ${i} has type 0`));
    const next = entries[i + 1];
    if (next === undefined) continue;
    const end = entry.addr + entry.size;
    if (end > next.addr) found.push(broken(1, `entries ${i} and ${i + 1} overlap or descend`));
    if (end === next.addr && entry.type === next.type && !isNoMergeType(entry.type)) {
      found.push(broken(2, `entries ${i} and ${i + 1} touch and have type ${entry.type}`));
    }
  }
  if (entries.length > capacity) {
    found.push(broken(5, `${entries.length} entries in a table of ${capacity}`));
  }
  const again = sanitisedEntries(entries, capacity);
  if (again !== null && !equalEntries(again, entries)) {
    found.push(broken(5, 'sanitising again changes the table'));
  }
  return found;
}

/** Whether two maps have the same entries in the same order. */
export function equalEntries(a: readonly E820Entry[], b: readonly E820Entry[]): boolean {
  if (a.length !== b.length) return false;
  return a.every(({ addr, size, type }, i) => {
    return addr === b[i].addr && size === b[i].size && type === b[i].type;
  });
}

/** A violation of rule `number` of spec e820 6. */
export function broken(number: number, message: string): InvariantViolation {
  return { rule: `E820-${number}`, message };
}

/** E820-12: what is wholly mapped is somewhere mapped. */
function checkQueries(table: E820Table): InvariantViolation[] {
  const found: InvariantViolation[] = [];
  for (const entry of table.entries) {
    const end = entryEnd(entry);
    const all = e820MappedAll(table, entry.addr, end, entry.type);
    if (all && e820MappedAny(table, entry.addr, end, entry.type)) continue;
    found.push(broken(12, `${describe(entry)} is not mapped by its own entry`));
  }
  return found;
}

/** E820-13: the ends of RAM. */
function checkEndOfRam(state: E820State): InvariantViolation[] {
  const { table, maxPfn, maxLowPfn, maxArchPfn } = state;
  const found: InvariantViolation[] = [];
  if (maxPfn > maxArchPfn) found.push(broken(13, `maxPfn ${maxPfn} > ${maxArchPfn}`));
  if (maxLowPfn > 0x100000) found.push(broken(13, `maxLowPfn ${maxLowPfn} is above 4 GiB`));
  if (maxLowPfn > maxPfn) found.push(broken(13, `maxLowPfn ${maxLowPfn} > maxPfn ${maxPfn}`));
  for (const entry of table.entries) {
    if (entry.type !== E820Type.RAM) continue;
    const end = Math.min(pfnDown(entryEnd(entry)), maxArchPfn);
    if (pfnUp(entry.addr) < end && end > maxPfn) {
      found.push(broken(13, `${describe(entry)} lies above maxPfn ${maxPfn}`));
    }
  }
  return found;
}

/** E820-14: page 0 and the BIOS area are not RAM. */
function checkTrimmed(table: E820Table): InvariantViolation[] {
  const found: InvariantViolation[] = [];
  if (e820MappedAny(table, 0n, 0x1000n, E820Type.RAM)) found.push(broken(14, 'page 0 is RAM'));
  if (e820MappedAny(table, 0xa0000n, 0x100000n, E820Type.RAM)) {
    found.push(broken(14, 'the BIOS area is RAM'));
  }
  return found;
}

/** E820-17: nosave regions ascend and hold no page that lies wholly in RAM. */
function checkNosave(table: E820Table, regions: readonly NosaveRegion[]): InvariantViolation[] {
  const found: InvariantViolation[] = [];
  for (let i = 0; i < regions.length; i++) {
    const { startPfn, endPfn } = regions[i];
    if (startPfn >= endPfn) found.push(broken(17, `nosave region ${i} is empty`));
    if (i > 0 && startPfn < regions[i - 1].startPfn) {
      found.push(broken(17, `nosave region ${i} descends`));
    }
    for (const entry of table.entries) {
      if (entry.type !== E820Type.RAM && entry.type !== E820Type.RESERVED_KERN) continue;
      const first = Math.max(pfnUp(entry.addr), startPfn);
      if (first < Math.min(pfnDown(entryEnd(entry)), endPfn)) {
        found.push(broken(17, `nosave region ${i} holds pages of ${describe(entry)}`));
      }
    }
  }
  return found;
}

/** E820-18: the gap for PCI devices. */
function checkPciGap(
  table: E820Table,
  { start, size, found: isGap }: PciGap,
): InvariantViolation[] {
  if (!isGap) return [];
  const end = start + size;
  const found: InvariantViolation[] = [];
  if (size < 0x400000n) found.push(broken(18, `the PCI gap has only ${size} bytes`));
  if (end > 0x1_0000_0000n) found.push(broken(18, 'the PCI gap reaches beyond 4 GiB'));
  if (e820MappedAny(table, start, end, 0)) found.push(broken(18, 'the PCI gap overlaps the map'));
  return found;
}

/**
 * Checks a resource tree: E820-19.
 * @param root the root of the tree
 * @returns all broken rules
 */
export function checkResourceTree(root: Resource): InvariantViolation[] {
  const found: InvariantViolation[] = [];
  const stack = [root];
  for (let parent = stack.pop(); parent !== undefined; parent = stack.pop()) {
    let last = -1n;
    for (const child of parent.children) {
      if (child.parent !== parent) found.push(broken(19, `${child.name} has another parent`));
      if (child.start > child.end || child.start < parent.start || child.end > parent.end) {
        found.push(broken(19, `${child.name} does not lie within ${parent.name}`));
      }
      if (child.start <= last) found.push(broken(19, `${child.name} overlaps its neighbour`));
      last = child.end;
      stack.push(child);
    }
  }
  return found;
}

/** E820-20: the printed map reads back as itself, apart from type 128. */
function checkText(entries: readonly E820Entry[]): InvariantViolation[] {
  const lines = formatE820Map(entries, 'BIOS-e820');
  if (lines.length === 0) return [];
  const { maps } = parseDmesg(lines.join('\n'));
  const expected = entries.map((entry) =>
    entry.type === E820Type.RESERVED_KERN ? { ...entry, type: E820Type.RAM } : entry,
  );
  if (maps.length === 1 && equalEntries(maps[0].entries, expected)) return [];
  return [broken(20, 'the printed map does not read back as itself')];
}

function describe({ addr, size, type }: E820Entry): string {
  return `0x${addr.toString(16)}+0x${size.toString(16)} ${type}`;
}
