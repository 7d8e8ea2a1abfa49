/** The named fields of an object, all of them numbers, as a plain object. */
export function pickNumbers<K extends string>(
  from: Readonly<Record<K, number>>,
  names: readonly K[],
): Record<K, number> {
  return Object.fromEntries(names.map((name) => [name, from[name]])) as Record<K, number>;
}

/** Gives the named fields of an object the values that `pickNumbers` took. */
export function putNumbers<K extends string>(
  to: Record<K, number>,
  names: readonly K[],
  from: Readonly<Record<K, number>>,
): void {
  for (const name of names) to[name] = from[name];
}
