export { run } from './process.ts';
