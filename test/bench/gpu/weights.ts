/** Weights for measuring: drawn once and repeated, so that 650 million take no time. */
import type { ParameterSpec } from "../../../src/models/index.ts";
import { randomNumbers } from "./models.ts";

const DRAWN = 1 << 20;

export function quickParameters(
  parameters: readonly ParameterSpec[],
): ReadonlyMap<string, Float32Array> {
  const random = randomNumbers(5);
  const normal = Float32Array.from({ length: DRAWN }, () => {
    return Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  });
  return new Map(
    parameters.map(({ name, shape, init }) => {
      const values = new Float32Array(shape.reduce((product, side) => product * side, 1));
      if (init.kind === "ones") values.fill(1);
      if (init.kind !== "normal") return [name, values];
      const scaled = normal.map((value) => value * init.std);
      for (let at = 0; at < values.length; at += DRAWN) {
        values.set(scaled.subarray(0, Math.min(DRAWN, values.length - at)), at);
      }
      return [name, values];
    }),
  );
}
