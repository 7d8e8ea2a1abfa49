import fc from 'fast-check';
import { test } from 'vitest';
import { scaled } from '../support/seed.ts';
import { families, makeWorld, worldOptions } from './commands.ts';

/** Some families of commands, some of them more often than others. */
const swarm = fc.subarray([...families.keys()], { minLength: 6 }).chain((chosen) =>
  fc.tuple(
    worldOptions,
    fc.commands(
      chosen.map((index) => families[index]),
      { maxCommands: 60, size: 'max' },
    ),
  ),
);

test('memblock agrees with a model made of cells', () => {
  fc.assert(
    fc.property(swarm, ([options, commands]) => {
      const setup = () => {
        const world = makeWorld(options);
        return { model: world, real: world };
      };
      fc.modelRun(setup, commands);
    }),
    { numRuns: scaled(400) },
  );
}, 120_000);
