import type { BootNode, NodeMemory } from '../boot/types.ts';
import { formatBuddyinfo } from '../buddy/buddyinfo.ts';
import { e820ToJson } from '../e820/json.ts';
import { memparse } from '../e820/memparse.ts';
import { type ParsedE820, parseE820 } from '../e820/parse.ts';
import { PageframeError } from '../lib/errors.ts';
import { hex } from '../lib/units.ts';
import { boot, type Machine } from '../machine.ts';
import type { Memblock } from '../memblock/memblock.ts';
import { isPopulated, WatermarkIndex, zoneEndPfn } from '../mm/zone.ts';
import { ZONE_NAMES } from '../mm/zone-types.ts';
import { kernelStateOf } from '../recording/state-compare.ts';
import { integerOption, parseArguments } from './arguments.ts';
import { FileError, UsageError } from './errors.ts';
import { readText } from './files.ts';
import { formatTable } from './table.ts';
import { type CliIo, type Command, ExitStatus } from './types.ts';

const CPUS_MAX = 4096;
/** End of the physical addresses of x86-64. */
const ADDRESS_END = 2 ** 52;

const HELP = `Usage: pageframe boot [FILE|-] [--cmdline TEXT] [--cpus N] [--nodes LIST] [--json]

Boots a machine from its firmware memory map, as Linux 6.1 does. Prints the kernel's log, then
/proc/buddyinfo and a table of the zones.

  FILE            a kernel log with BIOS-e820 lines (dmesg), a listing of /sys/firmware/memmap
                  ("grep -r . /sys/firmware/memmap", or a tar of it), or JSON
                  ([{"addr": "0x0", "size": "0x9fc00", "type": 1}, ...]); may be a gzip file.
                  - is the standard input, the default
  --cmdline TEXT  kernel command line (mem=, memmap=, kernelcore=, movablecore=, numa=fake=, ...);
                  default: the one that the kernel log shows, else none
  --cpus N        number of CPUs, default 1
  --nodes LIST    memory of the NUMA nodes: START-END of each, END not included, separated by
                  commas; ranges of the same node are joined by +. Example: 0-1G+3G-4G,1G-3G
  --json          print the log, the memory map, the memblock regions and the state of the page
                  allocator as one JSON value instead

Exit status: 0 booted; 1 the map cannot be read or the machine cannot boot; 2 wrong usage.
`;

/** `pageframe boot`: from a firmware map to free lists. */
export const bootCommand: Command = {
  name: 'boot',
  summary: 'boot a machine from its memory map and show its free lists',
  help: HELP,
  run: runBoot,
};

async function runBoot(args: readonly string[], io: CliIo): Promise<number> {
  const { values, positionals } = parseArguments(args, {
    cmdline: { type: 'string' },
    cpus: { type: 'string' },
    nodes: { type: 'string' },
    json: { type: 'boolean' },
  });
  if (positionals.length > 1)
    throw new UsageError(`boot takes one FILE, got ${positionals.length}`);
  const cpus = values.cpus === undefined ? 1 : integerOption('cpus', values.cpus, 1, CPUS_MAX);
  const nodes = values.nodes === undefined ? {} : { nodes: parseNodes(values.nodes) };
  const map = await readMap(positionals[0] ?? '-', io);
  const cmdline = values.cmdline ?? map.log?.commandLine ?? '';
  const machine = boot({ e820: map.firmware, cmdline, cpus, ...nodes });
  io.out(values.json === true ? jsonOf(machine) : textOf(machine));
  return ExitStatus.OK;
}

async function readMap(path: string, io: CliIo): Promise<ParsedE820> {
  const text = await readText(path, io);
  try {
    return parseE820(text);
  } catch (error) {
    throw error instanceof PageframeError ? new FileError(path, error.message) : error;
  }
}

/**
 * Reads the value of `--nodes`.
 * @throws UsageError with the range that cannot be understood
 */
export function parseNodes(list: string): BootNode[] {
  return list.split(',').map((node) => ({ memory: node.split('+').map(parseNodeRange) }));
}

function parseNodeRange(text: string): NodeMemory {
  const [start = null, end = null, ...rest] = text.split('-').map(parseSize);
  if (start !== null && end !== null && rest.length === 0 && start < end) return { start, end };
  throw new UsageError(`--nodes: '${text}' is no range; write START-END, e.g. 0-1G`);
}

/** A size of the command line; null for none, or one that no address of x86-64 reaches. */
function parseSize(text: string): bigint | null {
  const [, digits, suffix = ''] = /^(0x[\da-f]+|\d+)([kmgtpe]?)$/i.exec(text) ?? [];
  if (digits === undefined) return null;
  // memparse drops the bits past 2^64, without a word.
  const about = Number(digits) * 1024 ** ' kmgtpe'.indexOf(suffix.toLowerCase() || ' ');
  return about > ADDRESS_END || memparse(text).used < text.length ? null : memparse(text).value;
}

function textOf(machine: Machine): string {
  const log = machine.dmesg().map((line) => `${line}\n`);
  return `${log.join('')}\n${formatBuddyinfo(machine.model)}\n${zoneTable(machine)}`;
}

/** What the zones came to, in pages. */
function zoneTable({ model }: Machine): string {
  const rows = model.zones
    .filter(isPopulated)
    .map((zone) => [
      String(zone.node),
      ZONE_NAMES[zone.index],
      `${zone.startPfn}-${zoneEndPfn(zone) - 1}`,
      ...[zone.spannedPages, zone.presentPages, zone.managedPages].map(String),
      ...[...zone.watermark.subarray(0, WatermarkIndex.WMARK_PROMO)].map(String),
    ]);
  const heading = ['node', 'zone', 'pfns', 'spanned', 'present', 'managed', 'min', 'low', 'high'];
  return formatTable([heading, ...rows], 2);
}

function jsonOf(machine: Machine): string {
  const { e820, memblock, model } = machine;
  const result = {
    log: machine.dmesg(),
    e820: e820ToJson(e820?.setup.state.table.entries ?? []),
    memblock: { memory: regionsOf(memblock, 'memory'), reserved: regionsOf(memblock, 'reserved') },
    state: kernelStateOf(model),
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}

/** The regions of one array; node -1 where none is assigned, as in the recordings. */
function regionsOf(memblock: Memblock, name: 'memory' | 'reserved'): object[] {
  return memblock.regions(name).map(({ base, size, flags, nid }) => ({
    base: hex(base),
    size: hex(size),
    flags,
    node: nid === memblock.state.maxNumnodes ? -1 : nid,
  }));
}
