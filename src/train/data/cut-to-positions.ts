import type { RunConfig } from "../config/sections.ts";

/**
 * The configuration with the length that cells really have: the model's positions at most. A length
 * above them that was asked for is worth a warning.
 *
 * @param isAskedFor false for the default
 */
export function cutToPositions(
  config: RunConfig,
  maxPositions: number,
  isAskedFor: boolean,
  onWarning: ((message: string) => void) | undefined,
): RunConfig {
  const { data_config, bionemo_model_config } = config;
  const { seq_length: length } = data_config;
  if (length <= maxPositions) return config;
  if (isAskedFor) {
    onWarning?.(
      `a length of ${length}: the model has ${maxPositions} positions, cells are cut to ${maxPositions}`,
    );
  }
  return {
    ...config,
    data_config: { ...data_config, seq_length: maxPositions },
    bionemo_model_config: { ...bionemo_model_config, seq_length: maxPositions },
  };
}
