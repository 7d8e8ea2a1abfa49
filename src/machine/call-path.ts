import { hex } from '../lib/units.ts';
import { ftraceSink } from '../mm/ftrace.ts';
import type { CallArguments, TraceSink } from '../mm/trace.ts';
import { functionFile } from './function-files.ts';

/** What is printed of a call. */
export interface CallPathOptions {
  /**
   * Functions where a debugger would stop: at the first entry of each, the whole path is printed, the
   * innermost call first. Default: none.
   */
  readonly breakAt?: readonly string[];
  /** Names of tracepoints that are printed among the calls. Default: none. */
  readonly events?: readonly string[];
  /**
   * How many calls of one function by one caller are printed, and how many tracepoints of one name;
   * the others are counted. Default 3.
   */
  readonly repeat?: number;
}

/** A call that has not returned. */
interface OpenCall {
  readonly name: string;
  readonly args: CallArguments;
  /** The JavaScript stack at its entry, outermost frame first; the last one is its own. */
  readonly stack: readonly string[];
  /** Whether it is printed. */
  readonly isShown: boolean;
  /** Calls made by it, and tracepoints met, by name. */
  readonly calls: Map<string, number>;
}

/** Arguments shown as hexadecimal numbers: masks and page frames. */
const HEX_ARGUMENTS: ReadonlySet<string> = new Set([
  'gfp',
  'gfp_mask',
  'gfp_flags',
  'gfpflags',
  'flags',
  'alloc_flags',
  'page',
  'slab',
  'migrate_pfn',
  'free_pfn',
]);

/** Arguments that are shown by the names of their values. */
const NAMED_ARGUMENTS: Readonly<Record<string, readonly string[]>> = {
  prio: ['COMPACT_PRIO_SYNC_FULL', 'COMPACT_PRIO_SYNC_LIGHT', 'COMPACT_PRIO_ASYNC'],
  mode: ['MIGRATE_ASYNC', 'MIGRATE_SYNC_LIGHT', 'MIGRATE_SYNC'],
  lru: ['LRU_INACTIVE_ANON', 'LRU_ACTIVE_ANON', 'LRU_INACTIVE_FILE', 'LRU_ACTIVE_FILE'],
};

const REPEAT_DEFAULT = 3;

/**
 * Prints which functions a call goes through, with their arguments, as it happens; in the manner of a
 * debugger, with the kernel's names and the files of this package. How the calls nest is read from
 * the JavaScript stack, so what is printed is what runs.
 *
 * @example
 * ```ts
 * const path = new CallPath((line) => console.log(line));
 * machine.trace = path.sink;
 * machine.allocPages(0x400dc0, 1);
 * path.end();
 * ```
 */
export class CallPath {
  /** What to attach as the machine's `trace`. */
  readonly sink: TraceSink;
  readonly #write: (line: string) => void;
  readonly #repeat: number;
  readonly #stops: Set<string>;
  readonly #open: OpenCall[] = [];
  /** Calls of functions that nobody here called. */
  readonly #outermost = new Map<string, number>();

  /**
   * @param write takes a line
   * @param options what is printed
   */
  constructor(write: (line: string) => void, options: CallPathOptions = {}) {
    this.#write = write;
    this.#repeat = options.repeat ?? REPEAT_DEFAULT;
    this.#stops = new Set(options.breakAt ?? []);
    this.sink = {
      ...this.#eventSink(options.events ?? []),
      functionEntry: (name, args) => this.#enter(name, args, callerStack()),
    };
  }

  /** The call has returned: says how often the calls were made that were not printed. */
  end(): void {
    this.#closeReturned([]);
    this.#writeLeftOut(this.#outermost, 0);
    this.#outermost.clear();
  }

  #enter(name: string, args: CallArguments, stack: readonly string[]): void {
    // What runs in the place of a call that is known as open has replaced it.
    this.#closeReturned(stack.slice(0, -1));
    const isShown = this.#countIn(name);
    if (isShown) this.#write(`${indent(this.#open.length)}${describe(name, args)}`);
    this.#open.push({ name, args, stack, isShown, calls: new Map() });
    if (this.#stops.delete(name)) this.#backtrace();
  }

  #event(name: string, line: string): void {
    if (this.#countIn(name)) this.#write(`${indent(this.#open.length)}* ${line}`);
  }

  /** Counts a call or an event of the innermost call. @returns whether it is printed */
  #countIn(name: string): boolean {
    const caller = this.#open.at(-1);
    const calls = caller?.calls ?? this.#outermost;
    const count = (calls.get(name) ?? 0) + 1;
    calls.set(name, count);
    return (caller?.isShown ?? true) && count <= this.#repeat;
  }

  /** Forgets the calls that have returned: those whose frames are not on the stack any more. */
  #closeReturned(stack: readonly string[]): void {
    for (let call = this.#open.at(-1); call !== undefined && !isRunning(call, stack); ) {
      this.#open.pop();
      if (call.isShown) this.#writeLeftOut(call.calls, this.#open.length + 1);
      call = this.#open.at(-1);
    }
  }

  #writeLeftOut(calls: ReadonlyMap<string, number>, depth: number): void {
    for (const [name, count] of calls) {
      if (count <= this.#repeat) continue;
      this.#write(`${indent(depth)}... ${count - this.#repeat} more of ${name}`);
    }
  }

  #backtrace(): void {
    const { length } = this.#open;
    const [current] = this.#open.slice(-1);
    this.#write('');
    this.#write(`Breakpoint, ${describe(current.name, current.args)}`);
    for (let i = length - 1; i >= 0; i--) {
      const { name, args } = this.#open[i];
      this.#write(`#${String(length - 1 - i).padEnd(2)} ${describe(name, args)}`);
    }
    this.#write('');
  }

  /** Tracepoints as ftrace prints them, those of the names only. */
  #eventSink(names: readonly string[]): TraceSink {
    const wanted = new Set(names);
    if (wanted.size === 0) return {};
    const sink = ftraceSink((line) => {
      const [name] = line.split(':', 1);
      if (wanted.has(name)) this.#event(name, line);
    });
    const methods = Object.entries(sink) as [string, (...args: unknown[]) => void][];
    const watched = methods.map(([name, method]) => {
      const report = (...args: unknown[]): void => {
        this.#closeReturned(callerStack());
        method(...args);
      };
      return [name, report] as const;
    });
    return Object.fromEntries(watched) as TraceSink;
  }
}

/** A call as a debugger shows it. */
function describe(name: string, args: CallArguments): string {
  const shown = Object.entries(args).map(([key, value]) => `${key}=${formatArgument(key, value)}`);
  const file = functionFile(name);
  return `${name} (${shown.join(', ')})${file === null ? '' : ` at ${file}`}`;
}

function formatArgument(key: string, value: number | string | boolean): string {
  if (typeof value === 'string') return `"${value}"`;
  if (typeof value === 'boolean') return String(value);
  const name = NAMED_ARGUMENTS[key]?.[value];
  if (name !== undefined) return name;
  return HEX_ARGUMENTS.has(key) ? hex(value >>> 0) : String(value);
}

function indent(depth: number): string {
  return '  '.repeat(depth);
}

/** Whether a call is on a stack: the same calls led to it, and its function is the same. */
function isRunning({ stack: entry }: OpenCall, stack: readonly string[]): boolean {
  const own = entry.length - 1;
  if (own >= stack.length || functionOf(entry[own]) !== functionOf(stack[own])) return false;
  for (let i = 0; i < own; i++) if (entry[i] !== stack[i]) return false;
  return true;
}

/** The part of a stack line that names the function, without the place in it. */
function functionOf(line: string): string {
  const end = line.search(/[(@]/);
  return end < 0 ? line : line.slice(0, end);
}

/** What V8 lets a program say about stacks; other engines do not look at it. */
interface StackSettings {
  stackTraceLimit?: number | undefined;
  prepareStackTrace?: unknown;
}

/** Frames of this function and of the one that calls it. */
const OWN_FRAMES = 2;

/** The JavaScript stack of who called the caller of this function, outermost frame first. */
function callerStack(): string[] {
  const settings = Error as StackSettings;
  const { stackTraceLimit, prepareStackTrace } = settings;
  settings.stackTraceLimit = Number.POSITIVE_INFINITY;
  // Nobody reads these stacks: to look up every frame in source maps would take most of the time.
  settings.prepareStackTrace = undefined;
  const { stack = '' } = new Error();
  settings.stackTraceLimit = stackTraceLimit;
  settings.prepareStackTrace = prepareStackTrace;
  const frames = stack.split('\n');
  // V8 puts the error itself on the first line.
  if (frames[0] === 'Error') frames.shift();
  return frames.slice(OWN_FRAMES).reverse();
}
