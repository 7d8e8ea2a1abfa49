import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  createE820Table,
  e820FirmwareMap,
  formatFirmwareMap,
  parseFirmwareMapFiles,
  parseFirmwareMapListing,
} from '../../src/e820/index.ts';
import { arbitraryEntries, errorOf, naiveSanitise, table, text } from './support.ts';

const MAP = '0+9fc00 1; 9fc00+400 2; 100000+7ee0000 1';
const files = (notation: string): Record<string, string> =>
  formatFirmwareMap(e820FirmwareMap(table(notation)));

describe('the files', () => {
  it('show an inclusive end and the text of the type (example A)', () => {
    expect(files(MAP)).toEqual({
      '0/start': '0x0\n',
      '0/end': '0x9fbff\n',
      '0/type': 'System RAM\n',
      '1/start': '0x9fc00\n',
      '1/end': '0x9ffff\n',
      '1/type': 'Reserved\n',
      '2/start': '0x100000\n',
      '2/end': '0x7fdffff\n',
      '2/type': 'System RAM\n',
    });
  });

  it('read back as the map, apart from types that the text does not tell', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const sorted = naiveSanitise(entries, 320) ?? [];
        fc.pre(sorted.length > 0);
        const known = new Map([
          [128, 1],
          [20, 6],
          [0xffffffff, 6],
        ]);
        const expected = sorted.map((e) => ({ ...e, type: known.get(e.type) ?? e.type }));
        const map = e820FirmwareMap(createE820Table(sorted));
        expect(parseFirmwareMapFiles(formatFirmwareMap(map))).toEqual(expected);
      }),
    );
  });
});

describe('parseFirmwareMapFiles', () => {
  it('orders directories by number, whatever stands before them', () => {
    const input: Record<string, string> = {};
    for (const i of [10, 2, 1]) {
      input[`/sys/firmware/memmap/${i}/type`] = 'reserved';
      input[`/sys/firmware/memmap/${i}/start`] = `0x${i}000`;
      input[`/sys/firmware/memmap/${i}/end`] = `0x${i}fff`;
    }
    expect(text(parseFirmwareMapFiles(input))).toBe('1000+1000 2; 2000+1000 2; 10000+1000 2');
  });

  it.each([
    [{}, 'NO_MAP'],
    [{ '0/start': '0x0', '0/end': '0x1' }, 'BAD_LISTING'],
    [{ '0/start': '0x0', '0/end': '0x1', '0/type': 'System ROM' }, 'UNKNOWN_TYPE'],
    [{ '0/start': '0', '0/end': '0x1', '0/type': 'Reserved' }, 'BAD_LISTING'],
    [{ '0/start': '0x10000000000000000', '0/end': '0x1', '0/type': 'Reserved' }, 'BAD_LISTING'],
    [{ 'x/start': '0x0' }, 'BAD_LISTING'],
    [{ '0/size': '0x0' }, 'BAD_LISTING'],
    [{ '0/start': '0x0', 'a/0/start': '0x1' }, 'BAD_LISTING'],
  ])('refuses %j', (input, code) => {
    expect(errorOf(() => parseFirmwareMapFiles(input as Record<string, string>)).code).toBe(code);
  });
});

describe('parseFirmwareMapListing', () => {
  it('reads what grep prints', () => {
    const grep = Object.entries(files(MAP))
      .map(([path, value]) => `/sys/firmware/memmap/${path}:${value}`)
      .reverse()
      .join('');
    expect(text(parseFirmwareMapListing(grep))).toBe(MAP);
    expect(text(parseFirmwareMapListing(grep.replaceAll('/sys/firmware/memmap/', '')))).toBe(MAP);
    expect(text(parseFirmwareMapListing(grep.replaceAll(':', ' = ')))).toBe(MAP);
    expect(text(parseFirmwareMapListing(grep.replaceAll(':', '\t')))).toBe(MAP);
    expect(text(parseFirmwareMapListing(grep.replaceAll('\n', '\r\n')))).toBe(MAP);
  });

  it('reads what tail prints', () => {
    const tail = Object.entries(files(MAP))
      .map(([path, value]) => `==> /sys/firmware/memmap/${path} <==\n${value}`)
      .join('\n');
    expect(text(parseFirmwareMapListing(tail))).toBe(MAP);
  });

  it('reads a tar archive', () => {
    expect(text(parseFirmwareMapListing(tar(files(MAP))))).toBe(MAP);
    const cut = tar(files(MAP)).slice(0, 700);
    expect(errorOf(() => parseFirmwareMapListing(cut)).code).toBe('BAD_LISTING');
  });

  it('names the line that it does not understand', () => {
    const torn = errorOf(() => parseFirmwareMapListing('0/start:0x0\n0/end:0x9fbff\n0/ty'));
    expect(torn).toMatchObject({ code: 'BAD_LISTING', data: { position: 3, value: '0/ty' } });
    const type = errorOf(() => parseFirmwareMapListing('0/start:0x0\n0/end:0x9\n0/type:System R'));
    expect(type).toMatchObject({ code: 'UNKNOWN_TYPE', data: { position: 3, value: 'System R' } });
    const short = errorOf(() => parseFirmwareMapListing('0/start:0x0\n0/end:0x'));
    expect(short).toMatchObject({ code: 'BAD_LISTING', data: { position: 2, value: '0x' } });
    expect(errorOf(() => parseFirmwareMapListing('\n')).code).toBe('NO_MAP');
  });
});

/** A tar archive as of sysfs: each file claims 4096 bytes and is padded with zeros. */
function tar(input: Record<string, string>): string {
  const blocks = Object.entries(input).map(([path, value], i) => {
    const header = new Array<string>(512).fill('\0');
    const put = (at: number, field: string): void => {
      for (let k = 0; k < field.length; k++) header[at + k] = field[k];
    };
    // Half of the names use the prefix field.
    put(0, i % 2 === 0 ? `sys/firmware/memmap/${path}` : path);
    if (i % 2 === 1) put(345, 'sys/firmware/memmap');
    put(124, '00000010000');
    put(156, '0');
    put(257, 'ustar\x0000');
    return header.join('') + value.padEnd(4096, '\0');
  });
  const directory = `${'sys/'.padEnd(124, '\0')}00000000000\0`.padEnd(156, '\0');
  return (
    `${`${directory}5`.padEnd(257, '\0')}ustar\x0000`.padEnd(512, '\0') +
    blocks.join('') +
    '\0'.repeat(1024)
  );
}
