import { readFileSync } from 'node:fs';
import { parseE820 } from '../src/e820/index.ts';
import { measure, mix } from './measure.ts';
import type { Benchmark, Scale } from './types.ts';

const MEMORY_LINES = readFileSync(
  new URL('../docs/examples/6gib.dmesg', import.meta.url),
  'utf8',
).trimEnd();

/** A kernel log of a long uptime: the memory lines are its first, and there is much else. */
export const dmesgBenchmark: Benchmark = {
  name: 'dmesg',
  summary: 'find the firmware map in a kernel log',
  run: async (scale) => [
    ['lines', 'ms', 'µs per line'],
    ...[1_000, 10_000, 100_000].map((lines) => row(lines, scale)),
  ],
};

function row(lines: number, scale: Scale): string[] {
  const text = kernelLog(lines);
  const parse = (): number => {
    const { entries } = parseE820(text).firmware;
    return entries.reduce((hash, entry) => mix(hash, Number(entry.size % 65521n)), 0);
  };
  const rounds = scale === 'smoke' ? 1 : 5;
  const [{ minNs }] = measure([{ name: 'dmesg', prepare: () => parse }], 1, rounds);
  return [String(lines), (minNs / 1e6).toFixed(1), (minNs / 1e3 / lines).toFixed(2)];
}

function kernelLog(lines: number): string {
  const log = MEMORY_LINES.split('\n').map((line) => `[    0.000000] ${line}`);
  for (let i = log.length; i < lines; i++) {
    const time = (i / 7).toFixed(6).padStart(12);
    log.push(`[${time}] usb 1-${i % 9}: device descriptor read/64, error [mem ${i}] -71`);
  }
  return `${log.join('\n')}\n`;
}
