import { describe, expect, it } from 'vitest';
import {
  createE820State,
  type E820State,
  e820ReserveSetupData,
  encodeE820Records,
  parseSetupData,
  readSetupData,
  type SetupDataNode,
  SetupDataType,
} from '../../src/e820/index.ts';
import { capture, errorOf, map, text } from './support.ts';

/** A piece of memory at an address, with u64 and u32 fields put into it. */
class Memory {
  readonly bytes = new Uint8Array(0x10000);
  readonly view = new DataView(this.bytes.buffer);
  readonly base = 0x8000000n;

  node(address: bigint, next: bigint, type: number, length: number, data?: Uint8Array): void {
    const at = Number(address - this.base);
    this.view.setBigUint64(at, next, true);
    this.view.setUint32(at + 8, type, true);
    this.view.setUint32(at + 12, length, true);
    if (data !== undefined) this.bytes.set(data, at + 16);
  }
  read = (address: bigint, length: number): Uint8Array => {
    const at = Number(address - this.base);
    return this.bytes.subarray(Math.max(at, 0), Math.max(at + length, 0));
  };
}

const EXTRA = '100000000+10000000 2; 110000000+1000 3; 1ff00000+100000 4';

/** The list of example I. */
function exampleI(): SetupDataNode[] {
  const memory = new Memory();
  const indirect = new Uint8Array(24);
  const view = new DataView(indirect.buffer);
  view.setUint32(0, 5, true);
  view.setBigUint64(8, 0x2800n, true);
  view.setBigUint64(16, 0x8010000n, true);
  memory.node(0x8000000n, 0x8001000n, 1, 0x3c, encodeE820Records(map(EXTRA)));
  memory.node(0x8001000n, 0x8002000n, 0, 0x40);
  memory.node(0x8002000n, 0x8003000n, SetupDataType.INDIRECT, 24, indirect);
  memory.node(0x8003000n, 0n, 9, 0x20);
  return readSetupData(0x8000000n, memory.read);
}

function stateOf(notation: string): E820State {
  const state = createE820State();
  state.table.entries = map(notation);
  state.tableKexec.entries = map(notation);
  return state;
}

describe('readSetupData', () => {
  it('reads the nodes in list order (example I)', () => {
    expect(exampleI()).toEqual([
      { address: 0x8000000n, type: 1, length: 0x3c, entries: map(EXTRA) },
      { address: 0x8001000n, type: 0, length: 0x40 },
      {
        address: 0x8002000n,
        type: 0x80000000,
        length: 24,
        indirect: { type: 5, length: 0x2800n, address: 0x8010000n },
      },
      { address: 0x8003000n, type: 9, length: 0x20 },
    ]);
    expect(readSetupData(0n, () => new Uint8Array(0))).toEqual([]);
  });

  it('takes floor(len / 20) entries', () => {
    const memory = new Memory();
    memory.node(0x8000000n, 0n, 1, 0x3b, encodeE820Records(map(EXTRA)));
    expect(readSetupData(0x8000000n, memory.read)[0].entries).toHaveLength(2);
  });

  it('refuses a list that bites its tail', () => {
    const memory = new Memory();
    memory.node(0x8000000n, 0x8001000n, 0, 0);
    memory.node(0x8001000n, 0x8000000n, 0, 0);
    const error = errorOf(() => readSetupData(0x8000000n, memory.read));
    expect(error).toMatchObject({ code: 'BAD_SETUP_DATA', data: { position: 0x8000000n } });
  });

  it('refuses a node outside memory, and an INDIRECT node that is too short', () => {
    const memory = new Memory();
    expect(errorOf(() => readSetupData(0x8010000n, memory.read)).code).toBe('BAD_SETUP_DATA');
    memory.node(0x800fff0n, 0n, 1, 20);
    expect(errorOf(() => readSetupData(0x800fff0n, memory.read)).message).toContain('0x800fff0');
    memory.node(0x8000000n, 0n, SetupDataType.INDIRECT, 23);
    expect(errorOf(() => readSetupData(0x8000000n, memory.read)).data.value).toBe(23);
  });
});

describe('parseSetupData', () => {
  it('adds E820_EXT entries, empties seeds and hands on IMA buffers', () => {
    const state = stateOf('0+9fc00 1; 100000+1fee0000 1; 1ffe0000+20000 2; fffc0000+40000 2');
    const { log, texts } = capture();
    const imaBuffer = { start: 0x9000000n, end: 0x9001000n };
    const ima: SetupDataNode = { address: 0x8004000n, type: 8, length: 16, imaBuffer };
    const { nodes, imaBuffers } = parseSetupData(state, [...exampleI(), ima], log);
    expect(text(state.table)).toBe(
      '0+9fc00 1; 100000+1fe00000 1; 1ff00000+100000 4; fffc0000+10040000 2; 110000000+1000 3',
    );
    expect(texts[0]).toBe('extended physical RAM map:');
    expect(nodes.map(({ length }) => length)).toEqual([0x3c, 0x40, 24, 0, 16]);
    expect(imaBuffers).toEqual([imaBuffer]);
  });

  it('refuses nodes that do not fit their kind, before anything changed', () => {
    const state = stateOf('0+9fc00 1; 100000+1000 1');
    const good: SetupDataNode = { address: 1n, type: 1, length: 20, entries: map('0+1 1') };
    const bad: SetupDataNode[] = [
      { address: 1n, type: 1, length: 20 },
      { address: 1n, type: 1, length: 39, entries: map('0+1 1; 1+1 1') },
      { address: 1n, type: SetupDataType.INDIRECT, length: 24 },
      { address: -1n, type: 0, length: 0 },
      { address: 1n, type: 0, length: -1 },
      { address: 1n, type: Number.NaN, length: 0 },
    ];
    for (const node of bad) errorOf(() => parseSetupData(state, [good, node]));
    expect(text(state.table)).toBe('0+9fc00 1; 100000+1000 1');
  });
});

describe('e820ReserveSetupData', () => {
  it('prints pairs, once for the seed, and the map (example I)', () => {
    const state = stateOf('0+9fc00 1; 100000+18f00000 1');
    const { nodes } = parseSetupData(state, exampleI().slice(1));
    const { log, lines } = capture();
    e820ReserveSetupData(state, nodes, log);
    const updates = lines.filter(({ level }) => level === 7).map(({ text: line }) => line);
    expect(updates).toEqual(
      [
        '08001000-0x0800104f',
        '08001000-0x0800104f',
        '08002000-0x08002027',
        '08002000-0x08002027',
        '08010000-0x080127ff',
        '08010000-0x080127ff',
        '08003000-0x0800300f',
      ].map((range) => `e820: update [mem 0x${range}] usable ==> usable`),
    );
    const printed = lines.slice(updates.length).map(({ text: line }) => line);
    expect(printed.slice(0, 2)).toEqual([
      'extended physical RAM map:',
      'reserve setup_data: [mem 0x0000000000000000-0x000000000009fbff] usable',
    ]);
    expect(text(state.table)).toBe(
      '0+9fc00 1; 100000+7f01000 1; 8001000+50 80; 8001050+fb0 1; 8002000+28 80; 8002028+fd8 1; ' +
        '8003000+10 80; 8003010+cff0 1; 8010000+2800 80; 8012800+10fed800 1',
    );
    expect(text(state.tableKexec)).not.toContain('8003000+10 80');
    expect(text(state.tableKexec)).toContain('8010000+2800 80');
  });

  it('leaves EFI and IMA nodes out for kexec, and follows no indirection twice', () => {
    const state = stateOf('0+9fc00 1; 100000+18f00000 1');
    const nested: SetupDataNode = {
      address: 0x300000n,
      type: SetupDataType.INDIRECT,
      length: 24,
      indirect: { type: SetupDataType.INDIRECT, length: 16n, address: 0x400000n },
    };
    const nodes: SetupDataNode[] = [
      { address: 0x200000n, type: SetupDataType.EFI, length: 16 },
      { address: 0x210000n, type: SetupDataType.IMA, length: 16 },
      nested,
    ];
    e820ReserveSetupData(state, nodes);
    expect(text(state.tableKexec)).toBe(
      '0+9fc00 1; 100000+200000 1; 300000+28 80; 300028+18cfffd8 1',
    );
    expect(text(state.table)).toContain('210000+20 80');
  });

  it('changes nothing outside RAM, and does nothing for an empty list', () => {
    const state = stateOf('0+1000 1; 5000+1000 3');
    e820ReserveSetupData(state, [{ address: 0x5000n, type: 0, length: 16 }]);
    expect(text(state.table)).toBe('0+1000 1; 5000+1000 3');
    const { log, texts } = capture();
    e820ReserveSetupData(state, [], log);
    expect(texts).toEqual([]);
  });
});
