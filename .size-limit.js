/** What may end up in a user's bundle: gzipped and minified, with everything that it imports. */
const budgets = {
  index: '270 kB',
  memory: '4 kB',
  mm: '32 kB',
  e820: '22 kB',
  memblock: '13 kB',
  buddy: '42 kB',
  reclaim: '33 kB',
  slowpath: '30 kB',
  slab: '38 kB',
  slub: '40 kB',
  recording: '230 kB',
};

/** The chunks of a build import each other for their order only; esbuild warns of each. */
const modifyEsbuildConfig = (config) => ({ ...config, logLevel: 'error' });

const whole = Object.entries(budgets).map(([name, limit]) => ({
  name: name === 'index' ? 'pageframe' : `pageframe/${name}`,
  path: `dist/${name}.js`,
  limit,
}));

const boot = {
  name: "import { boot } from 'pageframe'",
  path: 'dist/index.js',
  import: '{ boot }',
  limit: '200 kB',
};

export default [boot, ...whole].map((entry) => ({ ...entry, gzip: true, modifyEsbuildConfig }));
