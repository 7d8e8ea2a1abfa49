import type { CompactionTrace, OomTrace } from './trace-compaction.ts';
import type { VmscanTrace } from './trace-vmscan.ts';

/**
 * Tracepoints of the page allocator (system `kmem`). Page frames are numbers, -1 for none; masks and
 * migratetypes have the kernel's values. (spec buddy 5.7)
 */
export interface KmemPageTrace {
  /** A request ended; `pfn` is -1 when it failed. */
  mmPageAlloc(pfn: number, order: number, gfp: number, migratetype: number): void;
  /** A block is being freed. */
  mmPageFree(pfn: number, order: number): void;
  /** One page of a list is being freed. */
  mmPageFreeBatched(pfn: number): void;
  /** A block left the buddy lists; `percpuRefill` is 1 for orders and types with per-CPU lists. */
  mmPageAllocZoneLocked(
    pfn: number,
    order: number,
    migratetype: number,
    percpuRefill: number,
  ): void;
  /** A block went from a per-CPU list to the buddy lists. */
  mmPagePcpuDrain(pfn: number, order: number, migratetype: number): void;
  /** A block of another migratetype was taken. */
  mmPageAllocExtfrag(
    pfn: number,
    allocOrder: number,
    fallbackOrder: number,
    allocMigratetype: number,
    fallbackMigratetype: number,
    changeOwnership: number,
  ): void;
  /** The end of a range isolation check (system `page_isolation`). */
  testPagesIsolated(startPfn: number, endPfn: number, finPfn: number): void;
}

/**
 * Tracepoints of the slab allocators (system `kmem`). Addresses are physical, -1 for NULL. (spec
 * slub 5.5)
 */
export interface KmemSlabTrace {
  /**
   * A kmalloc ended: bytes asked for, bytes of the slot or of the pages, the caller's mask and node
   * (-1 for none).
   */
  kmalloc(address: number, bytesReq: number, bytesAlloc: number, gfp: number, node: number): void;
  /** An allocation from a cache ended; `bytesReq` is the object size, `bytesAlloc` the slot size. */
  kmemCacheAlloc(
    address: number,
    bytesReq: number,
    bytesAlloc: number,
    gfp: number,
    node: number,
  ): void;
  /** A kfree begins; -1 for NULL. */
  kfree(address: number): void;
  /** An object goes back to the cache of that name. */
  kmemCacheFree(address: number, name: string): void;
}

/** Arguments of a call by the kernel's names of the parameters. */
export type CallArguments = Readonly<Record<string, number | string | boolean>>;

/**
 * Entries of the functions that a debugger's backtrace of the kernel shows, for walking through a
 * call. Functions do not say when they return: a sink that wants to know how calls nest looks at its
 * own stack, as `CallPath` does.
 */
export interface FunctionTrace {
  /** A function is entered; `name` is the kernel's. @kernel function tracer of ftrace */
  functionEntry(name: string, args: CallArguments): void;
}

/**
 * Where a machine's tracepoints go. All methods are optional; with no sink attached a tracepoint
 * costs one comparison with null. Each family of tracepoints is an interface of its own.
 */
export type TraceSink = Partial<
  KmemPageTrace & KmemSlabTrace & VmscanTrace & CompactionTrace & OomTrace & FunctionTrace
>;

/** Where the kernel's log lines go, one line per call, without time stamp and level. */
export type LogSink = (line: string) => void;
