import { noReservations } from '../../src/boot/reservations.ts';
import type { BootOptions } from '../../src/boot/types.ts';
import { boot, type Machine } from '../../src/machine.ts';
import { Gfp } from '../../src/mm/gfp.ts';

/** Bytes of one MiB. */
const MIB = 1048576n;

/** Boots a machine of so many MiB of RAM, nearly all free, in ZONE_DMA32 of one node unless the options say more. */
export function bootOf(mib: number, options: Partial<BootOptions> = {}): Machine {
  return boot({
    e820: [
      { addr: 16n * MIB, size: BigInt(mib) * MIB, type: 1 },
      { addr: BigInt(16 + mib) * MIB, size: MIB, type: 2 },
    ],
    reservations: noReservations(),
    ...options,
  });
}

/** A machine of two nodes with so many MiB each. */
export function bootTwoNodes(mib: number, options: Partial<BootOptions> = {}): Machine {
  const middle = BigInt(16 + mib) * MIB;
  const end = BigInt(16 + 2 * mib) * MIB;
  return bootOf(2 * mib, {
    nodes: [{ memory: [{ start: 0n, end: middle }] }, { memory: [{ start: middle, end: end }] }],
    cpus: 2,
    ...options,
  });
}

/** Takes single pages without waiting, movable ones, until there are none. @returns them */
export function takeAll(machine: Machine, gfp: number = Gfp.GFP_NOWAIT): number[] {
  const pages: number[] = [];
  const mask = gfp | Gfp.__GFP_MOVABLE | Gfp.__GFP_NOWARN;
  for (;;) {
    const pfn = machine.allocPages(mask, 0);
    if (pfn === null) return pages;
    pages.push(pfn);
  }
}

/** Broken rules, as text. */
export function problems(machine: Machine): string[] {
  return machine.checkInvariants().map(({ rule, message }) => `${rule}: ${message}`);
}
