/**
 * Many steps as users train, with the data module and the trainer: long.ts MODEL BATCH LENGTH STEPS
 * PRECISION DEVICE. Prints after each tenth of the steps {"step", "stepMs": the mean since the line
 * before, "memory": of the GPU and the process in MiB, at every line so far}, and at last also the share
 * of a step that waited for data, and of the thread that asks the device for it how often it "waits" a
 * step and for how long it is "asking"; compiling and set-up not counted.
 */
import type { Esm2Batch } from "../../../src/proteins/esm2-data-module.ts";
import { Esm2DataModule } from "../../../src/proteins/esm2-data-module.ts";
import { openDevice, type Precision } from "../../../src/tensor/index.ts";
import { TorchExecutor } from "../../../src/tensor/torch/executor.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { namedModel } from "./models.ts";
import { randomProteins } from "./proteins.ts";
import { usedMiB } from "./used-memory.ts";

const [name = "esm2-8M", ...rest] = process.argv.slice(2);
const [batch = 8, length = 128, steps = 1000] = rest.slice(0, 3).map(Number);
const [precision = "32", device = "cpu"] = rest.slice(3);
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
  memory.push({ step, rssMiB, usedMiB: usedMiB(device) });
  console.log(JSON.stringify({ step, stepMs, loss, memory }));
  since = performance.now();
}
