// covers: src/cli/scenarios.ts
import { describe, expect, test } from 'vitest';
import { SCENARIOS } from '../../src/cli/scenarios.ts';
import { runCli } from '../support/cli.ts';
import { filesBelow, textOf } from '../support/source.ts';

async function lines(name: string): Promise<string[]> {
  const { status, out, err } = await runCli(['scenario', name]);
  expect([status, err]).toEqual([0, '']);
  return out.split('\n');
}

/** What a debugger shows at a breakpoint: the names of the functions, innermost first. */
function backtrace(printed: readonly string[], name: string): string[] {
  const start = printed.findIndex((line) => line.startsWith(`Breakpoint, ${name} (`));
  const end = printed.indexOf('', start);
  return printed.slice(start + 1, end).map((line) => /^#\d+ +(\S+) \(/.exec(line)?.[1] ?? line);
}

/** Free pages of ZONE_DMA32 in each memory report. */
function freePages(printed: readonly string[]): number[] {
  const found = printed.map((line) => /^Node 0, zone +DMA32 +free (\d+) /.exec(line)?.[1]);
  return found.filter((pages) => pages !== undefined).map(Number);
}

describe('pageframe scenario', () => {
  test('lists all scenarios', async () => {
    const { status, out } = await runCli(['scenario', '--list']);
    expect(status).toBe(0);
    const names = out
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ', 1)[0]);
    expect(names).toEqual([
      'pgd-alloc',
      'readahead-pressure',
      'kswapd',
      'slab',
      'slub',
      'fragmentation',
      'oom',
    ]);
    expect(names).toEqual([...SCENARIOS.keys()]);
  });

  test('has each scenario as a short documented file', () => {
    for (const name of SCENARIOS.keys()) {
      const text = textOf(`docs/examples/${name}.ts`);
      expect(text).toMatch(/^\/\/ [A-Z]/);
      expect(text.split('\n').length).toBeLessThan(80);
      expect(text).toContain("from 'pageframe'");
    }
    const scenarios = filesBelow('docs/examples', '.ts').filter((path) =>
      textOf(path).includes('export function run('),
    );
    expect(scenarios).toHaveLength(SCENARIOS.size);
  });

  test.each([
    [['nonsense'], "no scenario 'nonsense'"],
    [[], 'scenario needs a NAME'],
    [['oom', 'slab'], 'scenario takes one NAME'],
    [['--list', 'oom'], '--list takes no NAME'],
    [['--all'], "Unknown option '--all'"],
  ])('refuses %j', async (args, complaint) => {
    const { status, out, err } = await runCli(['scenario', ...args]);
    expect([status, out]).toEqual([2, '']);
    expect(err).toContain(complaint);
  });

  test('explains itself', async () => {
    const { status, out } = await runCli(['scenario', '--help']);
    expect(status).toBe(0);
    expect(out).toMatch(/^Usage: pageframe scenario NAME/);
  });
});

describe('the scenario', () => {
  test('pgd-alloc goes the fast path with an order-1 request', async () => {
    const printed = await lines('pgd-alloc');
    expect(printed).toContain(
      '__alloc_pages (gfp=0x400dc0, order=1, preferred_nid=0, cpu=0) at src/buddy/alloc.ts',
    );
    expect(backtrace(printed, 'prep_new_page')).toEqual([
      'prep_new_page',
      'get_page_from_freelist',
      '__alloc_pages',
    ]);
    expect(printed.join('\n')).not.toContain('slowpath');
    const [first, second] = printed.flatMap((line) => /^page frame (\d+);/.exec(line)?.[1] ?? []);
    expect([Number(first) % 2, Number(second) - Number(first)]).toEqual([0, 2]);
    const [before, after] = freePages(printed);
    expect(before - after).toBe(4);
  });

  test('readahead-pressure goes through reclaim to compaction, and gets a page later', async () => {
    const printed = await lines('readahead-pressure');
    expect(printed[0]).toBe(
      'The request: GFP_NOFS|__GFP_HIGHMEM|__GFP_NOWARN|__GFP_NORETRY|__GFP_COMP|__GFP_HARDWALL|__GFP_MOVABLE',
    );
    expect(printed).toContain(
      'Breakpoint, __alloc_pages_direct_compact (gfp_mask=0x152c4a, order=0, alloc_flags=0x840, ' +
        'prio=COMPACT_PRIO_SYNC_LIGHT) at src/slowpath/alloc-pages-slowpath.ts',
    );
    expect(backtrace(printed, '__alloc_pages_direct_compact')).toEqual([
      '__alloc_pages_direct_compact',
      '__alloc_pages_slowpath',
      '__alloc_pages',
    ]);
    expect(backtrace(printed, 'free_unref_page_list')).toEqual([
      'free_unref_page_list',
      'shrink_folio_list',
      'shrink_inactive_list',
      'shrink_lruvec',
      'shrink_node',
      'shrink_zones',
      'do_try_to_free_pages',
      'try_to_free_pages',
      '__alloc_pages_direct_reclaim',
      '__alloc_pages_slowpath',
      '__alloc_pages',
    ]);
    const outcomes = printed.filter((line) => /^(no page|page frame)/.test(line));
    expect(outcomes).toEqual([
      'no page: readahead does without',
      expect.stringMatching(/^page frame \d+$/),
    ]);
    const [first, second] = printed.filter((line) => line.startsWith('events: '));
    expect(first).not.toContain('compact');
    expect(first).not.toContain('pgsteal');
    expect(second).toContain('pgsteal_direct +');
    const [before, after] = freePages(printed);
    expect(after).toBeGreaterThan(before);
  });

  test('kswapd balances the node', async () => {
    const printed = await lines('kswapd');
    expect(backtrace(printed, 'shrink_folio_list')).toEqual([
      'shrink_folio_list',
      'shrink_inactive_list',
      'shrink_lruvec',
      'shrink_node',
      'kswapd_shrink_node',
      'balance_pgdat',
      'kswapd',
    ]);
    const [before, after] = freePages(printed);
    const [, low, high] = /low (\d+) +high (\d+)/.exec(printed[1]) ?? [];
    expect(before).toBeLessThan(Number(low));
    expect(after).toBeGreaterThan(Number(high));
  });

  test('slab makes a slab, and then has objects in the array', async () => {
    const printed = await lines('slab');
    expect(backtrace(printed, 'get_page_from_freelist')).toEqual([
      'get_page_from_freelist',
      '__alloc_pages',
      'kmem_getpages',
      'cache_grow_begin',
      'cache_alloc_refill',
      '____cache_alloc',
      'kmem_cache_alloc',
    ]);
    expect(printed.filter((line) => line.includes('cache_grow_begin ('))).toHaveLength(2);
    expect(printed.filter((line) => line.includes('____cache_alloc ('))).toHaveLength(4);
  });

  test('slub makes a slab, and then has objects on the freelist', async () => {
    const printed = await lines('slub');
    expect(backtrace(printed, 'get_page_from_freelist')).toEqual([
      'get_page_from_freelist',
      '__alloc_pages',
      'new_slab',
      '___slab_alloc',
    ]);
    const addresses = printed
      .flatMap((line) => /^address (\d+), /.exec(line)?.[1] ?? [])
      .map(Number);
    expect(addresses).toHaveLength(3);
    expect(addresses.map((address) => address - addresses[0])).toEqual([0, 200, 400]);
    expect(printed.filter((line) => /^___slab_alloc/.test(line))).toHaveLength(1);
  });

  test('fragmentation makes a block of order 9 out of single pages', async () => {
    const printed = await lines('fragmentation');
    expect(backtrace(printed, 'migrate_pages').slice(0, 4)).toEqual([
      'migrate_pages',
      'compact_zone',
      'try_to_compact_pages',
      '__alloc_pages_direct_compact',
    ]);
    const [blocksBefore] = printed.filter((line) =>
      /^Node 0, zone +DMA32( +\d+){11} ?$/.test(line),
    );
    expect(blocksBefore.trim().split(/ +/).slice(-2)).toEqual(['0', '0']);
    const [, pfn] =
      /page frame (\d+)/.exec(printed.find((line) => /^page frame/.test(line)) ?? '') ?? [];
    expect(Number(pfn) % 512).toBe(0);
    expect(printed.find((line) => line.startsWith('events: '))).toMatch(/compact_success \+1$/);
  });

  test('oom ends the larger process, and the other one goes on', async () => {
    const printed = await lines('oom');
    expect(backtrace(printed, 'oom_kill_process')).toEqual([
      'oom_kill_process',
      'out_of_memory',
      '__alloc_pages_may_oom',
      '__alloc_pages_slowpath',
      '__alloc_pages',
    ]);
    expect(printed.join('\n')).toMatch(/Out of memory: Killed process 3 \(leak\) total-vm:80000kB/);
    const [before, after] = freePages(printed);
    expect(after - before).toBeGreaterThan(9000);
  });
});
