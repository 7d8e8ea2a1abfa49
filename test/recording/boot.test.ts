// covers: src/recording/boot.ts src/recording/boot-lines.ts src/recording/boot-reader.ts
import { describe, expect, test } from 'vitest';
import { replayBoot } from '../../src/recording/boot.ts';
import { compareBootLines, imageSizesOf } from '../../src/recording/boot-lines.ts';
import type { Recording } from '../../src/recording/types.ts';
import { BOOT_RECORDINGS, bootRecording } from '../boot/support.ts';

test.each(BOOT_RECORDINGS)('%s replays without a divergence', (name) => {
  const { recording, dmesg } = bootRecording(name);
  const { operations, divergence } = replayBoot(recording);
  expect(divergence).toBeNull();
  expect(operations).toBe(dmesg.value.length + 5);
});

/** A recording of which one line was changed. */
function changed(name: string, field: string, change: (text: string) => string): Recording {
  const { recording } = bootRecording(name);
  const lines = recording.lines.map((line) => {
    const text = JSON.stringify(line.value);
    if (!text.startsWith(`{"${field}":`)) return line;
    const other = change(text);
    expect(other).not.toBe(text);
    return { ...line, value: JSON.parse(other) };
  });
  return { ...recording, lines };
}

describe('a number that is not what the kernel had is found', () => {
  test.each([
    ['e820', '"0x9ec00"', '"0x9ec01"', 4],
    ['pfns', '16352', '16353', 6],
    ['memblock', '"0x3ee0000"', '"0x3ed0000"', 5],
    ['dmesg', '16416 pages', '16417 pages', 2],
    ['dmesg', '37132K/', '37136K/', 2],
    ['dmesg', '0x03fdc000-0x03fdffff', '0x03fb0000-0x03fb3fff', 2],
    ['dmesg', '[mem 0x0000000000000000-0x0000000003fdffff]', '[mem 0x0-0x3fdffff]', 2],
    ['dmesg', '"Policy zone: DMA32",', '', 2],
    ['dmesg', '"Policy zone: DMA32"', '"Policy zone: DMA32","What is this"', 2],
    ['afterFreeAll', '14895', '14894', 7],
    ['afterFreeAll', '[24,1]', '[23,1],[1,0]', 7],
    ['afterFreeAll', '[[0,"DMA32"],[0,"DMA"]],', '[[0,"DMA"]],', 7],
    ['booted', '"totalreserve":307', '"totalreserve":308', 8],
    ['booted', '"watermark":[113,', '"watermark":[114,', 8],
    ['booted', '"statThreshold":2', '"statThreshold":3', 8],
    ['booted', '"high":141', '"high":142', 8],
  ])('%s: %s', (field, from, to, line) => {
    const { divergence } = replayBoot(
      changed('boot-01.ndjson.gz', field, (text) => text.replace(from, to)),
    );
    expect(divergence?.line).toBe(line);
  });

  test('of emulated nodes', () => {
    const recording = changed('boot-10.ndjson.gz', 'dmesg', (text) =>
      text.replace('0x000000003fffffff] (1024MB)', '0x00000000400fffff] (1025MB)'),
    );
    expect(replayBoot(recording).divergence?.expected).toContain('Faking node 0');
    const size = changed('boot-10.ndjson.gz', 'dmesg', (text) => text.replace('(1024MB)', '(1MB)'));
    expect(replayBoot(size).divergence?.expected).toContain('Faking node 0');
  });

  test('regions that cannot boot are a divergence, not a crash', () => {
    const recording = changed('boot-01.ndjson.gz', 'memblock', (text) =>
      text.replaceAll('"0x100000",', '"0xfff0000000000000",'),
    );
    expect(replayBoot(recording).divergence?.line).toBe(5);
    const { recording: whole, meta } = bootRecording('boot-01.ndjson.gz');
    const map = { ...whole, meta: { ...meta, cmdline: 'memmap=exactmap memmap=8M@16M' } };
    expect(replayBoot(map).divergence).toMatchObject({ line: 3, call: 'e820 set-up' });
  });
});

describe('a line that is not understood is an error', () => {
  const { recording } = bootRecording('boot-01.ndjson.gz');
  const withLine = (value: unknown) => ({
    ...recording,
    lines: [...recording.lines, { number: 9, value }],
  });

  test.each([
    ['an unknown line', { surprise: 1 }, 'UNKNOWN_LINE'],
    ['a line twice', { pfns: { maxPfn: 1, maxLowPfn: 1, minLowPfn: 0 } }, 'UNKNOWN_LINE'],
    ['two fields in a line', { pfns: {}, e820: [] }, 'UNKNOWN_LINE'],
    ['no object', ['alloc', 0], 'BAD_VALUE'],
  ])('%s', (_, value, code) => {
    expect(() => replayBoot(withLine(value))).toThrowError(expect.objectContaining({ code }));
  });

  test.each([
    ['pfns', '"minLowPfn":0', '"minLowPfn":0,"more":1', 'UNKNOWN_FIELD'],
    ['memblock', '"reserved"', '"retained"', 'UNKNOWN_FIELD'],
    ['memblock', '"0x9e000"', '"9e000"', 'BAD_VALUE'],
    ['e820', ',1]', ',-1]', 'BAD_VALUE'],
    ['dmesg', '"Zone ranges:"', '7', 'BAD_VALUE'],
  ])('%s: %s', (field, from, to, code) => {
    const spoilt = changed('boot-01.ndjson.gz', field, (text) => text.replace(from, to));
    expect(() => replayBoot(spoilt)).toThrowError(expect.objectContaining({ code }));
  });

  test('a missing line', () => {
    const lines = recording.lines.slice(0, -1);
    expect(() => replayBoot({ ...recording, lines })).toThrowError(/has no booted/);
  });
});

describe('lines of the kernel log', () => {
  const facts = {
    endAddr: 0x2000n,
    memory: [{ base: 0n, size: 0x2000n, flags: 0, nid: 0 }],
    reserved: [{ base: 0x1000n, size: 0x1000n, flags: 0, nid: -1 }],
  };

  test('that the recorder leaves out do not count, those that it keeps do', () => {
    expect(compareBootLines(['Zone ranges:'], ['e820: x', 'Zone ranges:'], facts)).toBeNull();
    expect(compareBootLines([], ['Zone ranges:'], facts)).toEqual({
      index: 0,
      expected: null,
      got: 'Zone ranges:',
    });
  });

  test('are compared in order', () => {
    const recorded = ['Zone ranges:', 'Early memory node ranges'];
    expect(compareBootLines(recorded, [...recorded].reverse(), facts)?.index).toBe(0);
  });

  test('about inputs are checked against the regions', () => {
    const check = (line: string) => compareBootLines([line], [], facts);
    expect(check('NODE_DATA(0) allocated [mem 0x00001000-0x00001fff]')).toBeNull();
    expect(check('NODE_DATA(0) allocated [mem 0x00000000-0x00000fff]')).not.toBeNull();
    expect(check('    NODE_DATA(0) on node 1')).toBeNull();
    expect(check('NUMA turned off')).toBeNull();
    expect(check('NUMA: Initialized distance table, cnt=2')).toBeNull();
    expect(check('found SMP MP-table at [mem 0x000f5ba0-0x000f5baf]')).toBeNull();
    expect(check('found SMP MP-table at nowhere [mem ]')).not.toBeNull();
    const a = '[mem 0x00000000-0x00000fff]';
    const b = '[mem 0x00001000-0x00001fff]';
    expect(check(`NUMA: Node 0 ${a} + ${b} -> [mem 0x00000000-0x00001fff]`)).toBeNull();
    expect(check(`NUMA: Node 0 ${a} + ${b} -> [mem 0x00000000-0x00002fff]`)).not.toBeNull();
    expect(check(`NUMA: Node 0 ${a}`)).not.toBeNull();
    const wide = (from: number, to: number) =>
      `[mem 0x${from.toString(16).padStart(16, '0')}-0x${to.toString(16).padStart(16, '0')}]`;
    expect(check(`Faking node 0 at ${wide(0, 0xfff)} (0MB)`)).toBeNull();
    expect(check(`Faking node 1 at ${wide(0, 0xfff)} (0MB)`)).not.toBeNull();
    expect(check(`Faking node 0 at ${wide(0x2000, 0x2fff)} (0MB)`)).not.toBeNull();
  });

  test('tell the sizes of the image', () => {
    expect(imageSizesOf(['x'])).toBeUndefined();
    const line =
      'Memory: 1K/2K available (1K kernel code, 2K rwdata, 3K rodata, 4K init, 5K bss, 6K';
    expect(imageSizesOf([line])).toEqual({ kernelCode: 1, rwdata: 2, rodata: 3, init: 4, bss: 5 });
  });
});
