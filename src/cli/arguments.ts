import { type ParseArgsConfig, parseArgs } from 'node:util';
import { UsageError } from './errors.ts';

/** Options of a command, as `parseArgs` of node:util describes them. */
export type OptionTable = NonNullable<ParseArgsConfig['options']>;

type Parsed<T extends OptionTable> = ReturnType<
  typeof parseArgs<{ args: string[]; options: T; allowPositionals: true; strict: true }>
>;

/**
 * Parses the arguments of a command, strictly.
 * @throws UsageError for an unknown option, or one with a missing or needless value
 */
export function parseArguments<const T extends OptionTable>(
  args: readonly string[],
  options: T,
): Parsed<T> {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  } catch (error) {
    throw new UsageError(reasonOf(error));
  }
}

/** What `parseArgs` says, without its advice about names that look like options. */
function reasonOf(error: unknown): string {
  const [reason] = (error instanceof Error ? error.message : String(error)).split('. ');
  return reason;
}

/**
 * The value of an option as an integer.
 * @throws UsageError when it is none from `min` to `max`
 */
export function integerOption(name: string, value: string, min: number, max: number): number {
  const number = Number(value);
  if (/^\d+$/.test(value) && number >= min && number <= max) return number;
  throw new UsageError(`--${name} must be an integer from ${min} to ${max}, got '${value}'`);
}
