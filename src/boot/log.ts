import { LogLevel, type LogLine } from '../e820/types.ts';

/** Collects the kernel log of a boot, and passes each line on. */
export class BootLog {
  /** The lines so far, in order. */
  readonly lines: LogLine[] = [];
  readonly #sink: ((line: LogLine) => void) | null;

  /** @param sink receives each line as it is printed */
  constructor(sink: ((line: LogLine) => void) | null = null) {
    this.#sink = sink;
  }

  /** Adds a line of any level. */
  readonly add = (line: LogLine): void => {
    this.lines.push(line);
    this.#sink?.(line);
  };

  /** Adds a normal boot message. */
  readonly info = (text: string): void => {
    this.add({ level: LogLevel.INFO, text });
  };

  /** Adds a warning. */
  readonly warning = (text: string): void => {
    this.add({ level: LogLevel.WARNING, text });
  };
}
