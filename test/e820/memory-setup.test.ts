import { describe, expect, it } from 'vitest';
import {
  appendE820Entries,
  appendE820Table,
  createE820State,
  createE820Table,
  type E820Firmware,
  type E820State,
  e820MemorySetup,
  e820MemorySetupExtended,
} from '../../src/e820/index.ts';
import { capture, errorOf, map, text } from './support.ts';

function setup(firmware: E820Firmware): { state: E820State; texts: string[] } {
  const state = createE820State();
  const { log, texts } = capture();
  e820MemorySetup(state, firmware, log);
  return { state, texts };
}

describe('appending', () => {
  it('stops at an overflow, what came before stays', () => {
    const table = createE820Table();
    const entries = map('5000+1000 1; 0+0 1; fffffffffffff000+2000 2; 0+1000 1');
    expect(appendE820Table(table, entries)).toBe(-1);
    expect(text(table)).toBe('5000+1000 1; 0+0 1');
  });

  it('accepts an entry that ends exactly at 2^64', () => {
    const table = createE820Table();
    expect(appendE820Table(table, map('fffffffffffff000+1000 2; 0+1000 1'))).toBe(0);
    expect(table.entries).toHaveLength(2);
  });

  it('a zero page needs at least 2 entries, a setup_data node does not', () => {
    const table = createE820Table();
    expect(appendE820Table(table, map('0+1000 1'))).toBe(-1);
    expect(text(table)).toBe('');
    expect(appendE820Entries(table, map('0+1000 1'))).toBe(0);
    expect(text(table)).toBe('0+1000 1');
  });

  it('more entries than a table holds: the kernel ignores the rest, with a line each', () => {
    const state = createE820State({ maxEntries: 3 });
    const { log, texts } = capture();
    const many = map('0+1000 1; 2000+1000 1; 4000+1000 1; 6000+1000 1; 8000+1000 1');
    e820MemorySetup(state, { entries: many }, log);
    expect(text(state.table)).toBe('0+1000 1; 2000+1000 1; 4000+1000 1');
    expect(texts.slice(0, 2)).toEqual([
      'too many entries; ignoring [mem 0x00006000-0x00006fff]',
      'too many entries; ignoring [mem 0x00008000-0x00008fff]',
    ]);
  });
});

describe('e820MemorySetup', () => {
  it('sanitises, copies and prints', () => {
    const { state, texts } = setup({ entries: map('1000+1000 1; 0+1000 1; 5000+1000 2') });
    expect(text(state.table)).toBe('0+2000 1; 5000+1000 2');
    expect(state.tableKexec.entries).toEqual(state.table.entries);
    expect(state.tableFirmware.entries).toEqual(state.table.entries);
    expect(texts).toEqual([
      'BIOS-provided physical RAM map:',
      'BIOS-e820: [mem 0x0000000000000000-0x0000000000001fff] usable',
      'BIOS-e820: [mem 0x0000000000005000-0x0000000000005fff] reserved',
    ]);
  });

  it.each([
    ['one entry', '0+1000 1'],
    ['an overflow', '0+9fc00 1; fffffffffffff000+2000 1; 100000+1000000 1'],
  ])('falls back to E801 for %s (example G)', (_, notation) => {
    const { state, texts } = setup({ entries: map(notation), altMemK: 0x3fb80, extMemK: 0x3fb80 });
    expect(text(state.table)).toBe('0+9f000 1; 100000+fee0000 1');
    expect(texts.slice(1)).toEqual([
      'BIOS-e801: [mem 0x0000000000000000-0x000000000009efff] usable',
      'BIOS-e801: [mem 0x0000000000100000-0x000000000ffdffff] usable',
    ]);
  });

  it('falls back to 88 when that is more, and to almost nothing without either', () => {
    const larger = setup({ entries: [], altMemK: 100, extMemK: 0xfc00 });
    expect(text(larger.state.table)).toBe('0+9f000 1; 100000+3f00000 1');
    expect(larger.texts[1]).toMatch(/^BIOS-88: /);
    expect(text(setup({ entries: [] }).state.table)).toBe('0+9f000 1');
  });

  it('keeps the BIOS order where an entry ends at 2^64 (example G)', () => {
    const order = '100000+1000 1; fffffffffffff000+1000 2; 0+1000 1';
    expect(text(setup({ entries: map(order) }).state.table)).toBe(order);
  });

  it("takes a platform's own map with its label, even of one entry", () => {
    const { state, texts } = setup({ entries: map('0+1000 1'), who: 'Xen' });
    expect(text(state.table)).toBe('0+1000 1');
    expect(texts[1]).toBe('Xen: [mem 0x0000000000000000-0x0000000000000fff] usable');
  });

  it('refuses bad numbers', () => {
    expect(errorOf(() => setup({ entries: [], altMemK: -1 })).code).toBe('BAD_NUMBER');
    expect(errorOf(() => setup({ entries: [], extMemK: Number.NaN })).code).toBe('BAD_NUMBER');
    const bad = [
      { addr: 0n, size: 0n, type: 1 },
      { addr: 0n, size: -1n, type: 1 },
    ];
    expect(errorOf(() => setup({ entries: bad }))).toMatchObject({
      code: 'BAD_ADDRESS',
      data: { position: 1, value: -1n },
    });
  });
});

describe('e820MemorySetupExtended', () => {
  it('adds, sanitises and copies over the firmware table too', () => {
    const { state } = setup({ entries: map('0+9fc00 1; 100000+1ff00000 1') });
    const { log, texts } = capture();
    const more = map('110000000+1000 3; fffffffffffff000+2000 1; 0+ffffffff 2');
    e820MemorySetupExtended(state, more, log);
    expect(text(state.tableFirmware)).toBe('0+9fc00 1; 100000+1ff00000 1; 110000000+1000 3');
    expect(state.tableKexec.entries).toEqual(state.tableFirmware.entries);
    expect(texts[0]).toBe('extended physical RAM map:');
    expect(texts[3]).toBe('extended: [mem 0x0000000110000000-0x0000000110000fff] ACPI data');
  });
});
