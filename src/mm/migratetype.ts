/** Migratetypes of pageblocks and free lists (spec memory-model 2.2), MEMORY_ISOLATION on, CMA off. */
export const Migratetype = {
  /** Kernel memory that cannot move. */
  MIGRATE_UNMOVABLE: 0,
  /** User and page cache memory. */
  MIGRATE_MOVABLE: 1,
  /** Kernel memory that shrinkers can free. */
  MIGRATE_RECLAIMABLE: 2,
  /** Reserve for high-order atomic requests. */
  MIGRATE_HIGHATOMIC: 3,
  /** Pageblocks taken out of use. */
  MIGRATE_ISOLATE: 4,
} as const;

/** Types that have per-CPU lists; values below it are mergeable. */
export const MIGRATE_PCPTYPES = 3;

/** Lists per order that the model keeps, ISOLATE included. */
export const MIGRATE_TYPES = 5;

/** Names as `/proc/pagetypeinfo` prints them, by value. */
export const MIGRATETYPE_NAMES: readonly string[] = [
  'Unmovable',
  'Movable',
  'Reclaimable',
  'HighAtomic',
  'Isolate',
];

/** Letters as `show_mem` prints them, by value. */
export const MIGRATETYPE_LETTERS = 'UMEHI';

/** Whether blocks of this type may merge with blocks of other pageblock types. @kernel migratetype_is_mergeable */
export function migratetypeIsMergeable(migratetype: number): boolean {
  return migratetype < MIGRATE_PCPTYPES;
}
