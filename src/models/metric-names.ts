/** What the published models' metrics are called, as `reduce()` gives them. */
export const MASKED_LANGUAGE_METRICS: readonly string[] = ["loss", "perplexity", "accuracy"];
export const REGRESSION_METRICS: readonly string[] = ["loss", "mse", "pearson"];
export const CLASSIFICATION_METRICS: readonly string[] = ["loss", "accuracy"];
