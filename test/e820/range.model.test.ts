import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkRangeEdit,
  checkUpdateTable,
  createE820Table,
  type E820Entry,
  type E820Table,
  EINVAL,
  e820GetEntryType,
  e820MappedAll,
  e820MappedAny,
  e820RangeAdd,
  e820RangeRemove,
  e820RangeUpdate,
  e820UpdateTable,
} from '../../src/e820/index.ts';
import { scaled } from '../support/seed.ts';
import { arbitraryType, naiveSanitise, text } from './support.ts';

const UNIT = 0x800n;
const UNITS = 40;

/**
 * The map as one set of types for each unit of address space: no entries, no order. Good for tables
 * whose borders lie on units; kept as a multiset, since overlapping entries are edited one by one.
 */
class UnitModel {
  cells: number[][] = Array.from({ length: UNITS }, () => []);

  add(start: number, count: number, type: number): void {
    for (let i = start; i < start + count; i++) this.cells[i].push(type);
  }
  /** Returns the units changed. */
  replace(start: number, count: number, from: number | null, to: number | null): number {
    let changed = 0;
    for (let i = start; i < Math.min(start + count, UNITS); i++) {
      const kept: number[] = [];
      for (const type of this.cells[i]) {
        if (from !== null && type !== from) {
          kept.push(type);
          continue;
        }
        changed++;
        if (to !== null) kept.push(to);
      }
      this.cells[i] = kept;
    }
    return changed;
  }
  sanitise(): void {
    this.cells = this.cells.map((types) => {
      const largest = Math.max(0, ...types);
      return largest === 0 ? [] : [largest];
    });
  }
  typeAt(i: number): number {
    return Math.max(0, ...this.cells[i]);
  }
}

interface World {
  model: UnitModel;
}

function largestAt(entries: readonly E820Entry[], unit: number): number {
  const addr = BigInt(unit) * UNIT;
  const covering = entries.filter((e) => e.addr <= addr && e.addr + e.size > addr);
  return Math.max(0, ...covering.map((e) => e.type));
}

function compare({ model }: World, table: E820Table): void {
  for (let i = 0; i < UNITS; i++) expect(largestAt(table.entries, i)).toBe(model.typeAt(i));
}

class Add implements fc.Command<World, E820Table> {
  readonly start: number;
  readonly count: number;
  readonly type: number;
  constructor(start: number, count: number, type: number) {
    this.start = start;
    this.count = Math.min(count, UNITS - start);
    this.type = type;
  }
  check(): boolean {
    return true;
  }
  run(world: World, table: E820Table): void {
    world.model.add(this.start, this.count, this.type);
    e820RangeAdd(table, BigInt(this.start) * UNIT, BigInt(this.count) * UNIT, this.type);
    compare(world, table);
  }
  toString(): string {
    return `e820RangeAdd(table, ${this.start}u, ${this.count}u, ${this.type})`;
  }
}

class Edit implements fc.Command<World, E820Table> {
  readonly start: number;
  readonly count: number;
  readonly oldType: number;
  readonly newType: number | null;
  readonly checkType: boolean;
  constructor(
    start: number,
    count: number,
    oldType: number,
    newType: number | null,
    checkType: boolean,
  ) {
    this.start = start;
    this.count = count;
    this.oldType = oldType;
    this.newType = newType;
    this.checkType = checkType;
  }
  check(): boolean {
    return this.newType !== this.oldType;
  }
  run(world: World, table: E820Table): void {
    const before = [...table.entries];
    const [start, size] = [BigInt(this.start) * UNIT, BigInt(this.count) * UNIT];
    const wanted = this.newType !== null || this.checkType ? this.oldType : null;
    const bytes =
      this.newType === null
        ? e820RangeRemove(table, start, size, this.oldType, this.checkType)
        : e820RangeUpdate(table, start, size, this.oldType, this.newType);
    const units = world.model.replace(this.start, this.count, wanted, this.newType);
    expect(bytes).toBe(BigInt(units) * UNIT);
    compare(world, table);
    const edit = { start, size, oldType: wanted, newType: this.newType };
    expect(checkRangeEdit(before, edit, bytes, table)).toEqual([]);
  }
  toString(): string {
    const name = this.newType === null ? 'e820RangeRemove' : 'e820RangeUpdate';
    const last = this.newType ?? this.checkType;
    return `${name}(table, ${this.start}u, ${this.count}u, ${this.oldType}, ${last})`;
  }
}

class Sanitise implements fc.Command<World, E820Table> {
  check(): boolean {
    return true;
  }
  run(world: World, table: E820Table): void {
    const before = [...table.entries];
    const result = e820UpdateTable(table);
    expect(result).toBe(before.length < 2 ? -1 : 0);
    if (result === 0) world.model.sanitise();
    expect(text(table)).toBe(text(naiveSanitise(before, table.capacity) ?? before));
    compare(world, table);
    expect(checkUpdateTable(before, result, table)).toEqual([]);
  }
  toString(): string {
    return 'e820UpdateTable(table)';
  }
}

class Query implements fc.Command<World, E820Table> {
  readonly start: number;
  readonly count: number;
  readonly type: number;
  constructor(start: number, count: number, type: number) {
    this.start = start;
    this.count = Math.min(count, UNITS - start);
    this.type = type;
  }
  check(): boolean {
    return this.count > 0;
  }
  run({ model }: World, table: E820Table): void {
    // The walks need a sorted table without overlaps.
    const sorted = createE820Table(table.entries, table.capacity);
    if (e820UpdateTable(sorted) < 0) return;
    const types: number[] = [];
    for (let i = this.start; i < this.start + this.count; i++) types.push(model.typeAt(i));
    const [start, end] = [BigInt(this.start) * UNIT, BigInt(this.start + this.count) * UNIT];
    const matches = types.map((t) => t !== 0 && (this.type === 0 || t === this.type));
    expect(e820MappedAny(sorted, start, end, this.type)).toBe(matches.some(Boolean));
    expect(e820MappedAll(sorted, start, end, this.type)).toBe(matches.every(Boolean));
    const last = types.every((t) => t !== 0) ? types[types.length - 1] | 0 : EINVAL;
    expect(e820GetEntryType(sorted, start, end)).toBe(last);
  }
  toString(): string {
    return `e820Mapped*(table, ${this.start}u, +${this.count}u, ${this.type})`;
  }
}

const position = fc.nat(UNITS - 1);
const count = fc.nat(UNITS);
/** Few types, so that neighbours often are equal; those that never merge seldom. */
const family = {
  add: fc.tuple(position, count, arbitraryType).map((a) => new Add(...a)),
  update: fc
    .tuple(position, count, fc.constantFrom(1, 1, 2, 128), fc.constantFrom(1, 2, 3, 128, 12))
    .map(([s, c, from, to]) => new Edit(s, c, from, to, true)),
  remove: fc
    .tuple(position, count, fc.constantFrom(1, 2, 128), fc.boolean())
    .map(([s, c, type, check]) => new Edit(s, c, type, null, check)),
  sanitise: fc.constant(new Sanitise()),
  query: fc.tuple(position, count, fc.constantFrom(0, 1, 2)).map((a) => new Query(...a)),
};

describe('edits, sanitising and queries against sets of types per unit', () => {
  const families = Object.keys(family) as (keyof typeof family)[];
  const mix = fc
    .subarray(families, { minLength: 2 })
    .chain((chosen) =>
      fc.commands([family.add, ...chosen.map((f) => family[f])], { maxCommands: 30 }),
    );

  it('agrees after every call, and breaks none of E820-1 to 10', () => {
    fc.assert(
      fc.property(mix, (commands) => {
        const setup = (): { model: World; real: E820Table } => ({
          model: { model: new UnitModel() },
          real: createE820Table([], 1000),
        });
        fc.modelRun(setup, commands);
      }),
      { numRuns: scaled(400) },
    );
  });
});
