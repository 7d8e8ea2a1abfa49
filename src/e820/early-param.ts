import { logWarning } from './log.ts';
import type { LogSink } from './types.ts';

/** Most characters of the command line that the early pass sees. */
export const COMMAND_LINE_MAX = 2047;

/**
 * Handles one early parameter.
 * @param value what follows the `=`, null for a parameter without one
 * @returns 0, or another number when the option is malformed
 */
export type EarlyParamHandler = (value: string | null) => number;

/** Handlers by parameter name; `-` and `_` in names are equal. */
export type EarlyParamHandlers = Readonly<Record<string, EarlyParamHandler>>;

/** One parameter of the command line. */
export interface CommandLineParam {
  /** Name as written. */
  readonly name: string;
  /** Text after the first `=`, without quotes around it; null without `=`. */
  readonly value: string | null;
}

/**
 * Splits a command line into its parameters, up to a bare `--`. A parameter ends at the first blank
 * outside double quotes; quotes around the whole parameter or its value are removed.
 * @param cmdline the command line; only its first 2047 characters count
 * @kernel parse_args, spec e820 4.10
 */
export function splitCommandLine(cmdline: string): CommandLineParam[] {
  const text = cmdline.slice(0, COMMAND_LINE_MAX);
  const params: CommandLineParam[] = [];
  let position = 0;
  while (position < text.length) {
    if (isBlank(text[position])) {
      position++;
      continue;
    }
    const end = tokenEnd(text, position);
    const param = splitToken(text.slice(position, end));
    if (param.name === '--' && param.value === null) break;
    params.push(param);
    position = end;
  }
  return params;
}

/**
 * Runs the early pass: each parameter that has a handler, from left to right, each time it occurs.
 * A handler that returns non-zero makes the line `Malformed early option 'NAME'`.
 * @param cmdline the command line
 * @param handlers who handles what
 * @param log takes the lines
 * @kernel parse_early_param, spec e820 4.10
 */
export function parseEarlyParams(
  cmdline: string,
  handlers: EarlyParamHandlers,
  log?: LogSink,
): void {
  const byName = new Map<string, EarlyParamHandler>();
  for (const [name, handler] of Object.entries(handlers)) byName.set(dashless(name), handler);
  for (const { name, value } of splitCommandLine(cmdline)) {
    const handler = byName.get(dashless(name));
    if (handler === undefined || handler(value) === 0) continue;
    logWarning(log, `Malformed early option '${name}'`);
  }
}

function dashless(name: string): string {
  return name.replaceAll('-', '_');
}

function isBlank(character: string): boolean {
  return /\s/.test(character);
}

function tokenEnd(text: string, start: number): number {
  let quoted = false;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '"') quoted = !quoted;
    else if (!quoted && isBlank(text[i])) return i;
  }
  return text.length;
}

function splitToken(token: string): CommandLineParam {
  const whole = token.startsWith('"') ? withoutQuotes(token) : token;
  const equals = whole.indexOf('=');
  if (equals < 0) return { name: whole, value: null };
  const value = whole.slice(equals + 1);
  return {
    name: whole.slice(0, equals),
    value: value.startsWith('"') ? withoutQuotes(value) : value,
  };
}

/** Removes a quote in front and, if there is one, the quote at the end. */
function withoutQuotes(text: string): string {
  return text.slice(1, text.length > 1 && text.endsWith('"') ? -1 : undefined);
}
