/** PG_ flags in the low part of a page's flag word: bit masks of 6.1 (spec memory-model 2.3). */
export const PageFlag = {
  /** Locked for I/O or by a user. */
  PG_locked: 0x1,
  /** Referenced since the last scan. */
  PG_referenced: 0x2,
  /** Content is valid. */
  PG_uptodate: 0x4,
  /** Must be written back. */
  PG_dirty: 0x8,
  /** On an LRU list. */
  PG_lru: 0x10,
  /** On an active LRU list; on a slab's head page: made of emergency reserves. */
  PG_active: 0x20,
  /** Part of the working set when it was deactivated or refaulted. */
  PG_workingset: 0x40,
  /** Has waiters. */
  PG_waiters: 0x80,
  /** An I/O error happened. */
  PG_error: 0x100,
  /** Owned by a slab cache. */
  PG_slab: 0x200,
  /** Owner's own bit. */
  PG_owner_priv_1: 0x400,
  /** Architecture's own bit. */
  PG_arch_1: 0x800,
  /** Not managed by the allocator. */
  PG_reserved: 0x1000,
  /** Has private data. */
  PG_private: 0x2000,
  /** Has more private data. */
  PG_private_2: 0x4000,
  /** Being written back. */
  PG_writeback: 0x8000,
  /** First page of a compound page. */
  PG_head: 0x10000,
  /** Has blocks on disk. */
  PG_mappedtodisk: 0x20000,
  /** To be reclaimed soon. */
  PG_reclaim: 0x40000,
  /** Backed by swap: anonymous or shared memory. */
  PG_swapbacked: 0x80000,
  /** On the unevictable list. */
  PG_unevictable: 0x100000,
  /** Locked into memory. */
  PG_mlocked: 0x200000,
  /** Mapped uncached (X86_PAT). */
  PG_uncached: 0x400000,
  /** Hardware-poisoned. */
  PG_hwpoison: 0x800000,
} as const;

/** Flags that must be clear when a page is freed. @kernel PAGE_FLAGS_CHECK_AT_FREE */
export const PAGE_FLAGS_CHECK_AT_FREE = 0x30f231;

/** All PG_ bits of the model; the bits above are its own. */
export const PAGE_FLAGS_MASK = 0xffffff;

/**
 * Bits of the flag word that are the model's own: they stand for fields of `struct page` that the
 * model keeps only as yes or no.
 */
export const PageMark = {
  /** `mapping` is not NULL. */
  MAPPING: 0x1000000,
  /** `mapping` is an anonymous mapping (low bit 0 of the kernel's pointer). */
  MAPPING_ANON: 0x2000000,
  /** `mapping` is a movable non-LRU driver's (low bits 10 of the kernel's pointer). */
  MAPPING_MOVABLE: 0x4000000,
  /** Obtained with ALLOC_NO_WATERMARKS. */
  PFMEMALLOC: 0x8000000,
  /** `mapping` is marked unevictable: ramfs, SHM_LOCK (the kernel's AS_UNEVICTABLE). */
  MAPPING_UNEVICTABLE: 0x10000000,
} as const;
