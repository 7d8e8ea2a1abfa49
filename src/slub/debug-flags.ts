import { DEBUG_DEFAULT_FLAGS, SlabFlag } from '../mm/slab-flags.ts';
import type { LogSink } from '../mm/trace.ts';

/** One block of `slub_debug=` that names caches. */
export interface DebugBlock {
  /** Debug flags of the block. */
  readonly flags: number;
  /** Names, some with `*`. */
  readonly names: readonly string[];
}

/** What `slub_debug` asks for. */
export interface SlubDebug {
  /** Flags for caches that no block names. */
  readonly flags: number;
  /** Blocks with names, in order. */
  readonly blocks: readonly DebugBlock[];
  /** Option `O`: no debugging that raises the order of a single object. */
  readonly disableHigherOrder: boolean;
}

/** Letters of `slub_debug=` and their flags. */
const LETTERS: ReadonlyMap<string, number> = new Map([
  ['f', SlabFlag.SLAB_CONSISTENCY_CHECKS],
  ['z', SlabFlag.SLAB_RED_ZONE],
  ['p', SlabFlag.SLAB_POISON],
  ['u', SlabFlag.SLAB_STORE_USER],
  ['t', SlabFlag.SLAB_TRACE],
  // SLAB_FAILSLAB is 0 without CONFIG_FAILSLAB.
  ['a', 0],
]);

/** No debugging asked for: without the boot parameter. */
export function noSlubDebug(debugOn = false): SlubDebug {
  const flags = debugOn ? DEBUG_DEFAULT_FLAGS : 0;
  return { flags, blocks: [], disableHigherOrder: false };
}

function optionFlags(options: string, log: LogSink | null): { flags: number; higher: boolean } {
  let flags = 0;
  let higher = false;
  for (const letter of options) {
    const option = letter.toLowerCase();
    const flag = LETTERS.get(option);
    if (option === '-') flags = 0;
    else if (option === 'o') higher = true;
    else if (flag === undefined) log?.(`slub_debug option '${letter}' unknown. skipped`);
    else flags |= flag;
  }
  return { flags, higher };
}

/**
 * Parses the boot parameter.
 * @param text what follows `slub_debug`, with the `=` if there is one
 * @param log where unknown letters are reported
 * @param debugOn whether the build has SLUB_DEBUG_ON
 * @kernel setup_slub_debug, parse_slub_debug_flags (spec slub 4.3)
 */
export function parseSlubDebug(
  text: string,
  log: LogSink | null = null,
  debugOn = false,
): SlubDebug {
  if (!text.startsWith('=') || text === '=') return noSlubDebug(true);
  const body = text.slice(1);
  const blocks: DebugBlock[] = [];
  let globalFlags = -1;
  let disableHigherOrder = false;
  for (const block of body.split(';')) {
    if (block === '') continue;
    const comma = block.indexOf(',');
    const options = comma < 0 ? block : block.slice(0, comma);
    const parsed = optionFlags(options, log);
    const flags = comma === 0 ? DEBUG_DEFAULT_FLAGS : parsed.flags;
    if (parsed.higher) disableHigherOrder = true;
    if (comma < 0) globalFlags = flags;
    else blocks.push({ flags, names: block.slice(comma + 1).split(',') });
  }
  if (globalFlags < 0) globalFlags = debugOn ? DEBUG_DEFAULT_FLAGS : 0;
  return { flags: globalFlags, blocks: withStrayEnds(blocks, body), disableHigherOrder };
}

/**
 * The kernel looks for the end of a name with its eye on the next `;`: a name directly followed by
 * a `;` that ends the text, or by two of them, is compared with one `;` attached.
 */
function withStrayEnds(blocks: readonly DebugBlock[], body: string): DebugBlock[] {
  let from = 0;
  return blocks.map(({ flags, names }) => {
    const end = body.indexOf(',', from) + names.join(',').length + 1;
    from = end;
    const stray = body[end] === ';' && (end + 1 === body.length || body[end + 1] === ';');
    const last = names.length - 1;
    return { flags, names: stray ? names.with(last, `${names[last]};`) : names };
  });
}

/** Whether a name of a list matches a cache: what is before a `*`, or all of it. */
function matches(pattern: string, name: string): boolean {
  const star = pattern.indexOf('*');
  return star < 0 ? pattern === name : name.startsWith(pattern.slice(0, star));
}

/**
 * The flags of a cache with what `slub_debug` adds for its name.
 * @kernel kmem_cache_flags (spec slub 4.3)
 */
export function kmemCacheFlags(debug: SlubDebug, flags: number, name: string): number {
  if ((flags & SlabFlag.SLAB_NO_USER_FLAGS) !== 0) return flags;
  for (const block of debug.blocks) {
    if (block.names.some((pattern) => matches(pattern, name))) return (flags | block.flags) >>> 0;
  }
  const noTracks = (flags & SlabFlag.SLAB_NOLEAKTRACE) !== 0;
  const added = noTracks ? debug.flags & ~SlabFlag.SLAB_STORE_USER : debug.flags;
  return (flags | added) >>> 0;
}
