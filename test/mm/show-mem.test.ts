import { describe, expect, it } from 'vitest';
import { BuddyAllocator } from '../../src/buddy/index.ts';
import { MemoryModel } from '../../src/mm/memory-model.ts';
import { Migratetype } from '../../src/mm/migratetype.ts';
import { setPageblockMigratetype } from '../../src/mm/page-map.ts';
import { type ShowMemConfig, type ShowMemSources, showMem } from '../../src/mm/show-mem.ts';
import {
  NodeStatItem,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  ZoneStatItem,
} from '../../src/mm/vm-items.ts';

const CONFIG = { numa: true, thp: true, hugetlb: true, cma: false, memoryFailure: false };

/** Node 0 with DMA and DMA32, node 1 with Normal; counters that all differ. */
function machine(): MemoryModel {
  const model = new MemoryModel({ endPfn: 0x4000, nodeCount: 2, cpuNode: [0, 1] });
  const zones = [model.zones[0], model.zones[1], model.zones[6]];
  zones.forEach((zone, i) => {
    zone.startPfn = i * 0x1000;
    zone.spannedPages = 0x1000;
    zone.presentPages = 0x1000;
    zone.watermark.set([10 + i, 20 + i, 30 + i, 40 + i]);
    zone.lowmemReserve.set([0, 5, 6, 7].map((pages, j) => (j > zone.index ? pages : 0)));
    model.map.zone.fill(zone.id + 1, zone.startPfn, zone.startPfn + 0x1000);
    model.nodes[zone.node].presentPages += 0x1000;
  });
  zones[1].watermarkBoost = 100;
  zones[1].nrReservedHighatomic = 512;
  const buddy = new BuddyAllocator(model);
  // 0x0: unmovable, 0x200: movable, 0x400: highatomic; free blocks of a few orders.
  const types = [
    Migratetype.MIGRATE_UNMOVABLE,
    Migratetype.MIGRATE_MOVABLE,
    Migratetype.MIGRATE_RECLAIMABLE,
    Migratetype.MIGRATE_HIGHATOMIC,
    Migratetype.MIGRATE_ISOLATE,
  ];
  types.forEach((type, i) => {
    setPageblockMigratetype(model.map, i * 0x200, type);
    model.map.refcount[i * 0x200] = 1;
    buddy.freePagesCore(i * 0x200, 1);
  });
  buddy.freePagesCore(0x204, 0);
  model.pagesets.count[0] = 3;
  model.pagesets.count[model.zones.length] = 4;
  for (let node = 0; node < 2; node++) {
    for (let item = 0; item < NR_VM_NODE_STAT_ITEMS; item++) {
      model.vmstat.node[node * NR_VM_NODE_STAT_ITEMS + item] = 100 * (node + 1) + item;
    }
  }
  for (let item = ZoneStatItem.NR_ZONE_INACTIVE_ANON; item < NR_VM_ZONE_STAT_ITEMS; item++) {
    model.vmstat.zone[item] = 10 + item;
  }
  return model;
}

function report(
  nodemask: Uint8Array | null,
  highest: number,
  config: Partial<ShowMemConfig> = {},
  swap: ShowMemSources['swap'] = null,
): string[] {
  const model = machine();
  return showMem({ model, config: { ...CONFIG, ...config }, swap }, nodemask, highest, 0);
}

describe('Mem-Info (spec slowpath-compaction 5.2, buddy 5.6)', () => {
  it('is the kernel’s, byte for byte', () => {
    const lines = report(new Uint8Array([1, 0]), 0);
    expect(lines.slice(0, 9)).toEqual([
      'Mem-Info:',
      'active_anon:302 inactive_anon:300 isolated_anon:314',
      ' active_file:306 inactive_file:304 isolated_file:316',
      ' unevictable:308 dirty:340 writeback:342',
      ' slab_reclaimable:310 slab_unreclaimable:312',
      ' mapped:336 shmem:346 pagetables:376',
      ' sec_pagetables:378 bounce:18',
      ' kernel_misc_reclaimable:368',
      ` free:${11 - 2} free_pcp:7 free_cma:19`,
    ]);
    expect(lines.slice(9)).toEqual([
      'Node 0 active_anon:404kB inactive_anon:400kB active_file:412kB inactive_file:408kB unevictable:416kB isolated(anon):428kB isolated(file):432kB mapped:472kB dirty:480kB writeback:484kB shmem:492kB shmem_thp: 496kB shmem_pmdmapped: 500kB anon_thp: 512kB writeback_tmp:488kB kernel_stack:137kB pagetables:552kB sec_pagetables:556kB all_unreclaimable? no',
      'Node 0 DMA free:36kB boost:0kB min:40kB low:80kB high:120kB reserved_highatomic:0KB active_anon:48kB inactive_anon:44kB active_file:56kB inactive_file:52kB unevictable:60kB writepending:64kB present:16384kB managed:44kB mlocked:68kB bounce:72kB free_pcp:28kB local_pcp:12kB free_cma:76kB',
      'lowmem_reserve[]: 0 5 6 7',
      'Node 0 DMA: 1*4kB (M) 5*8kB (UMEHI) 0*16kB 0*32kB 0*64kB 0*128kB 0*256kB 0*512kB 0*1024kB 0*2048kB 0*4096kB = 44kB',
      'Node 0 hugepages_total=0 hugepages_free=0 hugepages_surp=0 hugepages_size=2048kB',
      '338 total pagecache pages',
      '12288 pages RAM',
      '0 pages HighMem/MovableOnly',
      '12277 pages reserved',
    ]);
  });

  it('shows the nodes of the mask and the zones up to the index', () => {
    const heads = (lines: readonly string[]) =>
      lines.filter((line) => line.includes('boost:')).map((line) => line.replace(/ free:.*/, ''));
    expect(heads(report(null, 3))).toEqual(['Node 0 DMA', 'Node 0 DMA32', 'Node 1 Normal']);
    expect(heads(report(null, 1))).toEqual(['Node 0 DMA', 'Node 0 DMA32']);
    expect(heads(report(new Uint8Array([0, 1]), 3))).toEqual(['Node 1 Normal']);
    // A node without managed pages in what is shown has no line of its own.
    expect(report(null, 3).filter((line) => line.includes('all_unreclaimable'))).toHaveLength(1);
  });

  it('watermarks include the boost', () => {
    const line = report(null, 3).find((text) => text.startsWith('Node 0 DMA32 free'));
    expect(line).toContain('boost:400kB min:444kB low:484kB high:524kB reserved_highatomic:2048KB');
  });

  it('a hopeless node says so', () => {
    const model = machine();
    model.nodes[0].kswapdFailures = 16;
    const lines = showMem({ model, config: CONFIG, swap: null }, null, 3, 0);
    expect(lines.find((line) => line.startsWith('Node 0 active'))).toMatch(/unreclaimable\? yes$/);
  });

  it('options of the kernel add and remove lines', () => {
    const small = { numa: false, thp: false, hugetlb: false };
    const lines = report(null, 0, small);
    expect(lines.some((line) => line.includes('thp'))).toBe(false);
    expect(lines.some((line) => line.includes('hugepages'))).toBe(false);
    expect(lines.find((line) => line.includes('boost:'))).toMatch(/^DMA free:36kB/);
    expect(lines.find((line) => line.includes('(M)'))).toMatch(/^DMA: 1\*4kB \(M\)/);
    const large = { cma: true, memoryFailure: true };
    expect(report(null, 3, large, { totalPages: 100, nrFree: 30 }).slice(-9)).toEqual([
      '338 total pagecache pages',
      `${100 + 200 + 2 * NodeStatItem.nr_swapcached} pages in swap cache`,
      'Free swap  = 120kB',
      'Total swap = 400kB',
      '12288 pages RAM',
      '0 pages HighMem/MovableOnly',
      '12277 pages reserved',
      '0 pages cma reserved',
      '0 pages hwpoisoned',
    ]);
  });
});
