export { type ShowMemSources, showMem } from '../mm/show-mem.ts';
