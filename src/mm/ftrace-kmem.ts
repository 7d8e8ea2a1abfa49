import { hex, NIL } from '../lib/units.ts';
import type { EmitEvent } from './ftrace-compaction.ts';
import { formatGfpTrace } from './gfp.ts';
import type { KmemPageTrace } from './trace.ts';

/** What the text of page tracepoints needs beside their arguments. */
export interface KmemFtraceOptions {
  /** log2 of the pages in a pageblock. Default 9. */
  readonly pageblockOrder?: number;
  /**
   * What `page=` shows, -1 for no page. The kernel hashes it; default is the address of the page's
   * descriptor without KASLR, which is what `no_hash_pointers` shows.
   */
  readonly pagePointer?: (pfn: number) => string;
}

/** Where the page descriptors begin, without KASLR. */
const VMEMMAP_START = 0xffffea0000000000n;
const BYTES_PER_DESCRIPTOR = 64n;
const NULL_POINTER = '0000000000000000';

function descriptorAddress(pfn: number): string {
  if (pfn === NIL) return NULL_POINTER;
  return (VMEMMAP_START + BigInt(pfn) * BYTES_PER_DESCRIPTOR).toString(16);
}

/**
 * Tracepoints of the page allocator as the kernel's ftrace prints them.
 * @param emit takes an event's name and its text
 * @kernel trace/events/kmem.h, page_isolation.h (spec buddy 5.7)
 */
export function kmemFtrace(emit: EmitEvent, options: KmemFtraceOptions = {}): KmemPageTrace {
  const { pageblockOrder = 9, pagePointer = descriptorAddress } = options;
  const page = (pfn: number): string => {
    return `page=${pagePointer(pfn)} pfn=${hex(Math.max(pfn, 0))}`;
  };
  return {
    mmPageAlloc(pfn, order, gfp, migratetype) {
      const mask = formatGfpTrace(gfp);
      const request = `order=${order} migratetype=${migratetype} gfp_flags=${mask}`;
      emit('mm_page_alloc', `${page(pfn)} ${request}`);
    },
    mmPageFree(pfn, order) {
      emit('mm_page_free', `${page(pfn)} order=${order}`);
    },
    mmPageFreeBatched(pfn) {
      emit('mm_page_free_batched', `${page(pfn)} order=0`);
    },
    mmPageAllocZoneLocked(pfn, order, migratetype, percpuRefill) {
      const block = `order=${order} migratetype=${migratetype} percpu_refill=${percpuRefill}`;
      emit('mm_page_alloc_zone_locked', `${page(pfn)} ${block}`);
    },
    mmPagePcpuDrain(pfn, order, migratetype) {
      emit('mm_page_pcpu_drain', `${page(pfn)} order=${order} migratetype=${migratetype}`);
    },
    mmPageAllocExtfrag(pfn, allocOrder, fallbackOrder, allocType, fallbackType, changeOwnership) {
      const fragmenting = fallbackOrder < pageblockOrder ? 1 : 0;
      emit(
        'mm_page_alloc_extfrag',
        `${page(pfn)} alloc_order=${allocOrder} fallback_order=${fallbackOrder} ` +
          `pageblock_order=${pageblockOrder} alloc_migratetype=${allocType} ` +
          `fallback_migratetype=${fallbackType} fragmenting=${fragmenting} ` +
          `change_ownership=${changeOwnership}`,
      );
    },
    testPagesIsolated(startPfn, endPfn, finPfn) {
      const range = `start_pfn=${hex(startPfn)} end_pfn=${hex(endPfn)} fin_pfn=${hex(finPfn)}`;
      emit('test_pages_isolated', `${range} ret=${endPfn <= finPfn ? 'success' : 'fail'}`);
    },
  };
}
