import { describe, expect, test } from 'vitest';
import { CallPath, type CallPathOptions } from '../../src/machine/call-path.ts';
import { Gfp } from '../../src/mm/gfp.ts';
import { bootOf } from './support.ts';

/** Functions that call each other as the cases need it. */
class Calls {
  readonly lines: string[] = [];
  readonly path: CallPath;

  constructor(options: CallPathOptions = {}) {
    this.path = new CallPath((line) => this.lines.push(line), options);
  }

  enter(name: string, args: Record<string, number | string | boolean> = {}): void {
    this.path.sink.functionEntry?.(name, args);
  }

  /** Calls `inner` so often. */
  outer(times: number): void {
    this.path.sink.functionEntry?.('outer', { times });
    for (let i = 0; i < times; i++) this.inner(i);
  }

  inner(i: number): void {
    this.path.sink.functionEntry?.('inner', { i });
  }

  /** Tells nothing itself, and calls from deeper than its neighbour does. */
  quiet(): void {
    const deeper = (): void => this.inner(9);
    deeper();
  }

  neighbours(): void {
    this.path.sink.functionEntry?.('neighbours', {});
    this.inner(1);
    this.quiet();
    this.outer(1);
  }

  again(left: number): void {
    this.path.sink.functionEntry?.('again', { left });
    if (left > 0) this.again(left - 1);
  }

  failing(): void {
    this.path.sink.functionEntry?.('failing', {});
    this.inner(1);
    throw new Error('enough');
  }
}

describe('calls', () => {
  test('are inside of the one that makes them, and after the one before', () => {
    const calls = new Calls();
    calls.neighbours();
    calls.outer(2);
    calls.path.end();
    expect(calls.lines).toEqual([
      'neighbours ()',
      '  inner (i=1)',
      '  inner (i=9)',
      '  outer (times=1)',
      '    inner (i=0)',
      'outer (times=2)',
      '  inner (i=0)',
      '  inner (i=1)',
    ]);
  });

  test('of a function by itself nest', () => {
    const calls = new Calls();
    calls.again(2);
    expect(calls.lines).toEqual(['again (left=2)', '  again (left=1)', '    again (left=0)']);
  });

  test('that repeat are counted', () => {
    const calls = new Calls({ repeat: 2 });
    calls.outer(5);
    calls.outer(1);
    calls.outer(3);
    calls.path.end();
    expect(calls.lines).toEqual([
      'outer (times=5)',
      '  inner (i=0)',
      '  inner (i=1)',
      '  ... 3 more of inner',
      'outer (times=1)',
      '  inner (i=0)',
      '... 1 more of outer',
    ]);
  });

  test('that end with an error have returned too', () => {
    const calls = new Calls();
    expect(() => calls.failing()).toThrow('enough');
    calls.outer(1);
    expect(calls.lines).toEqual([
      'failing ()',
      '  inner (i=1)',
      'outer (times=1)',
      '  inner (i=0)',
    ]);
  });

  test('are forgotten at the end', () => {
    const calls = new Calls({ repeat: 1 });
    for (let i = 0; i < 3; i++) {
      calls.outer(0);
      calls.path.end();
    }
    expect(calls.lines).toEqual(['outer (times=0)', 'outer (times=0)', 'outer (times=0)']);
  });
});

describe('arguments', () => {
  test('have the form that suits them', () => {
    const calls = new Calls();
    calls.enter('f', {
      gfp_mask: 0x152c4a,
      alloc_flags: 0x840,
      order: 9,
      cachep: 'demo',
      sync: true,
    });
    calls.enter('f', { prio: 1, mode: 0, lru: 3, page: 4096, node: -1 });
    calls.enter('f', { prio: 7, flags: -1 });
    expect(calls.lines).toEqual([
      'f (gfp_mask=0x152c4a, alloc_flags=0x840, order=9, cachep="demo", sync=true)',
      'f (prio=COMPACT_PRIO_SYNC_LIGHT, mode=MIGRATE_ASYNC, lru=LRU_ACTIVE_FILE, page=0x1000, node=-1)',
      'f (prio=7, flags=0xffffffff)',
    ]);
  });
});

describe('breakpoints', () => {
  test('show the whole path once, innermost first', () => {
    const calls = new Calls({ breakAt: ['inner'], repeat: 1 });
    calls.outer(3);
    calls.path.end();
    expect(calls.lines).toEqual([
      'outer (times=3)',
      '  inner (i=0)',
      '',
      'Breakpoint, inner (i=0)',
      '#0  inner (i=0)',
      '#1  outer (times=3)',
      '',
      '  ... 2 more of inner',
    ]);
  });

  test('are met in calls that are not printed', () => {
    const calls = new Calls({ breakAt: ['inner'], repeat: 1 });
    calls.outer(0);
    calls.outer(1);
    expect(calls.lines.slice(1)).toEqual([
      '',
      'Breakpoint, inner (i=0)',
      '#0  inner (i=0)',
      '#1  outer (times=1)',
      '',
    ]);
  });
});

describe('a machine', () => {
  test('is followed with the files of this package, and tracepoints among the calls', () => {
    const lines: string[] = [];
    const path = new CallPath((line) => lines.push(line), { events: ['mm_page_alloc'] });
    const machine = bootOf(32);
    machine.trace = path.sink;
    machine.allocPages(Gfp.GFP_KERNEL, 4);
    path.end();
    expect(
      lines.map((line) => line.replace(/page=\w+/, 'page=P').replace(/pfn=\w+/, 'pfn=N')),
    ).toEqual([
      '__alloc_pages (gfp=0xcc0, order=4, preferred_nid=0, cpu=0) at src/buddy/alloc.ts',
      '  get_page_from_freelist (gfp_mask=0xcc0, order=4, alloc_flags=0x801) at src/buddy/zone-walk.ts',
      expect.stringMatching(/^ {4}rmqueue \(zone=1, order=4, .*\) at src\/buddy\/rmqueue.ts$/),
      expect.stringMatching(/^ {6}steal_suitable_fallback \(/),
      expect.stringMatching(/^ {4}prep_new_page \(/),
      '  * mm_page_alloc: page=P pfn=N order=4 migratetype=0 gfp_flags=GFP_KERNEL',
    ]);
  });

  test('gives the same pages when it is followed', () => {
    const [watched, plain] = [bootOf(32), bootOf(32)];
    watched.trace = new CallPath(() => undefined).sink;
    const pages = [watched, plain].map((machine) =>
      [0, 1, 4, 9, 0, 0].map((order) => machine.allocPages(Gfp.GFP_KERNEL, order)),
    );
    expect(pages[0]).toEqual(pages[1]);
  });

  test('leaves the settings of the engine as they were', () => {
    const before = [Error.stackTraceLimit, Error.prepareStackTrace];
    new Calls().outer(2);
    expect([Error.stackTraceLimit, Error.prepareStackTrace]).toEqual(before);
  });
});
