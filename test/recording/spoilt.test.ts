// covers: src/recording/registry.ts
import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';
import { supportedKinds } from '../../src/recording/registry.ts';
import { verifyRecording } from '../../src/recording/verify.ts';

/**
 * A recording in which one number was changed by hand must be reported with the line of that
 * number. Without this, a replayer that compares nothing would pass every other test.
 */
const folder = new URL('../recordings/', import.meta.url);
const files = readdirSync(folder).filter((name) => name.endsWith('.gz'));

/** Which result of a line of each kind is made wrong: the text before it, and the number. */
const RESULTS: Readonly<Record<string, readonly RegExp[]>> = {
  balance: [/^(\["balance_pgdat",.*,)(\d+)/, /^(\{"lru":.*?"nonresidentAge":)(\d+)/],
  boot: [
    /^(\{"e820":\[\["0x0","0x1000",)(\d+)/,
    /^(\{"pfns":\{"maxPfn":)(\d+)/,
    /^(\{"afterFreeAll":.*"managed":)(\d+)/,
    /^(\{"afterFreeAll":.*\[10,1,\[)(\d+)/,
    /^(\{"booted":.*"lowmemReserve":\[0,)(\d+)/,
  ],
  buddy: [
    /^(\["alloc",.*,)(\d+)\]$/,
    /^(\["bulk",.*\[)(\d+)/,
    /^(\["exact",.*,)(\d+)\]$/,
    /^(\{"state":.*"nrFree":)(\d+)/,
    /^(\{"state":.*"free":\[\[\d+,\d,\[)(\d+)/,
    /^(\{"state":.*"pgfree":)(\d+)/,
  ],
  e820: [
    /^(\{"updateTable":.*"result":\[.*,)(\d+)/,
    /^(\{"updateTable":.*"ret":)(0)/,
    /^(\{"call":"mapped",.*"ret":\[\w+,\w+,)(\d+)/,
    /^(\{"endOfRam":\[)(\d+)/,
  ],
  memblock: [/^(\{"call":.*"ret":)(\d+)/, /^(\{"call":"memblock_reserve".*"max":)(\d+)/],
  reclaim: [
    /^(\["do_shrink_slab",.*,)(\d+)\]$/,
    /^(\["shrink_lruvec",.*"taken":)(\d+)/,
    /^(\["get_scan_count",.*\[)(\d+)/,
    /^(\{"lru":.*"inactive_file":\[\[)(\d+)/,
  ],
  slab_geometry: [/^(\{"create":.*"num":)(\d+)/, /^(\{"kmalloc":.*"colour":)(\d+)/],
  slab_merge: [/^(\{"create":.*"refcount":)(\d+)/],
  slab_ops: [/^(\["calloc",.*,)(\d+)\]$/, /^(\{"cacheState":.*"totalSlabs":)(\d+)/],
  slow: [
    /^(\["alloc",.*,)(\d+),\{/,
    /^(\{"compact":.*"considered":)(\d+)/,
    /^(\{"state":.*"nrFree":)(\d+)/,
  ],
  slub_geometry: [/^(\{"create":.*"objects":)(\d+)/, /^(\{"kmalloc":.*"inuse":)(\d+)/],
  slub_merge: [/^(\{"create":.*"refcount":)(\d+)/],
  slub_ops: [/^(\["calloc",.*,)(\d+)\]$/, /^(\{"cacheState":.*"nrSlabs":)(\d+)/],
  watermark: [
    /^(\["setup_per_zone_wmarks",.*"DMA",\d+,\d+,)(\d+)/,
    /^(\["setup_per_zone_wmarks",.*"DMA32",\d+,\d+,\d+,)(\d+)/,
  ],
};

/** The last line that matches, with its number one higher; null when there is none. */
function spoil(text: string, result: RegExp): { text: string; line: number } | null {
  const lines = text.split('\n');
  for (let i = lines.length - 1; i > 0; i--) {
    const match = result.exec(lines[i]);
    if (match === null) continue;
    const [all, before = '', number = ''] = match;
    lines[i] = before + (Number(number) + 1) + lines[i].slice(before.length + number.length);
    expect(all.startsWith(before)).toBe(true);
    return { text: lines.join('\n'), line: i + 1 };
  }
  return null;
}

function textOf(name: string): string {
  return gunzipSync(readFileSync(new URL(name, folder))).toString();
}

test('every kind that is supported is tried', () => {
  const untried = supportedKinds().filter((kind) => RESULTS[kind] === undefined);
  expect(untried).toEqual([]);
});

describe.each(supportedKinds())('%s', (kind) => {
  const names = files.filter((name) => name.startsWith(`${kind}-`));
  test.each([...(RESULTS[kind] ?? [])])('%s', (result) => {
    const found = names.map((name) => spoil(textOf(name), result)).find((one) => one !== null);
    if (found === null || found === undefined) throw new Error(`no ${kind} line has such a result`);
    try {
      expect(verifyRecording(readRecording(found.text)).divergence?.line).toBe(found.line);
    } catch (error) {
      // A number that the format does not allow is refused, with the same line.
      if (!(error instanceof RecordingError)) throw error;
      expect(error.data.line).toBe(found.line);
    }
  });
});
