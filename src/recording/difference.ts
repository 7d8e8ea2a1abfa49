/** The first place where two values differ. */
export interface Difference {
  /** Path of the member that differs, e.g. `zones[1].free[0].pfns[3]`. */
  readonly path: string;
  /** What stands there in the expected value, as short JSON. */
  readonly expected: string;
  /** What stands there in the other one. */
  readonly got: string;
  /** When a list differs: both lists around the place, one text line each. */
  readonly context: readonly string[];
}

/** Elements of a list shown before and after the place where it differs. */
const CONTEXT_ELEMENTS = 8;
const SHOWN_CHARACTERS = 100;

/**
 * Compares two plain values (what JSON can hold, and bigint) member by member, in the order of the
 * expected one.
 * @param path name of the values, in front of the path of the difference
 * @returns the first difference, null when they are equal
 */
export function firstDifference(expected: unknown, got: unknown, path = ''): Difference | null {
  if (expected === got) return null;
  if (Array.isArray(expected) && Array.isArray(got)) return listDifference(expected, got, path);
  if (!isPlainObject(expected) || !isPlainObject(got)) return leafDifference(expected, got, path);
  const fields = new Set([...Object.keys(expected), ...Object.keys(got)]);
  for (const field of fields) {
    const place = path === '' ? field : `${path}.${field}`;
    const difference = firstDifference(expected[field], got[field], place);
    if (difference !== null) return difference;
  }
  return null;
}

function listDifference(
  expected: readonly unknown[],
  got: readonly unknown[],
  path: string,
): Difference | null {
  const length = Math.max(expected.length, got.length);
  for (let i = 0; i < length; i++) {
    if (expected[i] === got[i]) continue;
    const difference = firstDifference(expected[i], got[i], `${path}[${i}]`);
    if (difference === null) continue;
    if (difference.context.length > 0) return difference;
    return { ...difference, context: listContext(expected, got, path, i) };
  }
  return null;
}

function listContext(
  expected: readonly unknown[],
  got: readonly unknown[],
  path: string,
  index: number,
): string[] {
  const start = Math.max(0, index - CONTEXT_ELEMENTS);
  const end = index + CONTEXT_ELEMENTS + 1;
  return [
    `${path} from [${start}] of ${expected.length}, expected: ${shortJson(expected.slice(start, end), 400)}`,
    `${path} from [${start}] of ${got.length}, got:      ${shortJson(got.slice(start, end), 400)}`,
  ];
}

function leafDifference(expected: unknown, got: unknown, path: string): Difference {
  return {
    path,
    expected: shortJson(expected, SHOWN_CHARACTERS),
    got: shortJson(got, SHOWN_CHARACTERS),
    context: [],
  };
}

function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function shortJson(value: unknown, characters: number): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value, (_, member) =>
    typeof member === 'bigint' ? `0x${member.toString(16)}` : member,
  );
  return text.length <= characters ? text : `${text.slice(0, characters - 3)}...`;
}
