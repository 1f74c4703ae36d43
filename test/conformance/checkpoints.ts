/**
 * Checkpoints of the trainer in transformers: new models, runs that go on from weights of
 * transformers, and fine-tuned ones, of which it reads the network below the head.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import {
  finetuneEsm2,
  finetuneGeneformer,
  trainEsm2,
  trainGeneformer,
} from "../../src/train/index.ts";
import { fixture } from "../src/models/model-fixture.ts";
import { cellsOfKinds } from "../src/train/data/cells.fixture.ts";
import { labelledProteins } from "../src/train/data/labelled-proteins.fixture.ts";
import type { Tally } from "./tally.ts";

export interface TrainedCheckpoint {
  readonly name: string;
  readonly folder: string;
  /** Whether the network below the head is asked for. */
  readonly base: boolean;
  /** The folder whose contact head it must have; null for a model that began without. */
  readonly weights: string | null;
}

/** What from_pretrained says of a checkpoint. */
export interface CheckpointAnswer {
  /** Names of tensors that were missing, unexpected, of other shapes. */
  readonly info: Readonly<Record<string, readonly string[]>>;
  /** The largest difference of its contact head from that of the weights; null without weights. */
  readonly contact: number | null;
}

const SIZE = { layers: 2, hiddenSize: 16, heads: 2, intermediateSize: 32 };
const WEIGHTS = fixture("esm2");

/** Trains and fine-tunes tiny models for two updates each, and goes on with one of them. */
export async function trainedCheckpoints(workspace: string): Promise<TrainedCheckpoint[]> {
  const folder = join(workspace, "trained");
  mkdirSync(folder, { recursive: true });
  const { train, valid } = labelledProteins(folder);
  const dataDir = join(folder, "cells");
  await cellsOfKinds(dataDir);
  const found: TrainedCheckpoint[] = [];
  const add = (name: string, checkpoint: string | null, weights: string | null = null) => {
    const base = name.startsWith("fine-tuned");
    found.push({ name, folder: checkpoint ?? "none", base, weights });
  };
  const short = { resultDir: folder, numSteps: 2, threads: 1 };

  const proteins = { ...short, data: train, validShare: 0.25, maxSeqLength: 16, microBatchSize: 2 };
  const fresh = await trainEsm2({ ...proteins, model: SIZE, experimentName: "new" });
  add("a new ESM-2", fresh.checkpoint);
  const kept = { ...proteins, experimentName: "kept", restoreFromCheckpointPath: WEIGHTS };
  await trainEsm2({ ...kept, earlyStopOnStep: 1 });
  add("ESM-2 of weights", (await trainEsm2({ ...kept, resumeIfExists: true })).checkpoint, WEIGHTS);
  const cells = { ...short, dataDir, seqLength: 12, experimentName: "bert" };
  const bert = await trainGeneformer({ ...cells, model: { ...SIZE, layout: "bert" } });
  add("a new Geneformer", bert.checkpoint);

  const table = { ...short, trainDataPath: train, validDataPath: valid };
  for (const task of [
    { labelColumn: "share", taskType: "regression" },
    { labelColumn: "kind", taskType: "classification" },
    { labelColumn: "groups", taskType: "token-classification" },
  ] as const) {
    const run = { ...table, ...task, experimentName: task.taskType };
    const tuned = await finetuneEsm2({ ...run, restoreFromCheckpointPath: WEIGHTS });
    add(`fine-tuned ESM-2, ${task.taskType}`, tuned.checkpoint, WEIGHTS);
  }
  const tuned = await finetuneGeneformer({
    ...{ ...short, dataDir, label: "kind", experimentName: "tuned" },
    restoreFromCheckpointPath: bert.directory,
  });
  add("fine-tuned Geneformer", tuned.checkpoint);
  return found;
}

/** transformers must miss nothing, and find nothing that it does not know but the head of ours. */
export async function checkCheckpoints(
  tally: Tally,
  trained: readonly TrainedCheckpoint[],
  answers: readonly CheckpointAnswer[],
): Promise<void> {
  for (const [i, { name, base }] of trained.entries()) {
    await tally.check(`models: checkpoint of ${name} in from_pretrained`, async () => {
      const { info = {}, contact = null } = answers[i] ?? {};
      const problems = Object.entries(info).flatMap(([what, names]) => {
        const more = names.filter(
          (tensor) =>
            !(
              base &&
              what === "unexpected_keys" &&
              /^(regression|classification)_head\./.test(tensor)
            ),
        );
        return more.length === 0 ? [] : [`${what}: ${more.join(", ")}`];
      });
      if (!("missing_keys" in info)) problems.push("no answer");
      if (contact !== null && contact > 0) problems.push(`the contact head differs by ${contact}`);
      return problems;
    });
  }
}
