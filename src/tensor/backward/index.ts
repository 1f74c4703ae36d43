import { ELEMENTWISE_BACKWARD } from "./elementwise.ts";
import { MODEL_BACKWARD } from "./model.ts";
import type { BackwardRules } from "./rule.ts";
import { SHAPE_BACKWARD } from "./shape.ts";

/** Rules by operation. Those without one pass nothing back: casts, comparisons, the backward ones. */
export const BACKWARD: BackwardRules = {
  ...ELEMENTWISE_BACKWARD,
  ...SHAPE_BACKWARD,
  ...MODEL_BACKWARD,
};
