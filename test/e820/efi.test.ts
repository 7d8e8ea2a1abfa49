import { describe, expect, it } from 'vitest';
import {
  createE820State,
  doAddEfiMemmap,
  EfiMemoryAttribute,
  type EfiMemoryDescriptor,
  EfiMemoryType,
  efiArchMemReserve,
  efiFakeMemmapEarly,
  efiStubMap,
} from '../../src/e820/index.ts';
import { capture, errorOf, map, text } from './support.ts';

const { WB, SP } = EfiMemoryAttribute;
const desc = (
  type: number,
  address: bigint,
  pages = 1n,
  attribute: bigint = WB,
): EfiMemoryDescriptor => ({
  type,
  address,
  pages,
  attribute,
});

describe('efiStubMap', () => {
  it('translates every type, and skips unknown ones', () => {
    const types = [...Object.values(EfiMemoryType), 15, 0x80000000];
    // Two pages apart, so that nothing is joined.
    const list = types.map((type, i) => desc(type, BigInt(i) * 0x2000n));
    expect(efiStubMap(list).entries.map(({ type }) => type)).toEqual([
      2, 1, 1, 1, 1, 2, 2, 1, 5, 3, 4, 2, 2, 2, 7,
    ]);
  });

  it('joins neighbours that touch in map order', () => {
    const { LOADER_DATA, CONVENTIONAL_MEMORY: RAM, PAL_CODE } = EfiMemoryType;
    const list = [
      desc(RAM, 0n, 2n),
      desc(LOADER_DATA, 0x2000n),
      desc(PAL_CODE, 0x3000n),
      desc(RAM, 0x5000n),
    ];
    expect(text(efiStubMap(list).entries)).toBe('0+3000 1; 3000+1000 2; 5000+1000 1');
    expect(text(efiStubMap([desc(RAM, 0x1000n), desc(RAM, 0n)]).entries)).toBe(
      '1000+1000 1; 0+1000 1',
    );
  });

  it('sets special-purpose memory apart, unless told not to', () => {
    const list = [desc(EfiMemoryType.CONVENTIONAL_MEMORY, 0n, 1n, SP)];
    expect(text(efiStubMap(list).entries)).toBe('0+1000 efffffff');
    expect(text(efiStubMap(list, { softReserve: false }).entries)).toBe('0+1000 1');
  });

  it('puts what is beyond 128 entries into the extended part', () => {
    const list = Array.from({ length: 130 }, (_, i) => desc(7, BigInt(i) * 0x2000n));
    const { entries, extended } = efiStubMap(list);
    expect([entries.length, extended.length]).toEqual([128, 2]);
    expect(extended[0].addr).toBe(128n * 0x2000n);
  });

  it('refuses bad addresses', () => {
    expect(errorOf(() => efiStubMap([desc(7, 0n), desc(7, -1n)])).data.position).toBe(1);
  });
});

describe('edits by EFI', () => {
  it('doAddEfiMemmap adds and sanitises; memory without write-back is reserved', () => {
    const state = createE820State();
    state.table.entries = map('0+1000 1; 1000+1000 1');
    doAddEfiMemmap(state, [
      desc(7, 0x2000n),
      desc(7, 0x3000n, 1n, 0n),
      desc(99, 0x8000n),
      desc(7, 0x9000n, 1n, SP),
    ]);
    expect(text(state.table)).toBe('0+3000 1; 3000+1000 2; 8000+1000 2; 9000+1000 efffffff');
  });

  it('efiFakeMemmapEarly turns RAM into special-purpose memory', () => {
    const state = createE820State();
    state.table.entries = map('0+9000 1; 9000+1000 2');
    const { log, texts } = capture();
    efiFakeMemmapEarly(state, [{ start: 0x2000n, end: 0x4000n }], log);
    expect(text(state.table)).toBe('0+2000 1; 2000+2000 efffffff; 4000+5000 1; 9000+1000 2');
    expect(texts).toEqual(['e820: remove [mem 0x00002000-0x00003fff] usable']);
  });

  it('efiArchMemReserve works in whole pages', () => {
    const state = createE820State();
    state.table.entries = map('0+9000 1; 9000+1000 2');
    efiArchMemReserve(state, 0x2800n, 0x1000n);
    expect(text(state.table)).toBe('0+2000 1; 2000+2000 2; 4000+5000 1; 9000+1000 2');
    expect(errorOf(() => efiArchMemReserve(state, -1n, 1n)).code).toBe('BAD_ADDRESS');
  });
});
