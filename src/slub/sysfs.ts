import { KmemError } from '../mm/kmem-cache.ts';
import { EINVAL } from '../mm/slab-create.ts';
import { SlabFlag } from '../mm/slab-flags.ts';
import { slabUnmergeable } from '../mm/slab-merge.ts';
import { type CacheState, hasFlag, setCpuPartial } from './cache-state.ts';
import { flushAll } from './cpu-slab.ts';
import { slabsOfList } from './node-lists.ts';
import { freeOnPartial } from './oom-report.ts';
import { shrinkCache } from './shrink.ts';
import type { SlubState } from './state.ts';
import { NR_SLUB_STAT_ITEMS, STAT_NAMES, type StatName, statSum } from './statistics.ts';
import { validateCache } from './validate.ts';

const ERANGE = 34;
const EIO = 5;
const ENOENT = 2;
/** One past the largest unsigned int, and past the largest unsigned long that is an exact number. */
const UINT_END = 2 ** 32;
const ULONG_END = 2 ** 53;

/** Files that every cache has, in the kernel's order of subjects. */
const PLAIN_NAMES = [
  'slab_size',
  'object_size',
  'align',
  'usersize',
  'objs_per_slab',
  'order',
  'min_partial',
  'cpu_partial',
  'objects',
  'total_objects',
  'slabs',
  'objects_partial',
  'partial',
  'cpu_slabs',
  'slabs_cpu_partial',
  'ctor',
  'aliases',
  'hwcache_align',
  'reclaim_account',
  'destroy_by_rcu',
  'cache_dma',
  'sanity_checks',
  'trace',
  'red_zone',
  'poison',
  'store_user',
  'remote_node_defrag_ratio',
  'shrink',
  'validate',
] as const;

/** Name of a file in a cache's directory; the last ones only with SLUB_STATS. */
export type AttributeName = (typeof PLAIN_NAMES)[number] | StatName;

/** Files that need SLUB_DEBUG. */
const DEBUG_NAMES: readonly string[] = [
  'total_objects',
  'slabs',
  'sanity_checks',
  'trace',
  'red_zone',
  'poison',
  'store_user',
  'validate',
];

/** The files that the directory of a cache has in this build. (spec slub 5.4) */
export function attributeNames(state: SlubState): AttributeName[] {
  const { config } = state;
  const names = PLAIN_NAMES.filter((name) => {
    if (DEBUG_NAMES.includes(name)) return config.debug;
    if (name === 'cache_dma') return config.zoneDma;
    return name !== 'remote_node_defrag_ratio' || config.numa;
  });
  return config.stats ? [...names, ...STAT_NAMES] : names;
}

/** A total and its parts per node: ` N0=320 N1=128`. */
function nodeList(state: SlubState, perNode: (node: number) => number, nodes: Uint8Array): string {
  let total = 0;
  let parts = '';
  for (let node = 0; node < nodes.length; node++) {
    const value = nodes[node] === 0 ? 0 : perNode(node);
    total += value;
    if (value !== 0) parts += ` N${node}=${value}`;
  }
  return state.config.numa ? `${total}${parts}` : String(total);
}

/** Slabs that CPUs hold, by node, counted as the kernel does. (spec slub 5.4) */
function cpuSlabs(state: SlubState, cache: CacheState): string {
  const { slabs } = state;
  const perNode = new Array<number>(cache.hasNode.length).fill(0);
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) {
    const slab = cache.cpus[cpu].slab;
    if (slab < 0) continue;
    perNode[slabs.node[slab]]++;
    const head = cache.cpus[cpu].chain;
    if (head >= 0) perNode[slabs.node[head]] += slabs.slabs[head];
  }
  return nodeList(state, (node) => perNode[node], new Uint8Array(perNode.length).fill(1));
}

function slabsCpuPartial(state: SlubState, cache: CacheState): string {
  let total = 0;
  let parts = '';
  const objectsOf = (slabs: number): number => Math.floor((slabs * cache.objects) / 2);
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) {
    const head = cache.cpus[cpu].chain;
    if (head < 0) continue;
    const slabs = state.slabs.slabs[head];
    total += slabs;
    parts += ` C${cpu}=${objectsOf(slabs)}(${slabs})`;
  }
  return `${objectsOf(total)}(${total})${parts}`;
}

function usedOnPartial(state: SlubState, cache: CacheState, node: number): number {
  return slabsOfList(state, cache.partialHead[node]).reduce(
    (sum, slab) => sum + state.slabs.inuse[slab],
    0,
  );
}

function statText(cache: CacheState, item: number): string {
  const { stats } = cache;
  if (stats === null) throw refusal(cache, 'statistics need SLUB_STATS', ENOENT);
  let text = String(statSum(stats, item));
  for (let cpu = 0; cpu < cache.cpus.length; cpu++) {
    const count = stats[cpu * NR_SLUB_STAT_ITEMS + item];
    if (count !== 0) text += ` C${cpu}=${count}`;
  }
  return text;
}

function refusal(cache: CacheState, message: string, errno: number): KmemError {
  return new KmemError('BAD_ATTRIBUTE', message, { cache: cache.name, errno });
}

function flagText(cache: CacheState, flag: number): string {
  return hasFlag(cache, flag) ? '1' : '0';
}

/** The attributes that are one field or one sum. */
function textOf(state: SlubState, cache: CacheState, name: AttributeName): string {
  const { hasNode } = cache;
  switch (name) {
    case 'slab_size':
      return String(cache.size);
    case 'object_size':
      return String(cache.objectSize);
    case 'align':
      return String(cache.align);
    case 'usersize':
      return String(cache.usersize);
    case 'objs_per_slab':
      return String(cache.objects);
    case 'order':
      return String(cache.order);
    case 'min_partial':
      return String(cache.minPartial);
    case 'cpu_partial':
      return String(cache.cpuPartial);
    case 'objects':
      return nodeList(
        state,
        (node) => cache.totalObjects[node] - freeOnPartial(state, cache, node),
        hasNode,
      );
    case 'total_objects':
      return nodeList(state, (node) => cache.totalObjects[node], hasNode);
    case 'slabs':
      return nodeList(state, (node) => cache.nrSlabs[node], hasNode);
    case 'objects_partial':
      return nodeList(state, (node) => usedOnPartial(state, cache, node), hasNode);
    case 'partial':
      return nodeList(state, (node) => cache.nrPartial[node], hasNode);
    case 'cpu_slabs':
      return cpuSlabs(state, cache);
    case 'slabs_cpu_partial':
      return slabsCpuPartial(state, cache);
    case 'aliases':
      return String(cache.refcount < 0 ? 0 : cache.refcount - 1);
    case 'remote_node_defrag_ratio':
      return String(Math.floor(cache.remoteNodeDefragRatio / 10));
    default:
      return flagOrStat(cache, name);
  }
}

const FLAG_FILES: Readonly<Record<string, number>> = {
  hwcache_align: SlabFlag.SLAB_HWCACHE_ALIGN,
  reclaim_account: SlabFlag.SLAB_RECLAIM_ACCOUNT,
  destroy_by_rcu: SlabFlag.SLAB_TYPESAFE_BY_RCU,
  cache_dma: SlabFlag.SLAB_CACHE_DMA,
  sanity_checks: SlabFlag.SLAB_CONSISTENCY_CHECKS,
  trace: SlabFlag.SLAB_TRACE,
  red_zone: SlabFlag.SLAB_RED_ZONE,
  poison: SlabFlag.SLAB_POISON,
  store_user: SlabFlag.SLAB_STORE_USER,
};

function flagOrStat(cache: CacheState, name: AttributeName): string {
  const flag = FLAG_FILES[name];
  if (flag !== undefined) return flagText(cache, flag);
  const item = (STAT_NAMES as readonly string[]).indexOf(name);
  if (item >= 0) return statText(cache, item);
  throw refusal(cache, `there is no file ${name}`, ENOENT);
}

/**
 * The text of a file in the directory of a cache, with the newline at its end.
 * @throws KmemError `BAD_ATTRIBUTE` for a file that this build does not have
 * @kernel slab_attr_show (spec slub 5.4)
 */
export function readAttribute(state: SlubState, cache: CacheState, name: AttributeName): string {
  if (!attributeNames(state).includes(name))
    throw refusal(cache, `there is no file ${name}`, ENOENT);
  if (name === 'shrink' || name === 'validate') return '';
  if (name === 'ctor') return cache.ctor === null ? '' : `${cache.ctor.name || 'ctor'}\n`;
  return `${textOf(state, cache, name)}\n`;
}

/** An unsigned decimal number below `end`, possibly with a newline. @kernel kstrtouint */
function unsigned(cache: CacheState, text: string, end: number): number {
  const digits = /^\+?(\d+)\n?$/.exec(text);
  if (digits === null) throw refusal(cache, 'not an unsigned number', EINVAL);
  const value = Number(digits[1]);
  if (value >= end) throw refusal(cache, 'the number is too large', ERANGE);
  return value;
}

function requireStart(cache: CacheState, text: string, start: string): void {
  if (!text.startsWith(start)) throw refusal(cache, `only ${start} may be written`, EINVAL);
}

/**
 * Writes to a file in the directory of a cache.
 * @throws KmemError `BAD_ATTRIBUTE` with the error number of the kernel
 * @kernel slab_attr_store (spec slub 5.4)
 */
export function writeAttribute(
  state: SlubState,
  cache: CacheState,
  name: AttributeName,
  text: string,
  cpu: number,
): void {
  if (!attributeNames(state).includes(name))
    throw refusal(cache, `there is no file ${name}`, ENOENT);
  if ((STAT_NAMES as readonly string[]).includes(name)) {
    requireStart(cache, text, '0');
    const item = STAT_NAMES.indexOf(name as StatName);
    const { stats } = cache;
    if (stats !== null) {
      for (let cell = item; cell < stats.length; cell += NR_SLUB_STAT_ITEMS) stats[cell] = 0;
    }
    return;
  }
  switch (name) {
    case 'min_partial':
      cache.minPartial = unsigned(cache, text, ULONG_END);
      return;
    case 'cpu_partial':
      writeCpuPartial(state, cache, unsigned(cache, text, UINT_END));
      return;
    case 'remote_node_defrag_ratio': {
      const ratio = unsigned(cache, text, UINT_END);
      if (ratio > 100) throw refusal(cache, 'the ratio is at most 100', ERANGE);
      cache.remoteNodeDefragRatio = ratio * 10;
      return;
    }
    case 'shrink':
      requireStart(cache, text, '1');
      shrinkCache(state, cache, cpu);
      return;
    case 'validate':
      requireStart(cache, text, '1');
      validateCache(state, cache);
      return;
    default:
      throw refusal(cache, `${name} is read-only`, EIO);
  }
}

function writeCpuPartial(state: SlubState, cache: CacheState, objects: number): void {
  if (objects !== 0 && (cache.isDebug || !state.config.cpuPartial)) {
    throw refusal(cache, 'the cache has no CPU partial lists', EINVAL);
  }
  setCpuPartial(cache, objects);
  flushAll(state, cache);
}

/** An entry of `/sys/kernel/slab`. */
export interface SysfsEntry {
  /** Name of the directory or link. */
  readonly name: string;
  /** For a link: the directory that it points to; null for a directory. */
  readonly target: string | null;
}

/**
 * Name of the directory of a cache: its own, or one made of what may be merged with it.
 * @kernel create_unique_id (spec slub 5.4)
 */
export function directoryName(state: SlubState, cache: CacheState): string {
  if (isUnmergeable(state, cache)) return cache.name;
  let letters = '';
  if (hasFlag(cache, SlabFlag.SLAB_CACHE_DMA)) letters += 'd';
  if (hasFlag(cache, SlabFlag.SLAB_CACHE_DMA32)) letters += 'D';
  if (hasFlag(cache, SlabFlag.SLAB_RECLAIM_ACCOUNT)) letters += 'a';
  if (hasFlag(cache, SlabFlag.SLAB_CONSISTENCY_CHECKS)) letters += 'F';
  if (hasFlag(cache, SlabFlag.SLAB_ACCOUNT)) letters += 'A';
  if (letters !== '') letters += '-';
  return `:${letters}${String(cache.size).padStart(7, '0')}`;
}

/** Whether the cache has a directory of its own name. */
function isUnmergeable(state: SlubState, cache: CacheState): boolean {
  const { debug, parameters } = state;
  const metadata = SlabFlag.SLAB_RED_ZONE | SlabFlag.SLAB_POISON | SlabFlag.SLAB_STORE_USER;
  if (debug.disableHigherOrder && (debug.flags & metadata) !== 0) return true;
  return parameters.nomerge || slabUnmergeable(cache);
}

/** All directories and links of `/sys/kernel/slab`, caches newest first. (spec slub 5.4) */
export function sysfsEntries(state: SlubState): SysfsEntry[] {
  const entries: SysfsEntry[] = [];
  for (const cache of state.caches) {
    const directory = directoryName(state, cache);
    entries.push({ name: directory, target: null });
    if (directory !== cache.name) entries.push({ name: cache.name, target: directory });
    for (const alias of cache.aliases) entries.push({ name: alias, target: directory });
  }
  return entries;
}
