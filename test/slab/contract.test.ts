// covers: src/slab/kmalloc-front-end.ts src/slab/fast-path.ts
import { SlabAllocator } from '../../src/slab/allocator.ts';
import { SlubAllocator } from '../../src/slub/allocator.ts';
import { kmemCacheContract } from '../support/kmem-cache-contract.ts';

// One suite for both: to change the design is to change the name of the class.
kmemCacheContract('SLAB', (options) => new SlabAllocator(options));
kmemCacheContract('SLUB', (options) => new SlubAllocator(options));
