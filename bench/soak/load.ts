import type { BootOptions } from '../../src/boot/types.ts';
import { hex, PageframeError } from '../../src/lib/index.ts';
import type { Owners } from '../../src/machine/owners.ts';
import { boot, type Machine } from '../../src/machine.ts';
import { setMinFreeKbytes } from '../../src/mm/sysctl.ts';
import { mix } from '../measure.ts';
import { LoadContext } from './context.ts';
import { FileUser, ProcessUser } from './memory-users.ts';
import { ObjectUser } from './object-user.ts';
import { PageUser } from './page-user.ts';

/** A machine, and the seed of what is done to it. */
export interface MachineLoadOptions {
  /** Same seed, same load, same results. */
  readonly seed: number;
  /** RAM in MiB. Default 96. */
  readonly memoryMib?: number;
  /** Nodes, which share the RAM in equal parts. Default 2. */
  readonly nodes?: number;
  /** Further boot options. Default: 4 CPUs, SLUB, 4096 pages of swap. */
  readonly boot?: Partial<BootOptions>;
}

const MIB = 1048576n;
const SWAP_PAGES = 4096;
/** Operations after which the mood may change. */
const MOOD_STEPS = 4000;
/** Moods: pages, files, processes, objects, famine. */
const MOODS = 5;
/** Part of the memory that the user of pages holds at most, by mood. */
const HELD_MAX = [0.5, 0.4, 0.3, 0.3, 0.9];
/** Errors where the kernel would stop or hang, and the load makes room and goes on. */
const BEARABLE = ['KERNEL_PANIC', 'PANIC', 'WOULD_LOOP'];

/** What can be done, and how often it is chosen in each mood. */
type Operation = readonly [name: string, weights: readonly number[], run: () => number];

/**
 * A random load on a whole machine: pages of all orders and masks, files, processes with anonymous
 * memory, objects, daemons at random times; on all CPUs and nodes. Every few thousand operations its
 * mood changes, so that memory is now short, now fragmented, now plentiful.
 */
export class MachineLoad {
  /** The machine. */
  readonly machine: Machine;
  /** Hash of all results. */
  hash = 0;
  readonly #load: LoadContext;
  readonly #pages: PageUser;
  readonly #files: FileUser;
  readonly #processes: ProcessUser;
  readonly #objects: ObjectUser;
  readonly #operations: readonly Operation[];
  #mood = 0;

  constructor(options: MachineLoadOptions) {
    this.machine = bootOf(options);
    this.#load = new LoadContext(this.machine, options.seed);
    this.#objects = new ObjectUser(this.#load);
    this.#files = new FileUser(this.#load);
    this.#processes = new ProcessUser(this.#load);
    this.#pages = new PageUser(this.#load);
    this.#operations = this.#table();
  }

  /** How often something was done, or happened. */
  get counts(): Readonly<Record<string, number>> {
    return this.#load.counts;
  }

  #table(): readonly Operation[] {
    const [pages, files, processes, objects] = [
      this.#pages,
      this.#files,
      this.#processes,
      this.#objects,
    ];
    return [
      ['alloc', [30, 6, 6, 6, 40], () => pages.alloc()],
      ['free', [24, 6, 6, 6, 1], () => pages.free()],
      ['bulk', [2, 0.2, 1, 0.2, 1], () => pages.bulk()],
      ['read', [8, 40, 10, 10, 16], () => files.use(false)],
      ['write', [2, 20, 6, 4, 6], () => files.use(true)],
      ['fault', [2, 10, 6, 2, 2], () => files.fault()],
      ['truncate', [0.02, 0.1, 0.02, 0.05, 0], () => files.truncate()],
      ['lock', [0.01, 0.02, 0.01, 0.01, 0.01], () => files.lock()],
      ['touch', [6, 10, 50, 6, 20], () => processes.touch()],
      ['exit', [0.1, 0.05, 0.1, 0.1, 0], () => processes.exit()],
      ['kmalloc', [8, 4, 4, 30, 8], () => objects.kmalloc()],
      ['object', [4, 3, 3, 20, 6], () => objects.object()],
      ['kfree', [8, 4, 4, 24, 1], () => objects.free()],
      ['dentry', [2, 4, 2, 10, 4], () => objects.dentry()],
      ['cache', [0.05, 0.01, 0.01, 0.2, 0.01], () => objects.changeCaches()],
      ['kswapd', [2, 2, 2, 2, 1], () => this.#kswapd()],
      ['kcompactd', [1, 0.5, 0.5, 0.5, 0.5], () => this.#kcompactd()],
      ['tick', [2, 3, 2, 2, 1], () => this.#tick()],
      ['drain', [0.2, 0.1, 0.1, 0.1, 0.1], () => this.#drain()],
      ['compact', [0.02, 0.01, 0.01, 0.01, 0.01], () => this.#compact()],
      ['tune', [0.02, 0.02, 0.02, 0.02, 0.02], () => this.#tune()],
    ];
  }

  /** Does one operation. */
  step(): void {
    if (this.#load.oneIn(MOOD_STEPS)) this.#mood = this.#load.below(MOODS);
    const { totalramPages } = this.machine.model;
    if (this.#pages.heldPages > HELD_MAX[this.#mood] * totalramPages) this.#pages.freeHalf();
    const [name, , run] = this.#choose();
    this.#load.count(name);
    let result = 0;
    try {
      result = run();
    } catch (error) {
      result = this.#bear(error);
    }
    this.hash = mix(mix(this.hash, name.length), result);
  }

  /** Gives everything back. @returns what is still in use then, and should not be */
  finish(): string[] {
    this.#pages.freeAll();
    this.#processes.exitAll();
    this.#files.freeAll();
    this.#objects.freeAll();
    this.machine.tick(1);
    this.machine.reclaim.lruAddDrainAll();
    // What was being written to swap when its process ended is in the swap cache until reclaim comes.
    this.machine.reclaim.shrinkAllMemory(this.machine.model.totalramPages);
    const { file, anon, batch, caller, lost } = this.machine.owners().pages;
    const left = Object.entries({ file, anon, batch, caller, lost });
    return left.flatMap(([owner, pages]) => (pages === 0 ? [] : [`${owner}: ${pages} pages`]));
  }

  /** Whatever is wrong with the machine now: broken rules, and blocks that nobody knows of. */
  problems(): string[] {
    const owners = this.machine.owners();
    const broken = this.machine.checkInvariants(owners);
    return [...broken.map(({ rule, message }) => `${rule}: ${message}`), ...this.#leaks(owners)];
  }

  /** Differences between what the load holds and what the machine thinks that callers hold. */
  #leaks(owners: Owners): string[] {
    const held = new Map(this.#pages.blocks.map(({ pfn, order }) => [pfn, order]));
    const large = new Set(this.#objects.largeBlocks());
    const found: string[] = [];
    for (const [pfn, order] of owners.blocks) {
      if (large.delete(pfn)) continue;
      const known = held.get(pfn);
      if (known === undefined) found.push(`block ${hex(pfn)} of order ${order} is nobody's`);
      else if (known !== order) found.push(`block ${hex(pfn)} has order ${order}, not ${known}`);
      held.delete(pfn);
    }
    for (const pfn of [...held.keys(), ...large]) found.push(`block ${hex(pfn)} is gone`);
    return found;
  }

  /** What the kernel would not survive, the load does. */
  #bear(error: unknown): number {
    if (!(error instanceof PageframeError) || !BEARABLE.includes(error.code)) throw error;
    this.#load.count(error.code);
    this.#pages.freeHalf();
    this.#objects.freeMany();
    return -2;
  }

  #kswapd(): number {
    return this.machine.runKswapd(this.#load.below(this.machine.model.nodes.length)).length;
  }

  #kcompactd(): number {
    const node = this.#load.below(this.machine.model.nodes.length);
    return this.machine.runKcompactd(node) ? 1 : 0;
  }

  #tick(): number {
    this.machine.tick(1 + this.#load.below(this.#load.oneIn(20) ? 300 : 5));
    return this.machine.jiffies;
  }

  #drain(): number {
    const { buddy, pageCache, reclaim } = this.machine;
    const which = this.#load.below(4);
    const cpu = this.#load.cpu();
    if (which === 0) buddy.drainAllPages(cpu);
    else if (which === 1) reclaim.lruAddDrainAll();
    else if (which === 2) pageCache.sync(cpu);
    else reclaim.dropSlab(cpu);
    return which;
  }

  #compact(): number {
    this.machine.slowPath.compactMemory(this.#load.cpu());
    return 0;
  }

  #tune(): number {
    const { model } = this.machine;
    const which = this.#load.below(3);
    if (which === 0) setMinFreeKbytes(model, 400 + this.#load.below(3000));
    else if (which === 1) model.tunables.swappiness = this.#load.below(201);
    else model.tunables.nodeReclaimMode = this.#load.below(2);
    return which;
  }

  #choose(): Operation {
    const operations = this.#operations;
    let total = 0;
    for (const [, weights] of operations) total += weights[this.#mood];
    let at = (this.#load.bits() / 2 ** 32) * total;
    for (const operation of operations) {
      at -= operation[1][this.#mood];
      if (at < 0) return operation;
    }
    return operations[0];
  }
}

/** A small machine with equal nodes. */
function bootOf({ memoryMib = 96, nodes = 2, boot: options }: MachineLoadOptions): Machine {
  const per = BigInt(Math.floor(memoryMib / nodes)) * MIB;
  return boot({
    e820: [
      { addr: 0n, size: 0x9fc00n, type: 1 },
      { addr: MIB, size: per * BigInt(nodes) - MIB, type: 1 },
    ],
    nodes: Array.from({ length: nodes }, (_, node) => ({
      memory: [{ start: per * BigInt(node), end: per * BigInt(node + 1) }],
    })),
    cpus: 4,
    slab: 'slub',
    swapPages: SWAP_PAGES,
    ...options,
  });
}
