import { linesOf } from "../loggers/log-file.ts";

/** The values of one metric by step; null where it was not finite. */
export interface Curve {
  readonly steps: readonly number[];
  readonly values: readonly (number | null)[];
}

/**
 * Every metric of a `metrics.jsonl` by name, in the order in which they first came. Lines that are no
 * records of a run, and a last one that was cut off, are left out.
 */
export function readCurves(path: string): ReadonlyMap<string, Curve> {
  const curves = new Map<string, { steps: number[]; values: (number | null)[] }>();
  for (const line of linesOf(path)) {
    const record = recordOf(line);
    const step = record?.["step"];
    if (record === null || typeof step !== "number") continue;
    for (const [name, value] of Object.entries(record)) {
      if (name === "step" || (typeof value !== "number" && value !== null)) continue;
      const curve = curves.get(name) ?? { steps: [], values: [] };
      curves.set(name, curve);
      curve.steps.push(step);
      curve.values.push(value);
    }
  }
  return curves;
}

/**
 * A curve of at most `most` points (4 or more): of each stretch of steps the least and the greatest
 * value, so that a peak stays; the first and the last point stay, too.
 */
export function thinned(curve: Curve, most: number): Curve {
  const { steps, values } = curve;
  if (steps.length <= most) return curve;
  const stretches = Math.floor((most - 2) / 2);
  const kept = new Set([0, steps.length - 1]);
  for (let stretch = 0; stretch < stretches; stretch++) {
    const begin = Math.floor((stretch * steps.length) / stretches);
    const end = Math.floor(((stretch + 1) * steps.length) / stretches);
    let [least, greatest] = [begin, begin];
    for (let at = begin; at < end; at++) {
      const value = values[at];
      if (value === null || value === undefined) continue;
      if (value < (values[least] ?? Number.POSITIVE_INFINITY)) least = at;
      if (value > (values[greatest] ?? Number.NEGATIVE_INFINITY)) greatest = at;
    }
    kept.add(least).add(greatest);
  }
  const at = [...kept].sort((a, b) => a - b);
  return {
    steps: at.map((index) => steps[index] ?? 0),
    values: at.map((index) => values[index] ?? null),
  };
}

/** Curves over the same steps: [steps, values of the first, ...]; undefined where a curve has no point. */
export function aligned(curves: readonly Curve[]): (number | null | undefined)[][] {
  const all = new Set(curves.flatMap(({ steps }) => steps));
  const steps = [...all].sort((a, b) => a - b);
  const columns = curves.map((curve) => {
    const values = new Map(curve.steps.map((step, at) => [step, curve.values[at]]));
    return steps.map((step) => values.get(step));
  });
  return [steps, ...columns];
}

function recordOf(line: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>) // proof: an object that is no array
      : null;
  } catch {
    return null;
  }
}
