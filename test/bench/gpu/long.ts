/**
 * Many steps as users train, with the data module and the trainer: long.ts MODEL BATCH LENGTH STEPS
 * PRECISION DEVICE. Prints after each tenth of the steps {"step", "stepMs": the mean since the line
 * before, "memory": of the GPU and the process in MiB, at every line so far}, and at last also the share
 * of a step that waited for data, and of the thread that asks the device for it how often it "waits" a
 * step and for how long it is "asking"; compiling and set-up not counted.
 */
import { readFileSync } from "node:fs";
import type { Esm2Batch } from "../../../src/proteins/esm2-data-module.ts";
import { Esm2DataModule } from "../../../src/proteins/esm2-data-module.ts";
import type { ClusteredProteins } from "../../../src/proteins/protein-source.ts";
import { openDevice, type Precision } from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { namedModel, randomNumbers } from "./models.ts";
import { usedMiB } from "./used-memory.ts";

const [name = "esm2-8M", ...rest] = process.argv.slice(2);
const [batch = 8, length = 128, steps = 1000] = rest.slice(0, 3).map(Number);
const [precision = "32", device = "cpu"] = rest.slice(3);
const RESIDUES = Buffer.from("LAGVSERTIDPKQNFYMHWC");
const every = Math.ceil(steps / 10);
const memory: object[] = [];
const told: ReturnType<TorchExecutor["describe"]>[] = [];
let since = performance.now();
await using executor = await openDevice(device, { precision: precision as Precision }); // proof: the bench's names
await using data = new Esm2DataModule({
  ...{ train: randomProteins(), maxSteps: steps, globalBatchSize: batch, maxSeqLength: length },
});
await using trainer = new Trainer<Esm2Batch>({
  ...{ model: namedModel(name), data, executor, maxSteps: steps, limitValBatches: 0 },
  ...{ schedule: () => 1e-4, maxGradientNorm: 1 },
  optimizer: { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 },
  observer: { trained: ({ step, loss }) => tell(step, loss) },
});
const { times } = await trainer.fit();
const { data: waited, host, run, exchange, update } = times;
const all = waited + host + run + exchange + update;
const shares = { data: waited / all, host: host / all, programs: run / all, update: update / all };
const [first, last] = await Promise.all(told);
const counted = steps - every;
const waits = ((last?.waits ?? 0) - (first?.waits ?? 0)) / counted;
const askingMs = ((last?.askedMs ?? 0) - (first?.askedMs ?? 0)) / counted;
const thread = last === undefined ? null : { waits, askingMs };
console.log(JSON.stringify({ step: steps, stepMs: all / steps, memory, shares, thread }));

function tell(step: number, loss: number): void {
  if (step % every !== 0 && step !== steps) return;
  if (executor instanceof TorchExecutor && (step === every || step === steps)) {
    told.push(executor.describe());
  }
  const stepMs = (performance.now() - since) / every;
  const rssMiB = Math.round(process.memoryUsage.rss() / 2 ** 20);
  memory.push({ step, rssMiB, usedMiB: device.startsWith("cuda") ? usedMiB() : null });
  console.log(JSON.stringify({ step, stepMs, loss, memory }));
  since = performance.now();
}

/** Of the lengths in lengths.json, which have two special tokens. */
function randomProteins(): ClusteredProteins {
  const lengths: readonly number[] = JSON.parse(readFileSync("lengths.json", "utf8"));
  const random = randomNumbers(3);
  const sequences = lengths.map((tokens) =>
    Uint8Array.from({ length: tokens - 2 }, () => {
      return RESIDUES[Math.floor(RESIDUES.length * random() ** 1.5)] ?? 0;
    }),
  );
  return {
    length: sequences.length,
    size: () => 1,
    memberId: (cluster) => `protein${cluster}`,
    memberSequence: (cluster) => Uint8Array.from(sequences[cluster] ?? []),
  };
}
