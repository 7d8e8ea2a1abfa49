// covers: src/cli/files.ts
import { gzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.ts';

const META =
  '{"meta":{"kernel":"6.1.192","arch":"x86_64","allocator":"slub","memory":"64M","cpus":1,"hugetlb":true,"cmdline":"","kind":"weather"}}\n';
const UNKNOWN = `${META}{"end":true}\n`;
const MEMBLOCK = '{"note":"nothing"}\n';
const OK = 'ok    %s  0 operations, 0 divergences\n';

function ok(name: string): string {
  return OK.replace('%s', name);
}

describe('exit status', () => {
  test('0 when all files are ok', async () => {
    const files = { a: MEMBLOCK, b: gzipSync(MEMBLOCK) };
    expect(await runCli(['verify', 'a', 'b'], { files })).toEqual({
      status: 0,
      out: ok('a') + ok('b'),
      err: '',
    });
  });

  test('2 for a kind that is not supported', async () => {
    const { status, out } = await runCli(['verify', 'a', 'b'], {
      files: { a: UNKNOWN, b: MEMBLOCK },
    });
    expect(status).toBe(2);
    expect(out).toMatch(/^FAIL {2}a {2}recordings of kind weather are not supported yet/);
    expect(out).toContain(ok('b'));
  });

  test('1 for a broken file, whatever else there is', async () => {
    const files = { a: UNKNOWN, b: META, c: MEMBLOCK };
    const { status, out } = await runCli(['verify', 'b', 'a', 'c'], { files });
    expect(status).toBe(1);
    expect(out).toMatch(/^FAIL {2}b {2}the recording is cut off after line 1\n/);
    expect(out).toContain(ok('c'));
  });
});

test('names are shown without directories as long as that keeps them apart', async () => {
  const files = { 'x/a': MEMBLOCK, 'y/a': MEMBLOCK, 'y/b': MEMBLOCK };
  const { out } = await runCli(['verify', 'x/a', 'y/a', 'y/b'], { files });
  expect(out).toBe(ok('x/a') + ok('y/a') + ok('b'));
});

test('after -- everything is a file name', async () => {
  const files = { '--help': MEMBLOCK };
  expect((await runCli(['verify', '--', '--help'], { files })).out).toBe(ok('--help'));
});

test('- is the standard input', async () => {
  const { out } = await runCli(['verify', '-'], { input: gzipSync(MEMBLOCK) });
  expect(out).toBe(ok('-'));
});

test('a terminal sees progress, which is gone at the end', async () => {
  const { out, err } = await runCli(['verify', 'a'], { files: { a: MEMBLOCK }, terminal: true });
  expect(out).toBe(ok('a'));
  expect(err).toBe('\r\u001b[K1/1 a\r\u001b[K');
});

describe('files that cannot be read', () => {
  const zipped = gzipSync(MEMBLOCK.repeat(100));
  test.each([
    [
      'missing',
      'no-such-file',
      /^FAIL {2}no-such-file {2}no-such-file: no such file or directory\n/,
    ],
    ['cut off inside gzip', zipped.subarray(0, 30), /^FAIL {2}a {2}a: unexpected end of file/],
    ['with a wrong checksum', Buffer.concat([zipped.subarray(0, -8), Buffer.alloc(8)]), /check/],
    ['not UTF-8', Buffer.from([0x7b, 0xff, 0xfe]), /^FAIL {2}a {2}a: .*utf-8/],
    ['of another program', 'hello\n', /^FAIL {2}a {2}a is not a recording: line 1/],
    ['empty', '', /^FAIL {2}a {2}a is not a recording: line 1/],
  ])('%s', async (_, content, message) => {
    const missing = content === 'no-such-file';
    const { status, out } = missing
      ? await runCli(['verify', content])
      : await runCli(['verify', 'a'], { files: { a: content } });
    expect(status).toBe(1);
    expect(out).toMatch(message);
  });
});
