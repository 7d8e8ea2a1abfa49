import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assertInvariants,
  checkMemblockSetup,
  createIomem,
  createResource,
  type E820Finish,
  type E820Hook,
  type E820Setup,
  type E820SetupOptions,
  e820MemblockSetup,
  e820ReallocateTables,
  e820ReserveResourcesLate,
  finishE820Setup,
  formatFirmwareMap,
  formatIomem,
  gartApertureCheck,
  insertResource,
  mtrrTrimUncachedMemory,
  requestResource,
  sanitisedEntries,
  setupE820,
} from '../../src/e820/index.ts';
import { arbitraryEntries, capture, errorOf, map, NaiveMemblock, text } from './support.ts';

/** A whole boot, as far as this module goes, with every invariant checked. */
function boot(
  options: E820SetupOptions,
  bus = false,
): {
  setup: E820Setup;
  finish: E820Finish;
  memblock: NaiveMemblock;
  log: string[];
  iomem: string[];
} {
  const setup = setupE820(options);
  const { state } = setup;
  const memblock = new NaiveMemblock();
  e820MemblockSetup(state.table, memblock);
  expect(checkMemblockSetup(state.table, memblock.regions, memblock.total)).toEqual([]);
  const iomem = createIomem(46);
  requestResource(iomem, createResource('System ROM', 0xf0000n, 0xfffffn));
  const finish = finishE820Setup(state, { iomem });
  const late = capture();
  if (bus) insertResource(iomem, createResource('PCI Bus 0000:00', 0x100000000n, 0x17fffffffn));
  e820ReserveResourcesLate(state.table, finish.resources, iomem, late.log);
  assertInvariants(state, { nosave: finish.nosave, pciGap: finish.pciGap, iomem });
  const log = [...setup.log, ...finish.log, ...late.lines].map((line) => line.text);
  return { setup, finish, memblock, log, iomem: formatIomem(iomem) };
}

const A =
  '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2; fffc0000+40000 2; ' +
  'fd00000000+300000000 2';

describe('example A: 128 MiB', () => {
  const a = boot({ firmware: { entries: map(A) } });

  it('prints the log of the kernel', () => {
    expect(a.log.join('\n')).toBe(`BIOS-provided physical RAM map:
BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable
BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved
BIOS-e820: [mem 0x00000000000f0000-0x00000000000fffff] reserved
BIOS-e820: [mem 0x0000000000100000-0x0000000007fdffff] usable
BIOS-e820: [mem 0x0000000007fe0000-0x0000000007ffffff] reserved
BIOS-e820: [mem 0x00000000fffc0000-0x00000000ffffffff] reserved
BIOS-e820: [mem 0x000000fd00000000-0x000000ffffffffff] reserved
e820: update [mem 0x00000000-0x00000fff] usable ==> reserved
e820: remove [mem 0x000a0000-0x000fffff] usable
last_pfn = 0x7fe0 max_arch_pfn = 0x400000000
PM: hibernation: Registered nosave memory: [mem 0x00000000-0x00000fff]
PM: hibernation: Registered nosave memory: [mem 0x0009f000-0x000fffff]
[mem 0x08000000-0xfffbffff] available for PCI devices
e820: reserve RAM buffer [mem 0x0009fc00-0x0009ffff]
e820: reserve RAM buffer [mem 0x07fe0000-0x07ffffff]`);
  });

  it('ends with the three tables, the ends of RAM and memblock', () => {
    const { state } = a.setup;
    expect(text(state.table)).toBe(A.replace('0+9fc00 1', '0+1000 2; 1000+9ec00 1'));
    expect(text(state.tableKexec)).toBe(A);
    expect(text(state.tableFirmware)).toBe(A);
    expect(state).toMatchObject({
      maxPfn: 0x7fe0,
      maxLowPfn: 0x7fe0,
      maxPossiblePfn: 0x7fe0,
      pciMemStart: 0x8000000n,
      userdef: false,
    });
    expect(a.memblock.regions).toEqual([
      { base: 0x1000n, size: 0x9e000n },
      { base: 0x100000n, size: 0x7ee0000n },
    ]);
    expect(a.memblock.total).toBe(0x7f7ec00n);
  });

  it('fills /proc/iomem and /sys/firmware/memmap', () => {
    expect(a.iomem.join('\n')).toBe(`00000000-00000fff : Reserved
00001000-0009fbff : System RAM
0009fc00-0009ffff : Reserved
000f0000-000fffff : Reserved
  000f0000-000fffff : System ROM
00100000-07fdffff : System RAM
07fe0000-07ffffff : Reserved
fffc0000-ffffffff : Reserved
fd00000000-ffffffffff : Reserved`);
    expect(formatFirmwareMap(a.finish.firmwareMap)).toMatchObject({
      '3/start': '0x100000\n',
      '3/end': '0x7fdffff\n',
      '3/type': 'System RAM\n',
    });
  });

  it('allocates in the kernel order, and only what is configured', () => {
    const { state } = setupE820({ firmware: { entries: map(A) } });
    const run = (config: object): string[] => {
      const allocs: string[] = [];
      const alloc = (size: bigint): void => {
        allocs.push(`${size}`);
      };
      finishE820Setup(structuredClone(state), { iomem: createIomem(40), alloc, ...config });
      return allocs;
    };
    const firmware = Array<string>(7).fill('104');
    expect(run({})).toEqual(['512', ...firmware, '32', '32']);
    expect(run({ hibernation: false })).toEqual(['512', ...firmware]);
    expect(run({ firmwareMemmap: false })).toEqual(['512', '32', '32']);
  });

  it('can take the nosave walk of early 6.1.y', () => {
    const { state } = setupE820({ firmware: { entries: map(A) } });
    const early = finishE820Setup(state, { iomem: createIomem(46), earlyNosaveWalk: true });
    expect(early.log).toHaveLength(5);
    const { state: other } = setupE820({ firmware: { entries: map(A) } });
    const off = finishE820Setup(other, { iomem: createIomem(46), hibernation: false });
    expect(off).toMatchObject({ nosave: [], log: [{ level: 6 }] });
  });
});

describe('example B: 5 GiB', () => {
  it('finds both ends of RAM', () => {
    const b = boot({
      firmware: {
        entries: map(
          '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+bfee0000 1; bffe0000+20000 2; ' +
            'fffc0000+40000 2; 100000000+80000000 1; fd00000000+300000000 2',
        ),
      },
    });
    expect(b.log.filter((line) => line.startsWith('last_pfn'))).toEqual([
      'last_pfn = 0x180000 max_arch_pfn = 0x400000000',
      'last_pfn = 0xbffe0 max_arch_pfn = 0x400000000',
    ]);
    expect(b.setup.state).toMatchObject({ maxPfn: 0x180000, maxLowPfn: 0xbffe0 });
    expect(b.memblock.total).toBe(0x13ff7ec00n);
    expect(b.log.slice(-3)).toEqual([
      '[mem 0xc0000000-0xfffbffff] available for PCI devices',
      'e820: reserve RAM buffer [mem 0x0009fc00-0x0009ffff]',
      'e820: reserve RAM buffer [mem 0xbffe0000-0xbfffffff]',
    ]);
  });
});

describe('RAM up to exactly 4 GiB', () => {
  it('has one end of RAM', () => {
    const { state, log } = setupE820({
      firmware: { entries: map('0+9fc00 1; 100000000+1000 2; 100000+fff00000 1') },
    });
    expect(state).toMatchObject({ maxPfn: 0x100000, maxLowPfn: 0x100000 });
    expect(log.filter((line) => line.text.startsWith('last_pfn'))).toHaveLength(1);
  });
});

describe('example C: a laptop, 8 GiB', () => {
  it('gives the ends of RAM and memblock', () => {
    const c = boot({
      firmware: {
        entries: map(
          '0+9d800 1; 9d800+2800 2; e0000+20000 2; 100000+baf00000 1; 20000000+200000 2; ' +
            '40004000+1000 2; ba7b0000+4f000 3; ba6f0000+cd000 4; ba800000+5200000 2; ' +
            'f8000000+4000000 2; fec00000+1000 2; fed08000+1000 2; fed10000+a000 2; ' +
            'fed1c000+4000 2; fee00000+1000 2; fee01000+0 2; ffd80000+280000 2; ' +
            '100000000+13f600000 1; 100000000+100000000 1',
        ),
      },
    });
    expect(c.setup.state).toMatchObject({ maxPfn: 0x23f600, maxLowPfn: 0xba800 });
    expect(c.memblock.regions.map(({ base, size }) => [base, base + size])).toEqual([
      [0x1000n, 0x9d000n],
      [0x100000n, 0x20000000n],
      [0x20200000n, 0x40004000n],
      [0x40005000n, 0xba6f0000n],
      [0xba7ff000n, 0xba800000n],
      [0x100000000n, 0x23f600000n],
    ]);
    expect(c.memblock.total).toBe(0x1f9a8c800n);
    expect(c.finish.pciGap).toMatchObject({ start: 0xbfa00000n, size: 0x38600000n, found: true });
  });
});

describe('maps that the user makes', () => {
  it('example E: exactmap', () => {
    const cmdline = 'memmap=exactmap memmap=639K@0 memmap=100M@1M,128K$0x7fe0000';
    const e = boot({ firmware: { entries: map(A) }, cmdline });
    expect(e.setup.state.maxPfn).toBe(0x6500);
    expect(e.log).toContain('[mem 0x08000000-0xffffffff] available for PCI devices');
    expect(e.iomem.filter((line) => line.endsWith('RAM buffer'))).toEqual([
      '0009fc00-0009ffff : RAM buffer',
      '06500000-07fdffff : RAM buffer',
    ]);
    expect(e.finish.firmwareMap).toHaveLength(7);
  });

  it('example F: mem= in all its forms', () => {
    const f = boot({
      firmware: { entries: map('0+9fc00 1; 9fc00+400 2; 100000+fee0000 1; ffe0000+20000 2') },
      cmdline: 'mem=200M memmap=nonsense mem=0 mem=nopentium',
    });
    const from = f.log.findIndex((line) => line.startsWith('e820: remove'));
    expect(f.log.slice(from, from + 5)).toEqual([
      'e820: remove [mem 0x0c800000-0xfffffffffffffffe] usable',
      "Malformed early option 'mem'",
      'mem=nopentium ignored! (only supported on x86_32)',
      "Malformed early option 'mem'",
      'user-defined physical RAM map:',
    ]);
    expect(f.setup.state).toMatchObject({ maxPfn: 0xc800, maxMemSize: 200n << 20n });
    expect(f.log.at(-1)).toBe('e820: reserve RAM buffer [mem 0x0c800000-0x0fffffff]');
  });

  it('example H: the kernel itself is left out', () => {
    const h = boot({
      firmware: { entries: map('0+9fc00 1; 9fc00+400 2; 100000+fee0000 1; ffe0000+20000 2') },
      cmdline:
        'memmap=exactmap memmap=640K@0 memmap=8M@1M,128M@128M memmap=64K$1024K memmap=0x20000$0x0ffe0000',
      kernel: { start: 0x1000000n, end: 0x4430000n },
    });
    const from = h.log.indexOf('.text .data .bss are not marked as E820_TYPE_RAM!');
    expect(h.log[from + 1]).toBe('e820: remove [mem 0x01000000-0x0442ffff] ');
    expect(text(h.setup.state.table)).toContain('1000000+3430000 1');
    expect(h.log.filter((line) => line.startsWith('PM:')).map((line) => line.slice(-24))).toEqual(
      [
        'x00000000-0x00000fff]',
        'x000a0000-0x0010ffff]',
        'x00900000-0x00ffffff]',
        'x04430000-0x07ffffff]',
      ].map((end) => expect.stringContaining(end)),
    );
  });

  it('example J: a single region panics, with the log that leads to it', () => {
    const error = errorOf(() =>
      setupE820({ firmware: { entries: map(A) }, cmdline: 'memmap=exactmap,64M@0' }),
    );
    expect(error.code).toBe('INVALID_USER_MAP');
    const log = error.data.log as { text: string }[];
    expect(log.at(0)?.text).toBe('BIOS-provided physical RAM map:');
    expect(log.at(-1)?.text).toBe('Kernel panic - not syncing: Invalid user supplied memory map');
  });

  it('other early parameters are handled in order, between ours', () => {
    const seen: string[] = [];
    const setup = setupE820({
      firmware: { entries: map(A) },
      cmdline: 'mem=64M memblock=debug kernelcore=x',
      earlyParams: {
        memblock: (value) => {
          seen.push(`memblock ${value}`);
          return 0;
        },
        kernelcore: () => -22,
      },
    });
    expect(seen).toEqual(['memblock debug']);
    expect(setup.log.map((line) => line.text)).toContain("Malformed early option 'kernelcore'");
    expect(setup.state.maxMemSize).toBe(64n << 20n);
    const options = { firmware: { entries: map(A) }, cmdline: 'mem=64M', memoryHotplug: false };
    expect(setupE820(options).state.maxMemSize).toBe(2n ** 64n - 1n);
  });
});

describe('example I: setup_data', () => {
  const i = boot(
    {
      firmware: {
        entries: map(
          '0+9fc00 1; 9fc00+400 2; f0000+10000 2; 100000+1fee0000 1; 1ffe0000+20000 2; fffc0000+40000 2; fd00000000+300000000 2',
        ),
      },
      cmdline: 'mem=400M',
      setupData: [
        {
          address: 0x8000000n,
          type: 1,
          length: 0x3c,
          entries: map('100000000+10000000 2; 110000000+1000 3; 1ff00000+100000 4'),
        },
        { address: 0x8001000n, type: 0, length: 0x40 },
        {
          address: 0x8002000n,
          type: 0x80000000,
          length: 0x18,
          indirect: { type: 5, length: 0x2800n, address: 0x8010000n },
        },
        { address: 0x8003000n, type: 9, length: 0x20 },
      ],
    },
    true,
  );

  it('prints maps and pairs of lines in the kernel order', () => {
    const shown = i.log.filter((line) =>
      /^(?:e820: (?:update|remove)|.*map:|extended: .*(?:NVS|ACPI))/.test(line),
    );
    expect(shown).toEqual([
      'BIOS-provided physical RAM map:',
      'extended physical RAM map:',
      'extended: [mem 0x000000001ff00000-0x000000001fffffff] ACPI NVS',
      'extended: [mem 0x0000000110000000-0x0000000110000fff] ACPI data',
      'e820: remove [mem 0x19000000-0xfffffffffffffffe] usable',
      ...[
        '08000000-0x0800004b',
        '08000000-0x0800004b',
        '08001000-0x0800104f',
        '08001000-0x0800104f',
        '08002000-0x08002027',
        '08002000-0x08002027',
        '08010000-0x080127ff',
        '08010000-0x080127ff',
        '08003000-0x0800300f',
      ].map((range) => `e820: update [mem 0x${range}] usable ==> usable`),
      'extended physical RAM map:',
      'user-defined physical RAM map:',
      'e820: update [mem 0x00000000-0x00000fff] usable ==> reserved',
      'e820: remove [mem 0x000a0000-0x000fffff] usable',
    ]);
    expect(i.log.filter((line) => line.startsWith('user: '))).toHaveLength(18);
    expect(i.log.filter((line) => line.startsWith('reserve setup_data: '))).toHaveLength(18);
  });

  it('adds 12 pieces to memblock, which makes two regions of them', () => {
    expect(i.memblock.calls.filter((call) => call.startsWith('add'))).toHaveLength(12);
    expect(i.memblock.regions).toEqual([
      { base: 0x1000n, size: 0x9e000n },
      { base: 0x100000n, size: 0x18f00000n },
    ]);
  });

  it('grows Reserved over the PCI window, and makes one RAM buffer', () => {
    expect(i.log).toContain(
      'resource: Expanded resource Reserved due to conflict with PCI Bus 0000:00',
    );
    expect(i.log).toContain('e820: reserve RAM buffer [mem 0x08001000-0x0bffffff]');
    expect(i.iomem.filter((line) => /RAM buffer|PCI|ACPI T|fffc0000/.test(line))).toEqual([
      '19000000-1bffffff : RAM buffer',
      'fffc0000-17fffffff : Reserved',
      '  100000000-17fffffff : PCI Bus 0000:00',
      '    110000000-110000fff : ACPI Tables',
    ]);
    expect(i.setup.setupData.map(({ length }) => length)).toEqual([0x3c, 0x40, 0x18, 0]);
  });
});

describe('hooks', () => {
  it('are called at their steps', () => {
    const steps: string[] = [];
    const hook = (name: string) => (): void => {
      steps.push(name);
    };
    setupE820({
      firmware: { entries: map(A) },
      cmdline: 'x',
      earlyParams: {
        x: () => {
          steps.push('early');
          return 0;
        },
      },
      efiHook: hook('efi'),
      platformHook: hook('platform'),
      gartHook: hook('gart'),
      mtrrHook: hook('mtrr'),
    });
    expect(steps).toEqual(['early', 'efi', 'platform', 'gart', 'mtrr']);
  });

  it('see the map and the log as they are at their step', () => {
    const seen: [string, boolean, string][] = [];
    const hook =
      (name: string): E820Hook =>
      (state, sink) => {
        const isCarved = state.table.entries.some(({ type }) => type === 128);
        seen.push([name, isCarved, text(state.table).slice(0, 8)]);
        sink({ level: 6, text: name });
      };
    const { log } = setupE820({
      firmware: { entries: map(A) },
      cmdline: 'mem=64M',
      setupData: [{ address: 0x200000n, type: 0, length: 16 }],
      kernel: { start: 0x7fe0000n, end: 0x7fe1000n },
      efiHook: hook('efi'),
      platformHook: hook('platform'),
      gartHook: hook('gart'),
      mtrrHook: hook('mtrr'),
    });
    expect(seen).toEqual([
      ['efi', false, '0+9fc00 '],
      ['platform', true, '0+9fc00 '],
      ['gart', true, '0+1000 2'],
      ['mtrr', true, '0+1000 2'],
    ]);
    const lines = log.map(({ text: line }) => line);
    const lineBefore = (name: string): string => lines[lines.indexOf(name) - 1];
    const lineAfter = (name: string): string => lines[lines.indexOf(name) + 1];
    expect(lineBefore('efi')).toMatch(/^e820: remove .* usable$/);
    expect(lineBefore('platform')).toMatch(/^user: /);
    expect(lineAfter('platform')).toBe('.text .data .bss are not marked as E820_TYPE_RAM!');
    expect(lineBefore('gart')).toBe('e820: remove [mem 0x000a0000-0x000fffff] usable');
    expect(lineBefore('mtrr')).toMatch(/^last_pfn = /);
  });

  it('their edits show in the log and in what follows', () => {
    const { log, state } = setupE820({
      firmware: { entries: map(A) },
      gartHook: (s, sink) => {
        gartApertureCheck(s, { start: 0x4000000n, end: 0x8000000n }, sink);
      },
      mtrrHook: (s, sink) => {
        mtrrTrimUncachedMemory(s, [{ start: 0x3000000n, end: 0x4000000n }], sink);
      },
    });
    expect(log.filter(({ text: line }) => line.startsWith('last_pfn')).map((l) => l.text)).toEqual([
      'last_pfn = 0x4000 max_arch_pfn = 0x400000000',
      'last_pfn = 0x3000 max_arch_pfn = 0x400000000',
    ]);
    expect(state).toMatchObject({ maxPfn: 0x3000, maxPossiblePfn: 0x3000, maxLowPfn: 0x3000 });
  });
});

describe('bad maps', () => {
  it('a map without RAM has its own error, with the log', () => {
    const error = errorOf(() =>
      setupE820({ firmware: { entries: map('100000+1000 2; 200000+1000 3') } }),
    );
    expect(error.code).toBe('NO_RAM');
    expect((error.data.log as unknown[]).length).toBeGreaterThan(4);
    expect(
      errorOf(() => setupE820({ firmware: { entries: map('1000+fff 1; 3000+1000 2') } })).code,
    ).toBe('NO_RAM');
  });

  it('touching pieces of RAM and RESERVED_KERN make a page together', () => {
    const pieces = map('1000+800 1; 1800+800 80; 5000+1000 2');
    expect(setupE820({ firmware: { entries: pieces } }).state.maxPfn).toBe(1);
    const apart = map('1000+800 1; 1900+700 80; 5000+1000 2');
    expect(errorOf(() => setupE820({ firmware: { entries: apart } })).code).toBe('NO_RAM');
  });

  it('example G: an entry that ends at 2^64 dies when the firmware map is made', () => {
    const { state } = setupE820({
      firmware: { entries: map('0+9fc00 1; 100000+fee0000 1; fffffffffffff000+1000 2') },
    });
    expect(state.maxPfn).toBe(0xffe0);
    const error = errorOf(() => finishE820Setup(state, { iomem: createIomem(46) }));
    expect(error.code).toBe('ENDS_AT_2_64');
    expect(state.pciMemStart).toBe(0xaeedbaben);
  });

  it('more than 128 entries are taken up to the capacity', () => {
    const entries = Array.from({ length: 400 }, (_, i) => ({
      addr: BigInt(i) * 0x2000000n,
      size: 0x1000000n,
      type: 1,
    }));
    const { log, state } = setupE820({ firmware: { entries } });
    expect(state.tableFirmware.entries).toHaveLength(320);
    expect(log.findIndex(({ text: line }) => line.startsWith('BIOS-provided'))).toBe(80);
    expect(log.slice(0, 80).every(({ level }) => level === 3)).toBe(true);
    expect(setupE820({ firmware: { entries }, maxEntries: 3200 }).state.maxPfn).toBe(
      399 * 0x2000 + 0x1000,
    );
  });
});

describe('any firmware map', () => {
  it('keeps the invariants through the boot; the firmware table knows nothing of the user (E820-11)', () => {
    const options = fc.constantFrom(
      '',
      'mem=1536G',
      'memmap=16K$8K,8K!24K',
      'memmap=40K%0-1+3',
      'mem=0',
    );
    fc.assert(
      fc.property(arbitraryEntries, options, (given, cmdline) => {
        // Enough RAM that every boot has some, also below 1.5 TiB, far from the small entries.
        const entries = [...given, ...map('10000000000+8000000 1; 20000000000+1000 1')];
        const bottom = map('100000+4000000 1');
        const result = boot({ firmware: { entries: [...entries, ...bottom] }, cmdline });
        const { state } = result.setup;
        expect(state.tableFirmware.entries).toEqual(sanitisedEntries([...entries, ...bottom], 320));
        expect(state.tableKexec.entries).toEqual(state.tableFirmware.entries);
        e820ReallocateTables(state);
        assertInvariants(state);
      }),
    );
  });
});
