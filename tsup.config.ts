import { defineConfig } from 'tsup';

/** One entry per subpath export, plus the command. Keep in step with `exports` in package.json. */
export default defineConfig({
  entry: {
    index: 'src/index.ts',
    memory: 'src/memory/index.ts',
    mm: 'src/mm/index.ts',
    e820: 'src/e820/index.ts',
    memblock: 'src/memblock/index.ts',
    recording: 'src/recording/index.ts',
    cli: 'src/cli/main.ts',
  },
  format: ['esm'],
  target: 'es2022',
  platform: 'neutral',
  external: [/^node:/],
  dts: true,
  sourcemap: true,
  splitting: true,
  clean: true,
});
