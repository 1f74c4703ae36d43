/**
 * Full training steps on a device: steps.ts MODEL BATCH LENGTH STEPS PRECISION DEVICE. The work of
 * gpu_steps.py, but that the head is computed at loss positions alone unless SCDL_ALL_LOGITS=1. A MODEL
 * that ends with "-lengths" has a row of BATCH * LENGTH tokens packed with proteins of the lengths in
 * lengths.json; with "-padded" and "-sorted" see batches.ts. Prints {"seconds": [...], "losses": [...],
 * "tokens": of a step, those that are no padding, "tflops": arithmetic of a step}. Programs are built
 * before the time is taken.
 */
import { countTokens } from "../../../src/models/token-batch.ts";
import { openDevice, type Precision } from "../../../src/tensor/index.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";
import { stepOperations } from "./arithmetic.ts";
import { layoutOf, newBatches } from "./batches.ts";
import { namedModel } from "./models.ts";
import { quickParameters } from "./weights.ts";

const [given = "esm2-8M", ...rest] = process.argv.slice(2);
const [name, layout] = layoutOf(given);
const [batch = 8, length = 128, steps = 8] = rest.slice(0, 3).map(Number);
const [precision = "32", device = "cpu"] = rest.slice(3);
const model = namedModel(name);
const vocabulary = name.startsWith("esm2") ? 24 : 25_426;
const warm = 3;
await using executor = await openDevice(device, { precision: precision as Precision }); // proof: the bench's names
await using weights = await executor.createState(parameterValues(model));
await weights.write("values", quickParameters(model.parameters));
const programs = new ModelPrograms(model);
const work: Awaited<ReturnType<typeof prepared>>[] = [];
for (const data of newBatches(layout, [batch, length], vocabulary, steps + warm)) {
  work.push(await prepared(data));
}
const adam = { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 } as const;
const seconds: number[] = [];
const losses: number[] = [];
let [tokens, operations] = [0, 0];
for (let step = 1; step <= steps + warm; step++) {
  const each = work[(step - 1) % work.length];
  if (each === undefined) throw new Error("there is no batch");
  const begin = performance.now();
  // All at once, and one wait at the end of a step, as in gpu_steps.py.
  const [, { loss }] = await Promise.all([
    weights.zeroGradients(),
    weights.run(each.executable, each.inputs, { step }),
    weights.update(adam, { step, learningRate: 4e-4, maxGradientNorm: 1 }),
  ]);
  losses.push((loss?.[0] ?? Number.NaN) / each.count);
  if (step <= warm) continue;
  seconds.push((performance.now() - begin) / 1000);
  tokens += each.tokens / steps;
  operations += each.operations / steps;
}
console.log(JSON.stringify({ seconds, losses, tokens, tflops: operations / 1e12 }));

async function prepared(data: ReturnType<typeof newBatches>[number]) {
  const own = model.sizeOf(data);
  const size = process.env["SCDL_ALL_LOGITS"] === "1" ? { ...own, lossPositions: undefined } : own;
  const executable = await executor.compile(programs.get(size, "train"));
  const count = model.lossCount(data);
  const seed = { [GRADIENT_SEED]: Float32Array.of(1 / count) };
  const inputs = { ...model.inputs(data, size, "train"), ...seed };
  const [tokens, operations] = [countTokens(data), stepOperations(model, data, size)];
  return { executable, inputs, count, tokens, operations };
}
