/** Weights that are not those that were written are refused wherever they are read. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FormatError } from "../../../../formats/common/errors.ts";
import { floatTensor } from "../../../../formats/safetensors/float-values.ts";
import { exportOnnx, inferEsm2 } from "../../../../src/infer/index.ts";
import { Esm2, initialParameters } from "../../../../src/models/index.ts";
import { CheckpointFiles } from "../../../../src/train/checkpoints/checkpoint-files.ts";
import { startingWeights } from "../../../../src/train/checkpoints/training-weights.ts";
import { backboneOfWeights } from "../../../../src/train/runs/fine-tune-parts.ts";
import { temporaryDirectory } from "../../../helpers/bundle.ts";

const model = new Esm2({ layers: 1, hiddenSize: 8, heads: 2, intermediateSize: 16 });

/** The folder of a run with checkpoints of steps 1 and 2. */
function newRun() {
  const run = temporaryDirectory();
  const files = new CheckpointFiles(join(run, "checkpoints"), { saveTopK: -1 });
  for (const step of [1, 2]) {
    const values = initialParameters(model.parameters, step);
    const tensors = model.parameters.map(({ name, shape }) => {
      return [name, floatTensor("F32", shape, values.get(name) ?? new Float32Array())] as const;
    });
    const trainer = { step, epoch: 0, consumedSamples: step, metrics: {}, data: {}, random: {} };
    files.save({
      model: new Map(tensors),
      optimizer: new Map(),
      modelConfig: model.config,
      trainer: { ...trainer, config: {}, versions: {} },
    });
  }
  const at = (step: number) => join(files.directory, `step=00000${step}`);
  return { run, checkpoints: files.directory, first: at(1), newest: at(2) };
}

async function refusal(work: () => unknown): Promise<FormatError> {
  try {
    await work();
  } catch (error) {
    expect(error).toBeInstanceOf(FormatError);
    return error as FormatError;
  }
  throw new Error("nothing was thrown");
}

function flipLastBit(path: string): void {
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

/** Each way to read weights. */
function readers(checkpointPath: string): readonly (() => unknown)[] {
  const dataPath = join(temporaryDirectory(), "one.fasta");
  writeFileSync(dataPath, ">a\nMKTAYIAKQR\n");
  const folder = temporaryDirectory();
  return [
    () => startingWeights(model, checkpointPath, 0),
    () => exportOnnx({ checkpointPath, output: join(folder, "out.onnx"), length: 8 }),
    () => inferEsm2({ checkpointPath, dataPath, resultsPath: join(folder, "out") }),
  ];
}

test("a flipped bit is refused by name, and the checkpoint before it offered", async () => {
  const { run, checkpoints, first, newest } = newRun();
  const weights = join(newest, "model.safetensors");
  flipLastBit(weights);
  for (const path of [run, checkpoints, newest, weights]) {
    for (const read of readers(path).slice(0, path === weights ? 1 : 3)) {
      const error = await refusal(read);
      expect(error).toMatchObject({ code: "damaged-checkpoint", path: weights });
      expect(error.suggestions).toContain(`use ${first}`);
    }
  }
  for (const read of readers(first)) await read();
  rmSync(join(newest, "trainer.json"));
  startingWeights(model, newest, 0);
});

test("what resuming alone needs may be damaged", async () => {
  const { run, newest } = newRun();
  flipLastBit(join(newest, "optimizer.safetensors"));
  for (const read of readers(run)) await read();
});

test("a file that is missing is named as part of its checkpoint", async () => {
  const { run, first, newest } = newRun();
  for (const name of ["model.safetensors", "config.json"]) {
    const path = join(newest, name);
    const bytes = readFileSync(path);
    rmSync(path);
    for (const read of [...readers(run), ...readers(newest), () => backboneOfWeights(run)]) {
      const error = await refusal(read);
      expect(error.message).toBe(`${path}: is not there, but belongs to the checkpoint ${newest}`);
      expect(error.suggestions).toContain(`use ${first}`);
    }
    writeFileSync(path, bytes);
  }
  const trainer = join(newest, "trainer.json");
  writeFileSync(trainer, "{");
  const error = await refusal(() => startingWeights(model, run, 0));
  expect(error).toMatchObject({ path: trainer });
  expect(error.suggestions).toContain(`use ${first}`);
});
