/** 1-based index of the highest set bit of a 32-bit value, 0 for 0. @kernel fls */
export function fls(value: number): number {
  return 32 - Math.clz32(value);
}

/** 0-based index of the lowest set bit; 32 for 0. @kernel __ffs */
export function ctz32(value: number): number {
  return value === 0 ? 32 : 31 - Math.clz32(value & -value);
}

/** floor(log2(value)) for 1 <= value < 2^53, -1 for 0. @kernel ilog2 */
export function ilog2(value: number): number {
  if (value < 0x1_0000_0000) return 31 - Math.clz32(value);
  return 63 - Math.clz32(Math.floor(value / 0x1_0000_0000));
}

/** Whether `value` (below 2^53) is a power of two; false for 0. @kernel is_power_of_2 */
export function isPowerOfTwo(value: number): boolean {
  return value > 0 && 2 ** ilog2(value) === value;
}

/** Smallest power of two that is at least `value` (1 for 0 and 1). @kernel roundup_pow_of_two */
export function roundUpPowerOfTwo(value: number): number {
  return value <= 1 ? 1 : 2 ** (ilog2(value - 1) + 1);
}

/** Largest power of two that is at most `value`, which is at least 1. @kernel rounddown_pow_of_two */
export function roundDownPowerOfTwo(value: number): number {
  return 2 ** ilog2(value);
}

/** floor(value * numerator / denominator) without a large product. @kernel mult_frac */
export function multFrac(value: number, numerator: number, denominator: number): number {
  const quotient = Math.floor(value / denominator);
  const remainder = value % denominator;
  return quotient * numerator + Math.floor((remainder * numerator) / denominator);
}

/** Floor of the square root of an integer below 2^53. @kernel int_sqrt */
export function intSqrt(value: number): number {
  let root = Math.floor(Math.sqrt(value));
  while (root * root > value) root--;
  while ((root + 1) * (root + 1) <= value) root++;
  return root;
}

/** Integer division that truncates toward zero, as C does. */
export function divTrunc(value: number, divisor: number): number {
  return Math.trunc(value / divisor);
}
