// covers: src/e820/memblock-invariants.ts
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkMemblockSetup,
  createE820State,
  createE820Table,
  e820MemblockAllocReserved,
  e820MemblockAllocReservedMpcNew,
  e820MemblockSetup,
  parseAllocMptable,
} from '../../src/e820/index.ts';
import {
  arbitraryEntries,
  capture,
  map,
  NaiveMemblock,
  naiveSanitise,
  table,
  text,
} from './support.ts';

describe('e820MemblockSetup', () => {
  it('adds unrounded ranges in table order, then trims (example A)', () => {
    const memblock = new NaiveMemblock();
    const a = table(
      '0+1000 2; 1000+9ec00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2',
    );
    e820MemblockSetup(a, memblock);
    expect(memblock.calls).toEqual([
      'allowResize',
      'add 1000+9ec00',
      'add 100000+7ee0000',
      'trim 1000',
      'dumpAll',
    ]);
    expect(memblock.regions).toEqual([
      { base: 0x1000n, size: 0x9e000n },
      { base: 0x100000n, size: 0x7ee0000n },
    ]);
    expect(memblock.total).toBe(0x7f7ec00n);
    expect(checkMemblockSetup(a, memblock.regions, memblock.total)).toEqual([]);
  });

  it('reserves special-purpose memory piece by piece, and merges RESERVED_KERN (example D)', () => {
    const memblock = new NaiveMemblock();
    e820MemblockSetup(
      table(
        '8000000+400000 c; a000000+800000 efffffff; a800000+800000 efffffff; b000000+1000000 1; ' +
          'c000000+1000 80; c001000+800 2; c001800+1ffe800 1; e001000+1000 3; e002000+1000 4',
      ),
      memblock,
    );
    expect(memblock.calls.slice(1, -2)).toEqual([
      'reserve a000000+800000',
      'reserve a800000+800000',
      'add b000000+1000000',
      'add c000000+1000',
      'add c001800+1ffe800',
    ]);
    expect(memblock.regions).toEqual([
      { base: 0xb000000n, size: 0x1001000n },
      { base: 0xc002000n, size: 0x1ffe000n },
    ]);
  });

  it('regions are aligned and lie in RAM, the total counts what was cut (E820-15, 16)', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const made = createE820Table(naiveSanitise(entries, 320) ?? []);
        const memblock = new NaiveMemblock();
        e820MemblockSetup(made, memblock);
        expect(checkMemblockSetup(made, memblock.regions, memblock.total)).toEqual([]);
      }),
    );
  });

  it('the checker sees regions that are not aligned, not RAM, or counted wrongly', () => {
    const made = table('1000+2000 1; 3000+1000 80; 8000+1000 2');
    const rules = (base: bigint, size: bigint, total: bigint): string[] =>
      checkMemblockSetup(made, [{ base, size }], total).map(({ rule }) => rule);
    expect(rules(0x1000n, 0x3000n, 0x3000n)).toEqual([]);
    expect(rules(0x1800n, 0x1800n, 0x1800n)).toEqual(['E820-15']);
    expect(rules(0x8000n, 0x1000n, 0x1000n)).toEqual(['E820-15']);
    expect(rules(0x1000n, 0x3000n, 0x2000n)).toEqual(['E820-16']);
    expect(rules(0x1000n, 0x1000n, 0x9000n)).toEqual(['E820-16']);
  });
});

describe('e820MemblockAllocReserved', () => {
  it('reserves in the map for kexec only', () => {
    const state = createE820State();
    state.table.entries = map('0+9fc00 1; 100000+1000 1');
    state.tableKexec.entries = map('0+9fc00 1; 100000+1000 1');
    const { log, lines } = capture();
    const address = e820MemblockAllocReserved(state, 0x1000n, 4n, () => 0x9e000n, log);
    expect(address).toBe(0x9e000n);
    expect(lines).toEqual([
      { level: 7, text: 'e820: update [mem 0x0009e000-0x0009efff] usable ==> reserved' },
      { level: 6, text: 'update e820_table_kexec for e820__memblock_alloc_reserved()' },
    ]);
    expect(text(state.tableKexec)).toBe('0+9e000 1; 9e000+1000 2; 9f000+c00 1; 100000+1000 1');
    expect(text(state.table)).toBe('0+9fc00 1; 100000+1000 1');
  });

  it('does nothing without memory', () => {
    const state = createE820State();
    const { log, texts } = capture();
    expect(e820MemblockAllocReserved(state, 0x1000n, 4n, () => 0n, log)).toBe(0n);
    expect(texts).toEqual([]);
  });

  it('is called for alloc_mptable', () => {
    const state = createE820State();
    const asked: [bigint, bigint][] = [];
    const alloc = (size: bigint, align: bigint): bigint => {
      asked.push([size, align]);
      return 0x9e000n;
    };
    expect([null, '8K', '0'].map(parseAllocMptable)).toEqual([4096n, 8192n, 0n]);
    expect(e820MemblockAllocReservedMpcNew(state, 0n, alloc)).toBe(0n);
    expect(e820MemblockAllocReservedMpcNew(state, 4096n, alloc)).toBe(0x9e000n);
    expect(asked).toEqual([[4096n, 4n]]);
  });
});
