import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { anObject, checkOptions } from "../../formats/common/options.ts";
import { MIXTURE_KINDS, type MixtureOptions, MixtureSampler } from "./mixture-sampler.ts";
import { type RowLabels, rowsByLabel } from "./row-labels.ts";
import { ShuffledSampler } from "./shuffled-sampler.ts";
import { SubsetSampler } from "./subset-sampler.ts";

export interface ClassBalancedOptions extends MixtureOptions {
  /** Share of each class, relative to the others. Default equal; a class not named is left out. */
  readonly weights?: Readonly<Record<string, number>>;
}

/**
 * Every class equally often (or as `weights` says): a mixture of the classes, each in shuffled
 * order, so that a rare class repeats only after all its rows have come. Rows without a label are
 * left out. 4 bytes of memory a row. An epoch has as many samples as there are labelled rows of
 * these classes, unless `length` says otherwise.
 *
 * @throws InvalidArgumentError when no row has a label, or a class of `weights` has no rows.
 */
export function classBalancedSampler(
  labels: RowLabels,
  options: ClassBalancedOptions = {},
): MixtureSampler {
  checkOptions("classBalancedSampler", options, { ...MIXTURE_KINDS, weights: anObject });
  const { weights, ...mixture } = options;
  const classes = rowsByLabel(labels);
  for (const name of Object.keys(weights ?? {})) {
    if (classes.has(name)) continue;
    throw new InvalidArgumentError(
      "weights",
      weights,
      `no row is of class ${JSON.stringify(name)} (there is: ${[...classes.keys()].slice(0, 24).join(", ")})`,
    );
  }
  const chosen = [...classes].filter(([name]) => weights === undefined || name in weights);
  if (chosen.length === 0) {
    throw new InvalidArgumentError("labels", labels, "no row has a label: there are no classes");
  }
  const parts = chosen.map(([name, rows], k) => {
    const order = new ShuffledSampler(rows.length, { seed: (options.seed ?? 42) + k });
    return {
      sampler: new SubsetSampler(rows, labels.length, order),
      weight: weights?.[name] ?? 1,
      firstRow: 0,
    };
  });
  return new MixtureSampler(parts, mixture);
}
