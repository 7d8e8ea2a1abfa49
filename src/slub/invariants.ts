import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { PAGE_SIZE } from '../lib/units.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { NodeStatItem, NR_VM_NODE_STAT_ITEMS } from '../mm/vm-items.ts';
import { nodeState, type Vmstat } from '../mm/vmstat.ts';
import { type CacheState, hasFlag } from './cache-state.ts';
import { regularFreeMap } from './free-map.ts';
import { slabsOfList } from './node-lists.ts';
import { MAX_OBJS_PER_PAGE } from './order.ts';
import { slabOfPfn } from './pointer.ts';
import { LINK_ALLOCATED } from './slab-table.ts';
import { cacheStats } from './slabinfo.ts';
import type { SlubState } from './state.ts';

type Report = (rule: number, message: string) => void;

/** Where each slab of a cache was found: names of lists and CPUs. */
type Places = Map<number, string[]>;

function note(places: Places, slab: number, place: string): void {
  const known = places.get(slab);
  if (known === undefined) places.set(slab, [place]);
  else known.push(place);
}

/** The live slabs of a cache, those that wait for RCU left out. */
function slabsOfCache(state: SlubState, cache: CacheState): number[] {
  const { slabs } = state;
  const found: number[] = [];
  for (let slab = 0; slab < slabs.count; slab++) {
    if (slabs.cache[slab] === cache.id && !state.rcuPending.includes(slab)) found.push(slab);
  }
  return found;
}

/** Length of a chain in the table's links, -1 when it does not end. */
function chainLength(state: SlubState, slab: number, head: number): number {
  const { slabs } = state;
  const base = slabs.linkBase[slab];
  let length = 0;
  for (let at = head; at >= 0; at = slabs.links[base + at]) {
    if (++length > slabs.objects[slab]) return -1;
  }
  return length;
}

/** Rules of the CPUs: 3 to 9, 12. */
function checkCpus(state: SlubState, cache: CacheState, places: Places, report: Report): void {
  const { slabs } = state;
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) {
    const slab = cache.cpus[cpu].slab;
    const chain = cache.cpus[cpu].chain;
    if (cache.isDebug && (slab >= 0 || chain >= 0)) {
      report(12, `debug cache ${cache.name} has slabs on CPU ${cpu}`);
    }
    if (slab < 0 && cache.cpus[cpu].freelist >= 0) {
      report(6, `${cache.name}: CPU ${cpu} has a freelist but no slab`);
    }
    if (slab >= 0) checkCpuSlab(state, cache, cpu, places, report);
    let expected = chain < 0 ? 0 : slabs.slabs[chain];
    for (let at = chain; at >= 0; at = slabs.next[at]) {
      note(places, at, `CPU ${cpu} partial`);
      const where = `${cache.name}: slab ${slabs.pfn[at]} on the partial list of CPU ${cpu}`;
      if (slabs.frozen[at] !== 1) report(7, `${where} is not frozen`);
      if (slabs.freelist[at] < 0) report(8, `${where} has no free object`);
      if (slabs.slabs[at] !== expected) report(9, `${where} counts ${slabs.slabs[at]} slabs`);
      expected--;
    }
    if (chain >= 0 && expected !== 0) {
      report(9, `${cache.name}: the partial list of CPU ${cpu} is ${expected} off`);
    }
  }
}

/** Rules of a CPU slab: 3, 4, 5, 7. */
function checkCpuSlab(
  state: SlubState,
  cache: CacheState,
  cpu: number,
  places: Places,
  report: Report,
): void {
  const { slabs } = state;
  const slab = cache.cpus[cpu].slab;
  const where = `${cache.name}: slab ${slabs.pfn[slab]} of CPU ${cpu}`;
  note(places, slab, `CPU ${cpu} slab`);
  if (slabs.frozen[slab] !== 1) report(7, `${where} is not frozen`);
  if (cache.cpus[cpu].base !== slabs.pfn[slab] * PAGE_SIZE || slabs.cache[slab] !== cache.id) {
    report(5, `${where} is not what the CPU's cells say`);
  }
  const base = slabs.linkBase[slab];
  const regular = regularFreeMap(state, cache, slab);
  const length = chainLength(state, slab, cache.cpus[cpu].freelist);
  if (length < 0) {
    report(4, `${where}: its CPU freelist has no end`);
    return;
  }
  for (let at = cache.cpus[cpu].freelist; at >= 0; at = slabs.links[base + at]) {
    if (regular[at] === 1) report(4, `${where}: object ${at} is on both freelists`);
  }
  const used = usedObjects(state, slab);
  if (used !== slabs.inuse[slab] - length) {
    report(3, `${where}: ${used} objects in use, inuse ${slabs.inuse[slab]}, ${length} on the CPU`);
  }
}

function usedObjects(state: SlubState, slab: number): number {
  const { slabs } = state;
  const base = slabs.linkBase[slab];
  let used = 0;
  for (let index = 0; index < slabs.objects[slab]; index++) {
    if (slabs.links[base + index] === LINK_ALLOCATED) used++;
  }
  return used;
}

/** Rules of the nodes: 10, 11, 13; and 7, 8 of their slabs. */
function checkNodes(state: SlubState, cache: CacheState, places: Places, report: Report): void {
  const { slabs } = state;
  const live = slabsOfCache(state, cache);
  for (let node = 0; node < cache.hasNode.length; node++) {
    if (cache.hasNode[node] === 0) continue;
    const where = `${cache.name} node ${node}`;
    const partial = slabsOfList(state, cache.partialHead[node]);
    const full = slabsOfList(state, cache.fullHead[node]);
    if (!cache.damaged && partial.length !== cache.nrPartial[node]) {
      report(10, `${where}: ${partial.length} partial slabs, counter ${cache.nrPartial[node]}`);
    }
    for (const slab of partial) {
      note(places, slab, `node ${node} partial`);
      if (slabs.node[slab] !== node) report(10, `${where}: slab ${slabs.pfn[slab]} is elsewhere`);
      if (slabs.frozen[slab] === 1) report(10, `${where}: slab ${slabs.pfn[slab]} is frozen`);
      if (!cache.damaged && slabs.freelist[slab] === -1)
        report(8, `${where}: slab ${slabs.pfn[slab]} is full`);
    }
    for (const slab of full) note(places, slab, `node ${node} full`);
    checkFullList(state, cache, node, full, report);
    const here = live.filter((slab) => slabs.node[slab] === node && !isLost(state, cache, slab));
    const objects = here.reduce((sum, slab) => sum + slabs.objects[slab], 0);
    const counted = here.length === cache.nrSlabs[node] && objects === cache.totalObjects[node];
    if (!cache.damaged && !counted) {
      report(
        11,
        `${where}: ${here.length} slabs with ${objects} objects, ` +
          `counters ${cache.nrSlabs[node]} and ${cache.totalObjects[node]}`,
      );
    }
  }
}

/** Whether a debug slab was found corrupt; it may then be uncounted as well. */
function isLost(state: SlubState, cache: CacheState, slab: number): boolean {
  return cache.isDebug && state.slabs.frozen[slab] === 1;
}

function checkFullList(
  state: SlubState,
  cache: CacheState,
  node: number,
  full: readonly number[],
  report: Report,
): void {
  const { slabs } = state;
  const where = `${cache.name} node ${node}`;
  if (cache.damaged) return;
  if (!hasFlag(cache, SlabFlag.SLAB_STORE_USER)) {
    if (full.length > 0) report(13, `${where}: has a full list without SLAB_STORE_USER`);
    return;
  }
  const listed = new Set(full);
  for (const slab of slabsOfCache(state, cache)) {
    if (slabs.node[slab] !== node || slabs.frozen[slab] === 1) continue;
    const isFull = slabs.inuse[slab] === slabs.objects[slab];
    if (isFull !== listed.has(slab)) {
      report(13, `${where}: slab ${slabs.pfn[slab]} with ${slabs.inuse[slab]} objects in use`);
    }
  }
}

/** Rules of every slab: 1, 2, 7, 16, 17. */
function checkSlabs(state: SlubState, cache: CacheState, places: Places, report: Report): void {
  const { slabs } = state;
  for (const slab of slabsOfCache(state, cache)) {
    const pfn = slabs.pfn[slab];
    const where = `${cache.name}: slab ${pfn}`;
    const found = places.get(slab) ?? [];
    if (found.length > 1) report(1, `${where} is on ${found.join(' and ')}`);
    const objects = slabs.objects[slab];
    if (!cache.damaged && found.length === 0 && slabs.inuse[slab] !== objects) {
      report(1, `${where} has free objects and is nowhere`);
    }
    for (let at = pfn; at < pfn + (1 << slabs.order[slab]); at++) {
      if (slabOfPfn(state, at) !== slab) report(16, `${where}: page ${at} belongs to another`);
    }
    if (objects * cache.size > PAGE_SIZE * 2 ** slabs.order[slab]) {
      report(16, `${where}: ${objects} objects do not fit`);
    }
    if (isLost(state, cache, slab)) continue;
    const free = regularFreeMap(state, cache, slab).reduce((sum, cell) => sum + cell, 0);
    if (!cache.damaged && slabs.inuse[slab] + free !== objects) {
      report(2, `${where}: inuse ${slabs.inuse[slab]} and ${free} free of ${objects}`);
    }
    const owned = found.some((place) => place.startsWith('CPU'));
    if (!cache.isDebug && (slabs.frozen[slab] === 1) !== owned) {
      report(
        7,
        `${where}: frozen is ${slabs.frozen[slab]}, found on ${found.join(', ') || 'no list'}`,
      );
    }
  }
}

/** Rules of the numbers of a cache: 17, 18, 19, 21, 22, 27. */
function checkGeometry(state: SlubState, cache: CacheState, report: Report): void {
  const { name, size, align, offset, order, minOrder, objects } = cache;
  if (cache.pad % align !== 0 || size % align !== 0) report(17, `${name}: objects are misaligned`);
  if (offset + 8 > size || offset % 8 !== 0) report(18, `${name}: offset ${offset} of ${size}`);
  if (order < minOrder || objects < 1 || objects > MAX_OBJS_PER_PAGE) {
    report(19, `${name}: order ${order}, at least ${minOrder}, ${objects} objects`);
  }
  const { activeObjects, totalObjects } = cacheStats(state, cache);
  if (activeObjects > totalObjects) {
    report(22, `${name}: ${activeObjects} of ${totalObjects} objects are active`);
  }
  if (cache.refcount - 1 > cache.aliases.length) {
    report(21, `${name}: refcount ${cache.refcount} with ${cache.aliases.length} aliases`);
  }
  if (cache.objectSize > size) report(27, `${name}: object size ${cache.objectSize} of ${size}`);
}

/** Rule 20: the counters of slab pages hold at least ours; others may count there too. */
function checkCounters(state: SlubState, report: Report): void {
  const { vmstat, slabs } = state;
  if (vmstat === null) return;
  const { nr_slab_reclaimable, nr_slab_unreclaimable } = NodeStatItem;
  for (const item of [nr_slab_reclaimable, nr_slab_unreclaimable]) {
    const pages = new Map<number, number>();
    for (let slab = 0; slab < slabs.count; slab++) {
      const cache = slabs.cache[slab] < 0 ? null : state.cacheById[slabs.cache[slab]];
      if (cache === null) continue;
      const reclaimable = hasFlag(cache, SlabFlag.SLAB_RECLAIM_ACCOUNT);
      if (reclaimable !== (item === nr_slab_reclaimable)) continue;
      const node = slabs.node[slab];
      pages.set(node, (pages.get(node) ?? 0) + 2 ** slabs.order[slab]);
    }
    for (const [node, ours] of pages) {
      const counted = exactNodeState(vmstat, node, item);
      if (counted < ours) report(20, `node ${node}: ${ours} slab pages, ${counted} counted`);
    }
  }
}

/** A node counter with the differences of all CPUs. */
function exactNodeState(vmstat: Vmstat, node: number, item: number): number {
  let sum = nodeState(vmstat, node, item);
  for (let cpu = 0; cpu < vmstat.cpuCount; cpu++) {
    sum += vmstat.nodeDiff[(cpu * vmstat.nodeCount + node) * NR_VM_NODE_STAT_ITEMS + item];
  }
  return sum;
}

/**
 * Checks the rules of spec slub section 6 that a state can show.
 * @returns all broken rules, `SLUB-<number>`
 */
export function checkSlubInvariants(state: SlubState): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule: `SLUB-${rule}`, message });
  const listed = state.cacheById.filter((cache) => cache !== null);
  for (const cache of listed) {
    const places: Places = new Map();
    checkGeometry(state, cache, report);
    checkCpus(state, cache, places, report);
    checkNodes(state, cache, places, report);
    checkSlabs(state, cache, places, report);
  }
  checkCounters(state, report);
  return violations;
}

/** @throws InvariantError with all broken rules */
export function assertSlubInvariants(state: SlubState): void {
  assertNoViolations(checkSlubInvariants(state));
}
