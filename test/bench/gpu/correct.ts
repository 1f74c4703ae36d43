/**
 * Losses and gradients to compare with gpu_correct.py: correct.ts MODEL BATCH LENGTH STEPS DEVICE FOLDER.
 * Writes into FOLDER the initial weights as transformers reads them, the batches, the learning rates and
 * the gradients of step 1. Prints {"losses": [float32], "bfloat16": [...]}.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import { saveWeights, type TokenBatch } from "../../../src/models/index.ts";
import { lossLabels } from "../../../src/models/token-batch.ts";
import { openDevice, type Precision } from "../../../src/tensor/index.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";
import { namedModel, randomNumbers } from "./models.ts";
import { quickParameters } from "./weights.ts";

const [name = "esm2-8M", ...rest] = process.argv.slice(2);
const [batch = 8, length = 128, steps = 50] = rest.slice(0, 3).map(Number);
const [device = "cpu", folder = "correctness"] = rest.slice(3);
const ESM = { maskId: 32, padId: 1, vocabulary: 24 };
const { maskId, padId, vocabulary } = name.startsWith("esm2")
  ? ESM
  : { maskId: 1, padId: 0, vocabulary: 25_426 };
const model = namedModel(name);
const random = randomNumbers(7);
const initial = quickParameters(model.parameters);
const batches = Array.from({ length: steps }, newBatch);
const rates = batches.map((_, step) => 4e-4 * Math.min(1, (step + 1) / 20));

mkdirSync(folder, { recursive: true });
saveWeights(model, initial, join(folder, "start"));
saveBatches(join(folder, "batches.safetensors"));
writeFileSync(join(folder, "rates.json"), JSON.stringify(rates));
const losses = await train("32", join(folder, "gradients.safetensors"));
const bfloat16 = await train("bf16-mixed", null);
console.log(JSON.stringify({ losses, bfloat16 }));

/** Rows of different lengths; few tokens are frequent, so that there is something to learn. */
function newBatch(): TokenBatch {
  const tokens = batch * length;
  const [text, labels] = [new Int32Array(tokens).fill(padId), new Int32Array(tokens)];
  const [lossMask, attentionMask] = [new Uint8Array(tokens), new Uint8Array(tokens)];
  for (let row = 0; row < batch; row++) {
    const end = row === 0 ? length : Math.ceil(length * (0.4 + 0.6 * random()));
    for (let at = row * length; at < row * length + end; at++) {
      const token = 4 + Math.floor((vocabulary - 4) * random() ** 3);
      lossMask[at] = random() < 0.15 ? 1 : 0;
      attentionMask[at] = 1;
      labels[at] = token;
      text[at] = lossMask[at] === 1 && random() < 0.8 ? maskId : token;
    }
  }
  return { text, labels, lossMask, attentionMask, shape: [batch, length] };
}

function saveBatches(path: string): void {
  const tokens = batch * length;
  const joined = (arrays: readonly Int32Array[]): StoredTensor => {
    const data = new Int32Array(steps * tokens);
    for (const [step, array] of arrays.entries()) data.set(array, step * tokens);
    return { dtype: "I32", shape: [steps, batch, length], data };
  };
  const tensors = new Map<string, StoredTensor>([
    ["input_ids", joined(batches.map(({ text }) => text))],
    ["labels", joined(batches.map((each) => lossLabels(each)))],
    ["attention_mask", joined(batches.map((each) => Int32Array.from(each.attentionMask)))],
  ]);
  writeSafetensors(path, tensors);
}

/** The losses; gradients of the first step go to a file. */
async function train(precision: Precision, gradientFile: string | null): Promise<number[]> {
  const noDecay = new Set(model.parameters.flatMap(({ name, decay }) => (decay ? [] : [name])));
  const adam = { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01, noDecay } as const;
  const programs = new ModelPrograms(model);
  await using executor = await openDevice(device, { precision });
  await using state = await executor.createState(parameterValues(model));
  await state.write("values", initial);
  const found: number[] = [];
  for (const [at, data] of batches.entries()) {
    const step = at + 1;
    const size = model.sizeOf(data);
    const executable = await executor.compile(programs.get(size, "train"));
    const share = 1 / model.lossCount(data);
    const inputs = {
      ...model.inputs(data, size, "train"),
      [GRADIENT_SEED]: Float32Array.of(share),
    };
    await state.zeroGradients();
    const { loss } = await state.run(executable, inputs, { step });
    found.push((loss?.[0] ?? Number.NaN) * share);
    if (gradientFile !== null && at === 0) {
      saveGradients(gradientFile, await state.read("gradients"));
    }
    await state.update(adam, { step, learningRate: rates[at] ?? 0, maxGradientNorm: 1 });
  }
  return found;
}

function saveGradients(path: string, gradients: ReadonlyMap<string, Float32Array>): void {
  const tensors = model.parameters.flatMap(({ name, shape }): [string, StoredTensor][] => {
    const data = gradients.get(name);
    return data === undefined ? [] : [[name, { dtype: "F32", shape, data }]];
  });
  writeSafetensors(path, new Map(tensors));
}
