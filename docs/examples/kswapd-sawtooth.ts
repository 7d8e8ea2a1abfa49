/**
 * The sawtooth of kswapd: a machine of 256 MiB reads a file of 512 MiB.
 *
 * The page cache takes what is free until an allocation finds less than the low watermark and wakes
 * kswapd, which frees old pages up to the high watermark and sleeps again; and so on. The table shows
 * every run, the plot the free pages: `docs/kswapd-sawtooth.svg`.
 */
import { writeFileSync } from 'node:fs';
import { createBuddy } from 'pageframe/buddy';
import {
  setWatermarkScaleFactor,
  WatermarkIndex,
  wmarkPages,
  ZoneStatItem,
  zoneState,
} from 'pageframe/mm';
import { formatVmstat, PageCache, parseVmstat, Reclaim } from 'pageframe/reclaim';

const MEMORY_PAGES = 65536;
const FILE_PAGES = 2 * MEMORY_PAGES;

const buddy = createBuddy({ zones: [{ startPfn: 0x100000, pages: MEMORY_PAGES }] });
const { model } = buddy;
const reclaim = new Reclaim({ model, allocator: buddy, task: buddy.task });
const cache = new PageCache(reclaim, { pages: buddy, kswapd: 'deferred' });
buddy.hooks = { wakeupKswapd: (...request) => reclaim.wakeupKswapd(...request) };
// Watermarks 2 % of memory apart instead of 0.1 %, so that the teeth can be seen.
setWatermarkScaleFactor(model, 200);
reclaim.startKswapd();

const [zone] = model.zones.filter((candidate) => candidate.managedPages > 0);
const freePages = (): number => zoneState(model.vmstat, zone.id, ZoneStatItem.NR_FREE_PAGES);
const mark = (index: number): number => wmarkPages(zone, index);
const low = mark(WatermarkIndex.WMARK_LOW);
const high = mark(WatermarkIndex.WMARK_HIGH);

/** [pages read, free pages] */
const curve: [number, number][] = [];
/** [pages read, free when kswapd was woken, free when it fell asleep] */
const runs: [number, number, number][] = [];
const file = cache.createFile();
for (let index = 0; index < FILE_PAGES; index++) {
  cache.read(file, index);
  if (index % 512 === 0) curve.push([index, freePages()]);
  if (reclaim.kswapdState(0) !== 'running') continue;
  const before = freePages();
  reclaim.settleKswapd(0);
  runs.push([index, before, freePages()]);
  curve.push([index, before], [index, freePages()]);
}

console.log(`watermarks: low ${low}, high ${high} pages`);
console.log('   read  free at wake-up  when it sleeps  freed');
const row = ([read, before, after]: readonly number[]): string =>
  `${read}`.padStart(7) +
  `${before}`.padStart(17) +
  `${after}`.padStart(16) +
  `${after - before}`.padStart(7);
for (const run of runs.slice(0, 4)) console.log(row(run));
console.log('    ...');
for (const run of runs.slice(-2)) console.log(row(run));
const vmstat = parseVmstat(formatVmstat(model));
console.log(`kswapd ran ${runs.length} times and freed ${vmstat.get('pgsteal_kswapd')} pages;`);
console.log(
  `direct reclaim freed ${vmstat.get('pgsteal_direct')}, ${file.nrPages} pages are cached`,
);

/** A plot of the curve between the watermarks, with the part of memory that was read as x axis. */
function plot(): string {
  const [width, height, left, bottom] = [720, 300, 60, 30];
  const top = 2 * high;
  const x = (pages: number): number => left + ((width - left - 90) * pages) / FILE_PAGES;
  const y = (free: number): number =>
    height - bottom - ((height - bottom - 10) * Math.min(free, top)) / top;
  const points = curve.map(([read, free]) => `${x(read).toFixed(1)},${y(free).toFixed(1)}`);
  const marks = [
    ['high', high],
    ['low', low],
    ['min', mark(WatermarkIndex.WMARK_MIN)],
  ] as const;
  const lines = marks.flatMap(([name, pages]) => [
    `<path d="M${left} ${y(pages).toFixed(1)}H${width - 90}" stroke="#888" stroke-dasharray="4 3"/>`,
    `<text x="${width - 84}" y="${(y(pages) + 4).toFixed(1)}">${name} ${pages}</text>`,
  ]);
  const axis = [0, 128, 256, 384, 512].flatMap((mib) => [
    `<text x="${x(mib * 256).toFixed(1)}" y="${height - 10}" text-anchor="middle">${mib} MiB</text>`,
  ]);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11" fill="#444">`,
    '<title>Free pages while a file larger than memory is read</title>',
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<path d="M${left} 10V${height - bottom}H${width - 90}" fill="none" stroke="#444"/>`,
    `<text x="14" y="${height / 2}" transform="rotate(-90 14 ${height / 2})" text-anchor="middle">free pages</text>`,
    ...lines,
    ...axis,
    `<polyline points="${points.join(' ')}" fill="none" stroke="#1f5fbf" stroke-width="1.2"/>`,
    '</svg>',
    '',
  ].join('\n');
}

writeFileSync(new URL('../kswapd-sawtooth.svg', import.meta.url), plot());
