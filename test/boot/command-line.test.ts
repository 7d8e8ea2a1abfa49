import { describe, expect, test } from 'vitest';
import {
  applyLateParams,
  type BootParams,
  bootParamHandlers,
  defaultBootParams,
} from '../../src/boot/command-line.ts';
import { type LogLine, parseEarlyParams } from '../../src/e820/index.ts';

function parse(cmdline: string): { params: BootParams; lines: string[] } {
  const params = defaultBootParams();
  const lines: string[] = [];
  parseEarlyParams(cmdline, bootParamHandlers(params), ({ text }: LogLine) => lines.push(text));
  applyLateParams(params, cmdline);
  return { params, lines };
}

test('an empty command line changes nothing', () => {
  expect(parse('quiet console=ttyS0').params).toEqual(defaultBootParams());
});

describe('kernelcore= and movablecore= (spec memory-model 4.3)', () => {
  test.each([
    ['kernelcore=512M', { pages: 131072, percent: 0 }],
    ['kernelcore=4097', { pages: 1, percent: 0 }],
    ['kernelcore=30%', { pages: 0, percent: 30 }],
    ['kernelcore=1G kernelcore=30%', { pages: 262144, percent: 30 }],
    ['kernelcore=30% kernelcore=1G', { pages: 262144, percent: 0 }],
  ])('%s', (cmdline, kernelcore) => {
    expect(parse(cmdline).params.kernelcore).toEqual(kernelcore);
  });

  test('movablecore= stands apart; mirror is a mode', () => {
    const { params } = parse('movablecore=50% kernelcore=mirror');
    expect(params.movablecore).toEqual({ pages: 0, percent: 50 });
    expect(params).toMatchObject({
      mirroredKernelcore: true,
      kernelcore: { pages: 0, percent: 0 },
    });
  });

  test('without a value they are malformed', () => {
    expect(parse('kernelcore movablecore').lines).toEqual([
      "Malformed early option 'kernelcore'",
      "Malformed early option 'movablecore'",
    ]);
  });
});

describe('numa=', () => {
  test('off, fake nodes, and nothing for other words', () => {
    expect(parse('numa=off').params.numaOff).toBe(true);
    expect(parse('numa=fake=4').params.numaFake?.count).toBe(4);
    expect(parse('numa=noacpi').params).toEqual(defaultBootParams());
    expect(parse('numa').lines).toEqual(["Malformed early option 'numa'"]);
  });
});

test('movable_node does nothing without MEMORY_HOTPLUG (spec memblock 2.3)', () => {
  const params = defaultBootParams();
  parseEarlyParams('movable_node kernelcore=1G', bootParamHandlers(params, false));
  expect(params.movableNode).toBe(false);
  expect(params.kernelcore.pages).toBe(262144);
});

test('switches', () => {
  const { params } = parse(
    'movable_node memblock=debug early_page_ext mminit_loglevel=2 alloc_mptable page_alloc.shuffle=1',
  );
  expect(params).toMatchObject({
    movableNode: true,
    memblockDebug: true,
    earlyPageExt: true,
    mminitLoglevel: 2,
    allocMptableBytes: 4096n,
    shuffle: true,
  });
});

test.each([
  ['1', true],
  ['y', true],
  ['on', true],
  ['0', false],
  ['off', false],
  ['N', false],
])('page_poison=%s', (value, on) => {
  const { params } = parse(`page_poison=${value} init_on_alloc=${value} init_on_free=${value}`);
  expect(params).toMatchObject({ pagePoison: on, initOnAlloc: on, initOnFree: on });
});

test('a yes or no that is neither is malformed', () => {
  expect(parse('page_poison=maybe').lines).toEqual(["Malformed early option 'page_poison'"]);
});

test.each([
  ['swiotlb=65536', 128n << 20n],
  ['swiotlb=noforce', 0n],
  ['swiotlb=65536,force', 128n << 20n],
  ['swiotlb=force', null],
])('%s', (cmdline, bytes) => {
  expect(parse(cmdline).params.swiotlbBytes).toBe(bytes);
});

test.each(['always', 'madvise', 'never'] as const)('transparent_hugepage=%s', (thp) => {
  expect(parse(`transparent_hugepage=${thp}`).params.thp).toBe(thp);
  expect(parse(`transparent_hugepage=${thp}x`).params.thp).toBeNull();
});
