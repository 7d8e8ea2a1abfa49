import { type ErrorData, PageframeError } from '../lib/errors.ts';

/** What a machine cannot do. */
export type MachineErrorCode =
  /** The machine was booted without this part. */
  | 'LEFT_OUT'
  /** The process has exited, or is not of this machine. */
  | 'NO_SUCH_PROCESS';

/** A call that the machine cannot serve, thrown before anything changed. Switch on `code`. */
export class MachineError extends PageframeError {
  declare readonly code: MachineErrorCode;

  constructor(code: MachineErrorCode, message: string, data: ErrorData = {}) {
    super(code, message, data);
  }
}
