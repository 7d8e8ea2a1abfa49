import { parseArgs } from 'node:util';
import { PageframeError } from '../src/lib/errors.ts';
import { type VM_EVENT_NAMES, VmEvent } from '../src/mm/vm-items.ts';
import { vmEvent } from '../src/mm/vmstat.ts';
import { MachineLoad } from './soak/load.ts';

const HELP = `Usage: npm run soak -- [OPTION...]

Puts a whole machine under random load and checks all its rules now and then, and at the end that
nothing is lost.

  --ops N        operations (default 5000000)
  --every N      operations between two checks (default 1000)
  --seed N       same seed, same load, same hash (default 1)
  --memory MIB   RAM (default 96)
  --nodes N      nodes (default 2)
  --cpus N       CPUs (default 4)
  --slab NAME    slub or slab (default slub)

Exit status: 0 nothing found; 1 a rule is broken; 2 wrong usage.
`;

/** Events that tell whether the load got everywhere. */
const EVENTS = [
  'oom_kill',
  'pgsteal_kswapd',
  'pgsteal_direct',
  'pswpin',
  'pswpout',
  'slabs_scanned',
  'compact_stall',
  'compact_success',
  'compact_daemon_wake',
  'pgmigrate_success',
] as const satisfies readonly (typeof VM_EVENT_NAMES)[number][];

/** Milliseconds between two lines of progress. */
const PROGRESS_MS = 10_000;

const { values } = parseArgs({
  options: {
    help: { type: 'boolean', default: false },
    ops: { type: 'string', default: '5000000' },
    every: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    memory: { type: 'string', default: '96' },
    nodes: { type: 'string', default: '2' },
    cpus: { type: 'string', default: '4' },
    slab: { type: 'string', default: 'slub' },
  },
});

const numbers = ['ops', 'every', 'seed', 'memory', 'nodes', 'cpus'] as const;
const wrong: string[] = numbers.filter((name) => !/^[1-9]\d*$/.test(values[name]));
if (values.slab !== 'slub' && values.slab !== 'slab') wrong.push('slab');

if (values.help) {
  console.log(HELP);
} else if (wrong.length > 0) {
  console.error(`wrong value of --${wrong.join(', --')}\n\n${HELP}`);
  process.exitCode = 2;
} else {
  const load = machineLoad();
  if (load === null) process.exitCode = 2;
  else process.exitCode = soak(load) ? 0 : 1;
}

/** @returns null when there is no such machine: one with too little memory to boot, for example */
function machineLoad(): MachineLoad | null {
  const [seed, memoryMib, nodes, cpus] = [
    values.seed,
    values.memory,
    values.nodes,
    values.cpus,
  ].map(Number);
  const slab = values.slab === 'slab' ? 'slab' : 'slub';
  try {
    return new MachineLoad({ seed, memoryMib, nodes, boot: { cpus, slab } });
  } catch (error) {
    if (!(error instanceof PageframeError)) throw error;
    console.error(`this machine does not boot: ${error.message}`);
    return null;
  }
}

/** @returns whether nothing was found */
function soak(load: MachineLoad): boolean {
  const [ops, every] = [Number(values.ops), Number(values.every)];
  const start = performance.now();
  let reported = start;
  for (let op = 1; op <= ops; op++) {
    load.step();
    if (op % every !== 0) continue;
    if (!isSound(load, `operation ${op}`)) return false;
    if (performance.now() - reported < PROGRESS_MS) continue;
    reported = performance.now();
    console.log(`${op} operations, ${seconds(start)} s, hash ${hashOf(load)}`);
  }
  report(load, ops, every, start);
  const left = load.finish();
  for (const line of left) console.log(`left over: ${line}`);
  return left.length === 0 && isSound(load, 'the end');
}

function isSound(load: MachineLoad, when: string): boolean {
  const problems = load.problems();
  for (const problem of problems) console.log(`${when}: ${problem}`);
  return problems.length === 0;
}

function report(load: MachineLoad, ops: number, every: number, start: number): void {
  const { vmstat } = load.machine.model;
  const took = seconds(start);
  console.log(
    `${ops} operations, ${Math.floor(ops / every)} checks, ${took} s, hash ${hashOf(load)}`,
  );
  console.log(Object.entries(load.counts).map(pair).join(', '));
  console.log(EVENTS.map((name) => pair([name, vmEvent(vmstat, VmEvent[name])])).join(', '));
}

function pair([name, count]: readonly [string, number]): string {
  return `${name} ${count}`;
}

function seconds(start: number): string {
  return ((performance.now() - start) / 1000).toFixed(0);
}

function hashOf(load: MachineLoad): string {
  return (load.hash >>> 0).toString(16).padStart(8, '0');
}
