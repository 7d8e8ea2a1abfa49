import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { defaultTask } from '../../src/mm/task.ts';
import { gfpPfmemallocFlags, gfpToAllocFlags } from '../../src/slowpath/alloc-flags.ts';

describe('gfp_to_alloc_flags (spec slowpath-compaction 4.1)', () => {
  it.each([
    [Gfp.GFP_KERNEL, 0, 0x840],
    [Gfp.GFP_NOFS, 3, 0x840],
    [Gfp.GFP_USER, 9, 0x840],
    [Gfp.GFP_HIGHUSER_MOVABLE, 0, 0x840],
    [Gfp.GFP_ATOMIC, 0, 0x830],
    [Gfp.GFP_ATOMIC, 1, 0xa30],
    [Gfp.GFP_ATOMIC | Gfp.__GFP_NOMEMALLOC, 1, 0x820],
    [Gfp.GFP_NOWAIT, 0, 0x850],
    [Gfp.GFP_TRANSHUGE, 9, 0x40],
    [Gfp.GFP_TRANSHUGE_LIGHT, 9, 0x40],
  ])('gfp %i of order %i gives %i', (gfp, order, flags) => {
    expect(gfpToAllocFlags(gfp, order, defaultTask())).toBe(flags);
  });

  it('gives a real-time task in task context the reserve', () => {
    const task = { ...defaultTask(), rtTask: true };
    expect(gfpToAllocFlags(Gfp.GFP_KERNEL, 0, task)).toBe(0x860);
    expect(gfpToAllocFlags(Gfp.GFP_KERNEL, 0, { ...task, inInterrupt: true })).toBe(0x840);
  });
});

describe('__gfp_pfmemalloc_flags (spec slowpath-compaction 4.2)', () => {
  const task = defaultTask();
  it.each([
    ['NOMEMALLOC wins over MEMALLOC', Gfp.__GFP_NOMEMALLOC | Gfp.__GFP_MEMALLOC, task, 0],
    ['MEMALLOC', Gfp.__GFP_MEMALLOC, task, 4],
    ['PF_MEMALLOC', 0, { ...task, pfMemalloc: true }, 4],
    ['PF_MEMALLOC in an interrupt', 0, { ...task, pfMemalloc: true, inInterrupt: true }, 0],
    ['PF_MEMALLOC in a softirq', 0, { ...task, pfMemalloc: true, inServingSoftirq: true }, 4],
    ['an OOM victim', 0, { ...task, oomVictim: true }, 8],
    ['anybody else', Gfp.GFP_KERNEL, task, 0],
  ])('%s', (_name, gfp, who, flags) => {
    expect(gfpPfmemallocFlags(gfp, who)).toBe(flags);
  });
});
