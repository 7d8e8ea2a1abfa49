import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { BootCost } from './boot-process.ts';
import type { Benchmark } from './types.ts';

const GIBIBYTES = [1, 4, 16, 64, 256, 1024];
const PROGRAM = fileURLToPath(new URL('./boot-process.ts', import.meta.url));

/** Boot of machines without page contents. Each runs in a process of its own, for its resident set. */
export const bootBenchmark: Benchmark = {
  name: 'boot',
  summary: 'boot from a firmware map with noMemory, one process per size',
  run: async (scale) => {
    const rows = [
      [
        'memory',
        'ms',
        'ns per frame',
        'of it our own',
        'resident MiB',
        'of it by boot',
        'bytes per frame',
        'hash',
      ],
    ];
    for (const gibibytes of scale === 'smoke' ? GIBIBYTES.slice(0, 2) : GIBIBYTES) {
      rows.push(row(gibibytes, await bootCost(gibibytes)));
    }
    return rows;
  },
};

async function bootCost(gibibytes: number): Promise<BootCost> {
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...process.execArgv,
    PROGRAM,
    String(gibibytes),
  ]);
  return JSON.parse(stdout) as BootCost;
}

function row(gibibytes: number, cost: BootCost): string[] {
  const { frames, milliseconds, userMilliseconds, residentBytes, baseBytes, hash } = cost;
  const bootBytes = residentBytes - baseBytes;
  return [
    `${gibibytes} GiB`,
    milliseconds.toFixed(0),
    ((milliseconds * 1e6) / frames).toFixed(1),
    ((userMilliseconds * 1e6) / frames).toFixed(1),
    (residentBytes / 2 ** 20).toFixed(0),
    (bootBytes / 2 ** 20).toFixed(0),
    (bootBytes / frames).toFixed(1),
    (hash >>> 0).toString(16),
  ];
}
