import { MemblockFlags } from '../../src/memblock/index.ts';

/**
 * A memblock of another shape: a small world of equal cells, each of which says for both arrays
 * whether it is covered and how. Entries are read off the cells, searches try every address.
 * All bases, sizes and alignments are multiples of the cell; addresses are numbers.
 */
export const CELL = 0x400;
export const CELLS = 160;
export const WORLD = CELL * CELLS;
/** A size that reaches the top of the address space. */
export const TOP = 2 ** 64;
export const NODES = 64;
const ENOMEM = -12;

const { MEMBLOCK_HOTPLUG, MEMBLOCK_MIRROR, MEMBLOCK_NOMAP, MEMBLOCK_DRIVER_MANAGED } =
  MemblockFlags;

export interface Entry {
  readonly start: number;
  readonly end: number;
  readonly nid: number;
  readonly flags: number;
}

interface Cell {
  nid: number;
  flags: number;
}

/** The kernel would stop here. */
export class KernelBug extends Error {}

export class NaiveArray {
  readonly cells: (Cell | null)[] = new Array(CELLS).fill(null);
  /** Borders between compatible neighbours that are not merged yet. */
  readonly cuts = new Set<number>();
  total = 0;
  dummyNid = 0;
  array: number | null = null;
  max: number;

  constructor(max: number) {
    this.max = max;
  }

  get isEmpty(): boolean {
    return this.cells.every((cell) => cell === null);
  }

  entries(): Entry[] {
    const entries: Entry[] = [];
    for (let i = 0; i < CELLS; i++) {
      const cell = this.cells[i];
      if (cell === null) continue;
      const before = i === 0 ? null : this.cells[i - 1];
      const joins =
        before !== null &&
        before.nid === cell.nid &&
        before.flags === cell.flags &&
        !this.cuts.has(i);
      const start = joins ? entries.pop()!.start : i * CELL;
      entries.push({ start, end: (i + 1) * CELL, ...cell });
    }
    return entries;
  }

  get count(): number {
    return Math.max(this.entries().length, 1);
  }
}

export class NaiveMemblock {
  readonly memory: NaiveArray;
  readonly reserved: NaiveArray;
  readonly warnings: string[] = [];
  bottomUp = false;
  limit = TOP;
  canResize = false;
  hasMirror = false;
  mirroredKernelcore: boolean;
  movableNode: boolean;

  constructor(max: number, mirroredKernelcore: boolean, movableNode: boolean) {
    this.memory = new NaiveArray(max);
    this.reserved = new NaiveArray(max);
    this.mirroredKernelcore = mirroredKernelcore;
    this.movableNode = movableNode;
  }

  set(settings: Partial<Pick<NaiveMemblock, 'bottomUp' | 'limit' | 'canResize'>>): void {
    Object.assign(this, settings);
  }

  add(type: NaiveArray, base: number, size: number, nid: number, flags: number): number {
    const first = base / CELL;
    const last = (base + size) / CELL;
    const fill = (): void => {
      for (let i = first; i < last; i++) {
        if (type.cells[i] !== null) continue;
        type.cells[i] = { nid, flags };
        type.total += CELL;
      }
    };
    if (size === 0) return 0;
    if (type.isEmpty) {
      if (type.total !== 0) this.warnings.push('EMPTY_TOTAL');
      type.total = 0;
      fill();
      return 0;
    }
    const pieces = (): number => {
      let count = 0;
      for (let i = first; i < last; i++) {
        if (type.cells[i] !== null || (i + 1 < last && type.cells[i + 1] === null)) continue;
        count++;
        const above = i + 1 < last ? type.cells[i + 1] : null;
        if (above === null) continue;
        if (above.nid !== nid) this.warnings.push('NID_MISMATCH');
        if (above.flags !== flags) this.warnings.push('FLAGS_MISMATCH');
      }
      return count;
    };
    const direct = 2 * type.count + 1 < type.max;
    const count = pieces();
    if (count === 0) return 0;
    if (!direct) {
      while (type.count + count > type.max) if (!this.grow(type, base, size)) return ENOMEM;
      const left = pieces();
      if (left === 0) return 0;
      if (type.count + left > type.max) throw new KernelBug();
    }
    fill();
    type.cuts.clear();
    return 0;
  }

  reserve(base: number, size: number): number {
    return this.add(this.reserved, base, size, NODES, 0);
  }

  /** Cell indices of a range, after the growth that cutting may need; null if that fails. */
  isolate(type: NaiveArray, base: number, size: number): [number, number] | null {
    if (size === 0) return [0, 0];
    while (type.count + 2 > type.max) if (!this.grow(type, base, size)) return null;
    return [Math.min(base / CELL, CELLS), Math.min((base + size) / CELL, CELLS)];
  }

  remove(type: NaiveArray, base: number, size: number): number {
    const range = this.isolate(type, base, size);
    if (range === null) return ENOMEM;
    this.clear(type, ...range);
    return 0;
  }

  private clear(type: NaiveArray, from: number, to: number): void {
    const wasEmpty = type.isEmpty;
    for (let i = from; i < to; i++) {
      if (type.cells[i] === null) continue;
      type.cells[i] = null;
      type.total -= CELL;
    }
    if (!wasEmpty && type.isEmpty) this.emptied(type);
  }

  private emptied(type: NaiveArray): void {
    if (type.total !== 0) this.warnings.push('TOTAL_NOT_ZERO');
    type.dummyNid = NODES;
    type.cuts.clear();
  }

  private change(type: NaiveArray, base: number, size: number, edit: (cell: Cell) => Cell): number {
    const range = this.isolate(type, base, size);
    if (range === null) return ENOMEM;
    for (let i = range[0]; i < range[1]; i++) {
      const cell = type.cells[i];
      if (cell !== null) type.cells[i] = edit(cell);
    }
    type.cuts.clear();
    return 0;
  }

  setFlag(base: number, size: number, isSet: boolean, flag: number): number {
    return this.change(this.memory, base, size, ({ nid, flags }) => {
      return { nid, flags: isSet ? flags | flag : flags & ~flag };
    });
  }

  markMirror(base: number, size: number): number {
    if (!this.mirroredKernelcore) return 0;
    this.hasMirror = true;
    return this.setFlag(base, size, true, MEMBLOCK_MIRROR);
  }

  setNode(type: NaiveArray, base: number, size: number, nid: number): number {
    return this.change(type, base, size, ({ flags }) => ({ nid, flags }));
  }

  trim(align: number): void {
    const type = this.memory;
    const cuts = [...type.cuts];
    for (const { start, end } of type.entries()) {
      const from = Math.ceil(start / align) * align;
      const to = Math.floor(end / align) * align;
      const size = end - start;
      for (let i = start / CELL; i < end / CELL; i++) {
        if (i < from / CELL || i >= to / CELL) type.cells[i] = null;
      }
      if (from < to) continue;
      type.total -= size;
      if (type.isEmpty) this.emptied(type);
    }
    for (const cut of cuts) if (type.cells[cut] === null) type.cuts.delete(cut);
  }

  private maxAddress(limit: number): number {
    let left = limit;
    for (const { start, end } of this.memory.entries()) {
      if (left <= end - start) return start + left;
      left -= end - start;
    }
    return TOP;
  }

  enforce(limit: number): void {
    const top = limit === 0 ? TOP : this.maxAddress(limit);
    if (top === TOP) return;
    this.remove(this.memory, top, TOP);
    this.remove(this.reserved, top, TOP);
  }

  cap(base: number, size: number): void {
    const { memory } = this;
    if (size === 0 || memory.total === 0) return;
    const before = memory.entries();
    const range = this.isolate(memory, base, size);
    if (range === null) return;
    for (let i = 0; i < CELLS; i++) {
      const cell = memory.cells[i];
      if (cell === null || (i >= range[0] && i < range[1]) || cell.flags & MEMBLOCK_NOMAP) continue;
      memory.cells[i] = null;
      memory.total -= CELL;
    }
    for (const { start, end } of before) {
      for (const border of [base, base + size]) {
        if (border > start && border < end) memory.cuts.add(border / CELL);
      }
    }
    if (memory.isEmpty) this.emptied(memory);
    this.remove(this.reserved, 0, base);
    this.remove(this.reserved, base + size, TOP);
  }

  limitRemoveMap(limit: number): void {
    const top = limit === 0 ? TOP : this.maxAddress(limit);
    if (top !== TOP) this.cap(0, top);
  }

  passes(entry: Entry, nid: number, flags: number): boolean {
    const has = (flag: number): boolean => (entry.flags & flag) !== 0;
    const asks = (flag: number): boolean => (flags & flag) !== 0;
    if (nid !== -1 && nid !== entry.nid) return false;
    if (has(MEMBLOCK_HOTPLUG) && this.movableNode && !asks(MEMBLOCK_HOTPLUG)) return false;
    if (asks(MEMBLOCK_MIRROR) && !has(MEMBLOCK_MIRROR)) return false;
    if (has(MEMBLOCK_NOMAP) && !asks(MEMBLOCK_NOMAP)) return false;
    return !has(MEMBLOCK_DRIVER_MANAGED) || asks(MEMBLOCK_DRIVER_MANAGED);
  }

  /** Free ranges: every entry that passes with every gap it meets, empty gaps strictly inside too. */
  freeRanges(nid: number, flags: number): [number, number, number][] {
    const gaps: [number, number][] = [];
    let from = 0;
    for (const { start, end } of this.reserved.entries()) {
      gaps.push([from, start]);
      from = end;
    }
    gaps.push([from, TOP]);
    const ranges: [number, number, number][] = [];
    for (const entry of this.memory.entries()) {
      if (!this.passes(entry, nid, flags)) continue;
      for (const [start, end] of gaps) {
        if (start >= entry.end || end <= entry.start) continue;
        ranges.push([Math.max(entry.start, start), Math.min(entry.end, end), entry.nid]);
      }
    }
    return ranges;
  }

  /** Tries every aligned address in order; 0 if none will do. */
  find(size: number, align: number, from: number, to: number, nid: number, flags: number): number {
    const start = Math.max(from, 4096);
    const end = Math.max(start, to === 0 || to === 1 ? this.limit : to);
    const entries = this.memory.entries().filter((entry) => this.passes(entry, nid, flags));
    const fits = (addr: number): boolean => {
      if (addr < start || addr + size > end) return false;
      const entry = entries.find((e) => e.start <= addr && addr + size <= e.end);
      if (entry === undefined) return false;
      for (let i = Math.floor(addr / CELL); i * CELL < addr + size; i++) {
        if (this.reserved.cells[i] !== null) return false;
      }
      return true;
    };
    const last = Math.floor(WORLD / align) * align;
    for (let step = 0; step <= last; step += align) {
      const addr = this.bottomUp ? step : last - step;
      if (fits(addr)) return addr;
    }
    return 0;
  }

  private grow(type: NaiveArray, areaStart: number, areaSize: number): boolean {
    if (!this.canResize) return false;
    const bytes = Math.ceil((type.max * 48) / 4096) * 4096;
    const inRange = (from: number, to: number): number => {
      const flags = this.hasMirror ? MEMBLOCK_MIRROR : 0;
      return this.find(bytes, 4096, from, to, -1, flags) || this.find(bytes, 4096, from, to, -1, 0);
    };
    const start = type === this.reserved ? areaStart : 0;
    const size = type === this.reserved ? areaSize : 0;
    let addr = inRange(start + size, this.limit);
    if (addr === 0 && size !== 0) addr = inRange(0, Math.min(start, this.limit));
    if (addr === 0) return false;
    const old = type.array;
    const oldBytes = Math.ceil((type.max * 24) / 4096) * 4096;
    type.max *= 2;
    type.array = addr;
    if (old !== null) this.remove(this.reserved, old, oldBytes);
    if (this.reserve(addr, bytes) !== 0) throw new KernelBug();
    return true;
  }

  allocRange(
    size: number,
    align: number,
    from: number,
    to: number,
    nid: number,
    isExact: boolean,
  ): number {
    const step = align === 0 ? CELL : align;
    for (const flags of this.hasMirror ? [MEMBLOCK_MIRROR, 0] : [0]) {
      for (const node of nid === -1 || isExact ? [nid] : [nid, -1]) {
        const addr = this.find(size, step, from, to, node, flags);
        if (addr !== 0 && this.reserve(addr, size) === 0) return addr;
      }
    }
    return 0;
  }

  allocVirtual(
    size: number,
    align: number,
    from: number,
    to: number,
    nid: number,
    isExact: boolean,
  ): number {
    const end = Math.min(to, this.limit);
    for (const bound of from === 0 ? [0] : [from, 0]) {
      const addr = this.allocRange(size, align, bound, end, nid, isExact);
      if (addr !== 0) return addr;
    }
    return 0;
  }
}
