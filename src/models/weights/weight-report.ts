/** What became of weights that were loaded: which matched, which did not, and why. */
export interface WeightReport {
  readonly path: string;
  /** Parameters with values of the file. */
  readonly matched: readonly {
    readonly parameter: string;
    /** Name of the tensor. */
    readonly tensor: string;
    /** Differences, e.g. of the rows. */
    readonly note?: string;
  }[];
  /** Parameters that keep their initial values. */
  readonly initial: readonly { readonly parameter: string; readonly reason: string }[];
  /** Tensors of the file that were not used. */
  readonly unused: readonly { readonly tensor: string; readonly reason: string }[];
}

/** Lines for people: a count for each reason, with a few names. */
export function weightReportLines(report: WeightReport): readonly string[] {
  const { matched, initial, unused, path } = report;
  const lines = [
    `${path}: ${matched.length} of ${matched.length + initial.length} parameters loaded`,
  ];
  const renamed = matched.filter(({ parameter, tensor }) => parameter !== tensor);
  const pairs = renamed.map(({ parameter, tensor }) => `${tensor} as ${parameter}`);
  if (pairs.length > 0) lines.push(`  under another name: ${some(pairs)}`);
  for (const { parameter, note } of matched) {
    if (note !== undefined) lines.push(`  ${parameter}: ${note}`);
  }
  for (const [reason, names] of byReason(initial.map((it) => [it.reason, it.parameter]))) {
    lines.push(`  initial values, ${reason}: ${some(names)}`);
  }
  for (const [reason, names] of byReason(unused.map((it) => [it.reason, it.tensor]))) {
    lines.push(`  not used, ${reason}: ${some(names)}`);
  }
  return lines;
}

const SHOWN = 4;

function some(names: readonly string[]): string {
  const shown = names.slice(0, SHOWN).join(", ");
  return names.length <= SHOWN ? shown : `${shown} and ${names.length - SHOWN} more`;
}

function byReason(pairs: readonly (readonly [string, string])[]): ReadonlyMap<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const [reason, name] of pairs) groups.set(reason, [...(groups.get(reason) ?? []), name]);
  return groups;
}
