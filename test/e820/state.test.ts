import { describe, expect, it } from 'vitest';
import { createE820State, e820RangeAdd, e820ReallocateTables } from '../../src/e820/index.ts';
import { copyToOtherTables } from '../../src/e820/state.ts';
import { errorOf, map } from './support.ts';

describe('the state', () => {
  it('starts with three empty tables and the kernel defaults', () => {
    expect(createE820State()).toEqual({
      table: { capacity: 320, entries: [], frozen: false },
      tableKexec: { capacity: 320, entries: [], frozen: false },
      tableFirmware: { capacity: 320, entries: [], frozen: false },
      maxArchPfn: 0x400000000,
      userdef: false,
      maxPfn: 0,
      maxLowPfn: 0,
      maxPossiblePfn: 0,
      pciMemStart: 0xaeedbaben,
      maxMemSize: 2n ** 64n - 1n,
    });
    expect(createE820State({ maxPhysmemBits: 52, maxEntries: 131 })).toMatchObject({
      maxArchPfn: 0x10000000000,
      table: { capacity: 131 },
    });
    expect(errorOf(() => createE820State({ maxPhysmemBits: 64 })).code).toBe('BAD_NUMBER');
    expect(errorOf(() => createE820State({ maxEntries: Number.NaN })).code).toBe('BAD_NUMBER');
  });

  it('is plain data: a clone goes on by itself', () => {
    const state = createE820State();
    state.table.entries = map('0+1000 1');
    const clone = structuredClone(state);
    e820RangeAdd(state.table, 5n, 5n, 5);
    expect(clone.table.entries).toEqual(map('0+1000 1'));
    e820RangeAdd(clone.table, 5n, 5n, 5);
    expect(clone).toEqual(state);
  });

  it('copies the working map over both others, and is edited no more after re-allocation', () => {
    const state = createE820State();
    state.table.entries = map('0+1000 1; 1000+1000 2');
    copyToOtherTables(state);
    e820ReallocateTables(state);
    for (const table of [state.table, state.tableKexec, state.tableFirmware]) {
      expect(table).toMatchObject({ capacity: 2, frozen: true });
      expect(table.entries).toEqual(map('0+1000 1; 1000+1000 2'));
      expect(errorOf(() => e820RangeAdd(table, 0n, 0n, 1)).code).toBe('FROZEN');
    }
  });
});
