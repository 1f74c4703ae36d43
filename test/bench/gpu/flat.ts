/**
 * Memory over many steps of a small ESM-2: flat.ts STEPS DEVICE. Prints tensors that are not freed and,
 * for a GPU, bytes in use on it, after a tenth of the steps and at the end.
 */
import { Esm2, initialParameters } from "../../../src/models/index.ts";
import { executorOfDevice } from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";
import { usedMiB } from "./used-memory.ts";

const [steps = "1000", name = "torch-cpu"] = process.argv.slice(2);
const { device } = executorOfDevice(name);
const [batch, length] = [4, 64];
const model = new Esm2("8M");
const text = Int32Array.from({ length: batch * length }, (_, at) => 4 + (at % 20));
const lossMask = text.map((_, at) => (at % 7 === 0 ? 1 : 0));
const data = {
  ...{ text, labels: text, shape: [batch, length] as const },
  ...{ lossMask: Uint8Array.from(lossMask), attentionMask: new Uint8Array(text.length).fill(1) },
};
await using executor = await TorchExecutor.open({ device });
await using state = await executor.createState(parameterValues(model));
await state.write("values", initialParameters(model.parameters, 0));
const size = model.sizeOf(data);
const executable = await executor.compile(new ModelPrograms(model).get(size, "train"));
const inputs = { ...model.inputs(data, size, "train"), [GRADIENT_SEED]: Float32Array.of(0.01) };
const seen: object[] = [];
for (let step = 1; step <= Number(steps); step++) {
  await state.zeroGradients();
  await state.run(executable, inputs, { step });
  await state.update({ kind: "adamw" }, { step, learningRate: 1e-4, maxGradientNorm: 1 });
  if (step !== Math.ceil(Number(steps) / 10) && step !== Number(steps)) continue;
  const { liveTensors } = await executor.describe();
  const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  seen.push({ step, liveTensors, rssMiB, usedMiB: device === "cpu" ? null : usedMiB() });
}
console.log(JSON.stringify({ seen }));
