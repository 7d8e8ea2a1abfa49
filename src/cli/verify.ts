import { basename } from 'node:path';
import { PageframeError } from '../lib/errors.ts';
import { RecordingError } from '../recording/errors.ts';
import { readRecording } from '../recording/reader.ts';
import { formatOutcome, verifyRecording } from '../recording/verify.ts';
import { parseArguments } from './arguments.ts';
import { UsageError } from './errors.ts';
import { readText } from './files.ts';
import { type CliIo, type Command, ExitStatus } from './types.ts';

const HELP = `Usage: pageframe verify FILE...

Replays recordings of a real kernel on the model and compares every result. Prints one line per
file: "ok" with the number of operations, or "FAIL" with the first operation that differs, followed
by where it is and what the lists held there.

  FILE          a recording (.ndjson or .ndjson.gz); - is the standard input

Exit status: 0 all files are ok; 1 a file diverges or is broken; 2 wrong usage, or a recording of
a kind that is not supported yet.
`;

/** `pageframe verify`: replays recordings. */
export const verifyCommand: Command = {
  name: 'verify',
  summary: 'replay recordings of a real kernel and compare',
  help: HELP,
  run: verify,
};

async function verify(args: readonly string[], io: CliIo): Promise<number> {
  const { positionals } = parseArguments(args, {});
  if (positionals.length === 0) throw new UsageError('verify needs at least one FILE');
  const names = displayNames(positionals);
  let status: number = ExitStatus.OK;
  for (const [i, path] of positionals.entries()) {
    showProgress(io, `${i + 1}/${positionals.length} ${names[i]}`);
    const result = await verifyFile(path, names[i], io);
    showProgress(io, '');
    io.out(result.lines.map((line) => `${line}\n`).join(''));
    status = worse(status, result.status);
  }
  return status;
}

/** File names without directories, as long as that keeps them apart. */
function displayNames(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(path));
  return paths.map((path, i) => {
    const isUnique = names.indexOf(names[i]) === names.lastIndexOf(names[i]);
    return isUnique ? names[i] : path;
  });
}

async function verifyFile(
  path: string,
  name: string,
  io: CliIo,
): Promise<{ lines: string[]; status: number }> {
  try {
    const outcome = verifyRecording(readRecording(await readText(path, io), name));
    const status = outcome.divergence === null ? ExitStatus.OK : ExitStatus.FAILED;
    return { lines: formatOutcome(name, outcome), status };
  } catch (error) {
    if (!(error instanceof PageframeError))
      return { lines: crash(name, error), status: ExitStatus.FAILED };
    const isUnsupported = error instanceof RecordingError && error.code === 'UNSUPPORTED_KIND';
    const status = isUnsupported ? ExitStatus.USAGE : ExitStatus.FAILED;
    return { lines: [`FAIL  ${name}  ${error.message}`], status };
  }
}

/** The report of a defect of the model itself: the other files are still replayed. */
function crash(name: string, error: unknown): string[] {
  const [first, ...frames] = String(error instanceof Error ? error.stack : error).split('\n');
  return [`FAIL  ${name}  the model crashed: ${first}`, ...frames.slice(0, 8)];
}

/** A failure outweighs a kind that is not supported, which outweighs success. */
function worse(a: number, b: number): number {
  if (a === ExitStatus.FAILED || b === ExitStatus.FAILED) return ExitStatus.FAILED;
  return Math.max(a, b);
}

/** Replaces the progress line of a terminal; an empty text removes it. */
function showProgress(io: CliIo, text: string): void {
  if (io.errIsTerminal) io.err(`\r\u001b[K${text}`);
}
