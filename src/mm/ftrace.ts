import { compactionFtrace, type EmitEvent, oomFtrace } from './ftrace-compaction.ts';
import { type KmemFtraceOptions, kmemFtrace } from './ftrace-kmem.ts';
import { type SlabFtraceOptions, slabFtrace } from './ftrace-slab.ts';
import { vmscanFtrace } from './ftrace-vmscan.ts';
import type { TraceSink } from './trace.ts';

/** What the text of tracepoints needs beside their arguments. */
export interface FtraceOptions extends KmemFtraceOptions, SlabFtraceOptions {}

/**
 * A sink for all tracepoints that writes them as the kernel's ftrace does, so that a run here and a
 * run of a real machine can be compared with `diff`.
 * @param write takes a line, `event: text`, without task, CPU and time
 * @param options how addresses are shown
 * @example
 * ```ts
 * machine.trace = ftraceSink((line) => console.log(line));
 * ```
 * @kernel trace_pipe
 */
export function ftraceSink(write: (line: string) => void, options: FtraceOptions = {}): TraceSink {
  const emit: EmitEvent = (event, payload) => write(`${event}: ${payload}`);
  return {
    ...kmemFtrace(emit, options),
    ...slabFtrace(emit, options),
    ...vmscanFtrace(emit),
    ...compactionFtrace(emit),
    ...oomFtrace(emit),
  };
}
