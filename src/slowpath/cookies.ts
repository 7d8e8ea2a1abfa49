import { Gfp } from '../mm/gfp.ts';
import type { CompactionContext } from './compaction-context.ts';
import { eachZone } from './each-zone.ts';
import type { SlowPathRequest } from './types.ts';

/** What a call saw when it started: it starts anew when these have changed. (spec slowpath-compaction 4.11) */
export class Cookies {
  /** Of the task's nodes and memory policy. */
  cpuset = 0;
  /** Of the zonelists. */
  zonelist = 0;

  /** Takes the present values. @kernel read_mems_allowed_begin, zonelist_iter_begin */
  read(ctx: CompactionContext): void {
    this.cpuset = ctx.cpusets?.cookie?.() ?? 0;
    this.zonelist = ctx.zonelistCookie();
  }
}

/**
 * Whether a call must start anew because cpuset, memory policy or zonelists changed. A nodemask that
 * the cpuset forbids altogether is dropped.
 * @kernel check_retry_cpuset, check_retry_zonelist (spec slowpath-compaction 4.11)
 */
export function checkRetryCookies(
  ctx: CompactionContext,
  cookies: Cookies,
  request: SlowPathRequest,
): boolean {
  const { cpusets } = ctx;
  if (cpusets !== null) {
    const { nodemask } = request;
    if (nodemask !== null && !cpusets.memsAllowed().some((node) => nodemask[node] !== 0)) {
      request.nodemask = null;
      return true;
    }
    if ((cpusets.cookie?.() ?? 0) !== cookies.cpuset) return true;
  }
  return ctx.zonelistCookie() !== cookies.zonelist;
}

/**
 * Whether a request bound to its cpuset has no zone there that it could use; only looked at once
 * some cpuset was given nothing but movable nodes.
 * @kernel cpusets_insane_config (spec slowpath-compaction 4.5, PREP)
 */
export function noZoneInCpuset(
  ctx: CompactionContext,
  gfp: number,
  request: SlowPathRequest,
): boolean {
  const { cpusets } = ctx;
  if (cpusets === null || !(cpusets.insaneConfig?.() ?? false)) return false;
  if ((gfp & Gfp.__GFP_HARDWALL) === 0) return false;
  const allowed = new Set(cpusets.memsAllowed());
  return !eachZone({ ...request, nodemask: null }).some((zone) => allowed.has(zone.node));
}
