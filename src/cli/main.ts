import { PageframeError } from '../lib/errors.ts';
import { bootCommand } from './boot.ts';
import { UsageError } from './errors.ts';
import { scenarioCommand } from './scenario.ts';
import { type CliIo, type Command, ExitStatus } from './types.ts';
import { verifyCommand } from './verify.ts';
import { VERSION } from './version.ts';

/** All commands, in the order of the help text. */
const COMMANDS: readonly Command[] = [bootCommand, scenarioCommand, verifyCommand];

/**
 * Runs the command line.
 * @param argv the arguments, without the program's own name
 * @returns the exit status: 0 success, 1 broken input or divergence, 2 wrong usage
 */
export async function main(argv: readonly string[], io: CliIo): Promise<number> {
  const [name, ...args] = argv;
  if (name === '--version' || name === '-V') return print(io, `${VERSION}\n`);
  if (name === '--help' || name === '-h') return print(io, overview());
  if (name === 'help' && args.length === 0) return print(io, overview());
  const command = COMMANDS.find(
    (candidate) => candidate.name === (name === 'help' ? args[0] : name),
  );
  if (command === undefined) {
    const problem = name === undefined ? 'no command given' : `unknown command '${argv.join(' ')}'`;
    io.err(`pageframe: ${problem}\n\n${overview()}`);
    return ExitStatus.USAGE;
  }
  if (name === 'help' || asksForHelp(args)) return print(io, command.help);
  return runCommand(command, args, io);
}

async function runCommand(command: Command, args: readonly string[], io: CliIo): Promise<number> {
  try {
    return await command.run(args, io);
  } catch (error) {
    if (!(error instanceof PageframeError)) throw error;
    io.err(`pageframe ${command.name}: ${error.message}\n`);
    if (!(error instanceof UsageError)) return ExitStatus.FAILED;
    io.err(`Try 'pageframe ${command.name} --help'.\n`);
    return ExitStatus.USAGE;
  }
}

/** Whether `--help` is among the options; after `--` everything is a name. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  const options = end === -1 ? args : args.slice(0, end);
  return options.includes('--help') || options.includes('-h');
}

function print(io: CliIo, text: string): number {
  io.out(text);
  return ExitStatus.OK;
}

function overview(): string {
  const width = Math.max(...COMMANDS.map(({ name }) => name.length));
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `Usage: pageframe COMMAND [ARGUMENT...]

Physical memory management of Linux 6.1 (x86-64).

Commands:
${commands.join('')}
Options:
  --help     this text; after a command, its own
  --version  the version of the package
`;
}
