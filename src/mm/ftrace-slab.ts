import type { EmitEvent } from './ftrace-compaction.ts';
import { formatGfpTrace } from './gfp.ts';
import type { KmemSlabTrace } from './trace.ts';

/** What the text of slab tracepoints needs beside their arguments. */
export interface SlabFtraceOptions {
  /** Virtual address of physical address 0. Default 0xffff888000000000. */
  readonly pageOffset?: bigint;
  /** The caller as `%pS` prints it, e.g. `demo+0x10/0x40`. Default `0x0`. */
  readonly callSite?: () => string;
}

const PAGE_OFFSET = 0xffff888000000000n;
/** Addresses up to this are NULL or ZERO_SIZE_PTR, which no memory is behind. */
const ZERO_SIZE_PTR = 16;

/**
 * Tracepoints of the slab allocators as the kernel's ftrace prints them.
 * @param emit takes an event's name and its text
 * @kernel trace/events/kmem.h (spec slub 5.5)
 */
export function slabFtrace(emit: EmitEvent, options: SlabFtraceOptions = {}): KmemSlabTrace {
  const { pageOffset = PAGE_OFFSET, callSite = () => '0x0' } = options;
  const pointer = (address: number): string => {
    const value = BigInt(Math.max(address, 0));
    const virtual = address > ZERO_SIZE_PTR ? value + pageOffset : value;
    return virtual.toString(16).padStart(16, '0');
  };
  const allocation = (
    name: string,
    address: number,
    bytesReq: number,
    bytesAlloc: number,
    gfp: number,
    node: number,
  ): void => {
    const sizes = `bytes_req=${bytesReq} bytes_alloc=${bytesAlloc}`;
    const mask = `gfp_flags=${formatGfpTrace(gfp)}`;
    const where = `call_site=${callSite()} ptr=${pointer(address)}`;
    emit(name, `${where} ${sizes} ${mask} node=${node} accounted=false`);
  };
  return {
    kmalloc(address, bytesReq, bytesAlloc, gfp, node) {
      allocation('kmalloc', address, bytesReq, bytesAlloc, gfp, node);
    },
    kmemCacheAlloc(address, bytesReq, bytesAlloc, gfp, node) {
      allocation('kmem_cache_alloc', address, bytesReq, bytesAlloc, gfp, node);
    },
    kfree(address) {
      emit('kfree', `call_site=${callSite()} ptr=${pointer(address)}`);
    },
    kmemCacheFree(address, name) {
      emit('kmem_cache_free', `call_site=${callSite()} ptr=${pointer(address)} name=${name}`);
    },
  };
}
