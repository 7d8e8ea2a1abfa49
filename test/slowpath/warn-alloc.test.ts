// covers: src/slowpath/rate-limit.ts
import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import { RateLimit } from '../../src/slowpath/rate-limit.ts';
import { type Script, scripted } from './scripted.ts';

const { GFP_KERNEL, GFP_NOWAIT, __GFP_COMP, __GFP_NOWARN, __GFP_DMA, __GFP_NORETRY } = Gfp;

/** A slow path with a clock, whose requests all fail. */
function failing(script: Script = {}) {
  const clock = { now: 0 };
  const options = { now: () => clock.now, ...script.options };
  const world = scripted({ ...script, options });
  world.task.comm = 'worker';
  const nodes = () => world.log.splice(0).filter((line) => line.startsWith('Node '));
  return { ...world, clock, nodes };
}

describe('warn_alloc (spec slowpath-compaction 4.32, 5.1)', () => {
  it('prints the kernel’s line, a stack and the memory report', () => {
    const of = failing({ options: { config: { cpusets: true } } });
    of.alloc(GFP_KERNEL | __GFP_COMP, 4);
    expect(of.log.slice(0, 3)).toEqual([
      'worker: page allocation failure: order:4, mode:0x40cc0(GFP_KERNEL|__GFP_COMP), nodemask=(null),cpuset=/,mems_allowed=0-1',
      'CPU: 0 PID: 0 Comm: worker',
      'Mem-Info:',
    ]);
  });

  it('without CPUSETS it ends with the nodemask; the stack may be the host’s', () => {
    const options = {
      config: { cpusets: false },
      hooks: { dumpStack: (cpu: number) => [`CPU: ${cpu} PID: 7 Comm: worker`, 'Call Trace:'] },
    };
    const of = failing({ options, nodemask: new Uint8Array([1, 0]) });
    of.alloc(GFP_KERNEL, 4);
    expect(of.log[0]).toMatch(/mode:0xcc0\(GFP_KERNEL\), nodemask=0$/);
    expect(of.log.slice(1, 3)).toEqual(['CPU: 0 PID: 7 Comm: worker', 'Call Trace:']);
  });

  it('names the cpuset', () => {
    const cpusets = {
      memsAllowed: () => [1],
      nodeAllowed: () => true,
      cpusetName: () => '/batch',
    };
    const of = failing({ options: { cpusets } });
    of.alloc(GFP_KERNEL, 4);
    expect(of.log[0]).toMatch(/,cpuset=\/batch,mems_allowed=1$/);
    expect(of.nodes().every((line) => line.startsWith('Node 1'))).toBe(true);
  });

  it('one report in ten seconds; the next window says how many were left out', () => {
    const of = failing();
    const reports = () => of.log.splice(0).filter((line) => /failure|suppressed/.test(line));
    for (let i = 0; i < 4; i++) of.alloc(GFP_NOWAIT, 0);
    expect(reports()).toHaveLength(1);
    of.clock.now = 10_000;
    of.alloc(GFP_NOWAIT, 0);
    expect(reports()).toEqual([]);
    of.clock.now = 10_001;
    of.alloc(GFP_NOWAIT, 0);
    expect(reports()).toEqual([
      'warn_alloc: 4 callbacks suppressed',
      expect.stringContaining('page allocation failure'),
    ]);
  });

  it('NOWARN asks for none and costs none; DMA without such memory costs one', () => {
    const of = failing();
    of.alloc(GFP_NOWAIT | __GFP_NOWARN, 0);
    expect(of.log).toEqual([]);
    of.alloc(GFP_NOWAIT | __GFP_DMA, 0);
    of.alloc(GFP_NOWAIT, 0);
    expect(of.log).toEqual([]);
    const dma = failing();
    dma.model.zones[0].managedPages = 1;
    dma.alloc(GFP_NOWAIT | __GFP_DMA, 0);
    expect(dma.log[0]).toContain('page allocation failure');
  });

  it('shows the nodes of the request, or all to callers that may use reserves', () => {
    const nodemask = new Uint8Array([1, 0]);
    const gfp = GFP_KERNEL | __GFP_NORETRY;
    const some = failing({ nodemask });
    some.alloc(gfp, 0);
    expect(some.nodes().some((line) => line.startsWith('Node 1'))).toBe(false);
    for (const fields of [{ pfExiting: true }, { inInterrupt: true }]) {
      const all = failing({ nodemask });
      Object.assign(all.task, fields);
      all.alloc(gfp, 0);
      expect(all.nodes().some((line) => line.startsWith('Node 1'))).toBe(true);
    }
    const refused = failing({ nodemask });
    refused.task.pfExiting = true;
    refused.alloc(gfp | Gfp.__GFP_NOMEMALLOC, 0);
    expect(refused.nodes().some((line) => line.startsWith('Node 1'))).toBe(false);
    const atomic = failing({ nodemask });
    atomic.alloc(GFP_NOWAIT, 0);
    expect(atomic.nodes().some((line) => line.startsWith('Node 1'))).toBe(true);
  });
});

describe('___ratelimit', () => {
  it('allows a burst per window', () => {
    const limit = new RateLimit(100, 2);
    const told: number[] = [];
    const allows = (now: number) => limit.allows(now, (count) => told.push(count));
    expect([5, 6, 7, 105, 106].map(allows)).toEqual([true, true, false, false, true]);
    expect(told).toEqual([2]);
    expect([207, 208].map(allows)).toEqual([true, true]);
    expect(told).toEqual([2]);
  });

  it('is copied and restored', () => {
    const limit = new RateLimit(100, 1);
    limit.allows(3, () => {});
    limit.allows(4, () => {});
    const copy = structuredClone(limit.snapshot());
    expect(copy).toEqual({ begin: 3, printed: 1, missed: 1 });
    const other = new RateLimit(100, 1);
    other.restore(copy);
    expect(other.allows(50, () => {})).toBe(false);
    expect(other.snapshot().missed).toBe(2);
  });
});
