export { arrayBufferMemory } from './array-buffer.ts';
export { type ContractCase, ContractError, physicalMemoryContract } from './contract.ts';
export { MemoryError } from './errors.ts';
export { noMemory } from './none.ts';
export { sparseMemory } from './sparse.ts';
export { MEMORY_SIZE_MAX, type PhysicalMemory } from './types.ts';
