// covers: src/cli/process.ts
import { execFileSync, spawnSync } from 'node:child_process';
import {
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { filesBelow, ROOT, textOf } from '../support/source.ts';

interface Manifest {
  name: string;
  version: string;
  exports: Record<string, string | { types: string; default: string }>;
}

const manifest = JSON.parse(textOf('package.json')) as Manifest;
const subpaths = Object.keys(manifest.exports)
  .filter((subpath) => subpath !== './package.json')
  .map((subpath) => subpath.slice(2));

const TSC = join(ROOT, 'node_modules/typescript/bin/tsc');

/** `pageframe` or `pageframe/buddy`. */
function specifierOf(subpath: string): string {
  return subpath === '' ? manifest.name : `${manifest.name}/${subpath}`;
}

let base: string;
let project: string;

/** Runs a program and returns what it printed; throws when it fails. */
function run(cwd: string, program: string, args: readonly string[]): string {
  return execFileSync(program, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

/** Builds and packs the source as it is now, and installs that into an empty ESM project. */
beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), 'pageframe-package-'));
  const packed = join(base, 'packed');
  mkdirSync(packed);
  for (const file of ['package.json', 'README.md', 'LICENSE', 'CHANGELOG.md']) {
    copyFileSync(join(ROOT, file), join(packed, file));
  }
  cpSync(join(ROOT, 'bin'), join(packed, 'bin'), { recursive: true });
  const dist = join(packed, 'dist');
  run(ROOT, 'node', ['node_modules/tsup/dist/cli-default.js', '--silent', '-d', dist]);
  const types = join(dist, 'types');
  run(ROOT, 'node', [TSC, '-p', 'tsconfig.build.json', '--outDir', types]);
  const report = run(packed, 'npm', ['pack', '--ignore-scripts', '--json']);
  const [{ filename }] = JSON.parse(report) as [{ filename: string }];
  project = join(base, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), '{ "type": "module", "private": true }\n');
  const tarball = join(packed, filename);
  run(project, 'npm', ['install', '--offline', '--no-audit', '--no-fund', tarball]);
}, 300_000);

afterAll(() => rmSync(base, { recursive: true, force: true }));

test('there is a subpath for every module and no other', () => {
  const modules = filesBelow('src', 'index.ts')
    .filter((path) => path.endsWith('/index.ts'))
    .map((path) => path.replace(/^src\/(.*?)\/?index\.ts$/, '$1'))
    .filter((name) => !['lib', 'cli', 'boot'].includes(name));
  expect([...subpaths].sort()).toEqual(modules.sort());
});

test.each(subpaths.map(specifierOf))('%s can be imported and exports something', (specifier) => {
  const code = `const names = Object.keys(await import('${specifier}')); console.log(names.length);`;
  const printed = run(project, 'node', ['--input-type=module', '-e', code]);
  expect(Number(printed)).toBeGreaterThan(0);
});

test('errors of one subpath are the errors of another', () => {
  const code = `
    import { PageframeError } from '${manifest.name}';
    import { noMemory } from '${manifest.name}/memory';
    try { noMemory(-1); } catch (error) { console.log(error instanceof PageframeError, error.code); }
  `;
  const printed = run(project, 'node', ['--input-type=module', '-e', code]);
  expect(printed).toBe('true BAD_ARGUMENT\n');
});

test('internal files cannot be imported', () => {
  const code = `await import('${manifest.name}/dist/index.js');`;
  const { status, stderr } = spawnSync('node', ['--input-type=module', '-e', code], {
    cwd: project,
    encoding: 'utf8',
  });
  expect(status).toBe(1);
  expect(stderr).toContain('ERR_PACKAGE_PATH_NOT_EXPORTED');
});

describe('types', () => {
  test.each(['NodeNext', 'Bundler'])('check under module resolution %s', (resolution) => {
    const imports = subpaths.map((subpath, i) => {
      return `import * as part${i} from '${specifierOf(subpath)}';\nexport const used${i}: object = part${i};\n`;
    });
    const use = `
import { type PhysicalMemory, sparseMemory } from '${manifest.name}/memory';
const memory: PhysicalMemory = sparseMemory(4096);
export const word: number = memory.readU32(0);
// @ts-expect-error the size is a number
sparseMemory('4096');
`;
    writeFileSync(join(project, 'use.ts'), imports.join('') + use);
    const options = {
      module: resolution === 'NodeNext' ? 'NodeNext' : 'ESNext',
      moduleResolution: resolution,
      target: 'ES2022',
      lib: ['ES2022'],
      types: [],
      strict: true,
      exactOptionalPropertyTypes: true,
      noEmit: true,
    };
    const config = { compilerOptions: options, files: ['use.ts'] };
    writeFileSync(join(project, 'tsconfig.json'), JSON.stringify(config));
    const { stdout } = spawnSync('node', [TSC, '-p', '.'], { cwd: project, encoding: 'utf8' });
    expect(stdout).toBe('');
  });
});

describe('the command', () => {
  const command = (args: readonly string[], input = ''): ReturnType<typeof spawnSync> =>
    spawnSync(join(project, 'node_modules/.bin/pageframe'), args, {
      cwd: project,
      encoding: 'utf8',
      input,
    });

  test('prints its version', () => {
    expect(command(['--version'])).toMatchObject({ status: 0, stdout: `${manifest.version}\n` });
  });

  test('sets the exit status and writes complaints to the standard error', () => {
    const { status, stdout, stderr } = command(['compile']);
    expect([status, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^pageframe: unknown command 'compile'/);
  });

  test('reads the standard input', () => {
    const { status, stdout } = command(['verify', '-'], 'no recording\n');
    expect(status).toBe(1);
    expect(stdout).toBe('FAIL  -  - is not a recording: line 1\n');
  });

  test('bears a reader that stops early', () => {
    const pageframe = join(project, 'node_modules/.bin/pageframe');
    const printed = run(project, 'bash', ['-c', `set -o pipefail; ${pageframe} --help | head -1`]);
    expect(printed).toBe('Usage: pageframe COMMAND [ARGUMENT...]\n');
  });

  test('keeps its exit status when nobody reads the complaints', () => {
    const pageframe = join(project, 'node_modules/.bin/pageframe');
    const script = `{ { sleep 0.2; ${pageframe} compile 2>&4; echo $? >&3; } 4>&1 | true; } 3>&1`;
    expect(run(project, 'bash', ['-c', script])).toBe('2\n');
  });

  test.runIf(existsSync('/dev/full'))('says when the output cannot be written', () => {
    const pageframe = join(project, 'node_modules/.bin/pageframe');
    const { status, stderr } = spawnSync('bash', ['-c', `${pageframe} --help > /dev/full`], {
      encoding: 'utf8',
    });
    expect(status).toBe(1);
    expect(stderr).toMatch(/^pageframe: the output cannot be written: .*\n$/);
  });
});
