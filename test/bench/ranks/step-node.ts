/**
 * One process of several: steps of ESM-2 on libtorch, gradients added up "beside" the backward pass or
 * "after" it, through arrays of the host. step-node.ts SIZE BATCH LENGTH STEPS beside|after.
 */
import { openCommunicator } from "../../../src/distributed/open-communicator.ts";
import { Esm2, type Esm2Size, type TokenBatch } from "../../../src/models/index.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { newWeights } from "../../../src/train/checkpoints/training-weights.ts";
import { GRADIENT_SEED, ModelPrograms } from "../../../src/train/model-programs.ts";
import { Replicas } from "../../../src/train/ranks/replicas.ts";

const [size = "8M", batch = "4", length = "128", steps = "8", mode] = process.argv.slice(2);
const shape = { batch: Number(batch), length: Number(length) };
await using communicator = await openCommunicator();
const { rank } = communicator;
const model = new Esm2(size as Esm2Size);
const replicas = new Replicas(communicator);
await using executor = await openExecutor("torch", { threads: 1 });
await using state = await newWeights(executor, model, { seed: 42 });
if (mode === "beside") await replicas.connect(state);
const count = shape.batch * shape.length;
const text = Int32Array.from({ length: count }, (_, at) => 4 + ((at * 7 + rank) % 20));
const ones = new Uint8Array(count).fill(1);
const tokens: TokenBatch = {
  ...{ text, labels: text, attentionMask: ones, shape: [shape.batch, shape.length] },
  lossMask: ones.map((_, at) => (at % 7 === 0 ? 1 : 0)),
};
const sizes = model.sizeOf(tokens);
const program = await executor.compile(new ModelPrograms(model).get(sizes, "train"));
const inputs = model.inputs(tokens, sizes, "train");
const seed = { [GRADIENT_SEED]: Float32Array.of(1 / (2 * model.lossCount(tokens))) };
const seconds: number[] = [];
let check = 0;
for (let step = 1; step <= Number(steps) + 2; step++) {
  await communicator.barrier();
  const begin = performance.now();
  await state.zeroGradients();
  replicas.beginSums();
  const { loss } = await state.run(program, { ...inputs, ...seed });
  await replicas.sumGradients(state);
  await state.update({ kind: "adamw" }, { step, learningRate: 1e-4, maxGradientNorm: 1 });
  if (step > 2) seconds.push((performance.now() - begin) / 1000);
  check = loss?.[0] ?? Number.NaN;
}
if (rank === 0) console.log(JSON.stringify({ seconds, check }));
