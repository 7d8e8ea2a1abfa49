import { E820Error } from './errors.ts';
import { E820_ENTRY_BYTES, readRecord } from './records.ts';
import { E820_MAX_ENTRIES_ZEROPAGE } from './table.ts';
import type { E820Entry, E820Firmware } from './types.ts';

/** Signature that the BIOS gives back in EAX. */
export const SMAP = 0x534d4150;

/** KiB from 1 to 16 MiB: E801 counts memory above it in units of 64 KiB. */
const E801_LOW_MAX_K = 15360;

/** One answer to INT 15h/E820. */
export interface E820Answer {
  /** Carry flag: the call failed; default false. */
  readonly carry?: boolean;
  /** EAX, default the signature {@link SMAP}. */
  readonly eax?: number;
  /** EBX: what to ask with next, 0 at the end. */
  readonly ebx: number;
  /** Bytes written to the buffer from its start; what is left out keeps its value. */
  readonly bytes?: Uint8Array;
}

/** The answer to INT 15h/E801. */
export interface E801Answer {
  /** Carry flag: the call failed; default false. */
  readonly carry?: boolean;
  /** AX: KiB from 1 to 16 MiB. */
  readonly ax: number;
  /** BX: units of 64 KiB above 16 MiB. */
  readonly bx: number;
  /** CX: the same as AX; used with DX if one of the two is not 0. */
  readonly cx: number;
  /** DX: the same as BX. */
  readonly dx: number;
}

/** What a BIOS answers to the three probes. */
export interface BiosAnswers {
  /** Answers to INT 15h/E820, in order. */
  readonly e820: readonly E820Answer[];
  /** Answer to INT 15h/E801; none: the call fails. */
  readonly e801?: E801Answer;
  /** AX after INT 15h/88: KiB above 1 MiB, 16 bits; default 0. */
  readonly ax88?: number;
}

/**
 * Probes memory as the real-mode set-up code does: E820, E801 and 88, whatever the earlier ones
 * gave.
 * @param bios the answers
 * @returns what the zero page then holds
 * @throws E820Error `BAD_BIOS_ANSWER` when the E820 answers end although the last one asks for
 * another call; `data.position` is the index of the missing one
 * @kernel detect_memory, spec e820 4.1
 */
export function detectMemory(bios: BiosAnswers): E820Firmware {
  return {
    entries: detectE820(bios.e820),
    altMemK: bios.e801 === undefined ? 0 : detectE801(bios.e801),
    extMemK: (bios.ax88 ?? 0) & 0xffff,
  };
}

/** @kernel detect_memory_e820 */
function detectE820(answers: readonly E820Answer[]): E820Entry[] {
  // One buffer for all calls, zeroed once: a BIOS that writes less leaves the older bytes.
  const buffer = new Uint8Array(E820_ENTRY_BYTES);
  const view = new DataView(buffer.buffer);
  const entries: E820Entry[] = [];
  for (let i = 0; ; i++) {
    const answer = answers[i];
    if (answer === undefined) {
      if (i === 0) return entries;
      const message = `the BIOS answers end at ${i}, but EBX is ${answers[i - 1].ebx}`;
      throw new E820Error('BAD_BIOS_ANSWER', message, { position: i, value: answers[i - 1].ebx });
    }
    if (answer.carry) return entries;
    if ((answer.eax ?? SMAP) !== SMAP) return [];
    buffer.set((answer.bytes ?? buffer).subarray(0, E820_ENTRY_BYTES));
    entries.push(readRecord(view, 0));
    if (answer.ebx === 0 || entries.length >= E820_MAX_ENTRIES_ZEROPAGE) return entries;
  }
}

/** @kernel detect_memory_e801 */
function detectE801({ carry, ax, bx, cx, dx }: E801Answer): number {
  if (carry) return 0;
  const useConfigured = cx !== 0 || dx !== 0;
  const low = (useConfigured ? cx : ax) & 0xffff;
  const high = (useConfigured ? dx : bx) & 0xffff;
  if (low > E801_LOW_MAX_K) return 0;
  return low === E801_LOW_MAX_K ? high * 64 + low : low;
}
