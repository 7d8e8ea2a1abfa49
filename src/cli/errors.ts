import { PageframeError } from '../lib/errors.ts';

/** The command line cannot be understood. `code` is `USAGE`. */
export class UsageError extends PageframeError {
  constructor(message: string) {
    super('USAGE', message);
  }
}

/** A file that cannot be read, unzipped or understood. `code` is `UNREADABLE`; `data.path` names it. */
export class FileError extends PageframeError {
  constructor(path: string, reason: string) {
    super('UNREADABLE', `${path === '-' ? 'standard input' : path}: ${reason}`, { path });
  }
}
