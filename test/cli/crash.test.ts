// covers: src/cli/verify.ts
import { expect, test, vi } from 'vitest';
import { runCli } from '../support/cli.ts';

vi.mock('../../src/recording/verify.ts', () => ({
  verifyRecording: () => {
    throw new TypeError('x is not iterable');
  },
}));

test('a crash of the model is a failure of that file, and the next one is still tried', async () => {
  const files = { a: '{"note":"x"}\n', b: 'no recording\n' };
  const { status, out } = await runCli(['verify', 'a', 'b'], { files });
  expect(status).toBe(1);
  expect(out).toMatch(/^FAIL {2}a {2}the model crashed: TypeError: x is not iterable\n {4}at /);
  expect(out).toMatch(/^FAIL {2}b {2}b is not a recording/m);
});
