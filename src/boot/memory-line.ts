import type { MemoryModel } from '../mm/memory-model.ts';
import { ZoneStatItem } from '../mm/vm-items.ts';
import { globalZoneState } from '../mm/vmstat.ts';
import type { ImageSizes } from './reservations.ts';

/** Pages of page tables that the kernel allocates for vmalloc before it prints the line. */
export const VMALLOC_TABLE_PAGES = 64;

/**
 * The `Memory:` line of the kernel log.
 * @param pending pages that the kernel has allocated by then but the model has not
 * @kernel mem_init_print_info (spec memory-model 5.1)
 */
export function formatMemoryLine(model: MemoryModel, image: ImageSizes, pending: number): string {
  const available = globalZoneState(model.vmstat, ZoneStatItem.NR_FREE_PAGES) - pending;
  const total = model.nodes.reduce((sum, node) => sum + node.presentPages, 0);
  const reserved = total - model.totalramPages;
  const { kernelCode, rwdata, rodata, init, bss } = image;
  return (
    `Memory: ${kib(available)}/${kib(total)} available (${kernelCode}K kernel code, ` +
    `${rwdata}K rwdata, ${rodata}K rodata, ${init}K init, ${bss}K bss, ` +
    `${kib(reserved)} reserved, 0K cma-reserved)`
  );
}

function kib(pages: number): string {
  return `${pages * 4}K`;
}
