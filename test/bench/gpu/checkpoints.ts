/**
 * Checkpoints that move: checkpoints.ts DEVICE FOLDER [WRITTEN]. Trains on the CPU, goes on on the device and
 * on the CPU again; at each change the weights must be those of before, bit for bit. Leaves in FOLDER the
 * path of the last checkpoint and its loss on a batch for gpu_checkpoint.py. With WRITTEN, what Python
 * read and wrote again, says whether those weights are still the same.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import type { TokenBatch } from "../../../src/models/index.ts";
import { lossLabels } from "../../../src/models/token-batch.ts";
import { openDevice } from "../../../src/tensor/index.ts";
import { startingWeights } from "../../../src/train/checkpoints/training-weights.ts";
import { ModelPrograms, parameterValues } from "../../../src/train/model-programs.ts";
import { differing, type RunOutcome, shortModel, shortRun } from "./short-run.ts";

const [device = "torch-cpu", folder = "checkpoints", written] = process.argv.slice(2);
const isLarge = device.startsWith("cuda");
const model = shortModel(isLarge);
const moved = join(folder, "moved.json");
const weightsIn = (path: string) => startingWeights(model, path, 0).values;

if (written === undefined) await move();
else {
  // proof: written below
  const { checkpoint } = JSON.parse(readFileSync(moved, "utf8")) as { checkpoint: string };
  console.log(JSON.stringify({ different: differing(weightsIn(checkpoint), weightsIn(written)) }));
}

async function move(): Promise<void> {
  const different: Record<string, readonly string[]> = {};
  let last: RunOutcome | null = null;
  for (const [at, place] of ["torch-cpu", device, "torch-cpu"].entries()) {
    const run = { folder: join(folder, "run"), isLarge, device: place, steps: 9 };
    if (last !== null) {
      const { weights } = await shortRun({ ...run, stopAt: 0 });
      different[at === 1 ? `CPU to ${device}` : `${device} to CPU`] = differing(
        last.weights,
        weights,
      );
    }
    last = await shortRun({ ...run, stopAt: 3 * (at + 1) });
  }
  const checkpoint = last?.checkpoint ?? "";
  writeFileSync(moved, JSON.stringify({ checkpoint, loss: await lossOf(weightsIn(checkpoint)) }));
  console.log(JSON.stringify({ different, checkpoint }));
}

/** Of a batch that is written for Python; in float32. */
async function lossOf(weights: ReadonlyMap<string, Float32Array>): Promise<number> {
  const shape = [4, 32] as const;
  const labels = Int32Array.from({ length: 128 }, (_, at) => 4 + ((at * 11) % 20));
  const lossMask = Uint8Array.from(labels, (_, at) => (at % 6 === 2 ? 1 : 0));
  const batch: TokenBatch = {
    ...{ shape, labels, lossMask, attentionMask: new Uint8Array(128).fill(1) },
    text: labels.map((token, at) => (lossMask[at] === 1 ? 32 : token)),
  };
  const stored = (data: Int32Array): StoredTensor => ({ dtype: "I32", shape: [...shape], data });
  const tensors = [
    ["input_ids", stored(batch.text)],
    ["labels", stored(lossLabels(batch))],
  ] as const;
  writeSafetensors(join(folder, "batch.safetensors"), new Map(tensors));
  await using executor = await openDevice(device);
  await using state = await executor.createState(parameterValues(model), { inferenceOnly: true });
  await state.write("values", weights);
  const size = model.sizeOf(batch);
  const executable = await executor.compile(new ModelPrograms(model).get(size, "validate"));
  const { loss } = await state.run(executable, model.inputs(batch, size, "validate"));
  return (loss?.[0] ?? Number.NaN) / model.lossCount(batch);
}
