import { describe, expect, test } from 'vitest';
import { vmscanFtrace } from '../../src/mm/ftrace-vmscan.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import { modNodeState, nodeState } from '../../src/mm/vmstat.ts';
import { NodeReclaimMode, NodeReclaimResult } from '../../src/reclaim/constants.ts';
import { World, type WorldOptions } from './support.ts';

const { NODE_RECLAIM_FULL, NODE_RECLAIM_NOSCAN } = NodeReclaimResult;
const { NODE_RECLAIM_SOME, NODE_RECLAIM_SUCCESS } = NodeReclaimResult;
const { RECLAIM_UNMAP, RECLAIM_WRITE, RECLAIM_ZONE } = NodeReclaimMode;

function world(pages: number, mode: number = RECLAIM_ZONE, options: WorldOptions = {}): World {
  const made = new World(options);
  made.lruPages(pages);
  made.model.tunables.nodeReclaimMode = mode;
  return made;
}

function ask(made: World, order = 0, gfp: number = Gfp.GFP_KERNEL, cpu = 0): number {
  return made.reclaim.nodeReclaim(0, gfp, order, cpu);
}

describe('node reclaim (spec 4.29)', () => {
  test('frees page cache beyond the limits', () => {
    const lines: string[] = [];
    const trace = vmscanFtrace((event, text) => {
      if (event.includes('node_reclaim')) lines.push(`${event}: ${text}`);
    });
    const made = world(1000, RECLAIM_ZONE, { trace });
    expect(ask(made, 2)).toBe(NODE_RECLAIM_SUCCESS);
    // Priority 4 scans 62 pages; the goal is 32.
    expect(made.event('pgsteal_direct')).toBe(32);
    expect(lines).toEqual([
      'mm_vmscan_node_reclaim_begin: nid=0 order=2 gfp_flags=GFP_KERNEL',
      'mm_vmscan_node_reclaim_end: nr_reclaimed=32',
    ]);
    expect(made.reclaim.task.pfMemalloc).toBe(false);
    expect(made.state.pgdatFlags[0]).toBe(0);
  });

  test('is full below the limits of page cache and slab', () => {
    const made = world(10);
    made.model.nodes[0].minUnmappedPages = 10;
    made.model.nodes[0].minSlabPages = 5;
    modNodeState(made.model.vmstat, 0, 0, NodeStatItem.nr_slab_reclaimable, 5);
    expect(ask(made)).toBe(NODE_RECLAIM_FULL);
    modNodeState(made.model.vmstat, 0, 0, NodeStatItem.nr_slab_reclaimable, 1);
    expect(ask(made)).not.toBe(NODE_RECLAIM_FULL);
    made.model.nodes[0].minSlabPages = 100;
    made.model.nodes[0].minUnmappedPages = 2;
    expect(ask(made)).not.toBe(NODE_RECLAIM_FULL);
  });

  test('mapped and dirty pages do not count, unless the mode says so', () => {
    const limit = (mode: number): boolean => {
      const made = world(10, mode);
      made.model.nodes[0].minUnmappedPages = 5;
      const { vmstat } = made.model;
      modNodeState(vmstat, 0, 0, NodeStatItem.nr_file_pages, 10);
      modNodeState(vmstat, 0, 0, NodeStatItem.nr_mapped, 3);
      modNodeState(vmstat, 0, 0, NodeStatItem.nr_dirty, 3);
      return ask(made) !== NODE_RECLAIM_FULL;
    };
    expect(limit(RECLAIM_ZONE)).toBe(false);
    expect(limit(RECLAIM_ZONE | RECLAIM_WRITE)).toBe(true);
    expect(limit(RECLAIM_ZONE | RECLAIM_UNMAP)).toBe(true);
  });

  test('does not look for callers that cannot wait, that reclaim already, or from elsewhere', () => {
    const options: WorldOptions = {
      nodes: [
        [0, 0, 64, 0],
        [0, 0, 64, 0],
      ],
      cpuNode: [0, 1],
    };
    const made = world(40, RECLAIM_ZONE, options);
    expect(ask(made, 0, Gfp.GFP_ATOMIC)).toBe(NODE_RECLAIM_NOSCAN);
    expect(ask(made, 0, Gfp.GFP_KERNEL, 1)).toBe(NODE_RECLAIM_NOSCAN);
    made.reclaim.task.pfMemalloc = true;
    expect(ask(made)).toBe(NODE_RECLAIM_NOSCAN);
    made.reclaim.task.pfMemalloc = false;
    made.state.pgdatFlags[0] = 4;
    expect(ask(made)).toBe(NODE_RECLAIM_NOSCAN);
    made.state.pgdatFlags[0] = 0;
    made.model.nodes[0].cpus = [];
    expect(ask(made, 0, Gfp.GFP_KERNEL, 1)).toBe(NODE_RECLAIM_SUCCESS);
  });

  test('too little is counted as a failure, after five priorities', () => {
    const passes: number[] = [];
    const made = world(64);
    made.lruPages(1000, { extra: 1 });
    for (const pfn of made.reclaim.lruList(0, 2)) made.model.map.refcount[pfn] = 2;
    made.reclaim.registerShrinker({
      name: 'counter',
      countObjects: () => {
        passes.push(1);
        return 0;
      },
      scanObjects: () => 0,
    });
    expect(ask(made, 1)).toBe(NODE_RECLAIM_SOME);
    expect(passes).toHaveLength(5);
    expect(made.event('zone_reclaim_failed')).toBe(1);
  });

  test('mapped pages are left alone, unless the mode says otherwise', () => {
    const mapped = (mode: number): number => {
      const made = world(0, mode);
      made.lruPages(64, { mapped: 1 });
      modNodeState(made.model.vmstat, 0, 0, NodeStatItem.nr_file_pages, 64);
      modNodeState(made.model.vmstat, 0, 0, NodeStatItem.nr_slab_reclaimable, 1);
      ask(made);
      return nodeState(made.model.vmstat, 0, NodeStatItem.nr_mapped);
    };
    expect(mapped(RECLAIM_ZONE)).toBe(64);
    expect(mapped(RECLAIM_ZONE | RECLAIM_UNMAP)).toBeLessThan(64);
  });
});
