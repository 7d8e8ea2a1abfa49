import type { PhysicalMemory } from '../memory/types.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { TaskContext } from '../mm/task.ts';
import type { TraceSink } from '../mm/trace.ts';
import type { CompactionLru, CompactionPages, MigrationHost } from './types.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** Everything a run of compaction works with; one per machine. */
export interface CompactionContext {
  /** The machine's page frames, zones and counters. */
  readonly model: MemoryModel;
  /** The page allocator. */
  readonly pages: CompactionPages;
  /** The LRU lists. */
  readonly lru: CompactionLru;
  /** The owner of the pages. */
  readonly host: MigrationHost;
  /** Content of the page frames, if there is any. */
  readonly memory: PhysicalMemory | null;
  /** The running task. */
  readonly task: TaskContext;
  /** Where tracepoints go. */
  trace: TraceSink | null;
  /** What compaction remembers, by zone id. */
  readonly zones: readonly ZoneCompaction[];
  /** `compact_unevictable_allowed`. */
  unevictableAllowed: boolean;
  /** `compaction_proactiveness`, 0 to 100. */
  proactiveness: number;
  /** Whether a node's kswapd is between wake-up and the end of its work. */
  kswapdIsRunning(node: number): boolean;
}
