/**
 * Memory over many steps of a small ESM-2, of which every fourth row has another length: flat.ts STEPS
 * DEVICE. Prints tensors that are not freed, bytes that the device's allocator has given out and taken,
 * and MiB in use on a GPU, after a tenth of the steps and at the end.
 */
import { Esm2 } from "../../../src/models/index.ts";
import { executorOfDevice } from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";
import { usedMiB } from "./used-memory.ts";
import { quickParameters } from "./weights.ts";

const [steps = "1000", name = "torch-cpu"] = process.argv.slice(2);
const { device } = executorOfDevice(name);
const [batch, lengths] = [4, [64, 48, 64, 56]];
const model = new Esm2({ layers: 2, hiddenSize: 64, intermediateSize: 256, heads: 4 });
await using executor = await TorchExecutor.open({ device, countMemory: true });
await using state = await executor.createState(parameterValues(model));
await state.write("values", quickParameters(model.parameters));
const programs = new ModelPrograms(model);
const work = await Promise.all(lengths.map(prepared));
const seen: object[] = [];
const tenth = Math.ceil(Number(steps) / 10 / work.length) * work.length;
for (let step = 1; step <= Number(steps); step++) {
  const { executable, inputs } = work[step % work.length] as (typeof work)[number]; // proof: a remainder
  await state.zeroGradients();
  await state.run(executable, inputs, { step });
  await state.update({ kind: "adamw" }, { step, learningRate: 1e-4, maxGradientNorm: 1 });
  if (step !== tenth && step !== Number(steps)) continue;
  const { liveTensors } = await executor.describe();
  const use = await executor.takeMemoryUse();
  const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  seen.push({ step, liveTensors, ...use, rssMiB, usedMiB: usedMiB(name) });
}
console.log(JSON.stringify({ seen }));

async function prepared(length: number) {
  const text = Int32Array.from({ length: batch * length }, (_, at) => 4 + ((at * 7) % 20));
  const data = {
    ...{ text, labels: text, shape: [batch, length] as const },
    lossMask: Uint8Array.from(text, (_, at) => (at % 7 === 0 ? 1 : 0)),
    attentionMask: new Uint8Array(text.length).fill(1),
  };
  const size = model.sizeOf(data);
  const executable = await executor.compile(programs.get(size, "train"));
  const seed = { [GRADIENT_SEED]: Float32Array.of(0.01) };
  return { executable, inputs: { ...model.inputs(data, size, "train"), ...seed } };
}
