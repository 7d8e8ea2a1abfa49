import type { EarlyParamHandlers } from './early-param.ts';
import { E820Error } from './errors.ts';
import { formatE820Map, HEADER_USER } from './format.ts';
import { logInfo, logInfoLines, logWarning } from './log.ts';
import { memparse, parseDigits } from './memparse.ts';
import { EINVAL } from './query.ts';
import { e820RangeRemove, e820RangeUpdate } from './range.ts';
import type { E820State } from './state.ts';
import { e820RangeAdd } from './table.ts';
import { E820Type, type LogSink } from './types.ts';
import { U64_MAX } from './u64.ts';
import { e820UpdateTable } from './update-table.ts';

/** What the kernel says before it gives up on a map that the user made. */
export const INVALID_USER_MAP = 'Invalid user supplied memory map';

/** Type that each separator of `memmap=nn?ss` adds. */
const ADDED_TYPES: Readonly<Record<string, number>> = {
  '@': E820Type.RAM,
  '#': E820Type.ACPI,
  $: E820Type.RESERVED,
  '!': E820Type.PRAM,
};

/**
 * Handles `mem=`: removes all RAM at or above an address. Numbers that mean 0 change nothing, but
 * still count as a change by the user.
 * @param state its table is edited, `userdef` and `maxMemSize` are set
 * @param value text after `mem=`, null without one
 * @param log takes the lines
 * @param memoryHotplug whether CONFIG_MEMORY_HOTPLUG is on: then `maxMemSize` is set
 * @returns 0 or -22
 * @kernel parse_memopt, spec e820 4.10
 */
export function parseMemopt(
  state: E820State,
  value: string | null,
  log?: LogSink,
  memoryHotplug = true,
): number {
  if (value === null) return EINVAL;
  if (value === 'nopentium') {
    logWarning(log, 'mem=nopentium ignored! (only supported on x86_32)');
    return EINVAL;
  }
  state.userdef = true;
  const limit = memparse(value).value;
  if (limit === 0n) return EINVAL;
  e820RangeRemove(state.table, limit, U64_MAX - limit, E820Type.RAM, true, log);
  if (memoryHotplug) state.maxMemSize = limit;
  return 0;
}

/**
 * Handles `memmap=`, a list of parts separated by commas; errors in a part are ignored.
 * @param state its table is edited and `userdef` set
 * @param value text after `memmap=`, null without one
 * @param log takes the lines
 * @returns always 0
 * @throws E820Error `SAME_TYPE` for `nn%ss-T+T`, a kernel BUG
 * @kernel parse_memmap_opt, spec e820 4.10
 */
export function parseMemmapOpt(state: E820State, value: string | null, log?: LogSink): 0 {
  if (value === null) return 0;
  for (const part of value.split(',')) parseMemmapOne(state, part, log);
  return 0;
}

/**
 * Handles one part of `memmap=`: `exactmap`, `nn`, `nn@ss`, `nn#ss`, `nn$ss`, `nn!ss`, `nn%ss`,
 * `nn%ss-F`, `nn%ss+T` or `nn%ss-F+T`.
 * @param state its table is edited and `userdef` set
 * @param part the text
 * @param log takes the lines
 * @returns 0 or -22
 * @throws E820Error `SAME_TYPE` when F = T, a kernel BUG
 * @kernel parse_memmap_one, spec e820 4.10
 */
export function parseMemmapOne(state: E820State, part: string, log?: LogSink): number {
  const { table } = state;
  if (part.startsWith('exactmap')) {
    table.entries = [];
    state.userdef = true;
    return 0;
  }
  const size = memparse(part);
  if (size.used === 0) return EINVAL;
  state.userdef = true;
  const separator = part[size.used] ?? '';
  const start = memparse(part, size.used + 1);
  const end = size.used + 1 + start.used;
  if (separator === '%') return convert(state, start.value, size.value, part.slice(end), log);
  const type = ADDED_TYPES[separator];
  if (type === undefined) {
    e820RangeRemove(table, size.value, U64_MAX - size.value, E820Type.RAM, true, log);
    return 0;
  }
  e820RangeAdd(table, start.value, size.value, type, log);
  return end === part.length ? 0 : EINVAL;
}

/** The `%` form: `types` is what follows the address, `-F`, `+T`, both or nothing. */
function convert(
  { table }: E820State,
  start: bigint,
  size: bigint,
  types: string,
  log: LogSink | undefined,
): number {
  const from = typeAfter(types, 0, '-');
  const to = typeAfter(types, from.end, '+');
  if (to.end !== types.length) return EINVAL;
  if (from.type !== 0 && to.type !== 0) {
    e820RangeUpdate(table, start, size, from.type, to.type, log);
  } else if (to.type !== 0) {
    e820RangeAdd(table, start, size, to.type, log);
  } else {
    e820RangeRemove(table, start, size, from.type, from.type !== 0, log);
  }
  return 0;
}

/** The type after `sign` at an index, 0 when the sign is not there, and where it ends. */
function typeAfter(text: string, at: number, sign: string): { type: number; end: number } {
  if (text[at] !== sign) return { type: 0, end: at };
  const { value, used } = parseDigits(text, at + 1);
  return { type: Number(BigInt.asUintN(32, value)), end: at + 1 + used };
}

/**
 * The handlers of this area for {@link parseEarlyParams}: `mem` and `memmap`.
 * @param state what they edit
 * @param log takes the lines
 * @param memoryHotplug see {@link parseMemopt}
 */
export function e820EarlyParams(
  state: E820State,
  log?: LogSink,
  memoryHotplug = true,
): EarlyParamHandlers {
  return {
    mem: (value) => parseMemopt(state, value, log, memoryHotplug),
    memmap: (value) => parseMemmapOpt(state, value, log),
  };
}

/**
 * Sanitises and prints the map if the user changed it.
 * @param state its working map is sanitised
 * @param log takes the lines
 * @throws E820Error `INVALID_USER_MAP` where the kernel panics: the map has fewer than 2 entries or
 * one that reaches 2^64; `data.value` is the map
 * @kernel e820__finish_early_params, spec e820 4.12
 */
export function e820FinishEarlyParams(state: E820State, log?: LogSink): void {
  if (!state.userdef) return;
  const { table } = state;
  if (e820UpdateTable(table) < 0) {
    const message = `Kernel panic - not syncing: ${INVALID_USER_MAP}`;
    throw new E820Error('INVALID_USER_MAP', message, { value: table.entries });
  }
  logInfo(log, HEADER_USER);
  logInfoLines(log, formatE820Map(table.entries, 'user'));
}
