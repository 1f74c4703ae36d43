import { defaultRng } from "../random/numpy-generator.ts";
import { elementCount } from "../tensor/index.ts";
import type { Initialisation, ParameterSpec } from "./model.ts";

/** Draws made at a time: an even number. */
const BLOCK = 4096;

/**
 * The values of parameters before training. Those of one parameter depend on `seed` and its name
 * alone: not on the other parameters, their order or which of them are asked for.
 *
 * Random values are made of numpy's `default_rng([seed, *name.encode()])`: uniforms of `random()`,
 * two at a time for two normals by Box and Muller, r = sqrt(-2 ln(1 - u1)): r cos(2π u2), then
 * r sin(2π u2). Node computes the functions without the machine's library, so all machines agree.
 */
export function initialParameters(
  parameters: Iterable<ParameterSpec>,
  seed: number,
): Map<string, Float32Array> {
  const values = new Map<string, Float32Array>();
  for (const spec of parameters) values.set(spec.name, initialParameter(spec, seed));
  return values;
}

/** The values of one parameter; see {@link initialParameters}. */
export function initialParameter(spec: ParameterSpec, seed: number): Float32Array {
  const { name, shape, init } = spec;
  const values = new Float32Array(elementCount(shape));
  if (init.kind === "ones") values.fill(1);
  if (init.kind === "normal" || init.kind === "uniform") fillRandom(values, init, name, seed);
  if (init.kind === "normal" && init.zeroRow !== undefined) {
    const width = values.length / (shape[0] ?? 1);
    values.fill(0, init.zeroRow * width, (init.zeroRow + 1) * width);
  }
  return values;
}

function fillRandom(
  values: Float32Array,
  init: Extract<Initialisation, { kind: "normal" | "uniform" }>,
  name: string,
  seed: number,
): void {
  const rng = defaultRng([seed, ...new TextEncoder().encode(name)]);
  const draws = new Float64Array(BLOCK);
  for (let done = 0; done < values.length; done += BLOCK) {
    rng.fillRandom(draws);
    if (init.kind === "normal") toNormals(draws, init.std);
    else for (let i = 0; i < BLOCK; i++) draws[i] = init.bound * (2 * (draws[i] as number) - 1);
    const count = Math.min(BLOCK, values.length - done);
    values.set(count === BLOCK ? draws : draws.subarray(0, count), done);
  }
}

function toNormals(draws: Float64Array, std: number): void {
  for (let i = 0; i < draws.length; i += 2) {
    const radius = std * Math.sqrt(-2 * Math.log(1 - (draws[i] as number)));
    const angle = 2 * Math.PI * (draws[i + 1] as number);
    draws[i] = radius * Math.cos(angle);
    draws[i + 1] = radius * Math.sin(angle);
  }
}
