/**
 * One small run of everything that a GPU has kernels of its own for, values and gradients against plain
 * loops: smoke.ts DEVICE [FIRST]. Begins with family number FIRST. Prints after each family all that
 * there is so far, {"families": [...]}, and before each its name as "running": what a crash was in.
 */
import {
  addGradients,
  type Executor,
  openDevice,
  openExecutor,
  type Program,
  ProgramBuilder,
  type RunInputs,
  sum,
} from "../../../src/tensor/index.ts";
import { randomNumbers } from "./models.ts";
import { FAMILIES, type Family } from "./smoke-families.ts";

type Outcome = ReadonlyMap<string, Float32Array>;

const [device = "torch-cpu", first = "0"] = process.argv.slice(2);
const families: object[] = [];
await using reference = await openExecutor("reference");
for (const family of FAMILIES.slice(Number(first))) {
  console.log(JSON.stringify({ families, running: family.name }));
  const begin = performance.now();
  let found: object;
  try {
    found = await tried(family);
  } catch (error) {
    found = { result: "fail", error: error instanceof Error ? error.message : String(error) };
  }
  const ms = Math.round(performance.now() - begin);
  families.push({ family: family.name, ms, ...found });
}
console.log(JSON.stringify({ families }));

async function tried(family: Family): Promise<object> {
  const { build, precision = "32", limit, options = {}, linearIn } = family;
  const builder = new ProgramBuilder();
  const { value, inputs = {} } = build(builder);
  builder.output("value", value);
  addGradients(builder, sum(value));
  const program = builder.build();
  await using executor = await openDevice(device, { precision, countMemory: true, ...options });
  if (linearIn !== undefined) return await drawn(executor, program, { linearIn, limit });
  const ours = await outcome(executor, program, inputs);
  const again = options.deterministic === true ? await outcome(executor, program, inputs) : ours;
  const theirs = await outcome(reference, program, inputs);
  let [worst, of] = [0, ""];
  for (const [name, wanted] of theirs) {
    const found = ours.get(name) ?? new Float32Array(0);
    const largest = wanted.reduce((top, each) => Math.max(top, Math.abs(each)), 1e-30);
    for (const [at, each] of wanted.entries()) {
      const apart = Math.abs(each - (found[at] ?? Number.NaN)) / largest;
      if (!(apart <= worst)) [worst, of] = [apart, name];
    }
  }
  const same = [...ours].every(([name, values]) => {
    const other = again.get(name);
    return values.every((each, at) => Object.is(each, other?.[at]));
  });
  const use = await executor.takeMemoryUse?.();
  const result = worst <= limit && same ? "pass" : "fail";
  return {
    result,
    worst,
    limit,
    of,
    peakBytes: use?.peakBytes,
    ...(same ? {} : { again: "differs" }),
  };
}

/** The masks of a run are its own, in both passes, and those of the same key. */
async function drawn(
  executor: Executor,
  program: Program,
  { linearIn, limit }: { readonly linearIn: string; readonly limit: number },
): Promise<object> {
  const [one, same] = [await outcome(executor, program, {}), await outcome(executor, program, {})];
  const other = await outcome(executor, program, {}, 4);
  const bytes = (found: Outcome) => Buffer.from((found.get("value") as Float32Array).buffer); // proof: an output
  const isKeyed = bytes(one).equals(bytes(same)) && !bytes(one).equals(bytes(other));
  const arrayOf = (found: Outcome, name: string) => found.get(name) ?? new Float32Array(0);
  const gradient = arrayOf(one, `gradient of ${linearIn}`);
  const products = Array.from(arrayOf(valuesOf(program), linearIn), (each, at) => {
    return each * (gradient[at] ?? Number.NaN);
  });
  const sumOf = (numbers: Iterable<number>) => [...numbers].reduce((sum, each) => sum + each, 0);
  const [total, back] = [sumOf(arrayOf(one, "value")), sumOf(products)];
  const size = sumOf(products.map(Math.abs));
  const worst = Math.abs(back - total) / size;
  return { result: worst <= limit && isKeyed ? "pass" : "fail", worst, limit, isKeyed };
}

/** Output, gradients, and values after an update with clipping. */
async function outcome(
  executor: Executor,
  program: Program,
  inputs: RunInputs,
  step = 3,
): Promise<Outcome> {
  await using state = await executor.createState(program.parameters);
  await state.write("values", valuesOf(program));
  // In float16: the sum of the values is no mean, and its gradients are large.
  await state.lossScale?.({ factor: 16, goodUpdates: 0 });
  const key = { seed: 2 ** 33 + 5, step, microBatch: 1 };
  const { value } = await state.run(await executor.compile(program), inputs, key);
  const gradients = await state.read("gradients");
  const adam = { kind: "adamw", weightDecay: 0.01 } as const;
  await state.update(adam, { step: 1, learningRate: 1e-3, maxGradientNorm: 1 });
  const after = await state.read("first");
  return new Map([
    ["value", value as Float32Array], // proof: every family's is float32
    ...[...gradients].map(([name, each]) => [`gradient of ${name}`, each] as const),
    ...[...after].map(([name, each]) => [`moment of ${name}`, each] as const),
  ]);
}

function valuesOf(program: Program): ReadonlyMap<string, Float32Array> {
  const random = randomNumbers(11);
  const values = program.parameters.map(({ name, value: { shape } }) => {
    const length = shape.reduce((product, side) => product * side, 1);
    return [name, Float32Array.from({ length }, () => random() - 0.5)] as const;
  });
  return new Map(values);
}
