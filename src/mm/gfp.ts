import { hex } from '../lib/units.ts';

/** Single bits of an allocation request, with the values of 6.1 (spec memory-model 3.1). */
export const Gfp = {
  /** Zone modifier: ZONE_DMA. */
  __GFP_DMA: 0x1,
  /** Zone modifier; without HIGHMEM it only matters together with MOVABLE. */
  __GFP_HIGHMEM: 0x2,
  /** Zone modifier: ZONE_DMA32. */
  __GFP_DMA32: 0x4,
  /** Migratetype MOVABLE; together with HIGHMEM also ZONE_MOVABLE. */
  __GFP_MOVABLE: 0x8,
  /** Migratetype RECLAIMABLE. */
  __GFP_RECLAIMABLE: 0x10,
  /** May go deeper into the reserves. */
  __GFP_HIGH: 0x20,
  /** May start I/O. */
  __GFP_IO: 0x40,
  /** May call into file systems. */
  __GFP_FS: 0x80,
  /** Return zeroed memory. */
  __GFP_ZERO: 0x100,
  /** Cannot sleep, high priority. */
  __GFP_ATOMIC: 0x200,
  /** The caller may reclaim. */
  __GFP_DIRECT_RECLAIM: 0x400,
  /** May wake kswapd. */
  __GFP_KSWAPD_RECLAIM: 0x800,
  /** The page will be dirtied. */
  __GFP_WRITE: 0x1000,
  /** No failure report. */
  __GFP_NOWARN: 0x2000,
  /** Retry hard, but may fail. */
  __GFP_RETRY_MAYFAIL: 0x4000,
  /** Never fail. */
  __GFP_NOFAIL: 0x8000,
  /** Give up early. */
  __GFP_NORETRY: 0x10000,
  /** Ignore watermarks. */
  __GFP_MEMALLOC: 0x20000,
  /** Make a compound page. */
  __GFP_COMP: 0x40000,
  /** Never use the reserves; wins over MEMALLOC. */
  __GFP_NOMEMALLOC: 0x80000,
  /** Enforce the cpuset. */
  __GFP_HARDWALL: 0x100000,
  /** No fallback to other nodes. */
  __GFP_THISNODE: 0x200000,
  /** Charge to the memory cgroup. */
  __GFP_ACCOUNT: 0x400000,
  /** Zero memory tags; no effect on x86. */
  __GFP_ZEROTAGS: 0x800000,
  /** DIRECT_RECLAIM and KSWAPD_RECLAIM. */
  __GFP_RECLAIM: 0xc00,
  /** HIGH, ATOMIC, KSWAPD_RECLAIM. */
  GFP_ATOMIC: 0xa20,
  /** KSWAPD_RECLAIM. */
  GFP_NOWAIT: 0x800,
  /** RECLAIM. */
  GFP_NOIO: 0xc00,
  /** RECLAIM, IO. */
  GFP_NOFS: 0xc40,
  /** RECLAIM, IO, FS. */
  GFP_KERNEL: 0xcc0,
  /** KERNEL, ACCOUNT. */
  GFP_KERNEL_ACCOUNT: 0x400cc0,
  /** KERNEL, HARDWALL. */
  GFP_USER: 0x100cc0,
  /** USER, HIGHMEM. */
  GFP_HIGHUSER: 0x100cc2,
  /** HIGHUSER, MOVABLE. */
  GFP_HIGHUSER_MOVABLE: 0x100cca,
  /** HIGHUSER_MOVABLE, COMP, NOMEMALLOC, NOWARN, without RECLAIM. */
  GFP_TRANSHUGE_LIGHT: 0x1c20ca,
  /** TRANSHUGE_LIGHT, DIRECT_RECLAIM. */
  GFP_TRANSHUGE: 0x1c24ca,
  /** The bare DMA modifier. */
  GFP_DMA: 0x1,
  /** The bare DMA32 modifier. */
  GFP_DMA32: 0x4,
  /** DMA, HIGHMEM, DMA32, MOVABLE: the bits that choose the zone. */
  GFP_ZONEMASK: 0xf,
  /** All bits. */
  __GFP_BITS_MASK: 0x7ffffff,
  /** What requests before `kernel_init_freeable` keep: all but RECLAIM, IO, FS. */
  GFP_BOOT_MASK: 0x7fff33f,
} as const;

/** Mask and shift that turn a request into its migratetype. */
const GFP_MOVABLE_MASK = 0x18;
const GFP_MOVABLE_SHIFT = 3;

/**
 * Two bits per combination of the four zone modifiers, from combination 0 upwards (spec 4.15).
 * Combinations 13 and above lie past bit 25 and read 0, as the invalid ones must.
 */
const GFP_ZONE_TABLE = 0x1320122;

/**
 * Highest zone index that a request may use.
 * @param gfp the request's mask
 * @returns 0 DMA, 1 DMA32, 2 Normal, 3 Movable
 * @kernel gfp_zone (spec memory-model 4.15)
 */
export function gfpZone(gfp: number): number {
  const combination = gfp & Gfp.GFP_ZONEMASK;
  return (GFP_ZONE_TABLE >> (combination * 2)) & 3;
}

/**
 * Migratetype of a request when grouping by mobility is on.
 * @returns 0 UNMOVABLE, 1 MOVABLE, 2 RECLAIMABLE; 3 for both bits, a caller's defect
 * @kernel gfp_migratetype (spec memory-model 4.15)
 */
export function gfpMigratetype(gfp: number): number {
  return (gfp & GFP_MOVABLE_MASK) >> GFP_MOVABLE_SHIFT;
}

/** Names in the order in which the kernel tries them (spec memory-model 5.3). */
const PRINT_ORDER: readonly (readonly [string, number])[] = (
  [
    'GFP_TRANSHUGE',
    'GFP_TRANSHUGE_LIGHT',
    'GFP_HIGHUSER_MOVABLE',
    'GFP_HIGHUSER',
    'GFP_USER',
    'GFP_KERNEL_ACCOUNT',
    'GFP_KERNEL',
    'GFP_NOFS',
    'GFP_ATOMIC',
    'GFP_NOIO',
    'GFP_NOWAIT',
    'GFP_DMA',
    '__GFP_HIGHMEM',
    'GFP_DMA32',
    '__GFP_HIGH',
    '__GFP_ATOMIC',
    '__GFP_IO',
    '__GFP_FS',
    '__GFP_NOWARN',
    '__GFP_RETRY_MAYFAIL',
    '__GFP_NOFAIL',
    '__GFP_NORETRY',
    '__GFP_COMP',
    '__GFP_ZERO',
    '__GFP_NOMEMALLOC',
    '__GFP_MEMALLOC',
    '__GFP_HARDWALL',
    '__GFP_THISNODE',
    '__GFP_RECLAIMABLE',
    '__GFP_MOVABLE',
    '__GFP_ACCOUNT',
    '__GFP_WRITE',
    '__GFP_RECLAIM',
    '__GFP_DIRECT_RECLAIM',
    '__GFP_KSWAPD_RECLAIM',
    '__GFP_ZEROTAGS',
  ] as const
).map((name) => [name, Gfp[name]] as const);

/**
 * A mask as the kernel prints it in reports: names joined by `|`, what has no name as one hex
 * number, the empty string for 0.
 * @kernel %pGg (spec memory-model 5.3)
 */
export function formatGfp(gfp: number): string {
  const parts: string[] = [];
  let rest = gfp;
  for (const [name, bits] of PRINT_ORDER) {
    if (rest === 0) break;
    if ((rest & bits) !== bits) continue;
    parts.push(name);
    rest &= ~bits;
  }
  if (rest !== 0) parts.push(hex(rest >>> 0));
  return parts.join('|');
}

/** A mask as tracepoints print it: like `formatGfp`, but `none` for 0. @kernel show_gfp_flags */
export function formatGfpTrace(gfp: number): string {
  return gfp === 0 ? 'none' : formatGfp(gfp);
}

/**
 * The mask that a text of `formatGfp` or `formatGfpTrace` stands for.
 * @returns the mask, or `undefined` for text with an unknown name
 */
export function parseGfp(text: string): number | undefined {
  if (text === '' || text === 'none') return 0;
  const names: Readonly<Record<string, number>> = Gfp;
  let mask = 0;
  for (const part of text.split('|')) {
    const bits = /^0x[0-9a-f]+$/.test(part) ? Number(part) : names[part];
    if (bits === undefined) return undefined;
    mask |= bits;
  }
  return mask >>> 0;
}
