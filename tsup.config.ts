import { defineConfig } from 'tsup';

/** One entry per subpath export. Keep in step with `exports` in package.json. */
const library = {
  index: 'src/index.ts',
  memory: 'src/memory/index.ts',
  mm: 'src/mm/index.ts',
  e820: 'src/e820/index.ts',
  memblock: 'src/memblock/index.ts',
  buddy: 'src/buddy/index.ts',
  slab: 'src/slab/index.ts',
  recording: 'src/recording/index.ts',
};

/** The command shares the chunks of the library; it has no types of its own. */
export default defineConfig({
  entry: { ...library, cli: 'src/cli/index.ts' },
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  dts: { entry: library },
  sourcemap: true,
  splitting: true,
  clean: true,
});
