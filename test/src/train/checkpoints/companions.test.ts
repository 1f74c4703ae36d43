/** What checkpoints hold beside the parameters, for transformers, through a run and its resumption. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { SafetensorsCheckpoint } from "../../../../formats/safetensors/shards.ts";
import { openCheckpoint, writeCheckpoint } from "../../../../src/train/checkpoints/checkpoint.ts";
import { type TrainEsm2Options, trainEsm2 } from "../../../../src/train/index.ts";
import { fixture } from "../../models/model-fixture.ts";

const HEAD = "esm.contact_head.regression.weight";
const folder = mkdtempSync(join(tmpdir(), "scdl-companions-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const data = join(folder, "proteins.fasta");
const residues = "MKTVRQERLKSIVRIL";
const record = (row: number) => `>p${row}\n${residues.slice(row)}${residues.slice(0, row)}\n`;
writeFileSync(data, Array.from({ length: 8 }, (_, row) => record(row)).join(""));

const OPTIONS: TrainEsm2Options = {
  ...{ data, validShare: 0.25, resultDir: folder, maxSeqLength: 16, minSeqLength: null },
  // Several checkpoints a run: what the first is written from must be there for the next.
  ...{ numSteps: 4, valCheckInterval: 1, microBatchSize: 2, threads: 1, resumeIfExists: true },
};

/** Tensors by name, in float32. */
function tensorsOf(path: string | null): ReadonlyMap<string, Float32Array> {
  using file = SafetensorsCheckpoint.open(path ?? "none");
  return new Map(file.names.map((name) => [name, file.readFloat32(name)]));
}

test("a run keeps the contact head of the weights it began with, also when it goes on", async () => {
  const weights = fixture("esm2");
  const head = tensorsOf(weights).get(HEAD) ?? new Float32Array();
  expect(head.some((value) => value !== 0)).toBe(true);
  const run = { ...OPTIONS, experimentName: "kept", restoreFromCheckpointPath: weights };
  const first = await trainEsm2({ ...run, earlyStopOnStep: 2 });
  expect(tensorsOf(first.checkpoint).get(HEAD)).toEqual(head);
  const gone = await trainEsm2(run);
  expect(gone.step).toBe(4);
  const after = tensorsOf(gone.checkpoint);
  expect(after.get(HEAD)).toEqual(head);
  const layers = [...after.keys()].filter((name) => name.endsWith("LayerNorm.weight")).length / 2;
  expect([...after.keys()].filter((name) => name.endsWith("inv_freq"))).toHaveLength(layers);
});

test("a checkpoint without companions is gone on with, to the same weights", async () => {
  const model = { layers: 1, hiddenSize: 16, heads: 2, intermediateSize: 16 };
  const whole = await trainEsm2({ ...OPTIONS, model, experimentName: "whole" });
  const parts = { ...OPTIONS, model, experimentName: "parts" };
  const { checkpoint } = await trainEsm2({ ...parts, earlyStopOnStep: 2 });
  rewriteWithout(checkpoint ?? "none", /contact_head|inv_freq/);
  expect([...tensorsOf(checkpoint).keys()].filter((name) => /contact|inv_/.test(name))).toEqual([]);
  const gone = await trainEsm2(parts);
  expect(tensorsOf(gone.checkpoint)).toEqual(tensorsOf(whole.checkpoint));
  expect(tensorsOf(gone.checkpoint).get(HEAD)).toEqual(new Float32Array(2));
});

/** A checkpoint as it was before companions were written. */
function rewriteWithout(path: string, names: RegExp): void {
  const config = readFileSync(join(path, "config.json"), "utf8");
  const { trainer, ...tensors } = (() => {
    using open = openCheckpoint(path);
    const model = open.model.names.filter((name) => !names.test(name));
    return {
      trainer: open.trainer,
      model: new Map(model.map((name) => [name, open.model.fileOf(name).read(name)])),
      optimizer: new Map(
        open.optimizer.tensors.map(({ name }) => [name, open.optimizer.read(name)]),
      ),
    };
  })();
  const modelConfig = JSON.parse(config) as Record<string, unknown>;
  writeCheckpoint(path, { ...tensors, trainer, modelConfig });
}
