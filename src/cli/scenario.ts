import { parseArguments } from './arguments.ts';
import { UsageError } from './errors.ts';
import { SCENARIOS } from './scenarios.ts';
import { type CliIo, type Command, ExitStatus } from './types.ts';

const HELP = `Usage: pageframe scenario NAME
       pageframe scenario --list

Runs a scenario on a small machine and prints what happens: the state before, the functions that the
calls go through with their arguments, as a debugger would show them, and the state after. The
scenarios are the files of docs/examples.

  NAME       a scenario
  --list     show all scenarios

Exit status: 0 success; 2 wrong usage, or there is no such scenario.
`;

/** `pageframe scenario`: runs a shipped scenario. */
export const scenarioCommand: Command = {
  name: 'scenario',
  summary: 'run a scenario and show what the calls go through',
  help: HELP,
  run: scenario,
};

async function scenario(args: readonly string[], io: CliIo): Promise<number> {
  const { positionals, values } = parseArguments(args, { list: { type: 'boolean' } });
  const [name, ...more] = positionals;
  if (values.list === true) {
    if (name !== undefined) throw new UsageError('--list takes no NAME');
    io.out(await listOfScenarios());
    return ExitStatus.OK;
  }
  if (name === undefined) throw new UsageError('scenario needs a NAME; --list shows them');
  if (more.length > 0) throw new UsageError('scenario takes one NAME');
  const load = SCENARIOS.get(name);
  if (load === undefined) throw new UsageError(`no scenario '${name}'; --list shows them`);
  const { run } = await load();
  run((line) => io.out(`${line}\n`));
  return ExitStatus.OK;
}

async function listOfScenarios(): Promise<string> {
  const width = Math.max(...[...SCENARIOS.keys()].map((name) => name.length));
  let text = '';
  for (const [name, load] of SCENARIOS)
    text += `${name.padEnd(width)}  ${(await load()).summary}\n`;
  return text;
}
