import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { parseNodes } from '../../src/cli/boot.ts';
import { runCli } from '../support/cli.ts';
import { textOf } from '../support/source.ts';

const DMESG = textOf('docs/examples/6gib.dmesg');
/** 128 MiB, as little as a log can say: the kernel refuses to edit a map of one entry. */
const SMALL =
  'BIOS-e820: [mem 0x0000000000001000-0x000000000009ffff] usable\n' +
  'BIOS-e820: [mem 0x0000000000100000-0x0000000007ffffff] usable\n';

describe('the output', () => {
  test('is the log, /proc/buddyinfo, and the zones', async () => {
    const { status, out, err } = await runCli(['boot', '-', '--cpus', '2'], { input: DMESG });
    expect({ status, err }).toEqual({ status: 0, err: '' });
    const [log = '', buddyinfo = '', zones = '', ...rest] = out.split('\n\n');
    expect(rest).toEqual([]);
    expect(log).toMatch(/^BIOS-provided physical RAM map:\n/);
    expect(buddyinfo.split('\n')).toHaveLength(3);
    expect(buddyinfo).toMatch(/^Node 0, zone {6}DMA( {6}\d){8} /);
    expect(zones.split('\n').map((line) => line.split(/ +/))).toEqual([
      ['node', 'zone', 'pfns', 'spanned', 'present', 'managed', 'min', 'low', 'high'],
      ['0', 'DMA', '1-4095', '4095', '3998', '3840', '42', '52', '62'],
      ['0', 'DMA32', '4096-1048575', '1044480', '782304', '759770', '8433', '10541', '12649'],
      ['0', 'Normal', '1048576-1835007', '786432', '786432', '758480', '8419', '10523', '12627'],
      [''],
    ]);
  });

  test('agrees line by line with what the real kernel logged', async () => {
    const { out } = await runCli(['boot', 'docs/examples/6gib.dmesg', '--cpus', '2']);
    const ours = new Set(out.split('\n').map((line) => line.trimEnd()));
    const theirs = DMESG.trimEnd().split('\n');
    const missing = theirs.filter((line) => !ours.has(line.trimEnd()));
    // The MP table is firmware's, not of the memory map.
    expect(missing).toEqual(['found SMP MP-table at [mem 0x000f5ba0-0x000f5baf]']);
  });

  test('--json holds the same as one value', async () => {
    const { status, out } = await runCli(['boot', '--json'], { input: SMALL });
    expect(status).toBe(0);
    const result = JSON.parse(out) as Record<string, unknown>;
    expect(Object.keys(result)).toEqual(['log', 'e820', 'memblock', 'state']);
    expect(result).toMatchObject({
      e820: [
        { addr: '0x1000', size: '0x9f000', type: 1 },
        { addr: '0x100000', size: '0x7f00000', type: 1 },
      ],
      memblock: {
        memory: [
          { base: '0x1000', size: '0x9f000', flags: 0, node: 0 },
          { base: '0x100000', size: '0x7f00000', flags: 0, node: 0 },
        ],
      },
      state: { pageblockOrder: 9, cpuNode: [0] },
    });
    // Most of what is reserved has no node, and -1 says so, as in the recordings.
    const { reserved } = result.memblock as { reserved: { node: number }[] };
    expect(new Set(reserved.map(({ node }) => node))).toEqual(new Set([0, -1]));
  });
});

describe('the input', () => {
  const json =
    '[{"addr":"0x1000","size":"0x9f000","type":1},{"addr":"0x100000","size":"0x7f00000","type":1}]';
  const listing =
    '0/start:0x1000\n0/end:0x9ffff\n0/type:System RAM\n' +
    '1/start:0x100000\n1/end:0x7ffffff\n1/type:System RAM\n';

  test('may be a log, a listing or JSON, zipped or not, a file or the standard input', async () => {
    const buddyinfo = async (args: string[], input: string | Uint8Array = ''): Promise<string> => {
      const files = { 'a.log': SMALL, 'a.gz': gzipSync(SMALL) };
      const { status, out, err } = await runCli(['boot', ...args], { input, files });
      expect({ status, err }).toEqual({ status: 0, err: '' });
      return out.split('\n\n').slice(1).join('\n\n');
    };
    const expected = await buddyinfo(['a.log']);
    expect(await buddyinfo(['a.gz'])).toBe(expected);
    expect(await buddyinfo([], SMALL)).toBe(expected);
    expect(await buddyinfo(['-'], json)).toBe(expected);
    expect(await buddyinfo(['-'], listing)).toBe(expected);
    expect(await buddyinfo(['-'], gzipSync(listing))).toBe(expected);
  });

  test.each([
    ['nothing', '', /^pageframe boot: /],
    ['no map', 'hello\nworld\n', /^pageframe boot: /],
    ['a torn line', 'BIOS-e820: [mem 0x0000000000100000-0x00000000', /line 1|torn/i],
    ['no RAM', SMALL.replaceAll('usable', 'reserved'), /RAM/],
    ['broken JSON', '[{"addr":', /JSON/i],
  ])('%s fails with a reason and nothing on the standard output', async (_, input, message) => {
    const { status, out, err } = await runCli(['boot'], { input });
    expect({ status, out }).toEqual({ status: 1, out: '' });
    expect(err).toMatch(message);
  });

  test('messages name the input', async () => {
    const files = { 'a.log': 'hello\n' };
    const { err } = await runCli(['boot', 'a.log'], { files });
    expect(err).toBe('pageframe boot: a.log: the log shows no map of the firmware\n');
    const { err: ofInput } = await runCli(['boot'], { input: '[]' });
    expect(ofInput).toBe('pageframe boot: standard input: the JSON text holds no entry\n');
  });

  test('who sits at a terminal is told that the input is read from there', async () => {
    const { status, err } = await runCli(['boot'], { input: SMALL, terminal: true });
    expect({ status, err }).toEqual({ status: 0, err: 'pageframe: reading the standard input\n' });
  });

  test('a file that is not there fails', async () => {
    const { status, err } = await runCli(['boot', 'no-such-file']);
    expect(status).toBe(1);
    expect(err).toMatch(/^pageframe boot: no-such-file: no such file or directory\n/);
  });
});

describe('options', () => {
  test('--cmdline edits the map', async () => {
    const { out } = await runCli(['boot', '--cmdline', 'mem=64M'], { input: SMALL });
    expect(out).toContain('last_pfn = 0x4000 ');
  });

  test('without --cmdline the one in the log counts', async () => {
    const input = `${SMALL}Command line: console=ttyS0 mem=64M\n`;
    expect((await runCli(['boot'], { input })).out).toContain('last_pfn = 0x4000 ');
    expect((await runCli(['boot', '--cmdline', ''], { input })).out).toContain(
      'last_pfn = 0x8000 ',
    );
  });

  test('--nodes gives memory to nodes', async () => {
    const { out } = await runCli(['boot', '--nodes', '0-64M,64M-128M', '--cpus', '2'], {
      input: SMALL,
    });
    expect(out).toMatch(/^Node 1, zone {4}DMA32 /m);
    expect(out).toMatch(/^1 +DMA32 +16384-32767 /m);
  });

  test.each([
    ['0-1G,1G-2G', [[[0n, 2n ** 30n]], [[2n ** 30n, 2n ** 31n]]]],
    [
      '0x1000-16M+1G-2G',
      [
        [
          [0x1000n, 2n ** 24n],
          [2n ** 30n, 2n ** 31n],
        ],
      ],
    ],
  ])('--nodes %s', (list, expected) => {
    const ranges = parseNodes(list).map(({ memory }) =>
      memory.map(({ start, end }) => [start, end]),
    );
    expect(ranges).toEqual(expected);
  });

  test.each([
    [['--nodes', '2']],
    [['--nodes', '1G-1G']],
    [['--nodes', '2G-1G']],
    [['--nodes', '0-1G,']],
    [['--nodes', '0-1Q']],
    [['--nodes', '0-1G-2G']],
    [['--nodes', 'M-1G']],
    [['--nodes', '0-1G09']],
    [['--nodes', '0-0889']],
    [['--nodes', '0-99999999999999999999G']],
    [['--nodes', '0-16E']],
    [['--nodes', '0-0x10000000000001000']],
    [['--cpus', '0']],
    [['--cpus', 'two']],
    [['--cpus', '5000']],
    [['--colour']],
    [['a', 'b']],
  ])('%j is a wrong usage', async (args) => {
    const { status, out, err } = await runCli(['boot', ...args], { input: SMALL });
    expect({ status, out }).toEqual({ status: 2, out: '' });
    expect(err).toMatch(/^pageframe boot: .*\nTry 'pageframe boot --help'/);
  });

  test('nodes that leave RAM without a node fail', async () => {
    const { status, err } = await runCli(['boot', '--nodes', '0-64M'], { input: SMALL });
    expect(status).toBe(1);
    expect(err).toBe('pageframe boot: RAM [mem 0x04000000-0x07ffffff] belongs to no node\n');
  });
});
