import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDmesgLine } from '../../src/e820/dmesg-line.ts';
import { formatE820Map, formatE820Type, parseE820TypeText } from '../../src/e820/index.ts';
import { arbitraryType, errorOf } from './support.ts';

const LINE = 'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable';
const ENTRY = { addr: 0x100000n, size: 0x7ee0000n, type: 1 };

describe('prefixes', () => {
  it.each([
    '',
    '[    0.000000] ',
    '[12345.678901] ',
    '[    0.000000][    T0] ',
    '[Mon Jan  1 00:00:00 2024] ',
    '<6>[    0.000000] ',
    '<6>',
    'kern  :info  : [    0.000000] ',
    'Jan 01 00:00:00 host kernel: ',
    'Jan 01 00:00:00 host kernel: [    0.000000] ',
    '2024-01-01T00:00:00+0000 host kernel: <6>[    0.000000] ',
    'kernel: ',
  ])('%j', (prefix) => {
    const expected = { kind: 'entry', who: 'BIOS-e820', entry: ENTRY };
    expect(parseDmesgLine(prefix + LINE, 1)).toEqual(expected);
    expect(parseDmesgLine(`${prefix + LINE} \r`, 1)).toEqual(expected);
  });
});

describe('lines', () => {
  it.each([
    ['BIOS-provided physical RAM map:', { kind: 'header' }],
    ['e820: BIOS-provided physical RAM map:', { kind: 'header' }],
    ['user-defined physical RAM map:', { kind: 'header' }],
    [
      'last_pfn = 0x7fe0 max_arch_pfn = 0x400000000',
      { kind: 'lastPfn', lastPfn: 0x7fe0, maxArchPfn: 2 ** 34 },
    ],
    [
      'e820: last_pfn = 0x0 max_arch_pfn = 0x10000000000',
      { kind: 'lastPfn', lastPfn: 0, maxArchPfn: 2 ** 40 },
    ],
    [
      'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
      { kind: 'update', start: 0n, size: 4096n, oldType: 1, newType: 2 },
    ],
    [
      'e820: update [mem 0x08000000-0x0800004b] usable ==> usable',
      { kind: 'update', start: 0x8000000n, size: 0x4cn, oldType: 1, newType: 128 },
    ],
    [
      'e820: remove [mem 0x0c800000-0xfffffffffffffffe] usable',
      { kind: 'remove', start: 0xc800000n, size: 2n ** 64n - 1n - 0xc800000n, oldType: 1 },
    ],
    [
      'e820: remove [mem 0x01000000-0x0442ffff] ',
      { kind: 'remove', start: 0x1000000n, size: 0x3430000n, oldType: null },
    ],
    ['update e820_table_kexec for e820__memblock_alloc_reserved()', { kind: 'kexec' }],
    ['.text .data .bss are not marked as E820_TYPE_RAM!', { kind: 'kernelRange' }],
    ['Command line: mem=64M quiet', { kind: 'commandLine', text: 'mem=64M quiet' }],
    ['Kernel command line: ', { kind: 'commandLine', text: '' }],
    [
      ' BIOS-e820: 0000000000100000 - 0000000007fe0000 (usable)',
      { kind: 'entry', who: 'BIOS-e820', entry: ENTRY },
    ],
    [
      'reserve setup_data: [mem 0x0000000000100000-0x0000000007fdffff] usable',
      { kind: 'entry', who: 'reserve setup_data', entry: ENTRY },
    ],
    [
      'BIOS-e820: [mem 0x100000-0x7fdffff] usable',
      { kind: 'entry', who: 'BIOS-e820', entry: ENTRY },
    ],
    [
      'user: [mem 0x0000000000001000-0x0000000000000fff] type 20',
      { kind: 'entry', who: 'user', entry: { addr: 0x1000n, size: 0n, type: 20 } },
    ],
  ])('%s', (line, expected) => {
    expect(parseDmesgLine(`[    0.000000] ${line}`, 1)).toEqual(expected);
  });

  it.each([
    '',
    'Linux version 6.1.192',
    'e820: reserve RAM buffer [mem 0x0009fc00-0x0009ffff]',
    'e820: [mem 0x08000000-0xfffbffff] available for PCI devices',
    '[mem 0x08000000-0xfffbffff] available for PCI devices',
    'PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]',
    '  node   0: [mem 0x0000000000001000-0x000000000009efff]',
    '  DMA32    [mem 0x0000000001000000-0x0000000003fdffff]',
    'NODE_DATA(0) allocated [mem 0x03fdc000-0x03fdffff]',
    'found SMP MP-table at [mem 0x000f5ba0-0x000f5baf]',
    'NUMA: Node 0 [mem 0x00000000-0x0009ffff] + [mem 0x00100000-0x1fffffff] -> [mem 0x00000000-0x1fffffff]',
    'RAMDISK: [mem 0x07a00000-0x07a2efff]',
    'system 00:04: [mem 0xfed00000-0xfed003ff] has been reserved',
    'AGP: e820: reserve [mem 0x08000000-0x0bffffff] for GART',
    'update e820 for mtrr',
    'ACPI: Reserving FACP table memory at [mem 0xbffe1a6c-0xbffe1adf]',
    'efi: mem00: [Conventional Memory|   |  ] range=[0x0000000000000000-0x0000000000000fff] (0MB)',
    'Memory: 37132K/65016K available',
    'resource: Expanded resource Reserved due to conflict with PCI Bus 0000:00',
  ])('says nothing: %s', (line) => {
    expect(parseDmesgLine(`[    0.000000] ${line}`, 1)).toBeNull();
  });
});

describe('torn lines', () => {
  it.each([
    'BIOS-e820: [mem 0x00000000001',
    'BIOS-e820: [mem 0x0000000000100000-0x00000000',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff]',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] ',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usab',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] ACPI',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] type',
    'BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] persistent (type 7',
    'BIOS-e820: [mem 0x0000000000100000-0x0000007fdffff] usable',
    'BIOS-e820: [mem 0x00000000000100000-0x0000000007fdffff] usable',
    'BIOS-e820: [me',
    'BIOS-e820:',
    'BIOS-e8',
    'BIOS-provided phys',
    '-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable',
    'e820: [mem 0x0000000000100000-0x0000000007fdffff] usable',
    '0000000000100000-0x0000000007fdffff] usable',
    '00000007fdffff] reserved',
    'fdffff] ACPI NVS',
    'foo bar BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable',
    'user: [mem 0x00000000001',
    'BIOS-e820: 0000000000100000 - 0000000007f',
    'e820: update [mem 0x00000000-0x00000fff] usable ==>',
    'e820: update [mem 0x00000000-0x00000fff] usable',
    'e820: update [mem 0x00000000-0x00',
    'e820: update [mem 0x00000000-0x00000fff] usable ==> rese',
    'e820: remove [mem 0x000a0000',
    'e820: remove [mem 0x000a0000-0x000fffff] us',
    'last_pfn = 0x7fe0 max_ar',
  ])('%s', (line) => {
    const torn = `[    0.000000] ${line}`;
    const error = errorOf(() => parseDmesgLine(torn, 17));
    expect(error).toMatchObject({ code: 'TORN_LINE', data: { position: 17, value: torn } });
    expect(error.message).toContain('line 17');
  });

  it('every cut of a map line gives an error, and so does a lost beginning', () => {
    for (let length = 5; length < LINE.length; length++) {
      expect(errorOf(() => parseDmesgLine(LINE.slice(0, length), 3)).code).toBe('TORN_LINE');
    }
    for (let start = 1; start < 48; start++) {
      expect(errorOf(() => parseDmesgLine(LINE.slice(start), 3)).code).toBe('TORN_LINE');
    }
  });

  it('two lines in one', () => {
    expect(errorOf(() => parseDmesgLine(LINE + LINE, 3)).code).toBe('UNKNOWN_TYPE');
  });

  it('a type text of another kernel', () => {
    const other = LINE.replace('usable', 'System RAM');
    expect(errorOf(() => parseDmesgLine(other, 4))).toMatchObject({
      code: 'UNKNOWN_TYPE',
      data: { position: 4, value: other },
    });
  });
});

describe('type texts', () => {
  it('read back what is printed, 128 as 1', () => {
    fc.assert(
      fc.property(fc.oneof(arbitraryType, fc.nat(0xffffffff)), (type) => {
        expect(parseE820TypeText(formatE820Type(type))).toBe(type === 128 ? 1 : type);
      }),
    );
    for (const text of [
      '',
      'Usable',
      'type 4294967296',
      'type -1',
      'type',
      'persistent (type x)',
    ]) {
      expect(parseE820TypeText(text)).toBeNull();
    }
  });

  it('print(parse(line)) = line (E820-20)', () => {
    const record = parseDmesgLine(LINE, 1);
    expect(record?.kind === 'entry' && formatE820Map([record.entry], record.who)).toEqual([LINE]);
  });
});
