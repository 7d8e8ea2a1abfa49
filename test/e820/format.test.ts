import { describe, expect, it } from 'vitest';
import { formatHex, formatMem, formatMemWide } from '../../src/e820/format.ts';
import {
  formatE820Map,
  formatE820Type,
  formatIomemType,
  formatMtrrLoss,
  formatNosave,
  formatRamdisk,
  formatRemove,
  formatUpdate,
} from '../../src/e820/index.ts';
import { map } from './support.ts';

describe('numbers', () => {
  it('have 0x also for 0, and grow beyond their width', () => {
    expect(formatHex(0n, 18)).toBe('0x0000000000000000');
    expect(formatHex(0n, 10)).toBe('0x00000000');
    expect(formatHex(0, 0)).toBe('0x0');
    expect(formatHex(0xabcdef01234n, 10)).toBe('0xabcdef01234');
    expect(formatMem(0n, 0xffff_ffff_ffffn)).toBe('[mem 0x00000000-0xffffffffffff]');
    expect(formatMemWide(1n, 2n)).toBe('[mem 0x0000000000000001-0x0000000000000002]');
  });
});

describe('types', () => {
  it.each([
    [1, 'usable', 'System RAM'],
    [2, 'reserved', 'Reserved'],
    [3, 'ACPI data', 'ACPI Tables'],
    [4, 'ACPI NVS', 'ACPI Non-volatile Storage'],
    [5, 'unusable', 'Unusable memory'],
    [7, 'persistent (type 7)', 'Persistent Memory'],
    [12, 'persistent (type 12)', 'Persistent Memory (legacy)'],
    [128, 'usable', 'System RAM'],
    [0xefffffff, 'soft reserved', 'Soft Reserved'],
    [0, 'type 0', 'Unknown E820 type'],
    [6, 'type 6', 'Unknown E820 type'],
    [20, 'type 20', 'Unknown E820 type'],
    [0xffffffff, 'type 4294967295', 'Unknown E820 type'],
  ])('%i', (type, dmesg, iomem) => {
    expect(formatE820Type(type)).toBe(dmesg);
    expect(formatIomemType(type)).toBe(iomem);
  });
});

describe('lines', () => {
  it('a map, empty entries wrapping their end', () => {
    expect(formatE820Map(map('100000+3f00000 1; 1000+0 2; 0+0 3'), 'BIOS-e820')).toEqual([
      'BIOS-e820: [mem 0x0000000000100000-0x0000000003ffffff] usable',
      'BIOS-e820: [mem 0x0000000000001000-0x0000000000000fff] reserved',
      'BIOS-e820: [mem 0x0000000000000000-0xffffffffffffffff] ACPI data',
    ]);
  });

  it('edits', () => {
    expect(formatUpdate(0n, 0n, 1, 2)).toBe(
      'e820: update [mem 0x00000000-0xffffffffffffffff] usable ==> reserved',
    );
    expect(formatRemove(0x1000000n, 0x4430000n, null)).toBe(
      'e820: remove [mem 0x01000000-0x0442ffff] ',
    );
    expect(formatRemove(0n, 1n, 12)).toBe(
      'e820: remove [mem 0x00000000-0x00000000] persistent (type 12)',
    );
  });

  it('others', () => {
    expect(formatNosave(0x9f, 0x100)).toBe(
      'PM: hibernation: Registered nosave memory: [mem 0x0009f000-0x000fffff]',
    );
    expect(formatMtrrLoss(0x1ff_ffffn)).toBe(
      "WARNING: BIOS bug: CPU MTRRs don't cover all of memory, losing 31MB of RAM.",
    );
    expect(formatRamdisk(0x7a00000n, 0x2e123n)).toBe('RAMDISK: [mem 0x07a00000-0x07a2efff]');
  });
});
