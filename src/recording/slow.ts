import type { Difference } from './difference.ts';
import { RecordingError } from './errors.ts';
import { type Place, readObject, readRecord } from './fields.ts';
import { parseKernelState } from './kernel-state.ts';
import { parseLruState } from './lru-state.ts';
import { readCompact, readCompound, readFile, readSlowCall } from './slow-calls.ts';
import { formatSlowCall, type SlowAnswer, SlowMachine } from './slow-machine.ts';
import type { Divergence, RecordedLine, Recording, ReplayOutcome } from './types.ts';

/** Where and what differs; the caller knows which operation it was. */
type Found = Omit<Divergence, 'operation' | 'line'>;

/** Lines that are no calls. */
const LINES = ['load', 'lruLoad', 'compact', 'file', 'compound', 'state', 'lru'] as const;
type LineName = (typeof LINES)[number];
/** The order in which a recording is loaded. */
const LOAD_ORDER: readonly LineName[] = ['load', 'lruLoad', 'compact', 'file', 'compound'];

/**
 * Replays a recording of kind `slow` (recordings README, "slow-*").
 * @throws RecordingError for a line, call, field or value that it does not understand
 */
export function replaySlow(recording: Recording): ReplayOutcome {
  const replay = new SlowReplay();
  for (const line of recording.lines) replay.take(line);
  return replay.outcome();
}

/** The progress of one replay. */
class SlowReplay {
  #machine: SlowMachine | null = null;
  #loaded = 0;
  #operations = 0;
  #divergence: Divergence | null = null;

  /** Takes one line. Lines after the first divergence are still read, so that a foreign one shows. */
  take(line: RecordedLine): void {
    const place: Place = { line: line.number, path: 'line' };
    if (Array.isArray(line.value)) {
      const call = readSlowCall(line.value, place);
      this.#operation(line, (machine) => {
        const { expected, got } = answer(() => machine.run(call));
        if (expected === got) return null;
        return { call: formatSlowCall(call), expected, got, context: machine.context() };
      });
      return;
    }
    const [name, value] = readLine(line, place);
    if (LOAD_ORDER[this.#loaded] === name) this.#load(name, value, line);
    else this.#compare(name, value, line);
  }

  /** What was found. */
  outcome(): ReplayOutcome {
    return { operations: this.#operations, divergence: this.#divergence };
  }

  #load(name: LineName, value: unknown, line: RecordedLine): void {
    const place: Place = { line: line.number, path: name };
    this.#loaded++;
    if (name === 'load') {
      this.#machine = new SlowMachine(parseKernelState(value, line.number, name));
      return;
    }
    const machine = this.#machine;
    if (machine === null) throw outOfPlace(line, name);
    if (name === 'lruLoad') machine.loadLru(parseLruState(value, line.number, name), line.number);
    else if (name === 'compact') machine.loadCompact(readCompact(value, place), place);
    else if (name === 'file') machine.loadFile(readFile(value, place));
    else machine.loadCompound(readCompound(value, place), place);
  }

  #compare(name: LineName, value: unknown, line: RecordedLine): void {
    const compare = readComparison(name, value, line);
    this.#operation(line, (machine) => {
      const difference = compare(machine);
      if (difference === null) return null;
      const { context, expected, got, path } = difference;
      return { call: `${name}, ${path}`, expected, got, context };
    });
  }

  #operation(line: RecordedLine, run: (machine: SlowMachine) => Found | null): void {
    if (this.#machine === null || this.#loaded < LOAD_ORDER.length) {
      throw outOfPlace(line, Array.isArray(line.value) ? `call ${line.value[0]}` : 'comparison');
    }
    this.#operations++;
    if (this.#divergence !== null) return;
    const found = run(this.#machine);
    if (found === null) return;
    this.#divergence = { ...found, operation: this.#operations, line: line.number };
  }
}

/** A state that the machine must be in now. */
function readComparison(
  name: LineName,
  value: unknown,
  line: RecordedLine,
): (machine: SlowMachine) => Difference | null {
  const { number } = line;
  if (name === 'state') {
    const state = parseKernelState(value, number, name);
    return (machine) => machine.compareState(state);
  }
  if (name === 'lru') {
    const lru = parseLruState(value, number, name);
    return (machine) => machine.compareLru(lru);
  }
  if (name !== 'compact') throw outOfPlace(line, name);
  const records = readCompact(value, { line: number, path: name });
  return (machine) => machine.compareCompact(records);
}

/** The kernel took the call, so a refusal is a divergence, not an error of the recording. */
function answer(run: () => SlowAnswer): SlowAnswer {
  try {
    return run();
  } catch (error) {
    if (!(error instanceof Error)) throw error;
    return { expected: 'no error', got: `${error.name}: ${error.message}` };
  }
}

function readLine(line: RecordedLine, place: Place): readonly [LineName, unknown] {
  const fields = readRecord(line.value, place);
  const name = LINES.find((known) => Object.hasOwn(fields, known));
  if (name === undefined) {
    const message = `line ${line.number}: a line with the fields ${Object.keys(fields).join(', ')}`;
    throw new RecordingError('UNKNOWN_LINE', message, { line: line.number });
  }
  return [name, readObject(fields, place, [name])[name]];
}

function outOfPlace(line: RecordedLine, what: string): RecordingError {
  const message = `line ${line.number}: ${what} out of place`;
  return new RecordingError('UNKNOWN_LINE', message, { line: line.number });
}
