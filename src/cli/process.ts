import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { main } from './main.ts';
import type { CliIo } from './types.ts';

/** Runs the command line of this process and sets its exit status. */
export async function run(): Promise<void> {
  // A reader that has seen enough (`pageframe boot | head`) is no error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit();
  });
  process.exitCode = await main(process.argv.slice(2), processIo());
}

function processIo(): CliIo {
  return {
    out: (text) => void process.stdout.write(text),
    err: (text) => void process.stderr.write(text),
    errIsTerminal: process.stderr.isTTY === true,
    readFile: (path) => readFileSync(path),
    readStandardInput: () => buffer(process.stdin),
  };
}
