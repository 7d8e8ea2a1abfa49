import { describe, expect, it } from 'vitest';
import { Gfp } from '../../src/mm/gfp.ts';
import type { SlowPathCpusets } from '../../src/slowpath/index.ts';
import { type Script, scripted } from './scripted.ts';

const { GFP_KERNEL, __GFP_NORETRY, __GFP_NOWARN, __GFP_HARDWALL } = Gfp;
const QUIET = GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN;

/** Cpusets whose cookie is what the test says. */
function cpusets(fields: Partial<SlowPathCpusets> = {}): SlowPathCpusets {
  return { memsAllowed: () => [0, 1], nodeAllowed: () => true, ...fields };
}

/** Attempts made before the call failed. */
function attempts(script: Script, gfp: number = QUIET): string[] {
  const world = scripted(script);
  expect(world.alloc(gfp, 0)).toBe(-1);
  return world.calls.filter((call) => call.startsWith('try'));
}

describe('cookies (spec slowpath-compaction 4.11)', () => {
  it('a call whose zonelists were rebuilt starts anew, once', () => {
    let cookie = 0;
    const script: Script = {
      freed: () => {
        cookie = 1;
        return 0;
      },
      options: { hooks: { zonelistCookie: () => cookie } },
    };
    expect(attempts(script)).toEqual(['try 0x840', 'try 0x840', 'try 0x840', 'try 0x840']);
  });

  it('so does one whose cpuset changed', () => {
    let cookie = 0;
    const change = () => {
      cookie = 1;
      return 0;
    };
    const script: Script = { options: { cpusets: cpusets({ cookie: () => cookie }) } };
    expect(attempts({ ...script, freed: change })).toHaveLength(4);
    expect(attempts(script)).toHaveLength(2);
  });

  it('a change before the first round restarts before it', () => {
    let reads = 0;
    const script: Script = {
      options: { hooks: { zonelistCookie: () => (reads++ === 0 ? 0 : 1) } },
    };
    expect(attempts(script)).toHaveLength(3);
  });

  it('a nodemask outside the cpuset is dropped', () => {
    const options = { cpusets: cpusets({ memsAllowed: () => [1] }) };
    const world = scripted({ nodemask: new Uint8Array([1, 0]), options });
    expect(world.alloc(QUIET, 0)).toBe(-1);
    expect(world.request.nodemask).toBeNull();
    expect(world.calls.filter((call) => call === 'wake 6').length).toBeGreaterThan(0);
  });

  it('kswapd of a forbidden node is not woken', () => {
    const options = { cpusets: cpusets({ nodeAllowed: (node) => node === 1 }) };
    const world = scripted({ options });
    world.alloc(QUIET, 0);
    expect(new Set(world.calls)).not.toContain('wake 2');
    expect(world.calls).toContain('wake 6');
  });

  it('nothing is tried when a hardwall request has no zone in an insane cpuset', () => {
    const insane = cpusets({ insaneConfig: () => true, memsAllowed: () => [] });
    expect(attempts({ options: { cpusets: insane } }, QUIET | __GFP_HARDWALL)).toEqual([]);
    expect(attempts({ options: { cpusets: insane } })).toHaveLength(2);
    const sane = cpusets({ insaneConfig: () => true, memsAllowed: () => [1] });
    expect(attempts({ options: { cpusets: sane } }, QUIET | __GFP_HARDWALL)).toHaveLength(2);
    const normal = cpusets({ memsAllowed: () => [] });
    expect(attempts({ options: { cpusets: normal } }, QUIET | __GFP_HARDWALL)).toHaveLength(2);
  });
});
