import { expect, test } from 'vitest';
import { TaintFlag, taintText } from '../../src/mm/taint.ts';

test('taint letters stand at their bits', () => {
  const { TAINT_BAD_PAGE, TAINT_PROPRIETARY_MODULE, TAINT_WARN } = TaintFlag;
  expect(taintText(0)).toBe('Not tainted');
  expect(taintText(TAINT_WARN | TAINT_BAD_PAGE)).toBe('Tainted: G    B   W         ');
  expect(taintText(0x220)).toBe('Tainted: G    B   W         ');
  expect(taintText(TAINT_PROPRIETARY_MODULE | TAINT_BAD_PAGE)).toBe('Tainted: P    B             ');
  expect(taintText(0x21)).toBe('Tainted: P    B             ');
});
