import { checkInteger } from '../lib/errors.ts';
import { NIL, type PhysAddr } from '../lib/units.ts';
import { Gfp } from '../mm/gfp.ts';
import { addressArgument, type Kmalloc } from '../mm/kmalloc.ts';
import { kmallocSizeRoundup } from '../mm/kmalloc-sizes.ts';
import {
  type KmemAllocator,
  KmemError,
  type ObjectConstructor,
  type ObjectLocation,
} from '../mm/kmem-cache.ts';
import type { KmemCacheOptions } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { formatUnreclaimableSlab } from '../mm/slabinfo.ts';
import type { TraceSink } from '../mm/trace.ts';
import { kmemCacheInit, kmemCacheInitLate } from './boot.ts';
import type { SlabCache } from './cache.ts';
import type { CacheState } from './cache-state.ts';
import { CallTracer } from './call-trace.ts';
import { checkInvariantsIfAsked } from './checks.ts';
import { kmemCacheCreate } from './create.ts';
import { rcuGracePeriod } from './destroy.ts';
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
import { locateObject } from './locate.ts';
import { reportOutOfRange } from './object-lookup.ts';
import { cacheReap, runReapTimers, startCpuTimer } from './reap.ts';
import { slabinfoWrite } from './slabinfo-write.ts';
import { restoreState, type SlabSnapshot, snapshotState } from './snapshot.ts';
import { BootState, SlabState } from './state.ts';
import type { CallSite, CallTrace, ReclaimState, SlabOptions, SlabTaskPolicy } from './types.ts';

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
export class SlabAllocator implements KmemAllocator {
  /** Everything inside; read it, but change it only through the methods. */
  readonly state: SlabState;
  readonly #kmalloc: Kmalloc<CacheState>;

  /** @throws ArgumentError `BAD_ARGUMENT`, KmemError `PANIC` when there is no memory to boot */
  constructor(options: SlabOptions) {
    this.state = new SlabState(options);
    kmemCacheInit(this.state);
    this.#kmalloc = kmallocOf(this.state);
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
    this.#checkCpu(cpu);
    const cache = kmemCacheCreate(this.state, name, options, cpu);
    checkInvariantsIfAsked(this.state);
    return cache;
  }

  /** {@inheritDoc KmemAllocator.kmalloc} */
  kmalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocNode(size, gfp, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kmallocNode} */
  kmallocNode(size: number, gfp: number, node: number, cpu = 0): PhysAddr | null {
    if (this.state.hooked) this.#checkCpu(cpu);
    return this.#checked(this.#kmalloc.alloc(size, gfp, node, cpu));
  }

  /** {@inheritDoc KmemAllocator.kzalloc} */
  kzalloc(size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocNode(size, gfp | Gfp.__GFP_ZERO, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kmallocArray} */
  kmallocArray(
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.#kmalloc.arrayBytes(count, size);
    return bytes === NIL ? null : this.kmallocNode(bytes, gfp, NIL, cpu);
  }

  /** {@inheritDoc KmemAllocator.kcalloc} */
  kcalloc(count: number, size: number, gfp: number = Gfp.GFP_KERNEL, cpu = 0): PhysAddr | null {
    return this.kmallocArray(count, size, gfp | Gfp.__GFP_ZERO, cpu);
  }

  /** {@inheritDoc KmemAllocator.krealloc} */
  krealloc(
    address: number | null,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    this.#checkCpu(cpu);
    return this.#checked(this.#kmalloc.realloc(addressArgument(address), size, gfp, cpu));
  }

  /** {@inheritDoc KmemAllocator.kreallocArray} */
  kreallocArray(
    address: number | null,
    count: number,
    size: number,
    gfp: number = Gfp.GFP_KERNEL,
    cpu = 0,
  ): PhysAddr | null {
    const bytes = this.#kmalloc.arrayBytes(count, size);
    return bytes === NIL ? null : this.krealloc(address, bytes, gfp, cpu);
  }

  /** {@inheritDoc KmemAllocator.kfree} */
  kfree(address: number | null, cpu = 0): void {
    this.#checkCpu(cpu);
    const at = addressArgument(address);
    reportOutOfRange(this.state, at);
    this.state.calls?.enter('kfree');
    this.#kmalloc.free(at, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** {@inheritDoc KmemAllocator.kfreeSensitive} */
  kfreeSensitive(address: number | null, cpu = 0): void {
    this.#checkCpu(cpu);
    this.#kmalloc.freeSensitive(addressArgument(address), cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** {@inheritDoc KmemAllocator.kfreeBulk} */
  kfreeBulk(addresses: number[] | Float64Array, cpu = 0): void {
    this.#checkCpu(cpu);
    const { trace } = this.#kmalloc;
    // The kernel has no tracepoint here.
    this.#kmalloc.trace = null;
    try {
      for (const address of addresses) this.#kmalloc.free(addressArgument(address), cpu);
    } finally {
      this.#kmalloc.trace = trace;
    }
    checkInvariantsIfAsked(this.state);
  }

  /** {@inheritDoc KmemAllocator.ksize} */
  ksize(address: number | null): number {
    return this.#kmalloc.usableSize(addressArgument(address));
  }

  /** {@inheritDoc KmemAllocator.kmallocSizeRoundup} */
  kmallocSizeRoundup(size: number): number {
    return kmallocSizeRoundup(size, 'slab');
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
    this.#checkCpu(cpu);
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
   * Gives back a part of what lies idle on a CPU and its node.
   * @param now jiffies; default the injected clock
   * @param contended whether the list of caches is locked: then only the next run is arranged
   * @kernel cache_reap (spec slab 4.18)
   */
  cacheReap(cpu = 0, now: number = this.state.jiffies(), contended = false): void {
    this.#checkCpu(cpu);
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
   * Ends an RCU grace period: pages of TYPESAFE_BY_RCU slabs go back.
   * @returns number of slabs
   */
  rcuGracePeriod(cpu = 0): number {
    this.#checkCpu(cpu);
    const slabs = rcuGracePeriod(this.state, cpu);
    checkInvariantsIfAsked(this.state);
    return slabs;
  }

  /** Gives all caches their final arrays, after `bringUp: 'none'`. @kernel kmem_cache_init_late */
  kmemCacheInitLate(): void {
    if (this.state.bootState === BootState.UP) kmemCacheInitLate(this.state);
  }

  /** Prepares the caches for a CPU that is about to start; false when there is no memory. @kernel slab_prepare_cpu */
  prepareCpu(starting: number, cpu = 0): boolean {
    checkInteger('starting', starting, 0, this.state.cpuCount - 1);
    this.#checkCpu(cpu);
    return slabPrepareCpu(this.state, starting, cpu);
  }

  /** Marks a CPU as running: it is in the masks of its nodes and reaps. @kernel slab_online_cpu */
  onlineCpu(starting: number): void {
    checkInteger('starting', starting, 0, this.state.cpuCount - 1);
    slabOnlineCpu(this.state, starting);
  }

  /** Stops a CPU. `deadCpu` takes back what it holds. @kernel slab_offline_cpu */
  offlineCpu(leaving: number): void {
    checkInteger('leaving', leaving, 0, this.state.cpuCount - 1);
    slabOfflineCpu(this.state, leaving);
  }

  /** Takes back what the arrays of a stopped CPU hold. @kernel slab_dead_cpu */
  deadCpu(dead: number, cpu = 0): void {
    checkInteger('dead', dead, 0, this.state.cpuCount - 1);
    this.#checkCpu(cpu);
    slabDeadCpu(this.state, dead, cpu);
    checkInvariantsIfAsked(this.state);
  }

  /** Prepares the caches for memory on a node that has none; false without memory. (spec slab 4.23) */
  memGoingOnline(node: number, cpu = 0): boolean {
    checkInteger('node', node, 0, this.state.nodeIds - 1);
    this.#checkCpu(cpu);
    return slabMemGoingOnline(this.state, node, cpu);
  }

  /** Gives up free slabs of a node; false at the first cache with objects there. (spec slab 4.23) */
  memGoingOffline(node: number, cpu = 0): boolean {
    checkInteger('node', node, 0, this.state.nodeIds - 1);
    this.#checkCpu(cpu);
    return slabMemGoingOffline(this.state, node, cpu);
  }

  /** Attaches tracepoints, or none. */
  setTrace(trace: TraceSink | null): void {
    this.state.trace = trace;
    this.#kmalloc.trace = trace;
    this.state.updateHooks();
  }

  /** Reports the kernel functions that calls go through, or stops that. (spec slab 4.27) */
  setCallTrace(sink: CallTrace | null): void {
    this.state.calls = sink === null ? null : new CallTracer(sink);
    this.state.updateHooks();
  }

  /** Memory policy and cpuset of the running task, null for none. (spec slab 4.10) */
  setPolicy(policy: SlabTaskPolicy | null): void {
    this.state.policy = policy;
    this.state.updateHooks();
  }

  /** Whether sockets that swap over the network are active. (spec slab 4.24) */
  setMemallocSocks(active: boolean): void {
    this.state.memallocSocks = active;
    this.state.updateHooks();
  }

  /** Where reclaim wants to count the pages of slabs that are freed, null outside of it. */
  setReclaimState(reclaimState: ReclaimState | null): void {
    this.state.reclaimState = reclaimState;
  }

  /** Who makes the following calls, for debug caches. */
  setCallSite(callSite: CallSite): void {
    this.state.callSite = callSite;
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
  restore(
    snapshot: SlabSnapshot,
    constructors: Readonly<Record<string, ObjectConstructor>> = {},
  ): void {
    restoreState(this.state, snapshot, constructors);
    checkInvariantsIfAsked(this.state);
  }

  #checked(address: number): PhysAddr | null {
    checkInvariantsIfAsked(this.state);
    return address === NIL ? null : (address as PhysAddr);
  }

  #checkCpu(cpu: number): void {
    checkInteger('cpu', cpu, 0, this.state.cpuCount - 1);
  }
}

function kmallocOf({ kmalloc }: SlabState): Kmalloc<CacheState> {
  if (kmalloc === null) throw new KmemError('CRASH', 'kmalloc does not exist yet');
  return kmalloc;
}
