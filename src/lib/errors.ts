/** Data that explains an error: numbers as given, addresses beyond 2^53 as bigint. */
export type ErrorData = Readonly<Record<string, unknown>>;

/**
 * Base of every error this package throws. A caller switches on `code`, which is stable; `data`
 * holds the values that explain it. Thrown before anything changed.
 */
export class PageframeError extends Error {
  /** Stable identifier of what went wrong, in capitals, e.g. `DOUBLE_FREE`. */
  readonly code: string;
  /** The values that explain the error. */
  readonly data: ErrorData;

  constructor(code: string, message: string, data: ErrorData = {}) {
    super(message);
    this.name = new.target.name;
    this.code = code;
    this.data = data;
  }
}

/** A broken argument: wrong type, not finite, negative, out of range. `code` is `BAD_ARGUMENT`. */
export class ArgumentError extends PageframeError {
  constructor(message: string, data: ErrorData = {}) {
    super('BAD_ARGUMENT', message, data);
  }
}

/** One broken rule, found by a `checkInvariants`. */
export interface InvariantViolation {
  /** Module and number of the rule in the behaviour specification, e.g. `BUDDY-7`. */
  readonly rule: string;
  /** What was found, with the numbers. */
  readonly message: string;
}

/** The model broke a rule of its own: a defect of this package, never of the caller. */
export class InvariantError extends PageframeError {
  /** All rules found broken. */
  readonly violations: readonly InvariantViolation[];

  constructor(violations: readonly InvariantViolation[]) {
    const list = violations.map((v) => `${v.rule}: ${v.message}`).join('\n  ');
    super('INVARIANT', `${violations.length} broken invariant(s)\n  ${list}`, { violations });
    this.violations = violations;
  }
}

/** Throws an `InvariantError` when there is any violation. */
export function assertNoViolations(violations: readonly InvariantViolation[]): void {
  if (violations.length > 0) throw new InvariantError(violations);
}

/**
 * Checks that an argument is an integer in `[min, max]`.
 * @throws ArgumentError (`BAD_ARGUMENT`) with `name`, `value`, `min`, `max`
 */
export function checkInteger(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new ArgumentError(
    `${name} must be an integer from ${min} to ${max}, got ${String(value)}`,
    {
      name,
      value,
      min,
      max,
    },
  );
}
