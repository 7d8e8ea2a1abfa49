/** How much work a benchmark does. */
export type Scale = 'smoke' | 'full';

/** One benchmark of `npm run bench`. */
export interface Benchmark {
  /** Its name on the command line. */
  readonly name: string;
  /** What it measures, in a few words. */
  readonly summary: string;
  /**
   * Runs it and returns its table: the first row holds the headings.
   * @param scale `smoke` only shows that it still runs, in a second or two
   */
  run(scale: Scale): Promise<readonly (readonly string[])[]>;
}
