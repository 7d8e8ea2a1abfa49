import type { CallTrace } from './types.ts';

/** Functions of the allocator and those that call them. (spec slab 4.27) */
const CALLERS: Readonly<Record<string, readonly string[]>> = {
  kmem_cache_alloc: [],
  __kmem_cache_alloc_lru: ['kmem_cache_alloc'],
  slab_alloc: ['__kmem_cache_alloc_lru'],
  kmem_cache_alloc_node: [],
  kmem_cache_alloc_bulk: [],
  __kmalloc: [],
  kmalloc_node: ['alloc_slabmgmt'],
  __do_kmalloc_node: ['__kmalloc', 'kmalloc_node'],
  kmalloc_slab: ['__do_kmalloc_node'],
  __kmem_cache_alloc_node: ['__do_kmalloc_node'],
  slab_alloc_node: ['slab_alloc', 'kmem_cache_alloc_node', '__kmem_cache_alloc_node'],
  __do_cache_alloc: ['slab_alloc_node', 'kmem_cache_alloc_bulk'],
  ____cache_alloc: ['__do_cache_alloc'],
  cpu_cache_get: [
    '____cache_alloc',
    'cache_alloc_refill',
    '___cache_free',
    'drain_array',
    'do_drain',
  ],
  cache_alloc_refill: ['____cache_alloc'],
  transfer_objects: ['cache_alloc_refill', '__drain_alien_cache'],
  get_first_slab: ['cache_alloc_refill', '____cache_alloc_node'],
  alloc_block: ['cache_alloc_refill'],
  slab_get_obj: ['alloc_block', '____cache_alloc_node'],
  get_free_obj: ['slab_get_obj'],
  index_to_obj: ['slab_get_obj'],
  fixup_slab_list: ['cache_grow_end', 'cache_alloc_refill', '____cache_alloc_node'],
  cache_alloc_pfmemalloc: ['cache_alloc_refill'],
  cache_grow_begin: ['cache_alloc_refill', '____cache_alloc_node', 'fallback_alloc'],
  kmem_getpages: ['cache_grow_begin'],
  __alloc_pages_node: ['kmem_getpages'],
  alloc_slabmgmt: ['cache_grow_begin'],
  cache_init_objs: ['cache_grow_begin'],
  set_free_obj: ['cache_init_objs', 'slab_put_obj'],
  cache_grow_end: ['cache_alloc_refill', '____cache_alloc_node', 'fallback_alloc'],
  alternate_node_alloc: ['__do_cache_alloc'],
  ____cache_alloc_node: ['fallback_alloc', 'alternate_node_alloc', '__do_cache_alloc'],
  fallback_alloc: ['____cache_alloc_node', '__do_cache_alloc'],
  kmem_cache_free: [],
  kmem_cache_free_bulk: [],
  kfree: ['slab_destroy'],
  cache_from_obj: ['kmem_cache_free'],
  __kmem_cache_free: ['kfree'],
  __do_kmem_cache_free: ['kmem_cache_free', '__kmem_cache_free', 'kmem_cache_free_bulk'],
  __cache_free: ['__do_kmem_cache_free'],
  ___cache_free: ['__cache_free'],
  cache_free_alien: ['___cache_free'],
  __cache_free_alien: ['cache_free_alien'],
  cache_flusharray: ['___cache_free'],
  __free_one: ['___cache_free', '__cache_free_alien'],
  __drain_alien_cache: ['__cache_free_alien', 'reap_alien', 'drain_alien_cache'],
  free_block: [
    'cache_flusharray',
    '__drain_alien_cache',
    '__cache_free_alien',
    'drain_array_locked',
    'do_drain',
    '___cache_free',
  ],
  slab_put_obj: ['free_block'],
  obj_to_index: ['slab_put_obj'],
  slabs_destroy: [
    'cache_flusharray',
    '__cache_free_alien',
    '___cache_free',
    'reap_alien',
    'drain_array',
    'do_drain',
    'drain_alien_cache',
    'drain_cpu_caches',
  ],
  slab_destroy: ['slabs_destroy', 'drain_freelist'],
  kmem_freepages: ['slab_destroy'],
  __free_pages: ['kmem_freepages'],
  cache_reap: [],
  reap_alien: ['cache_reap'],
  drain_array: ['cache_reap'],
  drain_array_locked: ['drain_array', 'drain_cpu_caches'],
  drain_freelist: ['cache_reap', '__kmem_cache_shrink'],
  next_reap_node: ['cache_reap'],
  kmem_cache_shrink: [],
  __kmem_cache_shrink: ['kmem_cache_shrink'],
  drain_cpu_caches: ['__kmem_cache_shrink'],
  do_drain: ['drain_cpu_caches'],
  drain_alien_cache: ['drain_cpu_caches'],
};

/**
 * Turns "this function is entered" into nested calls. Functions do not say when they return: a new
 * one is inside of the innermost open one that is known to call it.
 */
export class CallTracer {
  /** Where the calls are reported. */
  readonly sink: CallTrace;
  /** Functions that are open, the outermost first. */
  private readonly open: string[] = [];
  /** Functions of calls around the current one: they stay open. */
  private base = 0;

  constructor(sink: CallTrace) {
    this.sink = sink;
  }

  /** Reports that a function is entered. */
  enter(name: string): void {
    const { open, base } = this;
    const callers = CALLERS[name] ?? [];
    while (open.length > base && !callers.includes(open[open.length - 1])) open.pop();
    this.sink.call(name, open.length);
    open.push(name);
  }

  /** As `enter`, for the outermost function of a call: not inside of another one. */
  enterOutermost(name: string): void {
    if (this.base === 0) this.enter(name);
  }

  /**
   * The allocator calls itself: what follows is inside of the function entered last.
   * @returns what `endNested` wants
   */
  beginNested(): number {
    const outer = this.base;
    this.base = this.open.length;
    return outer;
  }

  /** The inner call returned. */
  endNested(outer: number): void {
    this.open.length = this.base;
    this.base = outer;
  }
}
