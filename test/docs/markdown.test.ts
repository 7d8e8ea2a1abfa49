import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { format } from 'node:util';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import type { Scenario } from '../../src/cli/scenarios.ts';
import { runCli } from '../support/cli.ts';
import { type Fence, fencesOf, withLines } from '../support/markdown.ts';
import { filesBelow, ROOT, textOf } from '../support/source.ts';

/**
 * What the documents show is what happens: every `ts` block is type checked and run, and the `text`
 * block right behind it is what it prints; every `$ npx pageframe ...` of a `console` block is run
 * as well. `UPDATE_DOCS=1` writes down what they print now.
 */
const documents = ['README.md', 'CONTRIBUTING.md', ...filesBelow('docs', '.md')].filter(
  (path) => !path.startsWith('docs/api/'),
);
const examples = filesBelow('docs/examples', '.ts');
const generated = join(ROOT, 'test/docs/generated');
const isUpdate = process.env.UPDATE_DOCS === '1';

function codeBlocks(path: string): { fence: Fence; output: Fence | null; file: string }[] {
  const fences = fencesOf(textOf(path));
  return fences.flatMap((fence, i) => {
    if (fence.language !== 'ts') return [];
    const next = fences[i + 1];
    const isOutput = next?.language === 'text' && next.followsFence;
    const name = `${path.replaceAll(/[/.]/g, '-')}-${fence.start}.ts`;
    return [{ fence, output: isOutput ? next : null, file: join(generated, name) }];
  });
}

/** What a module prints when it is loaded; and, of a scenario, when it is run. */
async function outputOf(file: string): Promise<string[]> {
  const printed: string[] = [];
  const print = (text: string): void => {
    printed.push(...text.split('\n'));
  };
  const log = vi.spyOn(console, 'log').mockImplementation((...values: unknown[]) => {
    print(format(...values));
  });
  try {
    const { run } = (await import(file)) as Partial<Scenario>;
    run?.(print);
  } finally {
    log.mockRestore();
  }
  return printed.map((line) => line.trimEnd());
}

/** Checks lines against a block of a document, or writes them there. */
function expectShown(path: string, fence: Fence, lines: readonly string[]): void {
  if (!isUpdate) {
    expect(lines).toEqual(fence.lines);
    return;
  }
  // Blocks before it may have grown since it was read, but it is still the same one.
  const now = fencesOf(textOf(path))[fence.index];
  writeFileSync(join(ROOT, path), withLines(textOf(path), now, lines));
}

beforeAll(() => {
  mkdirSync(generated, { recursive: true });
  for (const path of documents) {
    for (const { fence, file } of codeBlocks(path)) {
      writeFileSync(file, `${fence.lines.join('\n')}\nexport {};\n`);
    }
  }
});

afterAll(() => rmSync(generated, { recursive: true, force: true }));

test('all code of the documents and examples type checks', () => {
  const files = documents.flatMap((path) => codeBlocks(path).map(({ file }) => file));
  const { config } = ts.readConfigFile(join(ROOT, 'test/tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, join(ROOT, 'test'));
  const program = ts.createProgram([...files, ...examples.map((path) => join(ROOT, path))], {
    ...options,
    incremental: false,
    noUnusedLocals: false,
  });
  const errors = ts
    .getPreEmitDiagnostics(program)
    .filter(({ file }) => file === undefined || /generated|examples/.test(file.fileName))
    .map(({ file, messageText }) => {
      return `${file?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  expect(errors).toEqual([]);
}, 120_000);

const withCode = documents.filter((path) => codeBlocks(path).length > 0);

test.each(withCode)('the code of %s runs and prints what is shown', async (path) => {
  for (const { output, file } of codeBlocks(path)) {
    const printed = await outputOf(file);
    if (output !== null) expectShown(path, output, printed);
  }
});

const withSessions = documents.filter((path) => sessionsOf(path).length > 0);

test.each(withSessions)('the commands of %s print what is shown', async (path) => {
  for (const session of sessionsOf(path)) {
    const lines: string[] = [];
    let isRun = false;
    for (const line of session.lines) {
      const isCommand = line.startsWith('$ ');
      if (isCommand || !isRun) lines.push(line);
      if (!isCommand) continue;
      const args = /^\$ npx pageframe (.*)$/.exec(line)?.[1];
      isRun = args !== undefined;
      if (args !== undefined) lines.push(...(await sessionOutput(args)));
    }
    expectShown(path, session, lines);
  }
});

function sessionsOf(path: string): Fence[] {
  return fencesOf(textOf(path)).filter(({ language }) => language === 'console');
}

/** Output of one command line, which may end in `| head -N` or `| tail -N`. */
async function sessionOutput(commandLine: string): Promise<string[]> {
  const [command = '', filter] = commandLine.split(' | ');
  const argv = [...command.matchAll(/'([^']*)'|(\S+)/g)].map((match) => match[1] ?? match[2] ?? '');
  const { out, err } = await runCli(argv);
  expect(err).toBe('');
  const lines = out.trimEnd().split('\n');
  const [, which, count] = /^(head|tail) -(\d+)$/.exec(filter ?? '') ?? [];
  if (which === 'head') return lines.slice(0, Number(count));
  return which === 'tail' ? lines.slice(-Number(count)) : lines;
}

if (examples.length > 0) {
  test.each(examples)('%s prints what stands beside it', async (path) => {
    const printed = `${(await outputOf(join(ROOT, path))).join('\n')}\n`;
    const beside = path.replace(/\.ts$/, '.txt');
    if (isUpdate) writeFileSync(join(ROOT, beside), printed);
    else expect(printed).toBe(textOf(beside));
  });
}

test('links between documents lead somewhere', () => {
  const broken = documents.flatMap((path) =>
    [...textOf(path).matchAll(/\]\(([^)#:\s]+)(?:#[^)]*)?\)/g)]
      .map((match) => posix.join(posix.dirname(path), match[1] ?? ''))
      .filter((target) => !existsSync(join(ROOT, target)))
      .map((target) => `${path}: ${target}`),
  );
  expect(broken).toEqual([]);
});
