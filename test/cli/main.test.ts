// covers: src/cli/arguments.ts
import { describe, expect, test } from 'vitest';
import manifest from '../../package.json' with { type: 'json' };
import { integerOption } from '../../src/cli/arguments.ts';
import { runCli } from '../support/cli.ts';

test.each(['--version', '-V'])('%s prints the version of the package', async (option) => {
  expect(await runCli([option])).toEqual({ status: 0, out: `${manifest.version}\n`, err: '' });
});

test.each(['--help', '-h', 'help'])('%s names every command', async (option) => {
  const { status, out } = await runCli([option]);
  expect(status).toBe(0);
  expect(out).toMatch(/^Usage: pageframe COMMAND/);
  expect(out).toMatch(/^ {2}verify +replay/m);
});

test.each([
  ['verify', '--help'],
  ['verify', '-h', 'x'],
  ['help', 'verify'],
])('%s %s prints the help of the command', async (...argv) => {
  const { status, out, err } = await runCli(argv);
  expect({ status, err }).toEqual({ status: 0, err: '' });
  expect(out).toMatch(/^Usage: pageframe verify FILE/);
});

test.each([
  [[], 'pageframe: no command given'],
  [['compile'], "pageframe: unknown command 'compile'"],
  [['--frobnicate'], "pageframe: unknown command '--frobnicate'"],
  [['help', 'compile'], "pageframe: unknown command 'help compile'"],
])('%j is a wrong usage', async (argv, message) => {
  const { status, out, err } = await runCli(argv);
  expect({ status, out }).toEqual({ status: 2, out: '' });
  expect(err.split('\n')[0]).toBe(message);
});

test.each([
  [['verify', '--colour', 'x'], /^pageframe verify: Unknown option '--colour'\nTry/],
  [['verify'], /^pageframe verify: verify needs at least one FILE\nTry 'pageframe verify --help'/],
])('%j is a wrong usage of the command', async (argv, message) => {
  const { status, err } = await runCli(argv);
  expect(status).toBe(2);
  expect(err).toMatch(message);
});

describe('integerOption', () => {
  test.each([
    ['1', 1],
    ['64', 64],
    ['007', 7],
  ] as const)('reads %s', (text, value) => {
    expect(integerOption('cpus', text, 1, 64)).toBe(value);
  });

  test.each(['0', '65', '-1', '1.5', '', 'x', '1e1', ' 1'])("refuses '%s'", (text) => {
    expect(() => integerOption('cpus', text, 1, 64)).toThrow(
      `--cpus must be an integer from 1 to 64, got '${text}'`,
    );
  });
});
