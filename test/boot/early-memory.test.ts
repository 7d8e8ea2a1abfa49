import { describe, expect, test } from 'vitest';
import { earlyMemory } from '../../src/boot/early-memory.ts';
import { defaultReservations } from '../../src/boot/reservations.ts';
import type { BootOptions } from '../../src/boot/types.ts';
import { arrayBufferMemory, noMemory } from '../../src/memory/index.ts';
import { reservedText, textLog } from './support.ts';

const MIB = 1n << 20n;
const E820 = [
  { addr: 0n, size: 0x9fc00n, type: 1 },
  { addr: 0x9fc00n, size: 0x400n, type: 2 },
  { addr: MIB, size: 63n * MIB, type: 1 },
];

function early(options: Partial<BootOptions> = {}) {
  const { log, lines } = textLog();
  return { ...earlyMemory({ e820: E820, ...options }, defaultReservations(), log), lines };
}

test('memory is that of the map in whole pages; the image and low memory are reserved', () => {
  const { memblock, e820 } = early();
  const memory = memblock.regions('memory').map(({ base, end }) => [base, end]);
  expect(memory).toEqual([
    [0x1000n, 0x9f000n],
    [MIB, 64n * MIB],
  ]);
  expect(reservedText(memblock)).toBe('0-100000 1000000-2806000');
  expect(e820.state.maxPfn).toBe(0x4000);
  expect(memblock.getCurrentLimit()).toBe(64n * MIB);
});

describe('the map may be', () => {
  const dmesg = [
    '[    0.000000] BIOS-provided physical RAM map:',
    '[    0.000000] BIOS-e820: [mem 0x0000000000000000-0x000000000009fbff] usable',
    '[    0.000000] BIOS-e820: [mem 0x000000000009fc00-0x000000000009ffff] reserved',
    '[    0.000000] BIOS-e820: [mem 0x0000000000100000-0x0000000003ffffff] usable',
  ].join('\n');

  test('a kernel log', () => {
    expect(early({ e820: dmesg }).e820.state.table.entries).toEqual(
      early().e820.state.table.entries,
    );
  });

  test('what a boot loader says', () => {
    const { e820 } = early({ e820: { entries: E820, who: 'Xen' } });
    expect(e820.log.map(({ text }) => text)[1]).toContain('Xen: [mem');
  });

  test('setup_data, which is reserved and marked', () => {
    const setupData = [{ address: 0x3000000n, type: 2, length: 0xff0 }];
    const { memblock, e820 } = early({ setupData });
    expect(reservedText(memblock)).toContain('3000000-3001000');
    expect(e820.state.table.entries.some(({ type }) => type === 128)).toBe(true);
  });
});

test('the command line edits the map and sets memblock up', () => {
  const { memblock, lines } = early({ cmdline: 'mem=48M memblock=debug movable_node' });
  expect(memblock.regions('memory')[1].end).toBe(48n * MIB);
  expect(memblock.state.movableNode).toBe(true);
  expect(memblock.bottomUp()).toBe(true);
  // The reservations made before the command line was read are not logged.
  expect(lines.some((line) => line.includes('memblock_add: [0x0000000000001000'))).toBe(true);
  expect(lines.some((line) => line.includes('memblock_reserve: [0x0000000001000000'))).toBe(false);
});

test('alloc_mptable takes room below 1 MiB', () => {
  const { lines } = early({ cmdline: 'alloc_mptable' });
  expect(lines).toContain('update e820_table_kexec for e820__memblock_alloc_reserved()');
});

test('a backend must hold all of RAM', () => {
  expect(() => early({ memory: noMemory(64 << 20) })).not.toThrow();
  expect(() => early({ memory: arrayBufferMemory(new ArrayBuffer(1 << 20)) })).toThrowError(
    expect.objectContaining({
      code: 'MEMORY_TOO_SMALL',
      data: { needed: 64 << 20, sizeBytes: 1 << 20 },
    }),
  );
});

test('the direct mapping takes pages at the top, as many as the profile says', () => {
  const { log } = textLog();
  const { memblock } = earlyMemory(
    { e820: E820 },
    { ...defaultReservations(), directMapPages: 3 },
    log,
  );
  expect(reservedText(memblock)).toBe('0-100000 1000000-2806000 3ffd000-4000000');
});
