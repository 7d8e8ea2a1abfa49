import { seededRandom } from '../../src/lib/random.ts';
import type { Machine } from '../../src/machine.ts';

/** What the parts of a load share: the machine, random numbers, counts. */
export class LoadContext {
  /** The machine. */
  readonly machine: Machine;
  /** How often something was done, or happened. */
  readonly counts: Record<string, number> = {};
  readonly #random: () => number;

  constructor(machine: Machine, seed: number) {
    const source = seededRandom(seed);
    this.machine = machine;
    this.#random = () => source.nextU32();
  }

  /** Counts one more of something. */
  count(name: string): void {
    this.counts[name] = (this.counts[name] ?? 0) + 1;
  }

  /** Counts a request that got nothing. @returns what stands for nothing in the hash */
  failed(): number {
    this.count('no memory');
    return -1;
  }

  /** 32 random bits. */
  bits(): number {
    return this.#random();
  }

  /** A random integer from 0, less than `limit`. */
  below(limit: number): number {
    return this.#random() % limit;
  }

  /** True once in so many times. */
  oneIn(times: number): boolean {
    return this.#random() % times === 0;
  }

  /** A random element. */
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)];
  }

  /** A random element, taken off its list; the order of the list changes. */
  takeOut<T>(list: T[]): T | undefined {
    if (list.length === 0) return undefined;
    const at = this.below(list.length);
    const taken = list[at];
    list[at] = list[list.length - 1];
    list.pop();
    return taken;
  }

  /** A random CPU. */
  cpu(): number {
    return this.below(this.machine.model.cpuCount);
  }

  /** A random node, or -1 for that of the CPU. */
  node(): number {
    return this.below(this.machine.model.nodes.length + 1) - 1;
  }
}
