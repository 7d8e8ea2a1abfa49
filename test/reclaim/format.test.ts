import { describe, expect, test } from 'vitest';
import { NodeStatItem, NumaStatItem } from '../../src/mm/vm-items.ts';
import { countNumaEvents, modNodeState } from '../../src/mm/vmstat.ts';
import { formatVmstat, parseVmstat, siMemAvailable } from '../../src/reclaim/format.ts';
import { World } from './support.ts';

/** The names of spec reclaim 5.3, options off, as far as the model counts. */
const NAMES =
  `nr_free_pages nr_zone_inactive_anon nr_zone_active_anon nr_zone_inactive_file nr_zone_active_file
nr_zone_unevictable nr_zone_write_pending nr_mlock nr_bounce nr_free_cma numa_hit
numa_miss numa_foreign numa_interleave numa_local numa_other nr_inactive_anon nr_active_anon
nr_inactive_file nr_active_file nr_unevictable nr_slab_reclaimable nr_slab_unreclaimable nr_isolated_anon
nr_isolated_file workingset_nodes workingset_refault_anon workingset_refault_file workingset_activate_anon
workingset_activate_file workingset_restore_anon workingset_restore_file workingset_nodereclaim nr_anon_pages
nr_mapped nr_file_pages nr_dirty nr_writeback nr_writeback_temp nr_shmem nr_shmem_hugepages nr_shmem_pmdmapped
nr_file_hugepages nr_file_pmdmapped nr_anon_transparent_hugepages nr_vmscan_write nr_vmscan_immediate_reclaim
nr_dirtied nr_written nr_throttled_written nr_kernel_misc_reclaimable nr_foll_pin_acquired nr_foll_pin_released
nr_kernel_stack nr_page_table_pages nr_sec_page_table_pages nr_swapcached nr_dirty_threshold
nr_dirty_background_threshold pgpgin pgpgout pswpin pswpout pgalloc_dma pgalloc_dma32 pgalloc_normal
pgalloc_movable allocstall_dma allocstall_dma32 allocstall_normal allocstall_movable pgskip_dma pgskip_dma32
pgskip_normal pgskip_movable pgfree pgactivate pgdeactivate
pglazyfree pgfault pgmajfault pglazyfreed pgrefill pgreuse pgsteal_kswapd pgsteal_direct pgdemote_kswapd
pgdemote_direct pgscan_kswapd pgscan_direct pgscan_direct_throttle pgscan_anon pgscan_file pgsteal_anon pgsteal_file
zone_reclaim_failed pginodesteal slabs_scanned kswapd_inodesteal kswapd_low_wmark_hit_quickly
kswapd_high_wmark_hit_quickly pageoutrun pgrotated drop_pagecache drop_slab oom_kill`.split(/\s+/);

describe('/proc/vmstat', () => {
  test('names in the order of the kernel', () => {
    const { model } = new World();
    const names = [...parseVmstat(formatVmstat(model)).keys()];
    expect(names.slice(0, NAMES.length)).toEqual(NAMES);
    expect(names.at(-1)).toBe('nr_unstable');
    expect(names).toContain('unevictable_pgs_culled');
  });

  test('values: totals over zones and nodes, events over CPUs, huge pages as such', () => {
    const world = new World({
      nodes: [
        [0, 16, 64, 0],
        [0, 0, 64, 0],
      ],
      cpuNode: [0, 1],
    });
    const { vmstat } = world.model;
    world.lruPages(3);
    world.lruPages(4, { node: 1, active: true });
    world.reclaim.registerShrinker({
      name: 'cache',
      countObjects: () => 10,
      scanObjects: ({ nrToScan }) => nrToScan,
    });
    world.reclaim.shrinkSlab(0xcc0, 0, 0, 0);
    world.reclaim.shrinkSlab(0xcc0, 0, 0, 1);
    countNumaEvents(vmstat, 0, 1, NumaStatItem.NUMA_HIT, 5);
    countNumaEvents(vmstat, 1, 6, NumaStatItem.NUMA_HIT, 6);
    modNodeState(vmstat, 0, 0, NodeStatItem.nr_file_hugepages, 1025);
    const values = parseVmstat(formatVmstat(world.model, { threshold: 70, background: 35 }));
    expect(Object.fromEntries(values)).toMatchObject({
      nr_free_pages: 144 - 7,
      nr_zone_inactive_file: 3,
      nr_active_file: 4,
      nr_file_hugepages: 2,
      numa_hit: 11,
      slabs_scanned: 40,
      nr_dirty_threshold: 70,
      nr_dirty_background_threshold: 35,
      nr_unstable: 0,
    });
  });

  test.each(['nr_free_pages', 'nr_free_pages x', 'a 1\na 2', ' a 1', 'a -1'])(
    '%j is refused',
    (text) => {
      expect(() => parseVmstat(text)).toThrow(expect.objectContaining({ code: 'BAD_ARGUMENT' }));
    },
  );
});

describe('MemAvailable (spec 5.3)', () => {
  test('half of the cache is safe, or all but the low watermarks', () => {
    const world = new World();
    world.lruPages(100);
    world.lruPages(60, { active: true });
    world.zone().watermark[1] = 50;
    world.model.totalreservePages = 1000;
    // 4096 - 160 free, less the reserve; cache 160 - min(80, 50); no slab.
    expect(siMemAvailable(world.model)).toBe(3936 - 1000 + 110);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_slab_reclaimable, 30);
    modNodeState(world.model.vmstat, 0, 0, NodeStatItem.nr_kernel_misc_reclaimable, 11);
    // Slab 41 - min(20, 50).
    expect(siMemAvailable(world.model)).toBe(3936 - 1000 + 110 + 21);
    world.zone().watermarkBoost = 40;
    expect(siMemAvailable(world.model)).toBe(3936 - 1000 + 80 + 21);
    world.model.totalreservePages = 10000;
    expect(siMemAvailable(world.model)).toBe(0);
  });
});
