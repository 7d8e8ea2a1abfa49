import { boot } from '../src/machine.ts';
import { noMemory } from '../src/memory/index.ts';
import { listToArray } from '../src/mm/index.ts';
import { mix } from './measure.ts';

/** What one boot took, as the child process prints it. */
export interface BootCost {
  /** Page frames of RAM. */
  readonly frames: number;
  /** Milliseconds from the call of `boot` to its return. */
  readonly milliseconds: number;
  /** Of it, processor time of the program itself; the rest is the host's, which backs its memory. */
  readonly userMilliseconds: number;
  /** Largest resident set of the process, in bytes. */
  readonly residentBytes: number;
  /** What Node, the loader of TypeScript and this package took of it before the boot, in bytes. */
  readonly baseBytes: number;
  /** Hash of the free lists. */
  readonly hash: number;
}

const PCI_HOLE_START = 0xc000_0000n;
const FOUR_GIB = 1n << 32n;

/** A PC with so much RAM, some of it above the PCI hole. */
function pcMap(bytes: bigint): { addr: bigint; size: bigint; type: number }[] {
  const low = bytes < PCI_HOLE_START ? bytes : PCI_HOLE_START;
  const map = [
    { addr: 0n, size: 0x9fc00n, type: 1 },
    { addr: 0xf0000n, size: 0x10000n, type: 2 },
    { addr: 0x100000n, size: low - 0x120000n, type: 1 },
    { addr: low - 0x20000n, size: 0x20000n, type: 2 },
  ];
  return low < bytes ? [...map, { addr: FOUR_GIB, size: bytes - low, type: 1 }] : map;
}

const gibibytes = BigInt(process.argv[2] ?? '1');
const bytes = gibibytes << 30n;
const memory = noMemory(Number(bytes + FOUR_GIB));
const baseBytes = process.memoryUsage().rss;
const processorStart = process.cpuUsage();
const start = performance.now();
const { model } = boot({ e820: pcMap(bytes), cpus: 4, memory });
const milliseconds = performance.now() - start;
const userMilliseconds = process.cpuUsage(processorStart).user / 1000;
let hash = 0;
const { areas } = model;
for (let i = 0; i < areas.nrFree.length * 5; i++) {
  for (const pfn of listToArray(model.map, areas.firstHead + i)) hash = mix(hash, pfn);
}
const cost: BootCost = {
  frames: model.nodes.reduce((sum, node) => sum + node.presentPages, 0),
  milliseconds,
  userMilliseconds,
  baseBytes,
  residentBytes: process.resourceUsage().maxRSS * 1024,
  hash,
};
process.stdout.write(JSON.stringify(cost));
