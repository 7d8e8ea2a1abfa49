/** One fenced block of a document. */
export interface Fence {
  /** Which block of the document it is, from 0. */
  readonly index: number;
  /** Language after the backticks. */
  readonly language: string;
  /** Its lines, without the fences. */
  readonly lines: readonly string[];
  /** Line number of its first line, from 1. */
  readonly start: number;
  /** Whether nothing but empty lines stand between the fence before and this one. */
  readonly followsFence: boolean;
}

/** All fenced blocks of a document. */
export function fencesOf(markdown: string): Fence[] {
  const fences: Fence[] = [];
  const lines = markdown.split('\n');
  let textSince = true;
  for (let i = 0; i < lines.length; i++) {
    const language = /^```(\w*)$/.exec(lines[i])?.[1];
    if (language === undefined) {
      if (lines[i] !== '') textSince = true;
      continue;
    }
    const end = lines.indexOf('```', i + 1);
    if (end === -1) throw new Error(`line ${i + 1}: this fence is never closed`);
    const content = lines.slice(i + 1, end);
    fences.push({
      index: fences.length,
      language,
      lines: content,
      start: i + 2,
      followsFence: !textSince,
    });
    textSince = false;
    i = end;
  }
  return fences;
}

/** The document with other lines in one of its blocks. */
export function withLines(markdown: string, fence: Fence, lines: readonly string[]): string {
  const all = markdown.split('\n');
  all.splice(fence.start - 1, fence.lines.length, ...lines);
  return all.join('\n');
}
