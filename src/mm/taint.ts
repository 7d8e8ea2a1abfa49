/** Bits of the kernel's taint that SLAB and SLUB set or show. @kernel TAINT_* */
export const TaintFlag = {
  /** A proprietary module was loaded. */
  TAINT_PROPRIETARY_MODULE: 0x1,
  /** An object or a page was found corrupt. */
  TAINT_BAD_PAGE: 0x20,
  /** Something warned. */
  TAINT_WARN: 0x200,
} as const;

/** Characters of a taint, a letter or a space each. */
const TAINT_CHARACTERS = 19;

/** The taint bits as reports print them. @kernel print_tainted (spec slub 5.6) */
export function taintText(taint: number): string {
  if (taint === 0) return 'Not tainted';
  const letters = new Array<string>(TAINT_CHARACTERS).fill(' ');
  letters[0] = (taint & TaintFlag.TAINT_PROPRIETARY_MODULE) === 0 ? 'G' : 'P';
  if ((taint & TaintFlag.TAINT_BAD_PAGE) !== 0) letters[5] = 'B';
  if ((taint & TaintFlag.TAINT_WARN) !== 0) letters[9] = 'W';
  return `Tainted: ${letters.join('')}`;
}
