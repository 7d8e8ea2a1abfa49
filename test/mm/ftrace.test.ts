import { expect, test } from 'vitest';
import { ftraceSink } from '../../src/mm/ftrace.ts';
import type { TraceSink } from '../../src/mm/trace.ts';

test('one sink has the tracepoints of all families, a line each', () => {
  const lines: string[] = [];
  const sink = ftraceSink((line) => lines.push(line));
  sink.mmPageFree?.(0x1234, 2);
  sink.kfree?.(0x5000);
  sink.mmVmscanKswapdSleep?.(1);
  sink.mmCompactionKcompactdSleep?.(1);
  sink.wakeReaper?.(42);
  expect(lines).toEqual([
    'mm_page_free: page=ffffea0000048d00 pfn=0x1234 order=2',
    'kfree: call_site=0x0 ptr=ffff888000005000',
    'mm_vmscan_kswapd_sleep: nid=1',
    'mm_compaction_kcompactd_sleep: nid=1',
    'wake_reaper: pid=42',
  ]);
});

test('the options reach every family', () => {
  const lines: string[] = [];
  const sink: TraceSink = ftraceSink((line) => lines.push(line), {
    pagePointer: (pfn) => `P${pfn}`,
    pageOffset: 0n,
    callSite: () => 'demo+0x1/0x2',
  });
  sink.mmPageFree?.(7, 0);
  sink.kfree?.(0x5000);
  expect(lines).toEqual([
    'mm_page_free: page=P7 pfn=0x7 order=0',
    'kfree: call_site=demo+0x1/0x2 ptr=0000000000005000',
  ]);
});

test('function entries are no tracepoints', () => {
  expect(ftraceSink(() => undefined).functionEntry).toBeUndefined();
});
