import { LogLevel, type LogSink } from './types.ts';

/** Emits a record of level 3. */
export function logErr(log: LogSink | undefined, text: string): void {
  log?.({ level: LogLevel.ERR, text });
}

/** Emits a record of level 4. */
export function logWarning(log: LogSink | undefined, text: string): void {
  log?.({ level: LogLevel.WARNING, text });
}

/** Emits a record of level 6. */
export function logInfo(log: LogSink | undefined, text: string): void {
  log?.({ level: LogLevel.INFO, text });
}

/** Emits a record of level 7. */
export function logDebug(log: LogSink | undefined, text: string): void {
  log?.({ level: LogLevel.DEBUG, text });
}

/** Emits several records of level 6, in order. */
export function logInfoLines(log: LogSink | undefined, texts: readonly string[]): void {
  if (log === undefined) return;
  for (const text of texts) log({ level: LogLevel.INFO, text });
}
