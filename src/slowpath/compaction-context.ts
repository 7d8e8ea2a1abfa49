import type { PhysicalMemory } from '../memory/types.ts';
import type { MemoryModel } from '../mm/memory-model.ts';
import type { TaskContext } from '../mm/task.ts';
import type { TraceSink } from '../mm/trace.ts';
import type { CompactionLru, CompactionPages, MigrationHost, SlowPathCpusets } from './types.ts';
import type { ZoneCompaction } from './zone-state.ts';

/** Everything that compaction and the slow path's decisions work with; one per machine. */
export interface CompactionContext {
  /** The machine's page frames, zones and counters. */
  readonly model: MemoryModel;
  /** The page allocator. */
  readonly pages: CompactionPages;
  /** The LRU lists. */
  readonly lru: CompactionLru;
  /** The owner of the pages. */
  readonly host: MigrationHost;
  /** Content of the page frames, null for none. */
  readonly memory: PhysicalMemory | null;
  /** The running task. */
  readonly task: TaskContext;
  /** Cpusets, null when none are in use. */
  readonly cpusets: SlowPathCpusets | null;
  /** Whether COMPACTION is built in. */
  readonly compaction: boolean;
  /** Where tracepoints go. */
  trace: TraceSink | null;
  /** What compaction remembers, by zone id. */
  readonly zones: readonly ZoneCompaction[];
  /** `compact_unevictable_allowed`. */
  unevictableAllowed: boolean;
  /** `compaction_proactiveness`, 0 to 100. */
  proactiveness: number;
  /** Runs of compaction under way. */
  runs: number;
  /** Whether a node's kswapd is between wake-up and the end of its work. */
  kswapdIsRunning(node: number): boolean;
  /** Changes when zonelists are rebuilt. */
  zonelistCookie(): number;
}
