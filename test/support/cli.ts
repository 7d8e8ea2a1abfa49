import { readFileSync } from 'node:fs';
import { main } from '../../src/cli/main.ts';

/** What one run of the command left behind. */
export interface CliResult {
  /** Exit status. */
  status: number;
  /** All it wrote to the standard output. */
  out: string;
  /** All it wrote to the standard error. */
  err: string;
}

/** The world a run sees. */
export interface CliWorld {
  /** The standard input. */
  input?: string | Uint8Array;
  /** Files by path, in front of the real ones. */
  files?: Readonly<Record<string, string | Uint8Array>>;
  /** Whether the standard input and the standard error are a terminal. */
  terminal?: boolean;
}

/** Runs the command line in this process. */
export async function runCli(argv: readonly string[], world: CliWorld = {}): Promise<CliResult> {
  const { input = '', files = {}, terminal = false } = world;
  let out = '';
  let err = '';
  const status = await main(argv, {
    out: (text) => {
      out += text;
    },
    err: (text) => {
      err += text;
    },
    errIsTerminal: terminal,
    inIsTerminal: terminal,
    readFile: (path) => {
      const given = files[path];
      return given === undefined ? readFileSync(path) : Buffer.from(given);
    },
    readStandardInput: async () => Buffer.from(input),
  });
  return { status, out, err };
}
