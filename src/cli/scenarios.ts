/** A scenario: a machine, what happens to it, and what it prints. */
export interface Scenario {
  /** What it shows, in a few words. */
  readonly summary: string;
  /** Runs it; `print` takes a line. */
  run(print: (line: string) => void): void;
}

/** The scenarios of docs/examples, by name; each is loaded when it is wanted. */
export const SCENARIOS: ReadonlyMap<string, () => Promise<Scenario>> = new Map<
  string,
  () => Promise<Scenario>
>([
  ['pgd-alloc', () => import('../../docs/examples/pgd-alloc.ts')],
  ['readahead-pressure', () => import('../../docs/examples/readahead-pressure.ts')],
  ['kswapd', () => import('../../docs/examples/kswapd.ts')],
  ['slab', () => import('../../docs/examples/slab.ts')],
  ['slub', () => import('../../docs/examples/slub.ts')],
  ['fragmentation', () => import('../../docs/examples/fragmentation.ts')],
  ['oom', () => import('../../docs/examples/oom.ts')],
]);
