import { gunzipSync } from 'node:zlib';
import { FileError } from './errors.ts';
import type { CliIo } from './types.ts';

/** The first two bytes of every gzip file. */
const GZIP_MAGIC = [0x1f, 0x8b] as const;

/**
 * The text of a file, unzipped when it is a gzip file (whatever its name is); `-` is the standard
 * input.
 * @throws FileError when it cannot be read, is cut off inside the gzip stream, or is not UTF-8
 */
export async function readText(path: string, io: CliIo): Promise<string> {
  const bytes = await readBytes(path, io);
  try {
    const isGzip = bytes[0] === GZIP_MAGIC[0] && bytes[1] === GZIP_MAGIC[1];
    const content = isGzip ? gunzipSync(bytes) : bytes;
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(content);
  } catch (error) {
    throw new FileError(path, reasonOf(error));
  }
}

async function readBytes(path: string, io: CliIo): Promise<Uint8Array> {
  try {
    if (path !== '-') return io.readFile(path);
    if (io.inIsTerminal) io.err('pageframe: reading the standard input\n');
    return await io.readStandardInput();
  } catch (error) {
    throw new FileError(path, reasonOf(error));
  }
}

/** What went wrong, in the words of the system, without the call and the path. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return /^E[A-Z0-9]+: (.*?), \w+(?: '.*')?$/s.exec(text)?.[1] ?? text;
}
