import { type ErrorData, PageframeError } from '../lib/errors.ts';

/**
 * A recording that cannot be understood. `code` is one of
 * `NOT_A_RECORDING` (foreign file), `BAD_JSON`, `CUT_OFF` (no end mark), `UNKNOWN_LINE`,
 * `UNKNOWN_CALL`, `UNKNOWN_FIELD`, `BAD_VALUE`, `UNSUPPORTED_KIND`; `data.line` is the line number.
 */
export class RecordingError extends PageframeError {
  constructor(code: string, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
