import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { main } from './main.ts';
import { type CliIo, ExitStatus } from './types.ts';

/** Runs the command line of this process and sets its exit status. */
export async function run(): Promise<void> {
  // A reader that has seen enough (`pageframe boot | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit();
    process.stderr.write(`pageframe: the output cannot be written: ${error.message}\n`);
    process.exit(ExitStatus.FAILED);
  });
  // Without a reader of the messages there is still the exit status.
  process.stderr.on('error', () => undefined);
  process.exitCode = await main(process.argv.slice(2), processIo());
}

function processIo(): CliIo {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTerminal: process.stderr.isTTY === true,
    inIsTerminal: process.stdin.isTTY === true,
    readFile: (path) => readFileSync(path),
    readStandardInput: () => buffer(process.stdin),
  };
}
