import { assertNoViolations, type InvariantViolation } from '../lib/errors.ts';
import { hex } from '../lib/units.ts';
import { PageFlag } from '../mm/page-flags.ts';
import {
  NODE_STAT_NAMES,
  NR_VM_NODE_STAT_ITEMS,
  NR_VM_ZONE_STAT_ITEMS,
  VmEvent,
  ZONE_STAT_NAMES,
} from '../mm/vm-items.ts';
import { vmEvent } from '../mm/vmstat.ts';
import { isManaged } from '../mm/zone.ts';
import { ZoneFlag } from '../mm/zone-types.ts';
import {
  EVICTABLE_LRU_LISTS,
  LRU_NAMES,
  LruBatch,
  LruList,
  NR_ISOLATED_ANON,
  NR_LRU_BASE,
  NR_LRU_BATCHES,
  NR_ZONE_LRU_BASE,
  PAGEVEC_SIZE,
} from './constants.ts';
import { lruOf } from './folio.ts';
import { MlockEntry } from './mlock-batch.ts';
import { lruHead, type ReclaimState } from './state.ts';

type Report = (rule: string, message: string) => void;

/** Where the check found a page, so that a second place is noticed. */
type Places = Map<number, string>;

/** Largest difference that a CPU may keep of any counter. */
const STAT_THRESHOLD_MAX = 125;
/** Sizes of a list that the walk of a broken one must not exceed. */
const LISTS = EVICTABLE_LRU_LISTS + 1;

/**
 * Checks the rules that hold between two calls: lists against flags and counters, batches, counters.
 * It looks at every page frame. Numbers: spec reclaim 6; rules 1 to 4 and 19 are about watermarks
 * and checked by the memory model and the page allocator, rules 10, 11, 13 to 15 and 20 about one
 * call, for tests to check.
 * @returns all broken rules, empty when there are none
 */
export function checkInvariants(state: ReclaimState): InvariantViolation[] {
  const violations: InvariantViolation[] = [];
  const report: Report = (rule, message) => violations.push({ rule, message });
  const places: Places = new Map();
  const sizes = new Int32Array(state.model.zones.length * LISTS);
  for (const node of state.model.nodes) {
    for (let lru = 0; lru < EVICTABLE_LRU_LISTS; lru++) {
      checkList(state, node.id, lru, places, sizes, report);
    }
  }
  checkPages(state, places, sizes, report);
  checkSizes(state, sizes, report);
  checkBatches(state, places, report);
  checkDifferences(state, report);
  checkEvents(state, report);
  checkAfterReclaim(state, report);
  return violations;
}

/** Throws an `InvariantError` that lists all broken rules, if there is any. */
export function assertInvariants(state: ReclaimState): void {
  assertNoViolations(checkInvariants(state));
}

/** RECLAIM-7 and RECLAIM-9: a list holds each page once, and only pages whose flags name it. */
function checkList(
  state: ReclaimState,
  node: number,
  lru: number,
  places: Places,
  sizes: Int32Array,
  report: Report,
): void {
  const { map } = state;
  const head = lruHead(state, node, lru);
  const name = `node ${node} ${LRU_NAMES[lru]}`;
  let before = head;
  for (let pfn = map.next[head]; pfn !== head; pfn = map.next[pfn]) {
    if (pfn < 0 || pfn >= map.endPfn || map.prev[pfn] !== before || places.has(pfn)) {
      report('RECLAIM-7', `${name} is broken at ${hex(pfn >>> 0)}, also on ${places.get(pfn)}`);
      return;
    }
    places.set(pfn, name);
    const zone = map.zone[pfn] - 1;
    const onLru = (map.flags[pfn] & PageFlag.PG_lru) !== 0;
    if (!onLru || lruOf(map.flags[pfn]) !== lru || zone >> 2 !== node) {
      report('RECLAIM-9', `${name} holds ${hex(pfn)} with flags ${hex(map.flags[pfn])}`);
    }
    if (map.refcount[pfn] <= 0) report('RECLAIM-9', `${name} holds the free page ${hex(pfn)}`);
    sizes[zone * LISTS + lru]++;
    before = pfn;
  }
}

/** RECLAIM-7 to 9: every page with PG_lru is on its list; counts are not negative. */
function checkPages(
  { map }: ReclaimState,
  places: Places,
  sizes: Int32Array,
  report: Report,
): void {
  const both = PageFlag.PG_active | PageFlag.PG_unevictable;
  for (let pfn = 0; pfn < map.endPfn; pfn++) {
    const flags = map.flags[pfn];
    if (map.refcount[pfn] < 0 || map.mapcount[pfn] < 0) {
      report(
        'RECLAIM-9',
        `${hex(pfn)}: refcount ${map.refcount[pfn]}, mapcount ${map.mapcount[pfn]}`,
      );
    }
    if ((flags & PageFlag.PG_lru) === 0) continue;
    if ((flags & both) === both) report('RECLAIM-8', `${hex(pfn)} is active and unevictable`);
    if ((flags & PageFlag.PG_unevictable) !== 0) {
      sizes[(map.zone[pfn] - 1) * LISTS + LruList.LRU_UNEVICTABLE]++;
    } else if (!places.has(pfn)) {
      report('RECLAIM-7', `${hex(pfn)} has PG_lru but is on no list`);
    }
  }
}

/** RECLAIM-5: exact counters are the sizes of the lists. */
function checkSizes({ model, vm }: ReclaimState, sizes: Int32Array, report: Report): void {
  for (let lru = 0; lru < LISTS; lru++) {
    for (const node of model.nodes) {
      let onNode = 0;
      for (const zone of node.zones) {
        const size = sizes[zone.id * LISTS + lru];
        onNode += size;
        const item = NR_ZONE_LRU_BASE + lru;
        let counted = vm.zone[zone.id * NR_VM_ZONE_STAT_ITEMS + item];
        for (let cpu = 0; cpu < vm.cpuCount; cpu++) {
          counted += vm.zoneDiff[(cpu * vm.zoneCount + zone.id) * NR_VM_ZONE_STAT_ITEMS + item];
        }
        if (counted === size) continue;
        report('RECLAIM-5', `zone ${zone.id} ${LRU_NAMES[lru]}: ${size} pages, counted ${counted}`);
      }
      const counted = exactNodeCounter(vm, node.id, NR_LRU_BASE + lru);
      if (counted === onNode) continue;
      report('RECLAIM-5', `node ${node.id} ${LRU_NAMES[lru]}: ${onNode} pages, counted ${counted}`);
    }
  }
}

/** Without the clamp of the snapshot reading: a negative sum must show. */
function exactNodeCounter(vm: ReclaimState['vm'], node: number, item: number): number {
  let value = vm.node[node * NR_VM_NODE_STAT_ITEMS + item];
  for (let cpu = 0; cpu < vm.cpuCount; cpu++) {
    value += vm.nodeDiff[(cpu * vm.nodeCount + node) * NR_VM_NODE_STAT_ITEMS + item];
  }
  return value;
}

/** RECLAIM-7 to 9: pages in add batches are on no list; every entry holds a reference. */
function checkBatches(state: ReclaimState, places: Places, report: Report): void {
  const { map, model } = state;
  const held = new Map<number, number>();
  for (let cell = 0; cell < model.cpuCount * NR_LRU_BATCHES; cell++) {
    const cpu = Math.floor(cell / NR_LRU_BATCHES);
    const batch = cell % NR_LRU_BATCHES;
    for (let i = 0; i < state.batchCount[cell]; i++) {
      const pfn = state.batchPages[cell * PAGEVEC_SIZE + i];
      held.set(pfn, (held.get(pfn) ?? 0) + 1);
      const isNew =
        batch === LruBatch.LRU_ADD ||
        (batch === LruBatch.MLOCK &&
          state.mlockKind[cpu * PAGEVEC_SIZE + i] === MlockEntry.NEW_FOLIO);
      if (!isNew) continue;
      if (places.has(pfn)) {
        report('RECLAIM-7', `${hex(pfn)} is on ${places.get(pfn)} and in an add batch`);
      }
      places.set(pfn, `an add batch of cpu ${cpu}`);
      if ((map.flags[pfn] & PageFlag.PG_lru) === 0) continue;
      report('RECLAIM-8', `${hex(pfn)} is in an add batch and has PG_lru`);
    }
  }
  for (const [pfn, slots] of held) {
    if (map.refcount[pfn] >= slots) continue;
    report('RECLAIM-9', `${hex(pfn)}: refcount ${map.refcount[pfn]}, in ${slots} batch slots`);
  }
}

/** RECLAIM-6, as far as it can be told later: no difference is beyond the largest threshold. */
function checkDifferences({ vm }: ReclaimState, report: Report): void {
  for (let cell = 0; cell < vm.zoneDiff.length; cell++) {
    if (Math.abs(vm.zoneDiff[cell]) <= STAT_THRESHOLD_MAX) continue;
    const name = ZONE_STAT_NAMES[cell % NR_VM_ZONE_STAT_ITEMS];
    report('RECLAIM-6', `a difference of ${name} is ${vm.zoneDiff[cell]}`);
  }
  for (let cell = 0; cell < vm.nodeDiff.length; cell++) {
    if (Math.abs(vm.nodeDiff[cell]) <= STAT_THRESHOLD_MAX) continue;
    const name = NODE_STAT_NAMES[cell % NR_VM_NODE_STAT_ITEMS];
    report('RECLAIM-6', `a difference of ${name} is ${vm.nodeDiff[cell]}`);
  }
}

/** RECLAIM-12: pages scanned and freed are counted twice, by who and by kind. */
function checkEvents({ vm }: ReclaimState, report: Report): void {
  for (const what of ['pgscan', 'pgsteal'] as const) {
    const byWho = vmEvent(vm, VmEvent[`${what}_kswapd`]) + vmEvent(vm, VmEvent[`${what}_direct`]);
    const byKind = vmEvent(vm, VmEvent[`${what}_anon`]) + vmEvent(vm, VmEvent[`${what}_file`]);
    if (byWho !== byKind) report('RECLAIM-12', `${what}: ${byWho} by who, ${byKind} by kind`);
  }
}

/** RECLAIM-10, 16 to 18: nothing of a run is left over. */
function checkAfterReclaim(state: ReclaimState, report: Report): void {
  const { model, task, vm } = state;
  if (state.isolating) report('RECLAIM-10', 'private lists are in use');
  for (const node of model.nodes) {
    for (let kind = 0; kind < 2; kind++) {
      const isolated = exactNodeCounter(vm, node.id, NR_ISOLATED_ANON + kind);
      if (isolated < 0) report('RECLAIM-10', `node ${node.id}: ${isolated} pages isolated`);
    }
    if (node.kswapdFailures < 0) report('RECLAIM-17', `node ${node.id}: ${node.kswapdFailures}`);
    for (const zone of node.zones) {
      if (task.pfKswapd || !isManaged(zone)) continue;
      if ((zone.flags & ZoneFlag.ZONE_RECLAIM_ACTIVE) === 0) continue;
      report('RECLAIM-16', `zone ${zone.id} still has ZONE_RECLAIM_ACTIVE`);
    }
  }
  for (const { name, nrDeferred } of state.shrinkers) {
    if (nrDeferred.some((count) => count < 0)) report('RECLAIM-18', `${name}: ${[...nrDeferred]}`);
  }
}
