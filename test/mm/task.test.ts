import { expect, test } from 'vitest';
import { defaultTask, inTask } from '../../src/mm/task.ts';

test('a fresh task has no flags and runs in task context', () => {
  const task = defaultTask();
  expect(Object.values(task).filter((value) => value === true)).toEqual([]);
  expect(inTask(task)).toBe(true);
});

test('interrupts and softirqs are no task context; tasks are not shared', () => {
  expect(inTask({ ...defaultTask(), inInterrupt: true })).toBe(false);
  expect(inTask({ ...defaultTask(), inServingSoftirq: true })).toBe(false);
  expect(defaultTask()).not.toBe(defaultTask());
});
