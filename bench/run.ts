import { cpus } from 'node:os';
import { benchmarks } from './benchmarks.ts';
import type { Benchmark, Scale } from './types.ts';

const [, , ...args] = process.argv;
const scale: Scale = args.includes('--smoke') ? 'smoke' : 'full';
const wanted = args.filter((arg) => arg !== '--smoke');
const unknown = wanted.filter((name) => !benchmarks.some((benchmark) => benchmark.name === name));

if (unknown.length > 0) {
  const names = benchmarks.map(({ name, summary }) => `  ${name}: ${summary}`).join('\n');
  console.error(`unknown benchmark ${unknown.join(', ')}; there are\n${names}`);
  process.exitCode = 2;
} else {
  console.log(`Node ${process.version}, ${cpus()[0]?.model ?? 'unknown CPU'}, ${scale}`);
  for (const benchmark of benchmarks) {
    if (wanted.length === 0 || wanted.includes(benchmark.name)) await runOne(benchmark);
  }
}

async function runOne({ name, summary, run }: Benchmark): Promise<void> {
  console.log(`\n${name}: ${summary}`);
  const rows = await run(scale);
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  for (const row of rows) {
    const cells = row.map((cell, i) =>
      i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]),
    );
    console.log(`  ${cells.join('  ')}`.trimEnd());
  }
}
