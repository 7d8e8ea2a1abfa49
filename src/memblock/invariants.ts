import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { hex } from '../lib/units.ts';
import { PHYS_ADDR_MAX } from './constants.ts';
import { areCompatible, coversRange } from './region-array.ts';
import { arrayRange, type MemblockState, type RegionArray } from './state.ts';
import { wrap64 } from './u64.ts';

// Rules of spec memblock 6 that one state shows. The others compare two states or a call with its
// result; the tests check those.

type Report = (rule: string, message: string) => void;

/** MEMBLOCK-1: entries are sorted by base and disjoint. */
function checkOrder({ name, regions }: RegionArray, report: Report): void {
  for (let index = 1; index < regions.length; index++) {
    const below = regions[index - 1].end;
    const { base } = regions[index];
    if (below > base) {
      report('MEMBLOCK-1', `${name}[${index}] begins at ${hex(base)}, below ${hex(below)}`);
    }
  }
}

/** MEMBLOCK-2: no entry is empty but the dummy, which is alone, at 0, without flags. */
function checkSizes({ name, regions }: RegionArray, report: Report): void {
  for (let index = 0; index < regions.length; index++) {
    const { base, size, end, flags } = regions[index];
    if (end !== base + size) {
      report('MEMBLOCK-2', `${name}[${index}] has size ${hex(size)} but ends at ${hex(end)}`);
    }
    if (size > 0n) continue;
    if (regions.length > 1 || base !== 0n || flags !== 0) {
      report('MEMBLOCK-2', `${name}[${index}] is empty, at ${hex(base)} with flags ${hex(flags)}`);
    }
  }
}

/** MEMBLOCK-3: 1 <= cnt <= max, and max is the start capacity times a power of two. */
function checkCapacity({ name, regions, max, initMax }: RegionArray, report: Report): void {
  if (regions.length < 1 || regions.length > max) {
    report('MEMBLOCK-3', `${name} holds ${regions.length} of at most ${max} entries`);
  }
  let capacity = initMax;
  while (capacity < max) capacity *= 2;
  if (capacity !== max) report('MEMBLOCK-3', `${name}.max is ${max}, it began with ${initMax}`);
}

/** MEMBLOCK-4: no entry reaches beyond PHYS_ADDR_MAX. */
function checkTop({ name, regions }: RegionArray, report: Report): void {
  for (let index = 0; index < regions.length; index++) {
    const { end } = regions[index];
    if (end > PHYS_ADDR_MAX) report('MEMBLOCK-4', `${name}[${index}] ends at ${hex(end)}`);
  }
}

/** MEMBLOCK-5: the total is the sum of sizes, plus what trimming left uncounted. */
function checkTotal(type: RegionArray, report: Report): void {
  const { name, regions, totalSize, totalDrift } = type;
  let sum = totalDrift;
  for (const { size } of regions) sum += size;
  if (wrap64(sum) === totalSize) return;
  report(
    'MEMBLOCK-5',
    `${name}.total_size is ${hex(totalSize)}, the sizes make ${hex(wrap64(sum))}`,
  );
}

/** MEMBLOCK-6: no compatible neighbours, unless an operation that does not merge was the last. */
function checkMerged({ name, regions, unmerged }: RegionArray, report: Report): void {
  if (unmerged) return;
  for (let index = 1; index < regions.length; index++) {
    if (!areCompatible(regions[index - 1], regions[index])) continue;
    report('MEMBLOCK-6', `${name}[${index}] at ${hex(regions[index].base)} is not merged`);
  }
}

/** MEMBLOCK-17: growth that is not allowed never happened. */
function checkGrowth(state: MemblockState, type: RegionArray, report: Report): void {
  const isStatic = type.arrayAddress === null && type.max === type.initMax;
  if (!state.canResize && !isStatic) {
    report('MEMBLOCK-17', `${type.name} grew to ${type.max} though growth is not allowed`);
  }
}

/** MEMBLOCK-18: the room of a grown array is reserved, unless a caller freed it. */
function checkArrayRoom(
  state: MemblockState,
  type: RegionArray,
  isInSlab: boolean,
  report: Report,
): void {
  if (isInSlab || type.arrayReleased || state.discarded) return;
  const [start, end] = arrayRange(type);
  if (coversRange(state.reserved.regions, start, end)) return;
  report('MEMBLOCK-18', `the ${type.name} array at ${hex(start)} is not reserved`);
}

/**
 * Broken rules of a memblock, by the numbers of spec memblock 6 (`MEMBLOCK-n`); empty if all hold.
 * Looks at every entry.
 */
export function checkInvariants(state: MemblockState): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule, message });
  const types = [state.memory, state.reserved];
  if (state.physmem !== null) types.push(state.physmem);
  for (const type of types) {
    checkOrder(type, report);
    checkSizes(type, report);
    checkCapacity(type, report);
    checkTop(type, report);
    checkTotal(type, report);
    checkMerged(type, report);
    checkGrowth(state, type, report);
  }
  checkArrayRoom(state, state.memory, state.memoryInSlab, report);
  checkArrayRoom(state, state.reserved, state.reservedInSlab, report);
  return violations;
}

/**
 * Checks all rules.
 * @throws InvariantError with every rule found broken
 */
export function assertInvariants(state: MemblockState): void {
  assertNoViolations(checkInvariants(state));
}
