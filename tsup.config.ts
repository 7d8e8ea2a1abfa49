import { defineConfig } from 'tsup';

/** One entry per subpath export, plus the command. Types are made by tsc, tsconfig.build.json. */
const entry = {
  index: 'src/index.ts',
  memory: 'src/memory/index.ts',
  mm: 'src/mm/index.ts',
  e820: 'src/e820/index.ts',
  memblock: 'src/memblock/index.ts',
  buddy: 'src/buddy/index.ts',
  reclaim: 'src/reclaim/index.ts',
  slowpath: 'src/slowpath/index.ts',
  slab: 'src/slab/index.ts',
  slub: 'src/slub/index.ts',
  recording: 'src/recording/index.ts',
  cli: 'src/cli/index.ts',
};

export default defineConfig({
  entry,
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  // The scenarios import the package by its name, as a user would.
  esbuildOptions: (options) => {
    options.alias = { pageframe: './src/index.ts' };
  },
  sourcemap: true,
  splitting: true,
  clean: true,
});
