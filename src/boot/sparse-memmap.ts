import type { Memblock } from '../memblock/memblock.ts';
import type { MemoryRange } from '../mm/memory-range.ts';
import { PAGES_PER_SECTION, Sections, sparseInit } from '../mm/sections.ts';
import { bootAlloc, MAX_DMA_ADDRESS, SMP_CACHE_BYTES } from './boot-alloc.ts';

/** Sections of a root table entry. @kernel SECTIONS_PER_ROOT */
const SECTIONS_PER_ROOT = 256;
/** Bytes of the table of roots with 46 physical address bits. */
const ROOT_TABLE_BYTES = 16384n;
/** Bytes of a section's usage structure without its pageblock bits. @kernel mem_section_usage_size */
const USAGE_BYTES = 24;
/** Pageblocks whose bits take one byte: 4 bits each. */
const PAGEBLOCKS_PER_BYTE = 2;
/** Node data does not hold its node id yet when these structures are taken for it: 0 stands there. */
const USAGE_NODE = 0;
/** Bytes of the page map of a section. */
const SECTION_MEMMAP_BYTES = 2n << 20n;
/** RAM whose page map one page of the lowest table level maps: 1 GiB of page map. */
const PAGES_PER_PMD_TABLE = 2 ** 24;
/** The same one level up: 512 GiB of page map. */
const PAGES_PER_PUD_TABLE = 2 ** 33;

/** Consecutive present sections of one node. */
interface SectionRun {
  readonly node: number;
  readonly sections: number[];
}

/**
 * Takes what the kernel's own page map costs: the section table, and per run of sections of a node
 * their usage structures, their part of the page map, and page tables that map it.
 * @param ranges RAM, ascending
 * @param pageblockOrder log2 of the pages in a pageblock
 * @kernel sparse_init (spec memory-model 4.1)
 */
export function reserveSparseMemmap(
  memblock: Memblock,
  ranges: readonly MemoryRange[],
  pageblockOrder = 9,
): void {
  const last = ranges[ranges.length - 1];
  if (last === undefined) return;
  const sections = new Sections(last.endPfn);
  sparseInit(sections, ranges);
  allocRoots(memblock, sections);
  const mapped = new MappedTables();
  const pageblocks = PAGES_PER_SECTION / 2 ** pageblockOrder;
  const usageBytes = BigInt(USAGE_BYTES + pageblocks / PAGEBLOCKS_PER_BYTE);
  for (const run of sectionRuns(sections)) {
    const count = BigInt(run.sections.length);
    const usage = { what: 'section usage', size: usageBytes * count, align: SMP_CACHE_BYTES };
    bootAlloc(memblock, usage, USAGE_NODE);
    const size = SECTION_MEMMAP_BYTES * count;
    const memmap = {
      what: 'page map',
      size,
      align: SECTION_MEMMAP_BYTES,
      minAddr: MAX_DMA_ADDRESS,
    };
    bootAlloc(memblock, memmap, run.node);
    for (const section of run.sections) mapped.map(memblock, section, run.node);
  }
}

function allocRoots(memblock: Memblock, sections: Sections): void {
  bootAlloc(memblock, { what: 'section roots', size: ROOT_TABLE_BYTES, align: SMP_CACHE_BYTES });
  const roots = new Set<number>();
  sections.node.forEach((node, section) => {
    const root = Math.floor(section / SECTIONS_PER_ROOT);
    if (node === 0 || roots.has(root)) return;
    roots.add(root);
    const request = { what: 'section root', size: 4096n, align: SMP_CACHE_BYTES };
    bootAlloc(memblock, request, node - 1);
  });
}

function sectionRuns(sections: Sections): SectionRun[] {
  const runs: SectionRun[] = [];
  sections.node.forEach((cell, section) => {
    if (cell === 0) return;
    const run = runs[runs.length - 1];
    if (run?.node === cell - 1) run.sections.push(section);
    else runs.push({ node: cell - 1, sections: [section] });
  });
  return runs;
}

/** Page-table pages of the page map's virtual range that exist already. */
class MappedTables {
  readonly #puds = new Set<number>();
  readonly #pmds = new Set<number>();

  /** Takes the tables for a section's page map. @kernel vmemmap_populate_hugepages */
  map(memblock: Memblock, section: number, node: number): void {
    const pfn = section * PAGES_PER_SECTION;
    this.#table(memblock, this.#puds, Math.floor(pfn / PAGES_PER_PUD_TABLE), node);
    this.#table(memblock, this.#pmds, Math.floor(pfn / PAGES_PER_PMD_TABLE), node);
  }

  #table(memblock: Memblock, tables: Set<number>, index: number, node: number): void {
    if (tables.has(index)) return;
    tables.add(index);
    const request = {
      what: 'page map tables',
      size: 4096n,
      align: 4096n,
      minAddr: MAX_DMA_ADDRESS,
    };
    bootAlloc(memblock, request, node);
  }
}
