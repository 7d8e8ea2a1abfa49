import { describe, expect, it } from 'vitest';
import {
  e820FirmwareMap,
  e820ToJson,
  formatE820Map,
  formatFirmwareMap,
  parseE820,
} from '../../src/e820/index.ts';
import { errorOf, map, table, text } from './support.ts';

const A = '0+9fc00 1; 9fc00+400 2; 100000+7ee0000 1';
const DMESG = formatE820Map(map(A), 'BIOS-e820')
  .map((line) => `[    0.000000] ${line}`)
  .join('\n');
const LISTING = Object.entries(formatFirmwareMap(e820FirmwareMap(table(A))))
  .map(([path, value]) => `/sys/firmware/memmap/${path}:${value}`)
  .join('');

describe('parseE820 finds the form', () => {
  it.each([
    ['dmesg', DMESG],
    ['dmesg', `\n${DMESG}\n`],
    ['dmesg', `[mem 0x0-0x1] available for PCI devices\n${DMESG}`],
    ['memmap', LISTING],
    ['memmap', LISTING.replaceAll('/sys/firmware/memmap/', '')],
    ['memmap', LISTING.replace(/(\S+):(.*)\n/g, '==> $1 <==\n$2\n\n')],
    ['json', JSON.stringify(e820ToJson(map(A)))],
    [
      'json',
      JSON.stringify(
        { e820: map(A).map((e) => [Number(e.addr), Number(e.size), e.type]) },
        null,
        2,
      ),
    ],
    ['json', `\n[\n[0,654336,1],[654336,1024,2],["0x100000","0x7ee0000",1]]`],
  ])('%s', (format, input) => {
    const parsed = parseE820(input);
    expect(parsed.format).toBe(format);
    expect(text([...parsed.firmware.entries])).toBe(A);
    expect(parsed.log === null).toBe(format !== 'dmesg');
  });

  it('takes a single sanitised range of a listing or a log as it is', () => {
    const one = '0/start:0x0\n0/end:0xffffff\n0/type:System RAM\n';
    expect(parseE820(one).firmware).toEqual({ entries: map('0+1000000 1'), who: 'BIOS-e820' });
    const line = 'BIOS-e820: [mem 0x0000000000000000-0x0000000000ffffff] usable';
    expect(parseE820(line).firmware).toEqual({ entries: map('0+1000000 1'), who: 'BIOS-e820' });
  });

  it.each([
    ['', 'NO_MAP'],
    ['hello\nworld', 'NO_MAP'],
    ['[]', 'NO_MAP'],
    ['{"entries":[]}', 'NO_MAP'],
    ['{"entries":', 'BAD_JSON'],
    ['[[1', 'BAD_JSON'],
    ['0/start:0x0', 'BAD_LISTING'],
    ['BIOS-e820: [mem 0x', 'TORN_LINE'],
  ])('%j: %s', (input, code) => {
    expect(errorOf(() => parseE820(input)).code).toBe(code);
  });
});
