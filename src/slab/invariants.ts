import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { NIL, PAGE_SIZE, pfnToAddr } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import type { ArrayCache } from './array-cache.ts';
import type { CacheNode, CacheState } from './cache-state.ts';
import { getFreeObj, hostObject, isObjfreelist, isOffSlab } from './freelist.ts';
import { SLAB_OBJ_MAX_NUM, SLAB_OBJ_MIN_SIZE } from './geometry.ts';
import { heldCount, INDEX_MASK, isHeld, SLOT_SHIFT, SlotState } from './slab-table.ts';
import type { SlabState } from './state.ts';

/** What one pass over an allocator collects. */
interface Pass {
  readonly state: SlabState;
  readonly violations: InvariantViolation[];
  /** Slots met on lists. */
  readonly listed: Set<number>;
  /** Array entries per slot. */
  readonly inArrays: Map<number, number>;
  /** Objects in the free part of an index array. */
  readonly free: Set<number>;
  /** Objects in arrays. */
  readonly entries: Set<number>;
}

function report(pass: Pass, rule: number, message: string): void {
  pass.violations.push({ rule: `SLAB-${rule}`, message });
}

/**
 * Checks the rules of spec slab 6 that can be seen in a state. Rules 12, 13 and 16 speak of what a
 * call does and are left to tests.
 * @returns all broken rules, as `SLAB-<number>`
 */
export function checkInvariants(state: SlabState): InvariantViolation[] {
  const pass: Pass = {
    state,
    violations: [],
    listed: new Set(),
    inArrays: new Map(),
    free: new Set(),
    entries: new Set(),
  };
  for (const cache of state.cacheById) if (cache !== null) checkCache(pass, cache);
  checkAllListed(pass);
  checkBytes(pass);
  return pass.violations;
}

/** @throws InvariantError when any rule is broken */
export function assertInvariants(state: SlabState): void {
  assertNoViolations(checkInvariants(state));
}

function checkCache(pass: Pass, cache: CacheState): void {
  const { num, size, align, batchcount, limit, name } = cache;
  const inRange = num >= 1 && num <= SLAB_OBJ_MAX_NUM && size >= SLAB_OBJ_MIN_SIZE;
  if (!inRange || size % align !== 0 || batchcount > limit) {
    report(
      pass,
      17,
      `${name}: num ${num}, size ${size}, align ${align}, batch ${batchcount}/${limit}`,
    );
  }
  for (const n of cache.nodes) if (n !== null) checkNode(pass, cache, n);
  checkArrays(pass, cache);
  for (const n of cache.nodes) if (n !== null) checkActive(pass, cache, n);
}

function listElements(pass: Pass, head: number): number[] {
  const { next } = pass.state.map;
  const elements: number[] = [];
  // A broken list may not end.
  for (let pfn = next[head]; pfn !== head && elements.length <= pass.state.slabs.count; ) {
    elements.push(pfn);
    pfn = next[pfn];
  }
  return elements;
}

function slabsOf(pass: Pass, n: CacheNode): number[] {
  return [n.slabsPartial, n.slabsFull, n.slabsFree].flatMap((head) => listElements(pass, head));
}

function checkNode(pass: Pass, cache: CacheState, n: CacheNode): void {
  const { slabs } = pass.state;
  const where = `${cache.name} node ${n.node}`;
  const partial = listElements(pass, n.slabsPartial);
  const full = listElements(pass, n.slabsFull);
  const free = listElements(pass, n.slabsFree);
  let freeObjects = 0;
  for (const pfn of [...partial, ...full, ...free]) {
    checkSlab(pass, cache, n, pfn);
    freeObjects += cache.num - slabs.active[pass.state.map.private[pfn]];
  }
  const wrong = [
    ...partial.filter((pfn) => !isBetween(activeOf(pass, pfn), 1, cache.num - 1)),
    ...full.filter((pfn) => activeOf(pass, pfn) !== cache.num),
    ...free.filter((pfn) => activeOf(pass, pfn) !== 0),
  ];
  for (const pfn of wrong) report(pass, 1, `${where}: slab ${pfn} is on the wrong list`);
  const total = partial.length + full.length + free.length;
  if (n.totalSlabs !== total || n.freeSlabs !== free.length) {
    report(
      pass,
      2,
      `${where}: counts ${n.totalSlabs}/${n.freeSlabs}, lists ${total}/${free.length}`,
    );
  }
  if (n.freeObjects !== freeObjects) {
    report(pass, 3, `${where}: free_objects ${n.freeObjects}, slabs have ${freeObjects}`);
  }
  if (!isBetween(n.colourNext, 0, Math.max(1, cache.colour) - 1)) {
    report(pass, 14, `${where}: colour_next ${n.colourNext} of ${cache.colour}`);
  }
}

function isBetween(value: number, min: number, max: number): boolean {
  return value >= min && value <= max;
}

function activeOf(pass: Pass, pfn: number): number {
  return pass.state.slabs.active[pass.state.map.private[pfn]];
}

function checkSlab(pass: Pass, cache: CacheState, n: CacheNode, pfn: number): void {
  const { map, slabs, source } = pass.state;
  const slot = map.private[pfn];
  const where = `${cache.name}: slab ${pfn}`;
  const known =
    slabs.cache[slot] === cache.id && slabs.pfn[slot] === pfn && slabs.node[slot] === n.node;
  if (!known || source.nodeOf(pfn) !== n.node || pass.listed.has(slot)) {
    report(pass, 1, `${where} is on a list where it does not belong`);
  }
  pass.listed.add(slot);
  const marked = (map.flags[pfn] & PageFlag.PG_slab) !== 0;
  const pages = map.private.subarray(pfn, pfn + 2 ** cache.gfporder);
  if (!marked || !pages.every((owner) => owner === slot)) {
    report(pass, 18, `${where}: its pages are not marked as such`);
  }
  checkColour(pass, cache, slot, where);
  checkFreelist(pass, cache, slot, where);
}

function checkColour(pass: Pass, cache: CacheState, slot: number, where: string): void {
  const { slabs } = pass.state;
  const start = pfnToAddr(slabs.pfn[slot]);
  const offset = slabs.sMem[slot] - start;
  const blockBytes = PAGE_SIZE * 2 ** cache.gfporder;
  const onSlab = !isObjfreelist(cache) && !isOffSlab(cache);
  const room = blockBytes - (onSlab ? cache.freelistSize : 0);
  const isStep = offset % cache.colourOff === 0;
  const fits = offset >= 0 && offset + cache.num * cache.size <= room;
  if (!isStep || !fits || offset >= Math.max(1, cache.colour) * cache.colourOff) {
    report(pass, 10, `${where}: colour offset ${offset}`);
  }
  if (slabs.sMem[slot] % cache.align !== 0) report(pass, 9, `${where}: s_mem is not aligned`);
}

function checkFreelist(pass: Pass, cache: CacheState, slot: number, where: string): void {
  const { slabs } = pass.state;
  const active = slabs.active[slot];
  const isFull = active === cache.num;
  const hasNone = slabs.freelist[slot] === NIL;
  if (hasNone !== (isFull && isObjfreelist(cache))) {
    report(pass, 11, `${where}: active ${active}, index array ${hasNone ? 'missing' : 'there'}`);
  }
  if (hasNone) return;
  let last = NIL;
  for (let position = active; position < cache.num; position++) {
    last = getFreeObj(cache, slot, position);
    const object = (slot << SLOT_SHIFT) | last;
    if (last >= cache.num || pass.free.has(object)) {
      report(pass, 4, `${where}: index ${last} at position ${position}`);
    }
    if (isHeld(slabs, object)) report(pass, 5, `${where}: free object ${last} is in use`);
    pass.free.add(object);
  }
  if (!isFull && isObjfreelist(cache) && (hostObject(cache, slot) & INDEX_MASK) !== last) {
    report(pass, 11, `${where}: the host is not object ${last}`);
  }
}

function checkArrays(pass: Pass, cache: CacheState): void {
  const { cpuNode } = pass.state;
  cache.cpuCache.forEach((ac, cpu) => {
    checkArray(pass, cache, ac, cpuNode[cpu], `${cache.name} cpu ${cpu}`);
  });
  for (const n of cache.nodes) {
    if (n === null) continue;
    const where = `${cache.name} node ${n.node}`;
    if (n.shared !== null) checkArray(pass, cache, n.shared, n.node, `${where} shared`);
    n.alien?.caches.forEach((ac, node) => {
      if (ac === null) return;
      checkArray(pass, cache, ac, node, `${where} alien ${node}`);
      if (node === n.node) report(pass, 7, `${where}: an alien array of its own`);
    });
  }
}

function checkArray(
  pass: Pass,
  cache: CacheState,
  ac: ArrayCache,
  node: number,
  where: string,
): void {
  const { slabs } = pass.state;
  if (!isBetween(ac.avail, 0, ac.limit) || !isBetween(ac.touched, 0, 1)) {
    report(pass, 8, `${where}: avail ${ac.avail} of ${ac.limit}, touched ${ac.touched}`);
  }
  for (const object of ac.entries.subarray(0, ac.avail)) {
    const slot = object >> SLOT_SHIFT;
    if (slabs.cache[slot] !== cache.id || (object & INDEX_MASK) >= cache.num) {
      report(pass, 9, `${where}: entry ${object} is no object of the cache`);
    }
    if (slabs.node[slot] !== node)
      report(pass, 7, `${where}: an object of node ${slabs.node[slot]}`);
    if (pass.entries.has(object) || pass.free.has(object) || isHeld(slabs, object)) {
      report(pass, 5, `${where}: object ${object} is in two places`);
    }
    pass.entries.add(object);
    pass.inArrays.set(slot, (pass.inArrays.get(slot) ?? 0) + 1);
  }
}

function checkActive(pass: Pass, cache: CacheState, n: CacheNode): void {
  const { slabs, map } = pass.state;
  for (const pfn of slabsOf(pass, n)) {
    const slot = map.private[pfn];
    const inArrays = pass.inArrays.get(slot) ?? 0;
    const held = heldCount(slabs, slot);
    if (slabs.active[slot] === held + inArrays) continue;
    const counts = `active ${slabs.active[slot]}, in use ${held}, in arrays ${inArrays}`;
    report(pass, 6, `${cache.name}: slab ${pfn}: ${counts}`);
  }
}

function checkAllListed(pass: Pass): void {
  const { slabs } = pass.state;
  for (let slot = 1; slot < slabs.count; slot++) {
    if (slabs.cache[slot] > SlotState.FREE && !pass.listed.has(slot)) {
      report(pass, 1, `slab ${slabs.pfn[slot]} is on no list`);
    }
  }
}

function checkBytes(pass: Pass): void {
  const { state } = pass;
  const { slabs } = state;
  const bytes = new Float64Array(state.slabBytes.length);
  const count = (cache: CacheState, slot: number): void => {
    const reclaimable = (cache.flags & SlabFlag.SLAB_RECLAIM_ACCOUNT) !== 0 ? 1 : 0;
    bytes[slabs.node[slot] * 2 + reclaimable] += PAGE_SIZE * 2 ** cache.gfporder;
  };
  for (const slot of pass.listed) {
    const cache = state.cacheById[slabs.cache[slot]];
    if (cache !== null && cache !== undefined) count(cache, slot);
  }
  for (const { cache, slot } of state.rcuSlabs) count(cache, slot);
  bytes.forEach((value, i) => {
    if (value === state.slabBytes[i]) return;
    const message = `node ${Math.floor(i / 2)}: ${state.slabBytes[i]} bytes counted, slabs have ${value}`;
    report(pass, 15, message);
  });
}
