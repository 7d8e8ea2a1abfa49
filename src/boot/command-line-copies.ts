import type { Memblock } from '../memblock/memblock.ts';
import { bootAlloc, SMP_CACHE_BYTES } from './boot-alloc.ts';

/** One copy stays as it is, the other is cut into parameters. */
const COPIES = ['saved command line', 'static command line'] as const;

/**
 * Takes the two copies of the command line that the kernel keeps.
 * @param chars characters in front of `cmdline`, null for no copies at all
 * @param cmdline what follows them, after a blank
 * @kernel setup_command_line
 */
export function reserveCommandLines(
  memblock: Memblock,
  chars: number | null,
  cmdline: string,
): void {
  if (chars === null) return;
  const length = chars + (chars > 0 && cmdline !== '' ? 1 : 0) + cmdline.length;
  for (const what of COPIES) {
    bootAlloc(memblock, { what, size: BigInt(length + 1), align: SMP_CACHE_BYTES });
  }
}
