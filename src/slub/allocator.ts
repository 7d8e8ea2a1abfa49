import { isPowerOfTwo } from '../lib/bits.ts';
import { ArgumentError, checkInteger, type InvariantViolation } from '../lib/errors.ts';
import { Gfp } from '../mm/gfp.ts';
import { addressArgument } from '../mm/kmalloc.ts';
import {
  type KmemAllocator,
  KmemError,
  type ObjectLocation,
  type ReclaimState,
} from '../mm/kmem-cache.ts';
import {
  calculateAlignment,
  checkCreation,
  creationFailure,
  EINVAL,
  type KmemCacheOptions,
} from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { formatSlabinfo, formatUnreclaimableSlab } from '../mm/slabinfo.ts';
import type { TraceSink } from '../mm/trace.ts';
import { bootSlub } from './boot.ts';
import { SlubCache } from './cache.ts';
import type { CacheState } from './cache-state.ts';
import { createCache } from './create.ts';
import { endGracePeriod } from './destroy.ts';
import { describeObject } from './dump-object.ts';
import { cpuDead, memoryGoingOffline, nodeOffline, nodeOnline } from './hotplug.ts';
import { assertSlubInvariants, checkSlubInvariants } from './invariants.ts';
import { KmallocCalls } from './kmalloc-calls.ts';
import { locateObject } from './locate.ts';
import { joinCache } from './merge.ts';
import { autoInitLine } from './parameters.ts';
import { type Constructors, restoreSnapshot } from './restore.ts';
import { type SlubSnapshot, takeSnapshot } from './snapshot.ts';
import { checkCpu, SlubState } from './state.ts';
import { type SysfsEntry, sysfsEntries } from './sysfs.ts';
import type { SlubOptions } from './types.ts';
import { countReports } from './validate.ts';

/**
 * The slab allocator SLUB of Linux 6.1: caches of objects and kmalloc on top of a page source.
 *
 * Addresses are physical, in bytes. Every call names the simulated CPU that makes it by its last
 * parameter, by default 0.
 *
 * @example
 * ```ts
 * const slub = new SlubAllocator({ source, memory: arrayBufferMemory(buffer) });
 * const block = slub.kmalloc(100);
 * slub.kfree(block);
 * ```
 *
 * @kernel mm/slub.c, mm/slab_common.c
 */
export class SlubAllocator extends KmallocCalls implements KmemAllocator {
  readonly #state: SlubState;
  readonly #handles: WeakMap<CacheState, SlubCache> = new WeakMap();

  /**
   * Boots the allocator.
   * @throws KmemError `PANIC` when there is no memory for the boot caches; ArgumentError for options
   * that contradict themselves
   */
  constructor(options: SlubOptions) {
    const state = new SlubState(options);
    super(state);
    this.#state = state;
    const poisons = (state.debug.flags & SlabFlag.SLAB_POISON) !== 0;
    const line = autoInitLine(poisons, state.parameters);
    if (line !== null) state.log?.(line);
    bootSlub(state, options.boot === 'bare', 0);
    this.trace = options.trace ?? null;
  }

  /** Where tracepoints go, null for nowhere. */
  get trace(): TraceSink | null {
    return this.#state.trace;
  }

  set trace(sink: TraceSink | null) {
    this.#state.trace = sink;
    if (this.#state.kmalloc !== null) this.#state.kmalloc.trace = sink;
    this.#state.watched = sink !== null || this.#state.fullChecks;
  }

  /** Counter of a task in page reclaim: freed slab pages are added to it; null outside of reclaim. */
  get reclaimState(): ReclaimState | null {
    return this.#state.reclaimState;
  }

  set reclaimState(counter: ReclaimState | null) {
    this.#state.reclaimState = counter;
  }

  /** Bits that page requests may have now: boot masks some. @kernel gfp_allowed_mask */
  get gfpAllowedMask(): number {
    return this.#state.gfpAllowedMask;
  }

  set gfpAllowedMask(mask: number) {
    this.#state.gfpAllowedMask = mask;
  }

  /** Taint bits of the kernel: reports set bit 5. */
  get taint(): number {
    return this.#state.taint;
  }

  /** All caches, newest first; merged ones are one. @kernel slab_caches */
  get caches(): readonly SlubCache[] {
    return this.#state.caches.map((cache) => this.#handle(cache));
  }

  /**
   * Makes a cache, or joins an existing one that fits.
   * @param name display name
   * @param options size, alignment, flags, constructor
   * @returns the cache, null when there is no memory for it
   * @throws KmemError `BAD_CACHE` for flags or a size that cannot work, `PANIC` with SLAB_PANIC
   * @kernel kmem_cache_create, kmem_cache_create_usercopy (spec slub 4.1)
   */
  createCache(name: string, options: KmemCacheOptions, cpu = 0): SlubCache | null {
    const state = this.#state;
    checkCpu(state, cpu);
    checkSizes(options);
    const { debug, memcg } = state.config;
    const creation = checkCreation(options, { allocator: 'slub', debug, memcg });
    if (creation === null) return this.#creationFailed(name, options, EINVAL);
    const { windowDropped: _, ...checked } = creation;
    const joined = checked.usersize === 0 ? joinCache(state, name, creation) : null;
    if (joined !== null) return this.#handle(joined);
    const align = calculateAlignment(checked.flags, checked.align, checked.size);
    const made = createCache(state, { ...checked, name, align }, Gfp.GFP_KERNEL, cpu);
    if (typeof made === 'number') return this.#creationFailed(name, options, made);
    this.#check();
    return this.#handle(made);
  }

  /** Says what the kernel says; `errno` is negative for want of memory. */
  #creationFailed(name: string, options: KmemCacheOptions, errno: number): null {
    const panics = ((options.flags ?? 0) & SlabFlag.SLAB_PANIC) !== 0;
    const message = creationFailure(name, Math.abs(errno), panics);
    this.#state.log?.(message);
    const data = { cache: name, errno: Math.abs(errno), options };
    if (panics) throw new KmemError('PANIC', message, data);
    for (const line of this.#state.stackDump?.() ?? []) this.#state.log?.(line);
    if (errno > 0) throw new KmemError('BAD_CACHE', message, data);
    return null;
  }

  /** The cache of that name, or that it was merged into; null if there is none. */
  cache(name: string): SlubCache | null {
    const found = this.#state.caches.find(
      (cache) => cache.name === name || cache.aliases.includes(name),
    );
    return found === undefined ? null : this.#handle(found);
  }

  /** The text of `/proc/slabinfo`. (spec slub 5.2) */
  slabinfo(): string {
    return formatSlabinfo(this.caches);
  }

  /** The lines of an OOM report about slab memory that cannot be reclaimed. (spec slub 5.3) */
  unreclaimableSlab(): string[] {
    return formatUnreclaimableSlab(
      this.caches,
      (cache) => (cache.flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0,
    );
  }

  /** The directories and links of `/sys/kernel/slab`. (spec slub 5.4) */
  sysfs(): SysfsEntry[] {
    return sysfsEntries(this.#state);
  }

  /** Which object an address is in, and where that is listed; null if it is in none. */
  locate(address: number): ObjectLocation | null {
    return locateObject(this.#state, addressArgument(address));
  }

  /**
   * What the kernel prints about an address behind its start of the line.
   * @returns null for an address that is in no slab
   * @kernel kmem_dump_obj (spec slub 5.8)
   */
  dumpObject(address: number): string | null {
    return describeObject(this.#state, addressArgument(address));
  }

  /**
   * The RCU grace period has ended: slabs of SLAB_TYPESAFE_BY_RCU caches go back.
   * @kernel rcu_barrier (spec slub 4.20)
   */
  endGracePeriod(cpu = 0): void {
    checkCpu(this.#state, cpu);
    endGracePeriod(this.#state, cpu);
    this.#check();
  }

  /** A CPU went away: its slabs go back to the nodes. @kernel slub_cpu_dead (spec slub 4.28) */
  cpuDead(dead: number, cpu = 0): void {
    checkCpu(this.#state, dead);
    checkCpu(this.#state, cpu);
    cpuDead(this.#state, dead, cpu);
    this.#check();
  }

  /** Memory is about to go: every cache is shrunk. @kernel slab_mem_going_offline_callback */
  memoryGoingOffline(cpu = 0): void {
    checkCpu(this.#state, cpu);
    memoryGoingOffline(this.#state, cpu);
    this.#check();
  }

  /** A node has no memory any more. @kernel slab_mem_offline_callback */
  nodeOffline(node: number): void {
    checkInteger('node', node, 0, this.#state.topology.nodeIds - 1);
    nodeOffline(this.#state, node);
  }

  /**
   * A node gets memory: caches get structures for it.
   * @returns false when there is no memory for them
   * @kernel slab_mem_going_online_callback
   */
  nodeOnline(node: number, cpu = 0): boolean {
    checkInteger('node', node, 0, this.#state.topology.nodeIds - 1);
    checkCpu(this.#state, cpu);
    return nodeOnline(this.#state, node, cpu);
  }

  /**
   * Runs an action with the texts of reports suppressed.
   * @returns how many reports, repairs and counter mismatches there were
   * @kernel slab_add_kunit_errors (spec slub 4.25)
   */
  countReports(action: () => void): number {
    return countReports(this.#state, action);
  }

  /** All rules of spec slub section 6 that are broken now. */
  checkInvariants(): InvariantViolation[] {
    return checkSlubInvariants(this.#state);
  }

  /** @throws InvariantError when a rule is broken */
  assertInvariants(): void {
    assertSlubInvariants(this.#state);
  }

  /** Everything that the allocator holds, as plain data; the content of the memory is not part of it. */
  snapshot(): SlubSnapshot {
    return takeSnapshot(this.#state);
  }

  /**
   * Takes back what `snapshot` gave. Restore the memory, and the page source with its page map,
   * before this.
   * @param constructors by name of the cache, for caches that this allocator does not have
   * @throws KmemError `BAD_SNAPSHOT` for a constructor that is missing
   */
  restore(snapshot: SlubSnapshot, constructors: Constructors = {}): void {
    restoreSnapshot(this.#state, snapshot, constructors);
    this.#check();
  }

  /** The allocator's state, for recordings and tests of this package. @internal */
  get state(): SlubState {
    return this.#state;
  }

  #handle(cache: CacheState): SlubCache {
    const known = this.#handles.get(cache);
    if (known !== undefined) return known;
    const handle = new SlubCache(this.#state, cache);
    this.#handles.set(cache, handle);
    return handle;
  }

  #check(): void {
    if (this.#state.fullChecks) assertSlubInvariants(this.#state);
  }
}

/** @throws ArgumentError for numbers that are no sizes, KmemError `BAD_CACHE` for size 0 */
function checkSizes(options: KmemCacheOptions): void {
  const { size, align = 0, flags = 0, useroffset = 0, usersize = 0 } = options;
  checkInteger('size', size, 0, 0xffffffff);
  checkInteger('flags', flags, 0, 0xffffffff);
  checkInteger('align', align, 0, 0x400000);
  checkInteger('useroffset', useroffset, 0, 0xffffffff);
  checkInteger('usersize', usersize, 0, 0xffffffff);
  if (align !== 0 && !isPowerOfTwo(align)) {
    throw new ArgumentError('align must be a power of two', { align });
  }
  if (size > 0) return;
  throw new KmemError('BAD_CACHE', 'the kernel divides by the size of an object', { size });
}
