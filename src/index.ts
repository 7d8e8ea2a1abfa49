export * as e820 from './e820/index.ts';
export {
  ArgumentError,
  type ErrorData,
  GiB,
  hex,
  InvariantError,
  type InvariantViolation,
  KiB,
  MiB,
  PAGE_SIZE,
  PageframeError,
  type Pfn,
  type PhysAddr,
  type RandomSource,
  seededRandom,
} from './lib/index.ts';
export * as memblock from './memblock/index.ts';
export {
  arrayBufferMemory,
  noMemory,
  type PhysicalMemory,
  sparseMemory,
} from './memory/index.ts';
export * as recording from './recording/index.ts';
