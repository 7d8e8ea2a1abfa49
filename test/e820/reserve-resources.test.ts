import { describe, expect, it } from 'vitest';
import {
  createE820State,
  createIomem,
  createResource,
  type E820Resources,
  type E820State,
  e820ReserveResources,
  e820ReserveResourcesLate,
  formatIomem,
  IoresourceFlag,
  insertResource,
  type Resource,
} from '../../src/e820/index.ts';
import { capture, errorOf, map } from './support.ts';

interface Run {
  state: E820State;
  iomem: Resource;
  resources: E820Resources;
  allocs: string[];
  late: (before?: readonly Resource[]) => string[];
}

function reserve(notation: string, firmware = notation, physBits = 46): Run {
  const state = createE820State();
  state.table.entries = map(notation);
  state.tableFirmware.entries = map(firmware);
  const iomem = createIomem(physBits);
  const allocs: string[] = [];
  const alloc = (size: bigint, align: bigint): void => {
    allocs.push(`${size}/${align}`);
  };
  const resources = e820ReserveResources(state, iomem, { alloc });
  const late = (before: readonly Resource[] = []): string[] => {
    for (const resource of before) insertResource(iomem, resource);
    const { log, texts } = capture();
    e820ReserveResourcesLate(state.table, resources.resources, iomem, log);
    return texts;
  };
  return { state, iomem, resources, allocs, late };
}

const A =
  '0+1000 2; 1000+9ec00 1; 9fc00+400 2; f0000+10000 2; 100000+7ee0000 1; 7fe0000+20000 2; ' +
  'fffc0000+40000 2; fd00000000+300000000 2';

describe('resources of a PC (example A)', () => {
  it('allocates, inserts what is busy, and the rest after the PCI survey', () => {
    const run = reserve(A, A.split('; ').slice(1).join('; '));
    expect(run.allocs).toEqual(['512/64', ...Array<string>(7).fill('104/64')]);
    expect(formatIomem(run.iomem)).toEqual([
      '00000000-00000fff : Reserved',
      '00001000-0009fbff : System RAM',
      '0009fc00-0009ffff : Reserved',
      '000f0000-000fffff : Reserved',
      '00100000-07fdffff : System RAM',
    ]);
    expect(run.late([createResource('System ROM', 0xf0000n, 0xfffffn)])).toEqual([
      'e820: reserve RAM buffer [mem 0x0009fc00-0x0009ffff]',
      'e820: reserve RAM buffer [mem 0x07fe0000-0x07ffffff]',
    ]);
    expect(formatIomem(run.iomem)).toEqual([
      '00000000-00000fff : Reserved',
      '00001000-0009fbff : System RAM',
      '0009fc00-0009ffff : Reserved',
      // Inserted after the equal Reserved here: the newcomer is the parent.
      '000f0000-000fffff : System ROM',
      '  000f0000-000fffff : Reserved',
      '00100000-07fdffff : System RAM',
      '07fe0000-07ffffff : Reserved',
      'fffc0000-ffffffff : Reserved',
      'fd00000000-ffffffffff : Reserved',
    ]);
  });

  it('the ROM that was requested at step 12 goes below', () => {
    const state = createE820State();
    state.table.entries = map('f0000+10000 2; 100000+7ee0000 1');
    const iomem = createIomem(40);
    insertResource(iomem, createResource('System ROM', 0xf0000n, 0xfffffn));
    e820ReserveResources(state, iomem);
    expect(formatIomem(iomem)).toEqual([
      '000f0000-000fffff : Reserved',
      '  000f0000-000fffff : System ROM',
      '00100000-07fdffff : System RAM',
    ]);
  });
});

describe('kinds of resources', () => {
  it('flags, descriptions, and who waits for the late stage', () => {
    const run = reserve(
      '0+1000 c; 100000+1000 1; 200000+1000 2; 300000+1000 3; 400000+1000 4; 500000+1000 5; ' +
        '700000+1000 7; 800000+1000 c; 900000+1000 80; a00000+1000 efffffff; b00000+1000 14',
    );
    const [MEM, RAM, BUSY] = [0x200, 0x1000200, 0x80000000];
    expect(run.resources.resources.map(({ flags, desc }) => [flags, desc])).toEqual([
      [BUSY + MEM, 5],
      [BUSY + RAM, 0],
      [MEM, 7],
      [BUSY + MEM, 2],
      [BUSY + MEM, 3],
      [BUSY + MEM, 0],
      [MEM, 4],
      [MEM, 5],
      [BUSY + RAM, 0],
      [MEM, 8],
      [BUSY + MEM, 0],
    ]);
    expect(formatIomem(run.iomem)).toHaveLength(7);
    run.late();
    expect(run.resources.resources.every(({ parent }) => parent !== null)).toBe(true);
  });

  it('a busy one that did not fit is tried again, and one that ends at 0 is not', () => {
    const run = reserve('1000+2000 1; 2000+2000 3; 0+1 2', '0+1000 1; 5000+1000 1');
    expect(formatIomem(run.iomem)).toEqual([
      '00000000-00000000 : Reserved',
      '00001000-00002fff : System RAM',
    ]);
    run.late();
    expect(formatIomem(run.iomem).slice(0, 3)).toEqual([
      '00000000-00000000 : Reserved',
      '00001000-00003fff : ACPI Tables',
      '  00001000-00002fff : System RAM',
    ]);
  });
});

describe('RAM buffers', () => {
  it('example C: only what no top-level resource covers', () => {
    const run = reserve(
      '0+1000 2; 1000+9c800 1; 9d800+2800 2; e0000+20000 2; 100000+1ff00000 1; 20000000+200000 2; ' +
        '20200000+1fe04000 1; 40004000+1000 2; 40005000+7a6eb000 1; ba6f0000+cd000 4; ' +
        'ba7bd000+42000 3; ba7ff000+1000 1; ba800000+5200000 2; 100000000+13f600000 1',
    );
    expect(run.late().map((line) => line.replace('e820: reserve RAM buffer ', ''))).toEqual([
      '[mem 0x0009d800-0x0009ffff]',
      '[mem 0x40004000-0x43ffffff]',
      '[mem 0xba6f0000-0xbbffffff]',
      '[mem 0xba800000-0xbbffffff]',
      '[mem 0x23f600000-0x23fffffff]',
    ]);
    const buffers = formatIomem(run.iomem).filter((line) => line.endsWith('RAM buffer'));
    expect(buffers).toEqual(['23f600000-23fffffff : RAM buffer']);
  });

  it('example E: the part that Reserved does not take', () => {
    const run = reserve('0+1000 2; 1000+9ec00 1; 100000+6400000 1; 7fe0000+20000 2');
    run.late();
    expect(formatIomem(run.iomem)).toEqual([
      '00000000-00000fff : Reserved',
      '00001000-0009fbff : System RAM',
      '0009fc00-0009ffff : RAM buffer',
      '00100000-064fffff : System RAM',
      '06500000-07fdffff : RAM buffer',
      '07fe0000-07ffffff : Reserved',
    ]);
    const buffer = run.iomem.children[2];
    expect(buffer.flags & IoresourceFlag.BUSY).not.toBe(0);
  });

  it('alignment is 64 KiB, 1 MiB and 64 MiB; an aligned end has none; 128 has none', () => {
    const run = reserve(
      '0+8000 1; 100000+80000 1; 1000000+1000 1; 8000000+4000000 1; 10000000+1000 80',
    );
    expect(run.late()).toEqual([
      'e820: reserve RAM buffer [mem 0x00008000-0x0000ffff]',
      'e820: reserve RAM buffer [mem 0x00180000-0x001fffff]',
      'e820: reserve RAM buffer [mem 0x01001000-0x03ffffff]',
    ]);
  });

  it('fills every hole between top-level resources', () => {
    const run = reserve('0+4000000 1; 4000000+100 1; 4001000+100 2; 4003000+100 2');
    run.late();
    expect(formatIomem(run.iomem).slice(2)).toEqual([
      '04000100-04000fff : RAM buffer',
      '04001000-040010ff : Reserved',
      '04001100-04002fff : RAM buffer',
      '04003000-040030ff : Reserved',
      '04003100-07ffffff : RAM buffer',
    ]);
  });

  it('is cut at the end of the address space', () => {
    const run = reserve('0+fff00000 1', '0+1000 1; 5000+1000 1', 32);
    run.late();
    expect(formatIomem(run.iomem)).toEqual([
      '00000000-ffefffff : System RAM',
      'fff00000-ffffffff : RAM buffer',
    ]);
    const wide = reserve('0+1fff00000 1', '0+1000 1; 5000+1000 1', 32);
    wide.late();
    expect(formatIomem(wide.iomem)).toEqual([]);
  });
});

describe('setup data above a PCI window (example I)', () => {
  it('late Reserved grows over the bus', () => {
    const run = reserve('100000+18f00000 1; fffc0000+10040000 2; 110000000+1000 3');
    const bus = createResource('PCI Bus 0000:00', 0x100000000n, 0x17fffffffn);
    expect(run.late([bus])[0]).toBe(
      'resource: Expanded resource Reserved due to conflict with PCI Bus 0000:00',
    );
    expect(formatIomem(run.iomem).slice(-3)).toEqual([
      'fffc0000-17fffffff : Reserved',
      '  100000000-17fffffff : PCI Bus 0000:00',
      '    110000000-110000fff : ACPI Tables',
    ]);
  });
});

describe('e820ReserveResources', () => {
  it('throws for a firmware entry that reaches 2^64, with nothing changed', () => {
    const state = createE820State();
    state.table.entries = map('0+1000 1; 1000+1000 3');
    state.tableFirmware.entries = map('0+1000 1; fffffffffffff000+1000 2');
    const iomem = createIomem(46);
    const error = errorOf(() => e820ReserveResources(state, iomem));
    expect(error).toMatchObject({ code: 'ENDS_AT_2_64', data: { position: 1 } });
    expect(iomem.children).toEqual([]);
    const { firmwareMap } = e820ReserveResources(state, iomem, { firmwareMemmap: false });
    expect(firmwareMap).toEqual([]);
    expect(iomem.children).toHaveLength(2);
  });
});
