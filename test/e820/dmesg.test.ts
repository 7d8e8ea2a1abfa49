import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  dmesgFirmware,
  dmesgWorkingMap,
  E820Type,
  formatE820Map,
  parseDmesg,
  setupE820,
} from '../../src/e820/index.ts';
import { arbitraryEntries, errorOf, map, naiveSanitise, text } from './support.ts';

const A = '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2';
const B = '0+9fc00 1; 100000+fee0000 1';
const stamp = (lines: readonly string[]): string =>
  lines.map((line) => `[    0.000000] ${line}\n`).join('');

describe('maps in a log', () => {
  it('are grouped by header and label', () => {
    const log = parseDmesg(
      stamp([
        'Linux version 6.1.192',
        'Command line: mem=64M',
        'BIOS-provided physical RAM map:',
        ...formatE820Map(map(A), 'BIOS-e820'),
        'NX (Execute Disable) protection: active',
        'user-defined physical RAM map:',
        ...formatE820Map(map(B), 'user'),
        'last_pfn = 0xffe0 max_arch_pfn = 0x400000000',
        'Kernel command line: mem=64M',
      ]),
    );
    expect(log.maps.map(({ who, line, entries }) => [who, line, text(entries)])).toEqual([
      ['BIOS-e820', 4, A],
      ['user', 11, B],
    ]);
    expect(log.lastPfns).toEqual([{ line: 13, lastPfn: 0xffe0, maxArchPfn: 2 ** 34 }]);
    expect(log.commandLine).toBe('mem=64M');
    expect(parseDmesg('nothing').commandLine).toBeNull();
  });

  it('go on after a line of somebody else', () => {
    const lines = formatE820Map(map(A), 'BIOS-e820');
    lines.splice(2, 0, 'usb 1-1: hello', '');
    expect(text(parseDmesg(stamp(lines)).maps[0].entries)).toBe(A);
  });

  it('begin again without a header in a log of several boots', () => {
    const [a, b] = [map(A), map(B)].map((entries) => formatE820Map(entries, 'BIOS-e820'));
    const several = [
      stamp([...a, ...a, ...b]),
      stamp([...a, 'something', ...b]),
      stamp(['BIOS-provided physical RAM map:', ...a, 'BIOS-provided physical RAM map:', ...b]),
    ];
    expect(parseDmesg(several[0]).maps.map(({ entries }) => text(entries))).toEqual([A, A, B]);
    for (const one of several.slice(1)) {
      expect(parseDmesg(one).maps.map(({ entries }) => text(entries))).toEqual([A, B]);
      expect(text(dmesgFirmware(parseDmesg(one)).entries)).toBe(B);
    }
  });

  it('say which line is torn', () => {
    const lines = formatE820Map(map(A), 'BIOS-e820');
    lines[3] = lines[3].slice(0, 30);
    const error = errorOf(() => parseDmesg(lines.join('\n')));
    expect(error).toMatchObject({ code: 'TORN_LINE', data: { position: 4, value: lines[3] } });
  });

  it('print back as the same text, and parse back as the same map (E820-20)', () => {
    fc.assert(
      fc.property(arbitraryEntries, (entries) => {
        const sorted = naiveSanitise(entries, 320) ?? [];
        fc.pre(sorted.length > 0);
        const lines = formatE820Map(sorted, 'modified');
        const { maps } = parseDmesg(stamp(lines));
        expect(maps).toHaveLength(1);
        expect(formatE820Map(maps[0].entries, 'modified')).toEqual(lines);
        expect(maps[0].entries).toEqual(
          sorted.map((e) => (e.type === 128 ? { ...e, type: 1 } : e)),
        );
      }),
    );
  });
});

describe('dmesgFirmware', () => {
  const firmware = (lines: readonly string[]): ReturnType<typeof dmesgFirmware> =>
    dmesgFirmware(parseDmesg(stamp(lines)));

  it('gives a map that sets up the same log', () => {
    const cases = [
      { entries: map(A) },
      { entries: [], altMemK: 0x3fb80 },
      { entries: [], extMemK: 0xfc00 },
      { entries: map('0+1000 2; 1000+8000000 1'), who: 'Xen' },
      { entries: map('1000+1000 1; 2000+8000000 1') },
    ];
    for (const given of cases) {
      const log = setupE820({ firmware: given }).log.map((line) => line.text);
      const again = setupE820({ firmware: firmware(log) }).log.map((line) => line.text);
      expect(again).toEqual(log);
    }
  });

  it('takes the extended map', () => {
    const extended = '0+9fc00 1; 100000+7ee0000 1; 100000000+1000 3';
    const lines = [
      ...formatE820Map(map(A), 'BIOS-e820'),
      'extended physical RAM map:',
      ...formatE820Map(map(extended), 'extended'),
    ];
    expect(text(firmware(lines).entries)).toBe(extended);
  });

  it('needs a map of the firmware', () => {
    expect(errorOf(() => firmware([])).code).toBe('NO_MAP');
    expect(errorOf(() => firmware(formatE820Map(map(A), 'user'))).code).toBe('NO_MAP');
  });
});

describe('dmesgWorkingMap', () => {
  it('replays the edits after the last map: the map that the set-up ended with', () => {
    const cases = [
      { cmdline: '' },
      { cmdline: 'mem=64M' },
      { cmdline: 'memmap=1M#16M memmap=4M!32M' },
      {
        cmdline: 'memmap=exactmap,640K@0,8M@1M,64M@64M',
        kernel: { start: 0x1000000n, end: 0x1430000n },
      },
    ];
    for (const options of cases) {
      const { log, state } = setupE820({ firmware: { entries: map(A) }, ...options });
      const parsed = parseDmesg(stamp(log.map((line) => line.text)));
      expect(dmesgWorkingMap(parsed)).toEqual(state.table.entries);
    }
  });

  it('knows which edits concern the map for kexec', () => {
    const { edits } = parseDmesg(
      stamp([
        'e820: update [mem 0x08000000-0x0800004b] usable ==> usable',
        'e820: update [mem 0x08000000-0x0800004b] usable ==> usable',
        'e820: update [mem 0x08003000-0x0800300f] usable ==> usable',
        'e820: update [mem 0x0009e000-0x0009efff] usable ==> reserved',
        'update e820_table_kexec for e820__memblock_alloc_reserved()',
      ]),
    );
    expect(edits.map(({ line, kexec }) => [line, kexec])).toEqual([
      [1, false],
      [2, true],
      [3, false],
      [4, true],
    ]);
    expect(edits[0].newType).toBe(E820Type.RESERVED_KERN);
  });

  it('four equal lines are two pairs', () => {
    const line = 'e820: update [mem 0x08000000-0x0800004b] usable ==> usable';
    const { edits } = parseDmesg(stamp([line, line, line, line]));
    expect(edits.map(({ kexec }) => kexec)).toEqual([false, true, false, true]);
  });

  it('edits before the last map are in it already, or were of another boot', () => {
    const lines = formatE820Map(map(A), 'BIOS-e820');
    const edit = 'e820: update [mem 0x00200000-0x00200fff] usable ==> reserved';
    expect(text(dmesgWorkingMap(parseDmesg(stamp([edit, ...lines]))))).toBe(A);
    expect(text(dmesgWorkingMap(parseDmesg(stamp([...lines, edit]))))).toContain('200000+1000 2');
  });

  it('type 128 after the last map is found again', () => {
    const lines = [
      ...formatE820Map(map(A), 'BIOS-e820'),
      'e820: update [mem 0x00200000-0x00200fff] usable ==> usable',
    ];
    expect(text(dmesgWorkingMap(parseDmesg(stamp(lines))))).toContain('200000+1000 80');
  });
});

describe('speed', () => {
  it('100,000 lines parse in half a second', () => {
    const filler = [
      '[    1.234567] usb 1-1: new high-speed USB device number 2 using xhci_hcd',
      '[    1.234568] pci 0000:00:02.0: reg 0x10: [mem 0xfd000000-0xfdffffff pref]',
      '[    1.234569] systemd[1]: Started Journal Service.',
      '[    1.234570] EXT4-fs (sda1): mounted filesystem with ordered data mode. Quota mode: none.',
    ];
    const lines = formatE820Map(map(A), 'BIOS-e820');
    while (lines.length < 100_000) lines.push(filler[lines.length % filler.length]);
    const log = lines.join('\n');
    const start = performance.now();
    const { maps } = parseDmesg(log);
    const elapsed = performance.now() - start;
    expect(text(maps[0].entries)).toBe(A);
    // The promise is 500 ms; a machine that runs other tests as well may take longer.
    expect(elapsed).toBeLessThan(1500);
  });
});
