import { formatWide } from '../boot/numa.ts';
import type { ImageSizes } from '../boot/reservations.ts';
import type { BootRegion } from '../boot/types.ts';

const PAGE_BYTES = 4096n;

/** Lines that the recorded log has whenever the kernel prints them. */
const RECORDED =
  /^(?:BIOS-provided|BIOS-e820:|(?:user-defined|extended|modified) physical|user:|last_pfn|Zone ranges:| {2}\w+ +(?:\[mem|empty)|Movable zone start|Early memory node|Initmem setup|On node|Fallback order|Built |Policy zone|Memory:)/;
/** How nodes were found, which is an input of boot. */
const NODES_FOUND =
  /^(?:NUMA turned off|No NUMA configuration found|NUMA: Initialized distance table, cnt=\d+)$/;
const NODE_RANGE = /^ {2}node +\d+: \[mem/;

/** What the lines about inputs of boot must agree with. */
export interface BootFacts {
  /** First byte behind RAM. */
  readonly endAddr: bigint;
  /** RAM with its nodes. */
  readonly memory: readonly Required<BootRegion>[];
  /** What was reserved before the release. */
  readonly reserved: readonly Required<BootRegion>[];
}

/** A line where the logs differ. */
export interface LineDifference {
  /** Position in the recorded log, from 0; its length for a line that is missing there. */
  readonly index: number;
  /** What the kernel printed, null for nothing more. */
  readonly expected: string | null;
  /** What the model printed, null for nothing of the kind. */
  readonly got: string | null;
}

/**
 * Compares the memory lines of a recorded log with those of the model. The recorded log leaves some
 * lines out, so model lines count when they are of a kind that is recorded or when they occur there.
 * Lines about things that are inputs of boot are checked against the recorded regions instead.
 */
export function compareBootLines(
  recorded: readonly string[],
  printed: readonly string[],
  facts: BootFacts,
): LineDifference | null {
  const expected: { index: number; text: string }[] = [];
  for (let index = 0; index < recorded.length; index++) {
    const text = recorded[index];
    const verdict = checkInputLine(text, facts);
    if (verdict === false) return { index, expected: text, got: null };
    if (verdict === null) expected.push({ index, text });
  }
  const known = new Set(recorded);
  const got = printed
    .map((text) => text.trimEnd())
    .filter((text) => RECORDED.test(text) || NODE_RANGE.test(text) || known.has(text))
    .filter((text) => checkInputLine(text, facts) === null);
  for (let i = 0; i < Math.max(expected.length, got.length); i++) {
    if (expected[i]?.text === got[i]) continue;
    return {
      index: expected[i]?.index ?? recorded.length,
      expected: expected[i]?.text ?? null,
      got: got[i] ?? null,
    };
  }
  return null;
}

/** The sizes of the kernel image that a `Memory:` line shows, undefined without such a line. */
export function imageSizesOf(recorded: readonly string[]): ImageSizes | undefined {
  const pattern =
    /^Memory: .*\((\d+)K kernel code, (\d+)K rwdata, (\d+)K rodata, (\d+)K init, (\d+)K bss,/;
  for (const text of recorded) {
    const match = pattern.exec(text);
    if (match === null) continue;
    const [kernelCode, rwdata, rodata, init, bss] = match.slice(1).map(Number);
    return { kernelCode, rwdata, rodata, init, bss };
  }
  return undefined;
}

/** True or false for a line about an input that agrees or not, null for any other line. */
function checkInputLine(text: string, facts: BootFacts): boolean | null {
  if (text.startsWith('found SMP MP-table at [mem ')) return rangesIn(text).length === 1;
  if (text.startsWith('Faking a node at ')) {
    return text === `Faking a node at ${formatWide(0n, facts.endAddr)}`;
  }
  const fake = /^Faking node (\d+) at \[mem .*\] \((\d+)MB\)$/.exec(text);
  if (fake !== null) {
    const [range] = rangesIn(text);
    const megabytes = range && (range.end - range.start) >> 20n;
    return megabytes === BigInt(fake[2]) && holdsNode(facts, Number(fake[1]), range);
  }
  if (text.startsWith('NUMA: Node ')) return isJoin(rangesIn(text));
  const data = /^NODE_DATA\((\d+)\) allocated \[mem /.exec(text);
  if (data !== null) return isReserved(facts, rangesIn(text)[0]);
  if (NODES_FOUND.test(text)) return true;
  if (/^ {4}NODE_DATA\(\d+\) on node \d+$/.test(text)) return true;
  return null;
}

/** A half-open range of addresses. */
interface Range {
  readonly start: bigint;
  readonly end: bigint;
}

function rangesIn(text: string): Range[] {
  const matches = text.matchAll(/\[mem (0x[0-9a-f]{8,16})-(0x[0-9a-f]{8,16})\]/g);
  return [...matches].map((match) => ({ start: BigInt(match[1]), end: BigInt(match[2]) + 1n }));
}

/** Whether the memory in a range is of a node; more of the node may lie elsewhere. */
function holdsNode({ memory }: BootFacts, node: number, { start, end }: Range): boolean {
  const inside = memory.filter(({ base, size }) => base < end && base + size > start);
  return inside.length > 0 && inside.every(({ nid }) => nid === node);
}

/** `A + B -> C`: C reaches from the start of A to the end of B. */
function isJoin(ranges: readonly Range[]): boolean {
  if (ranges.length !== 3) return false;
  const [first, second, whole] = ranges;
  return whole.start === first.start && whole.end === second.end && first.end <= second.start;
}

/** Whether whole pages of a range are in use. */
function isReserved({ reserved }: BootFacts, range: Range | undefined): boolean {
  if (range === undefined || (range.end - range.start) % PAGE_BYTES !== 0n) return false;
  let covered = range.start;
  for (const { base, size } of reserved) {
    if (base <= covered && covered < base + size) covered = base + size;
  }
  return covered >= range.end;
}
