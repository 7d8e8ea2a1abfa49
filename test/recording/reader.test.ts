import { expect, test } from 'vitest';
import { RecordingError } from '../../src/recording/errors.ts';
import { readRecording } from '../../src/recording/reader.ts';

const META =
  '{"meta":{"kernel":"6.1.192","arch":"x86_64","allocator":"slub","memory":"64M","cpus":1,"hugetlb":true,"cmdline":"","kind":"buddy"}}';
const END = '{"end":true}';

function errorOf(text: string): Record<string, unknown> {
  try {
    readRecording(text, 'x.ndjson');
  } catch (error) {
    if (error instanceof RecordingError) return { code: error.code, line: error.data.line };
    throw error;
  }
  return { code: 'no error' };
}

test('reads meta line, lines with their numbers, and end mark', () => {
  const recording = readRecording(`${META}\n["a",1]\n{"state":{}}\n${END}\n`);
  expect(recording.kind).toBe('buddy');
  expect(recording.meta).toEqual({
    kernel: '6.1.192',
    arch: 'x86_64',
    allocator: 'slub',
    memory: '64M',
    cpus: 1,
    hugetlb: true,
    cmdline: '',
    kind: 'buddy',
  });
  expect(recording.lines).toEqual([
    { number: 2, value: ['a', 1] },
    { number: 3, value: { state: {} } },
  ]);
});

test('a last line without line feed is complete when it is the end mark', () => {
  expect(readRecording(`${META}\n${END}`).lines).toEqual([]);
});

test('memblock recordings have neither meta line nor end mark', () => {
  const recording = readRecording('{"note":"x"}\n{"call":"f"}\n');
  expect(recording).toEqual({
    kind: 'memblock',
    meta: null,
    lines: [
      { number: 1, value: { note: 'x' } },
      { number: 2, value: { call: 'f' } },
    ],
  });
});

test.each([
  ['nothing', ''],
  ['text', 'Hello\nworld\n'],
  ['other JSON', '[1,2]\n'],
  ['JSON with other fields', '{"name":"package"}\n'],
  ['null', 'null\n'],
  ['a mark of byte order in front', `\ufeff${META}\n${END}\n`],
])('%s is NOT_A_RECORDING', (_, text) => {
  expect(errorOf(text)).toEqual({ code: 'NOT_A_RECORDING', line: 1 });
});

test.each([
  ['no end mark', `${META}\n["a"]\n`, 2],
  ['only the meta line', `${META}\n`, 1],
  ['half a line at the end', `${META}\n["a"]\n["b`, 3],
  ['half an end mark', `${META}\n{"end":tr`, 2],
  ['half a line of a memblock recording', '{"note":"x"}\n{"call":"f', 2],
  ['a complete memblock value without line feed', '{"note":"x"}\n{"call":"f"}', 2],
  ['an end mark with more in it', `${META}\n{"end":true,"x":1}\n`, 2],
  ['an end that is not true', `${META}\n{"end":false}\n`, 2],
])('%s is CUT_OFF', (_, text, line) => {
  expect(errorOf(text)).toEqual({ code: 'CUT_OFF', line });
});

test.each([
  ['a broken line', `${META}\n["a"]\n["b\n${END}\n`, 3],
  ['an empty line', `${META}\n\n${END}\n`, 2],
  ['two values on a line', `${META}\n["a"]["b"]\n${END}\n`, 2],
])('%s is BAD_JSON', (_, text, line) => {
  expect(errorOf(text)).toEqual({ code: 'BAD_JSON', line });
});

test('a line after the end mark is UNKNOWN_LINE', () => {
  expect(errorOf(`${META}\n${END}\n["a"]\n${END}\n`)).toEqual({ code: 'UNKNOWN_LINE', line: 3 });
});

test.each([
  ['a field it does not know', META.replace('"cpus"', '"colour":1,"cpus"'), 'UNKNOWN_FIELD'],
  ['something beside meta', META.replace(/\}$/, ',"x":1}'), 'UNKNOWN_FIELD'],
  ['no kind', META.replace(',"kind":"buddy"', ''), 'BAD_VALUE'],
  ['no CPU', META.replace('"cpus":1', '"cpus":0'), 'BAD_VALUE'],
  ['another allocator', META.replace('slub', 'slob'), 'BAD_VALUE'],
  ['a number for a text', META.replace('"64M"', '64'), 'BAD_VALUE'],
])('a meta line with %s is refused', (_, meta, code) => {
  expect(errorOf(`${meta}\n${END}\n`)).toEqual({ code, line: 1 });
});
