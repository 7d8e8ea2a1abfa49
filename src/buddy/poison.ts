import { PAGE_SIZE } from '../lib/units.ts';
import type { PhysicalMemory } from '../memory/types.ts';
import { dumpPage } from './bad-page.ts';
import type { BuddyState } from './state.ts';

/** What a freed page is filled with. @kernel PAGE_POISON */
export const PAGE_POISON = 0xaa;

/** Four bytes of poison, as one word. */
const POISON_WORD = 0xaaaaaaaa;
/** Reports in one window of time. */
const REPORTS_PER_WINDOW = 10;
/** Length of the window in seconds. */
const WINDOW_SECONDS = 5;
/** Kernel virtual address of physical address 0. */
const PAGE_OFFSET = 0xffff888000000000n;

/** Fills freed pages with poison. @kernel kernel_poison_pages */
export function poisonPages(memory: PhysicalMemory, pfn: number, pages: number): void {
  memory.fill(pfn * PAGE_SIZE, PAGE_SIZE * pages, PAGE_POISON);
}

/**
 * Checks that nobody wrote to the pages of a block while it was free; reports who did.
 * @kernel kernel_unpoison_pages (spec buddy 4.21, 5.9)
 */
export function checkPoison(
  state: BuddyState,
  memory: PhysicalMemory,
  pfn: number,
  order: number,
): void {
  if (memory.contentless === true) return;
  for (let page = pfn; page < pfn + (1 << order); page++) checkPage(state, memory, page);
}

function checkPage(state: BuddyState, memory: PhysicalMemory, pfn: number): void {
  const base = pfn * PAGE_SIZE;
  let first = 0;
  while (first < PAGE_SIZE && memory.readU32(base + first) === POISON_WORD) first += 4;
  if (first === PAGE_SIZE) return;
  while (memory.readU8(base + first) === PAGE_POISON) first++;
  let last = PAGE_SIZE - 1;
  while (memory.readU8(base + last) === PAGE_POISON) last--;
  report(state, memory, pfn, base + first, base + last);
}

function report(
  state: BuddyState,
  memory: PhysicalMemory,
  pfn: number,
  start: number,
  last: number,
): void {
  const { log, poisonReports: reports } = state;
  const now = state.hooks.jiffies?.() ?? 0;
  if (now >= reports.windowEnd) {
    reports.windowEnd = now + WINDOW_SECONDS * state.model.hz;
    reports.shown = 0;
  }
  if (reports.shown >= REPORTS_PER_WINDOW) return;
  reports.shown++;
  if (log === null) return;
  const single = start === last && isSingleBit(memory.readU8(start) ^ PAGE_POISON);
  log(`pagealloc: ${single ? 'single bit error' : 'memory corruption'}`);
  for (let addr = start; addr <= last; addr += 16) {
    log(hexDumpLine(memory, addr, Math.min(16, last - addr + 1)));
  }
  for (const line of dumpPage(state.model, pfn, 'pagealloc: corrupted page details')) log(line);
}

function isSingleBit(difference: number): boolean {
  return (difference & (difference - 1)) === 0;
}

/** One line of the kernel's hex dump: address, up to 16 bytes, the same as text. */
function hexDumpLine(memory: PhysicalMemory, addr: number, length: number): string {
  let bytes = '';
  let text = '';
  for (let i = 0; i < length; i++) {
    const byte = memory.readU8(addr + i);
    bytes += `${byte.toString(16).padStart(2, '0')} `;
    text += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  }
  const virtual = (PAGE_OFFSET + BigInt(addr)).toString(16);
  return `${virtual}: ${bytes.padEnd(48)} ${text}`;
}
