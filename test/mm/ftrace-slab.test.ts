import { expect, test } from 'vitest';
import { slabFtrace } from '../../src/mm/ftrace-slab.ts';
import { Gfp } from '../../src/mm/gfp.ts';

function recorder(callSite?: () => string): {
  lines: string[];
  trace: ReturnType<typeof slabFtrace>;
} {
  const lines: string[] = [];
  const emit = (event: string, payload: string): void => {
    lines.push(`${event}: ${payload}`);
  };
  return { lines, trace: slabFtrace(emit, callSite === undefined ? {} : { callSite }) };
}

test('5.5 the example of the specification', () => {
  const { lines, trace } = recorder(() => 'demo+0x10/0x40');
  trace.kmemCacheAlloc(0x1a40080, 104, 104, Gfp.GFP_KERNEL, -1);
  expect(lines).toEqual([
    'kmem_cache_alloc: call_site=demo+0x10/0x40 ptr=ffff888001a40080 bytes_req=104 bytes_alloc=104 gfp_flags=GFP_KERNEL node=-1 accounted=false',
  ]);
});

test('all four events; NULL and ZERO_SIZE_PTR are no addresses', () => {
  const { lines, trace } = recorder();
  trace.kmalloc(-1, 100, 128, 0, 1);
  trace.kfree(-1);
  trace.kfree(16);
  trace.kmemCacheFree(0x2000, 'inode_cache');
  expect(lines).toEqual([
    'kmalloc: call_site=0x0 ptr=0000000000000000 bytes_req=100 bytes_alloc=128 gfp_flags=none node=1 accounted=false',
    'kfree: call_site=0x0 ptr=0000000000000000',
    'kfree: call_site=0x0 ptr=0000000000000010',
    'kmem_cache_free: call_site=0x0 ptr=ffff888000002000 name=inode_cache',
  ]);
});
