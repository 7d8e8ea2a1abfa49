import { checkInteger, type InvariantViolation } from '../lib/errors.ts';
import { Gfp } from '../mm/gfp.ts';
import {
  type KmemAllocator,
  KmemError,
  type ObjectLocation,
  type ReclaimState,
} from '../mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { formatUnreclaimableSlab } from '../mm/slabinfo.ts';
import type { TraceSink } from '../mm/trace.ts';
import { kmemCacheInit, kmemCacheInitLate } from './boot.ts';
import type { SlabCache } from './cache.ts';
import { CallTracer } from './call-trace.ts';
import { checkInvariantsIfAsked } from './checks.ts';
import { kmemCacheCreate } from './create.ts';
import { endGracePeriod } from './destroy.ts';
import { describeObject } from './dump-object.ts';
import { formatSlabSlabinfo } from './format.ts';
import {
  enterMasks,
  slabDeadCpu,
  slabMemGoingOffline,
  slabMemGoingOnline,
  slabOfflineCpu,
  slabOnlineCpu,
  slabPrepareCpu,
} from './hotplug.ts';
import { assertInvariants, checkInvariants } from './invariants.ts';
import { KmallocFrontEnd } from './kmalloc-front-end.ts';
import { locateObject } from './locate.ts';
import { cacheReap, runReapTimers, startCpuTimer } from './reap.ts';
import { slabinfoWrite } from './slabinfo-write.ts';
import { type Constructors, restoreState, type SlabSnapshot, snapshotState } from './snapshot.ts';
import { BootState, checkCpu, SlabState } from './state.ts';
import type { CallSite, CallTrace, SlabOptions, SlabTaskPolicy } from './types.ts';

const BOOT_CPU = 0;

/**
 * SLAB, the allocator of Linux up to 6.7: caches with per-CPU arrays and colours, and kmalloc.
 *
 * ```ts
 * const slab = new SlabAllocator({ source, memory });
 * const cache = slab.createCache('demo', { size: 200 });
 * const address = cache?.alloc();
 * ```
 *
 * @kernel mm/slab.c
 */
export class SlabAllocator extends KmallocFrontEnd implements KmemAllocator {
  /** @throws ArgumentError `BAD_ARGUMENT`, KmemError `PANIC` when there is no memory to boot */
  constructor(options: SlabOptions) {
    const state = new SlabState(options);
    kmemCacheInit(state);
    super(state);
    if ((options.bringUp ?? 'all') === 'none') return;
    kmemCacheInitLate(this.state);
    this.#bringUp();
    checkInvariantsIfAsked(this.state);
  }

  /** All CPUs in ascending order, then their timers, as at the end of a boot. */
  #bringUp(): void {
    const { state } = this;
    state.gfpAllowedMask = Gfp.__GFP_BITS_MASK;
    enterMasks(state, BOOT_CPU);
    for (let cpu = 1; cpu < state.cpuCount; cpu++) {
      if (!slabPrepareCpu(state, cpu, BOOT_CPU)) {
        throw new KmemError('PANIC', `no memory to bring up CPU ${cpu}`, { cpu });
      }
      enterMasks(state, cpu);
      state.cpuOnline[cpu] = 1;
    }
    for (let cpu = 0; cpu < state.cpuCount; cpu++) startCpuTimer(state, cpu);
    state.updateHooks();
  }

  /** {@inheritDoc KmemAllocator.caches} */
  get caches(): readonly SlabCache[] {
    return this.state.caches as SlabCache[];
  }

  /** The listed cache of a name, null if there is none; merged names are not known. */
  cache(name: string): SlabCache | null {
    return this.caches.find((cache) => cache.name === name) ?? null;
  }

  /** {@inheritDoc KmemAllocator.createCache} */
  createCache(name: string, options: KmemCacheOptions, cpu = 0): SlabCache | null {
    checkCpu(this.state, cpu);
    const cache = kmemCacheCreate(this.state, name, options, cpu);
    checkInvariantsIfAsked(this.state);
    return cache;
  }

  /** {@inheritDoc KmemAllocator.slabinfo} */
  slabinfo(): string {
    return formatSlabSlabinfo(this.state);
  }

  /**
   * Writes to `/proc/slabinfo`: `NAME LIMIT BATCHCOUNT SHARED`.
   * @returns bytes written, or a negative error number
   * @kernel slabinfo_write (spec slab 4.20)
   */
  slabinfoWrite(text: string, cpu = 0): number {
    checkCpu(this.state, cpu);
    const written = slabinfoWrite(this.state, text, cpu);
    checkInvariantsIfAsked(this.state);
    return written;
  }

  /** The lines of an OOM report about slab memory that cannot be reclaimed. (spec slab 5.2) */
  unreclaimableSlab(): string[] {
    return formatUnreclaimableSlab(
      this.caches,
      ({ flags }) => (flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0,
    );
  }

  /** {@inheritDoc KmemAllocator.locate} */
  locate(address: number): ObjectLocation | null {
    return locateObject(this.state, address);
  }

  /**
   * The rest of a line of the kernel about an address, e.g. ` slab demo start ... pointer offset 4`.
   * @returns null for an address in no slab
   * @kernel kmem_dump_obj (spec slab 5.5)
   */
  dumpObject(address: number): string | null {
    return describeObject(this.state, address);
  }

  /**
   * Gives back a part of what lies idle on a CPU and its node.
   * @param now jiffies; default the injected clock
   * @param contended whether the list of caches is locked: then only the next run is arranged
   * @kernel cache_reap (spec slab 4.18)
   */
  cacheReap(cpu = 0, now: number = this.state.jiffies(), contended = false): void {
    checkCpu(this.state, cpu);
    cacheReap(this.state, cpu, now, contended);
    checkInvariantsIfAsked(this.state);
  }

  /**
   * Runs the reaping of all CPUs that is due at the time of the injected clock.
   * @returns number of runs
   */
  runTimers(): number {
    const runs = runReapTimers(this.state, this.state.jiffies());
    checkInvariantsIfAsked(this.state);
    return runs;
  }

  /**
   * The RCU grace period has ended: pages of TYPESAFE_BY_RCU slabs go back, then caches that were
   * destroyed are freed.
   * @kernel rcu_barrier (spec slab 4.16, 4.19)
   */
  endGracePeriod(cpu = 0): void {
    checkCpu(this.state, cpu);
    endGracePeriod(this.state, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** Gives all caches their final arrays, after `bringUp: 'none'`. @kernel kmem_cache_init_late */
  kmemCacheInitLate(): void {
    if (this.state.bootState === BootState.UP) kmemCacheInitLate(this.state);
  }

  /** Prepares the caches for a CPU that is about to start; false when there is no memory. @kernel slab_prepare_cpu */
  prepareCpu(starting: number, cpu = 0): boolean {
    checkInteger('starting', starting, 0, this.state.cpuCount - 1);
    checkCpu(this.state, cpu);
    return slabPrepareCpu(this.state, starting, cpu);
  }

  /** Marks a CPU as running: it is in the masks of its nodes and reaps. @kernel slab_online_cpu */
  onlineCpu(starting: number): void {
    checkInteger('starting', starting, 0, this.state.cpuCount - 1);
    slabOnlineCpu(this.state, starting);
  }

  /** Stops a CPU. `cpuDead` takes back what it holds. @kernel slab_offline_cpu */
  offlineCpu(leaving: number): void {
    checkInteger('leaving', leaving, 0, this.state.cpuCount - 1);
    slabOfflineCpu(this.state, leaving);
  }

  /** Takes back what the arrays of a stopped CPU hold. @kernel slab_dead_cpu */
  cpuDead(dead: number, cpu = 0): void {
    checkInteger('dead', dead, 0, this.state.cpuCount - 1);
    checkCpu(this.state, cpu);
    slabDeadCpu(this.state, dead, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** Prepares the caches for memory on a node that has none; false without memory. (spec slab 4.23) */
  memoryGoingOnline(node: number, cpu = 0): boolean {
    checkInteger('node', node, 0, this.state.nodeIds - 1);
    checkCpu(this.state, cpu);
    return slabMemGoingOnline(this.state, node, cpu);
  }

  /** Gives up free slabs of a node; false at the first cache with objects there. (spec slab 4.23) */
  memoryGoingOffline(node: number, cpu = 0): boolean {
    checkInteger('node', node, 0, this.state.nodeIds - 1);
    checkCpu(this.state, cpu);
    return slabMemGoingOffline(this.state, node, cpu);
  }

  /** Where tracepoints go, null for nowhere. */
  get trace(): TraceSink | null {
    return this.state.trace;
  }

  set trace(sink: TraceSink | null) {
    this.state.trace = sink;
    this.front.trace = sink;
    this.state.updateHooks();
  }

  /** Where the kernel functions that calls go through are reported, null for nowhere. (spec slab 4.27) */
  get callTrace(): CallTrace | null {
    return this.state.calls?.sink ?? null;
  }

  set callTrace(sink: CallTrace | null) {
    this.state.calls = sink === null ? null : new CallTracer(sink);
    this.state.updateHooks();
  }

  /** Memory policy and cpuset of the running task, null for none. (spec slab 4.10) */
  get policy(): SlabTaskPolicy | null {
    return this.state.policy;
  }

  set policy(policy: SlabTaskPolicy | null) {
    this.state.policy = policy;
    this.state.updateHooks();
  }

  /** Whether sockets that swap over the network are active. (spec slab 4.24) */
  get memallocSocks(): boolean {
    return this.state.memallocSocks;
  }

  set memallocSocks(active: boolean) {
    this.state.memallocSocks = active;
    this.state.updateHooks();
  }

  /** Counter of a task in page reclaim: freed slab pages are added to it; null outside of reclaim. */
  get reclaimState(): ReclaimState | null {
    return this.state.reclaimState;
  }

  set reclaimState(counter: ReclaimState | null) {
    this.state.reclaimState = counter;
  }

  /** Who makes the following calls, for debug caches. */
  get callSite(): CallSite {
    return this.state.callSite;
  }

  set callSite(callSite: CallSite) {
    this.state.callSite = callSite;
  }

  /** Bits that requests may have now: boot masks some. @kernel gfp_allowed_mask */
  get gfpAllowedMask(): number {
    return this.state.gfpAllowedMask;
  }

  set gfpAllowedMask(mask: number) {
    this.state.gfpAllowedMask = mask;
  }

  /** Taint bits of the kernel: reports set bit 5. */
  get taint(): number {
    return this.state.taint;
  }

  /** All broken rules, as `SLAB-<number>` of the specification. */
  checkInvariants(): InvariantViolation[] {
    return checkInvariants(this.state);
  }

  /** @throws InvariantError when any rule is broken */
  assertInvariants(): void {
    assertInvariants(this.state);
  }

  /** Everything but the content of memory, as plain data. */
  snapshot(): SlabSnapshot {
    return snapshotState(this.state);
  }

  /**
   * Takes back a snapshot of an allocator with the same options. Restore this allocator before the
   * page allocator below it.
   * @param constructors constructors of caches that are not there now, by cache name
   * @throws KmemError `BAD_SNAPSHOT`
   */
  restore(snapshot: SlabSnapshot, constructors: Constructors = {}): void {
    restoreState(this.state, snapshot, constructors);
    checkInvariantsIfAsked(this.state);
  }
}
