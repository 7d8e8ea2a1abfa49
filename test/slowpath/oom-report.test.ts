// covers: src/slowpath/nodemask.ts src/slowpath/oom-types.ts
import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { NodeStatItem } from '../../src/mm/vm-items.ts';
import {
  formatGfpReport,
  formatInvoked,
  formatKilled,
  formatNodemask,
  formatSlabInfo,
  formatSummary,
  formatTasks,
  slabIsMostOfMemory,
} from '../../src/slowpath/oom-report.ts';
import { createOomMm, createOomTask, OomConstraint } from '../../src/slowpath/oom-types.ts';
import { completeConfig } from '../../src/slowpath/state.ts';
import { createWorld } from './world.ts';

const HOG = createOomTask({
  pid: 812,
  comm: 'hog',
  uid: 1000,
  mm: createOomMm({ totalVm: 10_000, rssAnon: 5000, rssFile: 200, pgtablesBytes: 65_536 }),
});

const { model } = createWorld({
  startPfn: 0x400,
  endPfn: 0x800,
  watermark: [1, 2, 3],
  kind: () => 'fixed',
});

describe('lines of the OOM report (spec slowpath-compaction 5.3)', () => {
  it('are the kernel’s, byte for byte', () => {
    const gfp = Gfp.GFP_HIGHUSER_MOVABLE | Gfp.__GFP_COMP;
    expect(formatInvoked('worker', gfp, 0, 0)).toBe(
      'worker invoked oom-killer: gfp_mask=0x140cca(GFP_HIGHUSER_MOVABLE|__GFP_COMP), order=0, oom_score_adj=0',
    );
    expect(
      formatSlabInfo([
        {
          name: 'demo-cache',
          activeObjects: 4800,
          totalObjects: 9600,
          sizeBytes: 256,
          isReclaimable: false,
        },
        {
          name: 'dentry',
          activeObjects: 10,
          totalObjects: 10,
          sizeBytes: 192,
          isReclaimable: true,
        },
        { name: 'empty', activeObjects: 0, totalObjects: 0, sizeBytes: 64, isReclaimable: false },
      ]),
    ).toEqual([
      'Unreclaimable slab info:',
      'Name                      Used          Total',
      'demo-cache              1200KB       2400KB',
    ]);
    expect(formatTasks([HOG])).toEqual([
      'Tasks state (memory values in pages):',
      '[  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name',
      '[    812]  1000   812    10000     5200    65536        0             0 hog',
    ]);
    const config = completeConfig(model);
    const cpuset = ',cpuset=/,mems_allowed=0';
    expect(formatSummary(OomConstraint.CONSTRAINT_NONE, null, cpuset, config, HOG)).toBe(
      'oom-kill:constraint=CONSTRAINT_NONE,nodemask=(null),cpuset=/,mems_allowed=0,global_oom,task_memcg=/,task=hog,pid=812,uid=1000',
    );
    expect(formatKilled('Out of memory', HOG)).toBe(
      'Out of memory: Killed process 812 (hog) total-vm:40000kB, anon-rss:20000kB, file-rss:800kB, shmem-rss:0kB, UID:1000 pgtables:64kB oom_score_adj:0',
    );
  });

  it('the summary of a kernel without cgroups', () => {
    const config = completeConfig(model, { memcg: false, cpusets: false });
    const mask = new Uint8Array([1, 1]);
    expect(formatSummary(OomConstraint.CONSTRAINT_MEMORY_POLICY, mask, '', config, HOG)).toBe(
      'oom-kill:constraint=CONSTRAINT_MEMORY_POLICY,nodemask=0-1,task=hog,pid=812,uid=1000',
    );
  });

  it('a process without memory has no row; a surviving thread stands for its leader', () => {
    const gone = createOomTask({ pid: 5, comm: 'gone' });
    expect(formatTasks([gone])).toHaveLength(2);
    const thread = createOomTask({ ...HOG, survivor: { pid: 815, comm: 'hog-io' } });
    expect(formatTasks([thread])[2]).toBe(
      '[    815]  1000   812    10000     5200    65536        0             0 hog-io',
    );
    expect(formatKilled('x', thread)).toContain('Killed process 815 (hog-io)');
    expect(formatKilled('x', gone)).toContain('total-vm:0kB, anon-rss:0kB');
  });

  it('masks', () => {
    expect(formatGfpReport(0)).toBe('0x0()');
    expect(formatNodemask(null)).toBe('(null)');
    expect(formatNodemask(new Uint8Array([1, 0, 1, 1, 1, 0, 1]))).toBe('0,2-4,6');
    expect(formatNodemask(new Uint8Array(3))).toBe('');
  });

  it('slab is most of memory when it is more than all LRU pages', () => {
    const { node } = model.vmstat;
    node[NodeStatItem.nr_slab_unreclaimable] = 10;
    node[NodeStatItem.nr_active_file] = 5;
    node[NodeStatItem.nr_isolated_anon] = 5;
    expect(slabIsMostOfMemory(model)).toBe(false);
    node[NodeStatItem.nr_isolated_anon] = 4;
    expect(slabIsMostOfMemory(model)).toBe(true);
  });
});
