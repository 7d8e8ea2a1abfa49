import { existsSync } from 'node:fs';
import { join, posix } from 'node:path';
import ts from 'typescript';
import { expect, test } from 'vitest';
import { filesBelow, importsOf, ROOT, syntaxOf, textOf, walk, whereIs } from './support/source.ts';

const MODULES = ['e820', 'memblock', 'buddy', 'reclaim', 'slab', 'slowpath', 'slub'];
const LEAVES = ['lib', 'memory', 'mm'];

/** Who may import whom: the arrows of docs/architecture.md. A folder may always import itself. */
const ARROWS: Record<string, readonly string[]> = {
  lib: [],
  memory: ['lib'],
  mm: ['lib', 'memory'],
  ...Object.fromEntries(MODULES.map((module) => [module, LEAVES])),
  boot: [...LEAVES, ...MODULES],
  machine: [...LEAVES, ...MODULES, 'boot'],
  recording: [...LEAVES, ...MODULES, 'boot', 'machine'],
  index: [...LEAVES, ...MODULES, 'boot', 'machine', 'recording'],
  cli: [...LEAVES, ...MODULES, 'boot', 'machine', 'recording'],
};

const LINES_MAX = 400;

const sources = filesBelow('src', '.ts').map(syntaxOf);
const library = sources.filter((file) => !file.fileName.startsWith('src/cli/'));

/** `buddy` for src/buddy/pcp.ts, `machine` for src/machine.ts. */
function partOf(path: string): string {
  return (path.split('/')[1] ?? '').replace(/\.ts$/, '');
}

/** Every node of the files for which `isOffence` holds, as `path:line text`. */
function offences(
  files: readonly ts.SourceFile[],
  isOffence: (node: ts.Node, file: ts.SourceFile) => boolean,
): string[] {
  const found: string[] = [];
  for (const file of files) {
    walk(file, (node) => {
      if (!isOffence(node, file)) return;
      const [line] = node.getText(file).split('\n');
      found.push(`${whereIs(file, node)} ${line}`);
    });
  }
  return found;
}

test('imports follow the arrows', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const part = partOf(file.fileName);
    const allowed = ARROWS[part];
    if (allowed === undefined) wrong.push(`${file.fileName} has no place in the house`);
    for (const { specifier, node } of importsOf(file)) {
      if (!specifier.startsWith('.')) continue;
      const target = posix.join(posix.dirname(file.fileName), specifier);
      if (!target.startsWith('src/')) continue;
      const other = partOf(target);
      if (other === part || allowed?.includes(other)) continue;
      wrong.push(`${whereIs(file, node)} ${part} imports ${other}`);
    }
  }
  expect(wrong).toEqual([]);
});

test('nothing but relative files is imported outside the command', () => {
  const wrong = library.flatMap((file) =>
    importsOf(file)
      .filter(({ specifier }) => !/^\.\.?\/.*\.ts$/.test(specifier))
      .map(({ specifier, node }) => `${whereIs(file, node)} ${specifier}`),
  );
  expect(wrong).toEqual([]);
});

test('there are no dependencies', () => {
  const manifest = JSON.parse(textOf('package.json')) as Record<string, unknown>;
  for (const kind of ['dependencies', 'peerDependencies', 'optionalDependencies']) {
    expect(manifest[kind]).toBeUndefined();
  }
});

const BANNED_GLOBALS = new Set([
  'Buffer',
  'console',
  'crypto',
  'Date',
  'fetch',
  'globalThis',
  'performance',
  'process',
  'require',
  'setImmediate',
  'setInterval',
  'setTimeout',
]);

/** Names that a file declares itself: a variable `process` is not the global one. */
function declaredNames(file: ts.SourceFile): Set<string> {
  const names = new Set<string>();
  walk(file, (node) => {
    const isDeclaration =
      ts.isVariableDeclaration(node) || ts.isParameter(node) || ts.isBindingElement(node);
    if (isDeclaration && ts.isIdentifier(node.name)) names.add(node.name.text);
  });
  return names;
}

test('the library touches neither clock, randomness nor terminal', () => {
  const declared = new Map(library.map((file) => [file, declaredNames(file)]));
  const wrong = offences(library, (node, file) => {
    if (ts.isPropertyAccessExpression(node)) return node.getText(file) === 'Math.random';
    if (!ts.isIdentifier(node) || !BANNED_GLOBALS.has(node.text)) return false;
    if (declared.get(file)?.has(node.text)) return false;
    const { parent } = node;
    const isMember =
      (ts.isPropertyAccessExpression(parent) || ts.isPropertyAssignment(parent)) &&
      parent.name === node;
    return !isMember && !ts.isPropertySignature(parent) && !ts.isMethodDeclaration(parent);
  });
  expect(wrong).toEqual([]);
});

test('there are no enums and no namespaces', () => {
  const wrong = offences(
    sources,
    (node) => ts.isEnumDeclaration(node) || ts.isModuleDeclaration(node),
  );
  expect(wrong).toEqual([]);
});

const BIT_OPERATORS = new Set([
  ts.SyntaxKind.AmpersandToken,
  ts.SyntaxKind.BarToken,
  ts.SyntaxKind.CaretToken,
  ts.SyntaxKind.LessThanLessThanToken,
  ts.SyntaxKind.GreaterThanGreaterThanToken,
  ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken,
]);

test('no bit operator is applied to an address or a number of bytes', () => {
  // e820 and memblock calculate with bigint, where bit operators are exact.
  const numeric = library.filter((file) => !['e820', 'memblock'].includes(partOf(file.fileName)));
  const isAddress = (node: ts.Expression): boolean => {
    const name = ts.isPropertyAccessExpression(node) ? node.name.text : node.getText();
    return /^(\w*[aA]ddr(ess)?|\w+Bytes|phys|bytes)$/.test(name);
  };
  const wrong = offences(numeric, (node) => {
    if (!ts.isBinaryExpression(node) || !BIT_OPERATORS.has(node.operatorToken.kind)) return false;
    if (ts.isBigIntLiteral(node.left) || ts.isBigIntLiteral(node.right)) return false;
    return isAddress(node.left) || isAddress(node.right);
  });
  expect(wrong).toEqual([]);
});

test(`no source file is longer than ${LINES_MAX} lines`, () => {
  const long = [...filesBelow('src', '.ts'), ...filesBelow('bench', '.ts')]
    .map((path) => ({ path, lines: textOf(path).trimEnd().split('\n').length }))
    .filter(({ lines }) => lines > LINES_MAX)
    .map(({ path, lines }) => `${path}: ${lines}`);
  expect(long).toEqual([]);
});

/** Whether the file does anything: types, tables and error classes need no test of their own. */
function hasBehaviour(file: ts.SourceFile): boolean {
  let found = false;
  walk(file, (node) => {
    if (ts.isConstructorDeclaration(node) || !ts.isFunctionLike(node)) return;
    if ('body' in node && node.body !== undefined) found = true;
  });
  return found;
}

test('every source file with behaviour has a test', () => {
  const tests = filesBelow('test', '.test.ts');
  const covered = new Set(
    tests.flatMap((path) => {
      const [first = ''] = textOf(path).split('\n', 1);
      return first.startsWith('// covers: ') ? first.slice(11).trim().split(/[ ,]+/) : [];
    }),
  );
  const missing = sources
    .filter((file) => hasBehaviour(file) && !covered.has(file.fileName))
    .map((file) => file.fileName)
    .filter((path) => {
      const stem = path.replace(/^src\//, 'test/').replace(/\.ts$/, '');
      return !tests.some((name) => name.startsWith(`${stem}.`));
    });
  expect(missing).toEqual([]);
  expect([...covered].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});

test('index files only name what they export', () => {
  const indexes = sources.filter((file) => file.fileName.endsWith('/index.ts'));
  const wrong = indexes.flatMap((file) =>
    file.statements
      .filter((node) => !ts.isExportDeclaration(node) || node.exportClause === undefined)
      .map((node) => whereIs(file, node)),
  );
  expect(wrong).toEqual([]);
});

test('every folder of the house is shown in docs/architecture.md', () => {
  const text = textOf('docs/architecture.md');
  const folders = new Set(sources.flatMap((file) => file.fileName.split('/').slice(1, -1)));
  const hidden = [...folders].filter((folder) => !new RegExp(`^ +${folder}/ `, 'm').test(text));
  expect(hidden).toEqual([]);
});

test('every development dependency is used', () => {
  const manifest = JSON.parse(textOf('package.json')) as {
    devDependencies: Record<string, string>;
    scripts: Record<string, string>;
  };
  const configs = ['package.json', 'tsdoc.json', '.changeset/config.json', '.ci/run'];
  const code = [...filesBelow('test', '.ts'), ...filesBelow('bench', '.ts')];
  const texts = [...configs, 'tsup.config.ts', 'vitest.config.ts', ...code].map(textOf);
  texts[0] = JSON.stringify({ ...manifest, devDependencies: {} });
  const all = [...texts, textOf('biome.json'), textOf('test/tsconfig.json')].join('\n');
  const commands: Record<string, RegExp> = {
    '@arethetypeswrong/cli': /\battw\b/,
    '@biomejs/biome': /\bbiome check\b/,
    '@changesets/cli': /\bchangeset version\b/,
    '@size-limit/esbuild': /\bsize-limit"/,
    '@size-limit/file': /\bsize-limit"/,
    '@types/node': /"types": \["node"\]/,
    typescript: /\btsc -p\b/,
  };
  const unused = Object.keys(manifest.devDependencies).filter((name) => {
    const command = commands[name];
    return command === undefined ? !all.includes(name) : !command.test(all);
  });
  expect(unused).toEqual([]);
});

interface Lock {
  packages: Record<string, { optionalDependencies?: Record<string, string>; resolved?: string }>;
}

test('the lock file serves every platform and names no registry', () => {
  const { packages } = JSON.parse(textOf('package-lock.json')) as Lock;
  const paths = Object.keys(packages);
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies = {} }) => Object.keys(optionalDependencies))
    .filter((name) => !paths.some((path) => path.endsWith(`node_modules/${name}`)));
  expect(missing).toEqual([]);
  expect(paths.filter((path) => packages[path]?.resolved !== undefined)).toEqual([]);
});
