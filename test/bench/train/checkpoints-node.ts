/**
 * A run of the trainer with ESM-2 and checkpoints: checkpoints-node.ts SIZE BATCH LENGTH STEPS EVERY
 * beside|between|none. Prints {"seconds": [of a step with all that belongs to it], "rssMiB": ...}.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Esm2, type Esm2Size } from "../../../src/models/index.ts";
import { clustersFromArrays } from "../../../src/proteins/clusters-from-arrays.ts";
import { Esm2DataModule } from "../../../src/proteins/esm2-data-module.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { CheckpointFiles } from "../../../src/train/checkpoints/checkpoint-files.ts";
import { constantSchedule } from "../../../src/train/schedule.ts";
import { Trainer } from "../../../src/train/trainer.ts";

const WARM = 2;
const [size = "8M", batch = "8", length = "128", steps = "16", every = "4", mode = "beside"] =
  process.argv.slice(2);
const maxSteps = Number(steps) + WARM;
const proteins = Object.fromEntries(
  Array.from({ length: 64 }, (_, row) => [`p${row}`, "MKTVRQERLK".repeat(1 + Number(length) / 10)]),
);
const clusters = clustersFromArrays(
  Object.keys(proteins).map((name) => [name]),
  proteins,
);
const folder = mkdtempSync(join(process.env["SCDL_BENCH_DIR"] ?? tmpdir(), "scdl-checkpoints-"));
try {
  await using executor = await openExecutor("onnx", { threads: 2 });
  await using data = new Esm2DataModule({
    ...{ train: clusters, maxSteps, globalBatchSize: Number(batch) },
    ...{ maxSeqLength: Number(length) },
  });
  let begin = 0;
  await using trainer = new Trainer({
    ...{ model: new Esm2(size as Esm2Size), data, executor, maxSteps }, // proof: the bench's sizes
    optimizer: { kind: "adamw" },
    schedule: constantSchedule(1e-4),
    saveEveryNSteps: mode === "none" ? maxSteps : Number(every),
    asyncSave: mode === "beside",
    ...(mode === "none" ? {} : { checkpoints: new CheckpointFiles(folder) }),
    observer: {
      trained: ({ step }) => {
        if (step === WARM) begin = performance.now();
      },
    },
  });
  await trainer.fit();
  const seconds = (performance.now() - begin) / 1000 / Number(steps);
  const rssMiB = process.resourceUsage().maxRSS / 1024;
  console.log(JSON.stringify({ seconds: [seconds], rssMiB }));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
