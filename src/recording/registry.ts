import { replayBalance } from './balance.ts';
import { replayBoot } from './boot.ts';
import { replayBuddy } from './buddy.ts';
import { replayE820 } from './e820.ts';
import { replayMemblock } from './memblock.ts';
import { replayReclaim } from './reclaim.ts';
import { replaySlabGeometry } from './slab-geometry.ts';
import { replaySlabMerge } from './slab-merge.ts';
import { replaySlabOps } from './slab-ops.ts';
import { replaySlow } from './slow.ts';
import { replaySlubGeometry } from './slub-geometry.ts';
import { replaySlubMerge } from './slub-merge.ts';
import { replaySlubOps } from './slub-ops.ts';
import type { Replayer } from './types.ts';
import { replayWatermark } from './watermark.ts';

/** Who replays what. A kind that is not here is not supported (yet). */
const REPLAYERS: ReadonlyMap<string, Replayer> = new Map<string, Replayer>([
  ['balance', replayBalance],
  ['boot', replayBoot],
  ['buddy', replayBuddy],
  ['e820', replayE820],
  ['memblock', replayMemblock],
  ['reclaim', replayReclaim],
  ['watermark', replayWatermark],
  ['slab_geometry', replaySlabGeometry],
  ['slab_merge', replaySlabMerge],
  ['slab_ops', replaySlabOps],
  ['slub_geometry', replaySlubGeometry],
  ['slub_merge', replaySlubMerge],
  ['slub_ops', replaySlubOps],
  ['slow', replaySlow],
]);

/** The kinds of recordings that can be replayed, in alphabetical order. */
export function supportedKinds(): string[] {
  return [...REPLAYERS.keys()].sort();
}

/** The replayer of a kind, null when there is none. */
export function replayerOf(kind: string): Replayer | null {
  return REPLAYERS.get(kind) ?? null;
}
