// covers: src/e820/edit-invariants.ts
import { describe, expect, it } from 'vitest';
import {
  assertInvariants,
  checkInvariants,
  checkRangeEdit,
  checkResourceTree,
  checkSanitisedTable,
  checkUpdateTable,
  createIomem,
  createResource,
  type E820CheckedParts,
  type E820State,
  insertResource,
  setupE820,
} from '../../src/e820/index.ts';
import { InvariantError, type InvariantViolation } from '../../src/lib/errors.ts';
import { map, table } from './support.ts';

const rules = (found: readonly InvariantViolation[]): string[] => [
  ...new Set(found.map(({ rule }) => rule)),
];

function broken(change: (state: E820State) => void, parts: E820CheckedParts = {}): string[] {
  const { state } = setupE820({
    firmware: { entries: map('0+9fc00 1; 9fc00+400 2; 100000+7ee0000 1; 100000000+1000 1') },
  });
  expect(checkInvariants(state)).toEqual([]);
  change(state);
  return rules(checkInvariants(state, parts));
}

describe('rules of a sanitised table', () => {
  it.each([
    ['0+1000 1; 800+1000 2', 'E820-1'],
    ['1000+1000 1; 0+1000 2', 'E820-1'],
    ['0+0 1; 1000+1000 2', 'E820-1'],
    ['0+1000 0; 1000+1000 2', 'E820-1'],
    ['0+1000 1; 1000+1000 1', 'E820-2'],
  ])('%s', (notation, rule) => {
    expect(rules(checkSanitisedTable(table(notation)))).toContain(rule);
  });

  it('no-merge types may touch; the capacity holds', () => {
    expect(checkSanitisedTable(table('0+1000 c; 1000+1000 c'))).toEqual([]);
    const small = table('0+1000 1; 1000+1000 2');
    small.capacity = 1;
    expect(rules(checkSanitisedTable(small))).toEqual(['E820-5']);
  });
});

describe('rules of one sanitising', () => {
  const run = (before: string, after: string, result = 0): string[] =>
    rules(checkUpdateTable(map(before), result, table(after)));

  it('hold for what the kernel does, and see what it does not', () => {
    expect(run('0+2000 1; 1000+1000 2', '0+1000 1; 1000+1000 2')).toEqual([]);
    expect(run('0+2000 1; 1000+1000 2', '0+1000 1')).toContain('E820-3');
    expect(run('0+2000 1; 1000+1000 2', '0+2000 1')).toContain('E820-4');
    expect(run('0+2000 1; 1000+1000 2', '0+1000 1; 1000+1000 3')).toContain('E820-6');
    expect(run('0+2000 1; 1000+1000 2', '0+2000 1; 1000+1000 2', -1)).toEqual([]);
    expect(run('0+2000 1; 1000+1000 2', '0+1000 1; 1000+1000 2', -1)).toEqual(['E820-7']);
    const full = table('0+1000 1; 1000+1000 2', 2);
    expect(checkUpdateTable(map('0+1000 1; 1000+1000 2; 3000+1000 2'), 0, full)).toEqual([]);
  });
});

describe('rules of one edit', () => {
  const edit = { start: 0x1000n, size: 0x1000n };
  const update = (before: string, after: string, result: bigint): string[] =>
    rules(checkRangeEdit(map(before), { ...edit, oldType: 1, newType: 2 }, result, table(after)));

  it('an update', () => {
    const after = '0+1000 1; 1000+1000 2; 2000+2000 1';
    expect(update('0+4000 1', after, 0x1000n)).toEqual([]);
    expect(update('0+4000 1', after, 0x2000n)).toEqual(['E820-8']);
    expect(update('0+4000 1; 5000+1000 3', '0+1000 1; 2000+2000 1', 0x1000n)).toEqual(['E820-9']);
    expect(
      update('0+4000 1; 5000+1000 3', '0+1000 1; 1000+1000 5; 2000+2000 1; 5000+1000 3', 0x1000n),
    ).toEqual(['E820-9']);
  });

  it('a removal', () => {
    const remove = { ...edit, oldType: null, newType: null };
    const check = (after: string): string[] =>
      rules(checkRangeEdit(map('0+4000 1'), remove, 0x1000n, table(after)));
    expect(check('0+1000 1; 2000+2000 1')).toEqual([]);
    expect(check('0+1800 1; 2000+2000 1')).toEqual(['E820-10']);
  });

  it('nothing is said of full tables and of entries that wrap', () => {
    const full = table('0+4000 1', 1);
    expect(checkRangeEdit(map('0+4000 1'), { ...edit, oldType: 1, newType: 2 }, 5n, full)).toEqual(
      [],
    );
    expect(update('fffffffffffff000+1000 1', '0+1 1', 5n)).toEqual([]);
  });
});

describe('rules of the state', () => {
  it.each<[string, (state: E820State) => void]>([
    ['E820-1', (s) => s.tableKexec.entries.push(...map('5000+1000 3'))],
    ['E820-13', (s) => Object.assign(s, { maxPfn: 2 ** 34 + 1 })],
    ['E820-13', (s) => Object.assign(s, { maxPfn: 0x100000 })],
    ['E820-13', (s) => Object.assign(s, { maxLowPfn: 0x100001 })],
    ['E820-13', (s) => Object.assign(s, { maxLowPfn: s.maxPfn + 1 })],
    ['E820-14', (s) => s.table.entries.splice(0, 1, ...map('0+1000 1'))],
    ['E820-14', (s) => s.table.entries.splice(3, 0, ...map('b0000+1000 1'))],
  ])('%s', (rule, change) => {
    expect(broken(change)).toContain(rule);
  });

  it('a text that does not read back (E820-20)', () => {
    const wide = [{ addr: 1n, size: 2n ** 65n, type: 1 }, ...map('0+1 2')];
    expect(broken((s) => Object.assign(s.tableKexec, { entries: wide }))).toContain('E820-20');
  });

  it('nosave regions (E820-17)', () => {
    const none = (): void => {};
    const nosave = (...pairs: [number, number][]): E820CheckedParts => ({
      nosave: pairs.map(([startPfn, endPfn]) => ({ startPfn, endPfn })),
    });
    expect(broken(none, nosave([0, 1], [0x9f, 0x100]))).toEqual([]);
    expect(broken(none, nosave([0, 0]))).toEqual(['E820-17']);
    expect(broken(none, nosave([0x9f, 0xa0], [0, 1]))).toEqual(['E820-17']);
    expect(broken(none, nosave([0, 2]))).toEqual(['E820-17']);
  });

  it('the PCI gap (E820-18)', () => {
    const none = (): void => {};
    const gap = (start: bigint, size: bigint, found = true): string[] =>
      broken(none, { pciGap: { start, size, found } });
    expect(gap(0x8000000n, 0xf8000000n)).toEqual([]);
    expect(gap(0x8000000n, 0x3fffffn)).toEqual(['E820-18']);
    expect(gap(0xf0000000n, 0x10000001n)).toContain('E820-18');
    expect(gap(0x7000000n, 0x1000000n)).toEqual(['E820-18']);
    expect(gap(0n, 1n, false)).toEqual([]);
  });

  it('the resource tree (E820-19)', () => {
    const tree = (change: (root: ReturnType<typeof createIomem>) => void): string[] => {
      const root = createIomem(40);
      insertResource(root, createResource('a', 0n, 9n));
      insertResource(root, createResource('b', 20n, 29n));
      change(root);
      return rules(checkResourceTree(root));
    };
    expect(tree(() => {})).toEqual([]);
    expect(tree((r) => r.children.reverse())).toEqual(['E820-19']);
    expect(tree((r) => Object.assign(r.children[0], { end: 20n }))).toEqual(['E820-19']);
    expect(tree((r) => Object.assign(r.children[1], { end: 2n ** 40n }))).toEqual(['E820-19']);
    expect(tree((r) => Object.assign(r.children[1], { parent: null }))).toEqual(['E820-19']);
  });

  it('assertInvariants throws the list', () => {
    const { state } = setupE820({ firmware: { entries: map('0+9fc00 1; 100000+7ee0000 1') } });
    expect(() => assertInvariants(state)).not.toThrow();
    state.maxLowPfn = 0x100001;
    expect(() => assertInvariants(state)).toThrow(InvariantError);
  });
});
