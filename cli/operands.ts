/**
 * The words that are no flags, in the order in which they were given. oclif's own list is sorted by where a
 * word first stands, which puts equal words together and words that are a flag's value too before others.
 */
export function operands(
  raw: readonly { readonly type: string; readonly input: string }[],
): string[] {
  return raw.filter(({ type }) => type === "arg").map(({ input }) => input);
}
