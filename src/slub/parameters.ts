import { MAX_ORDER } from '../lib/units.ts';
import type { SlubConfig, SlubParameters } from './types.ts';

/** The build options of the distribution. (spec slub 3.5) */
export function defaultConfig(): SlubConfig {
  return {
    cpuPartial: true,
    debug: true,
    debugOn: false,
    stats: false,
    freelistRandom: false,
    freelistHardened: false,
    memcg: false,
    zoneDma: true,
    numa: true,
    stackDepot: true,
  };
}

/** A boot without parameters. (spec slub 3.4) */
export function defaultParameters(): SlubParameters {
  return {
    minOrder: 0,
    maxOrder: 3,
    minObjects: 0,
    nomerge: false,
    slubDebug: null,
    initOnAlloc: false,
    initOnFree: false,
  };
}

/** The leading decimal number of a text, null if there is none. @kernel get_option */
function leadingNumber(text: string): number | null {
  const digits = /^-?\d+/.exec(text);
  return digits === null ? null : Number(digits[0]);
}

/** The truth value of a boot parameter, null for anything else. @kernel kstrtobool */
function truthValue(text: string): boolean | null {
  if (/^(y|t|1|on)/i.test(text)) return true;
  return /^(n|f|0|of)/i.test(text) ? false : null;
}

/**
 * Reads the parameters of SLUB from a kernel command line. Later ones win; unknown ones are not its
 * business.
 * @param commandLine e.g. `quiet slab_nomerge slub_debug=FZ,dentry`
 * @kernel early_param, __setup of mm/slub.c and mm/slab_common.c (spec slub 3.4)
 */
export function parseSlubParameters(commandLine: string): SlubParameters {
  const found: { -readonly [K in keyof SlubParameters]: SlubParameters[K] } = defaultParameters();
  for (const word of commandLine.split(/\s+/)) {
    const equals = word.indexOf('=');
    const name = equals < 0 ? word : word.slice(0, equals);
    const value = equals < 0 ? '' : word.slice(equals + 1);
    switch (name) {
      case 'slub_min_order':
        found.minOrder = leadingNumber(value) ?? found.minOrder;
        break;
      case 'slub_max_order':
        found.maxOrder = Math.min(leadingNumber(value) ?? found.maxOrder, MAX_ORDER - 1);
        break;
      case 'slub_min_objects':
        found.minObjects = leadingNumber(value) ?? found.minObjects;
        break;
      case 'slab_nomerge':
      case 'slub_nomerge':
        found.nomerge = true;
        break;
      case 'slab_merge':
      case 'slub_merge':
        found.nomerge = false;
        break;
      case 'init_on_alloc':
        found.initOnAlloc = truthValue(value) ?? found.initOnAlloc;
        break;
      case 'init_on_free':
        found.initOnFree = truthValue(value) ?? found.initOnFree;
        break;
      default:
        if (name.startsWith('slub_debug')) found.slubDebug = word.slice('slub_debug'.length);
    }
  }
  return found;
}

/** The line of `slub_debug` with POISON and a clearing option, null if it is not printed. (spec slub 4.3) */
export function autoInitLine(poisons: boolean, parameters: SlubParameters): string | null {
  if (!poisons || !(parameters.initOnAlloc || parameters.initOnFree)) return null;
  return 'mem auto-init: SLAB_POISON will take precedence over init_on_alloc/init_on_free';
}
