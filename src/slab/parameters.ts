import type { SlabConfig, SlabParameters } from './types.ts';

/** `maxOrder` when the boot parameter is not given: the size of the machine decides. */
export const SLAB_MAX_ORDER_AUTO = -1;

/** The build of the distribution's SLAB kernel. */
export function defaultConfig(): SlabConfig {
  return {
    debug: false,
    numa: true,
    freelistRandom: false,
    freelistHardened: false,
    memcg: false,
    zoneDma: true,
  };
}

/** A boot without parameters. */
export function defaultParameters(): SlabParameters {
  return {
    maxOrder: SLAB_MAX_ORDER_AUTO,
    nomerge: false,
    noAlienCache: false,
    initOnAlloc: false,
    initOnFree: false,
  };
}

/** `0` or `1` and the other spellings of a switch that the kernel takes; null for anything else. */
function readSwitch(text: string): boolean | null {
  if (/^([yY1]|[oO][nN])/.test(text)) return true;
  return /^([nN0]|[oO][fF])/.test(text) ? false : null;
}

/**
 * The boot parameters of SLAB in a kernel command line; later ones win, others are ignored.
 * @param cmdline words separated by blanks, e.g. `quiet slab_nomerge slab_max_order=2`
 */
export function parseSlabParameters(cmdline: string): SlabParameters {
  let parameters = defaultParameters();
  for (const word of cmdline.split(/\s+/)) {
    const at = word.indexOf('=');
    const name = at < 0 ? word : word.slice(0, at);
    const value = at < 0 ? '' : word.slice(at + 1);
    parameters = { ...parameters, ...readParameter(name, value) };
  }
  return parameters;
}

function readParameter(name: string, value: string): Partial<SlabParameters> {
  switch (name) {
    case 'slab_nomerge':
      return { nomerge: true };
    case 'slab_merge':
      return { nomerge: false };
    case 'noaliencache':
      return { noAlienCache: true };
    case 'slab_max_order':
      return /^[+-]?\d+$/.test(value) ? { maxOrder: Math.max(Number(value), 0) } : {};
    case 'init_on_alloc': {
      const initOnAlloc = readSwitch(value);
      return initOnAlloc === null ? {} : { initOnAlloc };
    }
    case 'init_on_free': {
      const initOnFree = readSwitch(value);
      return initOnFree === null ? {} : { initOnFree };
    }
    default:
      return {};
  }
}
