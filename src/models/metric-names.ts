/** What the published models' metrics are called, as `reduce()` gives them. */
export const MASKED_LANGUAGE_METRICS: readonly string[] = ["loss", "perplexity", "accuracy"];
export const REGRESSION_METRICS: readonly string[] = ["loss", "mse", "pearson"];
/** Of one value a sequence: the trainer adds Spearman's correlation, which no sums give. */
export const RANKED_METRICS: readonly string[] = [...REGRESSION_METRICS, "spearman"];
export const CLASSIFICATION_METRICS: readonly string[] = ["loss", "accuracy"];
/** Those of which the largest is the best. */
export const LARGER_IS_BETTER: ReadonlySet<string> = new Set(["accuracy", "pearson", "spearman"]);
/** Those of which the smallest is. */
export const SMALLER_IS_BETTER: ReadonlySet<string> = new Set(["loss", "perplexity", "mse"]);
