import { readdirSync, readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { BootLog } from '../../src/boot/log.ts';
import type { BootRegion } from '../../src/boot/types.ts';
import { Memblock } from '../../src/memblock/index.ts';
import { readBootRecording } from '../../src/recording/boot-reader.ts';
import { readRecording } from '../../src/recording/reader.ts';

/** Regions in the notation `START-END` in hex bytes, node in front (`1:`). */
export function regions(text: string): BootRegion[] {
  return text
    .split(/\s+/)
    .filter((part) => part !== '')
    .map((part) => {
      const match = /^(?:(\d+):)?([0-9a-f]+)-([0-9a-f]+)$/.exec(part);
      if (match === null) throw new Error(`bad region "${part}"`);
      const base = BigInt(`0x${match[2]}`);
      const size = BigInt(`0x${match[3]}`) - base;
      return match[1] === undefined ? { base, size } : { base, size, nid: Number(match[1]) };
    });
}

/** A memblock with memory and reservations in the same notation, all of it accessible. */
export function memblockOf(memory: string, reserved = ''): Memblock {
  const memblock = new Memblock();
  for (const { base, size, nid = 0 } of regions(memory)) memblock.addNode(base, size, nid, 0);
  for (const { base, size } of regions(reserved)) memblock.reserve(base, size);
  return memblock;
}

/** What is reserved, as `START-END` in hex. */
export function reservedText(memblock: Memblock): string {
  return memblock
    .regions('reserved')
    .filter(({ size }) => size > 0n)
    .map(({ base, end }) => `${base.toString(16)}-${end.toString(16)}`)
    .join(' ');
}

/** A log whose lines can be read as text. */
export function textLog(): { log: BootLog; lines: string[] } {
  const lines: string[] = [];
  return { log: new BootLog(({ text }) => lines.push(text)), lines };
}

const FOLDER = new URL('../recordings/', import.meta.url);

/** Names of the vendored boot recordings. */
export const BOOT_RECORDINGS: readonly string[] = readdirSync(FOLDER).filter((name) =>
  /^boot-.*\.gz$/.test(name),
);

/** A vendored boot recording, read. */
export function bootRecording(name: string) {
  const recording = readRecording(
    gunzipSync(readFileSync(new URL(name, FOLDER))).toString('utf8'),
    name,
  );
  if (recording.meta === null) throw new Error(`${name} has no meta line`);
  return { meta: recording.meta, recording, ...readBootRecording(recording) };
}
