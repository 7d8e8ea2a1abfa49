import { describe, expect, it } from 'vitest';
import { biosRegionStart, earlyReserveMemory, SetupDataType } from '../../src/e820/index.ts';
import { capture, errorOf } from './support.ts';

describe('earlyReserveMemory', () => {
  it('reserves in the kernel order', () => {
    const { log, lines } = capture();
    const list = earlyReserveMemory(
      {
        kernel: { start: 0x1000000n, end: 0x2806000n },
        ramdisk: { typeOfLoader: 0xb0, image: 0x7a00000n, size: 0x2e123n },
        setupData: [
          { address: 0x8000000n, type: 0, length: 0x40 },
          {
            address: 0x8001000n,
            type: SetupDataType.INDIRECT,
            length: 24,
            indirect: { type: 5, length: 0x2800n, address: 0x8010000n },
          },
        ],
        ibft: { start: 0x90000n, end: 0x90800n },
        bios: { baseMemoryK: 639, ebdaSegment: 0x9fc0 },
        gfx: { vendor: 0x8086, device: 0x0116 },
      },
      log,
    );
    expect(
      list.map(({ base, size, what }) => `${base.toString(16)}+${size.toString(16)} ${what}`),
    ).toEqual([
      '1000000+1806000 kernel',
      '0+10000 low 64 KiB',
      '7a00000+2f000 initrd',
      '8000000+50 setup_data',
      '8001000+28 setup_data',
      '8010000+2800 setup_data',
      '90000+800 iBFT',
      '9f000+61000 BIOS',
      '20050000+1000 SNB gfx',
      '20110000+1000 SNB gfx',
      '20130000+1000 SNB gfx',
      '20138000+1000 SNB gfx',
      '40004000+1000 SNB gfx',
    ]);
    expect(lines).toEqual([{ level: 7, text: 'reserving inaccessible SNB gfx pages' }]);
  });

  it('reserves only what is there', () => {
    const low = [{ base: 0n, size: 0x10000n, what: 'low 64 KiB' }];
    expect(earlyReserveMemory({})).toEqual(low);
    for (const zero of ['typeOfLoader', 'image', 'size']) {
      const ramdisk = {
        typeOfLoader: 1,
        image: 0x1000n,
        size: 1n,
        [zero]: zero === 'typeOfLoader' ? 0 : 0n,
      };
      expect(earlyReserveMemory({ ramdisk, bios: null })).toEqual(low);
    }
    const inner = { type: SetupDataType.INDIRECT, length: 1n, address: 1n };
    const node = { address: 0n, type: SetupDataType.INDIRECT, length: 24, indirect: inner };
    expect(earlyReserveMemory({ setupData: [node] })).toHaveLength(2);
    expect(earlyReserveMemory({ gfx: { vendor: 0x8086, device: 0x0104 } })).toEqual(low);
    expect(earlyReserveMemory({ gfx: { vendor: 0x1002, device: 0x0102 } })).toEqual(low);
  });

  it.each([
    [639, 0x9fc0, 0x9f000],
    [636, 0, 0x9f000],
    [635, 0, 0x9ec00],
    [127, 0, 0x9f000],
    [128, 0, 0x20000],
    [639, 0x9000, 0x90000],
    [639, 0x1fff, 0x9f000],
    [639, 0x2000, 0x20000],
    [0, 0xffff, 0x9f000],
  ])('BIOS region of base memory %i KiB, EBDA segment %i', (baseMemoryK, ebdaSegment, start) => {
    expect(biosRegionStart({ baseMemoryK, ebdaSegment })).toBe(start);
  });

  it('refuses bad numbers', () => {
    expect(errorOf(() => biosRegionStart({ baseMemoryK: -1, ebdaSegment: 0 })).code).toBe(
      'BAD_NUMBER',
    );
    expect(errorOf(() => biosRegionStart({ baseMemoryK: 0, ebdaSegment: 2 ** 16 })).code).toBe(
      'BAD_NUMBER',
    );
    expect(errorOf(() => earlyReserveMemory({ kernel: { start: -1n, end: 0n } })).code).toBe(
      'BAD_ADDRESS',
    );
    const ramdisk = { typeOfLoader: 1, image: -1n, size: 1n };
    expect(errorOf(() => earlyReserveMemory({ ramdisk })).code).toBe('BAD_ADDRESS');
  });
});
