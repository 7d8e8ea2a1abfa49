/** Everything the commands touch of the outside world. */
export interface CliIo {
  /** Writes to the standard output. */
  out(text: string): void;
  /** Writes to the standard error. */
  err(text: string): void;
  /** Whether the standard error is a terminal, where progress may be shown. */
  readonly errIsTerminal: boolean;
  /** Whether the standard input is a terminal, where somebody must type. */
  readonly inIsTerminal: boolean;
  /** The bytes of a file. */
  readFile(path: string): Uint8Array;
  /** The bytes of the standard input, to its end. */
  readStandardInput(): Promise<Uint8Array>;
}

/** One command of `pageframe`. */
export interface Command {
  /** Its name. */
  readonly name: string;
  /** What it does, in a few words. */
  readonly summary: string;
  /** The text of its `--help`. */
  readonly help: string;
  /**
   * Runs it.
   * @param args the arguments after its name, `--help` already dealt with
   * @returns the exit status
   * @throws UsageError for arguments it does not understand
   */
  run(args: readonly string[], io: CliIo): Promise<number>;
}

/** Exit statuses of all commands. */
export const ExitStatus = {
  /** All is well. */
  OK: 0,
  /** The input is broken, or a replay diverged. */
  FAILED: 1,
  /** The command was called wrongly, or asked for something that is not supported. */
  USAGE: 2,
} as const;
