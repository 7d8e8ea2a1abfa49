import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  checkResourceTree,
  createIomem,
  createResource,
  formatIomem,
  insertResource,
  insertResourceExpandToFit,
  type Resource,
  requestResource,
} from '../../src/e820/index.ts';
import { scaled } from '../support/seed.ts';
import { capture, errorOf } from './support.ts';

const res = (name: string, start: number, end: number): Resource =>
  createResource(name, BigInt(start), BigInt(end));

describe('the resource tree', () => {
  it('requestResource takes free space and names what is in the way', () => {
    const root = createIomem(46);
    const [a, b, c] = [
      res('a', 0x1000, 0x1fff),
      res('b', 0x3000, 0x3fff),
      res('c', 0x2000, 0x2fff),
    ];
    expect(requestResource(root, a)).toBeNull();
    expect(requestResource(root, b)).toBeNull();
    expect(requestResource(root, c)).toBeNull();
    expect(root.children.map(({ name }) => name)).toEqual(['a', 'c', 'b']);
    expect(requestResource(root, res('x', 0x1fff, 0x2000))).toBe(a);
    expect(requestResource(root, res('x', 0x2500, 0x2600))).toBe(c);
    expect(requestResource(root, res('x', 5, 4))).toBe(root);
    expect(requestResource(c, res('x', 0x1fff, 0x2000))).toBe(c);
    expect(requestResource(root, res('x', 0, 2 ** 46))).toBe(root);
  });

  it('insertResource goes inside, around, and above its equal', () => {
    const root = createIomem(46);
    const outer = res('outer', 0x1000, 0x8fff);
    expect(insertResource(root, res('left', 0x2000, 0x2fff))).toBeNull();
    expect(insertResource(root, res('right', 0x4000, 0x4fff))).toBeNull();
    expect(insertResource(root, outer)).toBeNull();
    expect(insertResource(root, res('inner', 0x5000, 0x5fff))).toBeNull();
    expect(insertResource(root, res('equal', 0x2000, 0x2fff))).toBeNull();
    expect(insertResource(root, res('deep', 0x2100, 0x21ff))).toBeNull();
    expect(formatIomem(root)).toEqual([
      '00001000-00008fff : outer',
      '  00002000-00002fff : equal',
      '    00002000-00002fff : left',
      '      00002100-000021ff : deep',
      '  00004000-00004fff : right',
      '  00005000-00005fff : inner',
    ]);
    expect(insertResource(root, res('crosses', 0x4800, 0x57ff))?.name).toBe('right');
    expect(insertResource(root, res('crosses', 0, 0x1000))?.name).toBe('outer');
    expect(checkResourceTree(root)).toEqual([]);
  });

  it('expands until it fits, and says over what', () => {
    const root = createIomem(46);
    insertResource(root, res('PCI Bus 0000:00', 0x3000, 0x5fff));
    insertResource(root, res('far', 0x8000, 0x8fff));
    const grown = res('Reserved', 0x2000, 0x3fff);
    const { log, lines } = capture();
    insertResourceExpandToFit(root, grown, log);
    insertResourceExpandToFit(root, grown, log);
    expect(lines).toEqual([
      {
        level: 6,
        text: 'resource: Expanded resource Reserved due to conflict with PCI Bus 0000:00',
      },
    ]);
    expect(formatIomem(root)).toEqual([
      '00002000-00005fff : Reserved',
      '  00003000-00005fff : PCI Bus 0000:00',
      '00008000-00008fff : far',
    ]);
  });

  it('gives up silently beyond the root', () => {
    const root = createIomem(32);
    const { log, texts } = capture();
    const high = res('Reserved', 0xffff_0000, 0x1_0000_ffff);
    insertResourceExpandToFit(root, high, log);
    expect(high.parent).toBeNull();
    expect(texts).toEqual([]);
  });

  it('shows at most 5 levels of indent, and zeros to a reader without rights', () => {
    const root = createIomem(46);
    for (let i = 0; i < 7; i++) insertResource(root, res(`r${i}`, i, 0x2_0000_0000 - i));
    const lines = formatIomem(root);
    expect(lines.map((line) => line.search(/\S/))).toEqual([0, 2, 4, 6, 8, 10, 10]);
    expect(lines[0]).toBe('00000000-200000000 : r0');
    expect(formatIomem(root, { hideAddresses: true })[1]).toBe('  00000000-00000000 : r1');
  });

  it('refuses bad numbers', () => {
    for (const bits of [31, 65, 40.5, Number.NaN]) {
      expect(errorOf(() => createIomem(bits)).code).toBe('BAD_NUMBER');
    }
    expect(errorOf(() => createResource('x', -1n, 0n)).code).toBe('BAD_ADDRESS');
    expect(errorOf(() => createResource('x', 0n, 2n ** 64n)).code).toBe('BAD_ADDRESS');
    expect(createIomem(52)).toMatchObject({ name: 'PCI mem', start: 0n, end: 2n ** 52n - 1n });
  });

  it('stays ascending, disjoint and nested whatever is inserted (E820-19)', () => {
    const range = fc.tuple(fc.nat(60), fc.nat(20), fc.boolean());
    fc.assert(
      fc.property(fc.array(range, { maxLength: 25 }), (ranges) => {
        const root = createResource('root', 0n, 63n);
        const placed = new Set<Resource>();
        ranges.forEach(([start, length, expand], i) => {
          const one = res(`r${i}`, start, start + length);
          if (expand) insertResourceExpandToFit(root, one);
          else insertResource(root, one);
          if (one.parent !== null) placed.add(one);
          expect(checkResourceTree(root)).toEqual([]);
        });
        expect(formatIomem(root)).toHaveLength(placed.size);
      }),
      { numRuns: scaled(300) },
    );
  });
});
