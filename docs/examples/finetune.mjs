// Fine-tunes an ESM-2 on a property that can be computed: the share of hydrophobic residues.
//
//     node docs/examples/finetune.mjs [STEPS]
//
// The proteins are made here and the network begins with random weights. Give your own table and
// `restoreFromCheckpointPath` (a folder of transformers, a run of `scdl train esm2`) in their place.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { argv, stdout } from "node:process";
import { defaultRng } from "scdl";
import { finetuneEsm2 } from "scdl/train";

const RESIDUES = "ACDEFGHIKLMNPQRSTVWY";
const random = defaultRng(1);

/** [sequence, share of hydrophobic residues] */
function protein() {
  const bias = random.random();
  const length = random.integer(20, 60);
  const letters = Array.from({ length }, () =>
    random.random() < bias ? "AILMFVWY"[random.integer(0, 8)] : RESIDUES[random.integer(0, 20)],
  );
  return [letters.join(""), letters.filter((x) => "AILMFVWY".includes(x)).length / length];
}

const folder = mkdtempSync(join(tmpdir(), "scdl-finetune-"));
try {
  const table = (name, count) => {
    const rows = Array.from({ length: count }, protein);
    const path = join(folder, name);
    writeFileSync(path, `sequences,labels\n${rows.map((row) => row.join()).join("\n")}\n`);
    return { path, labels: rows.map(([, label]) => label) };
  };
  const [train, valid] = [table("train.csv", 400), table("valid.csv", 100)];
  const mean = valid.labels.reduce((a, b) => a + b) / 100;
  const variance = valid.labels.reduce((sum, label) => sum + (label - mean) ** 2, 0) / 100;
  const { metrics } = await finetuneEsm2({
    trainDataPath: train.path,
    validDataPath: valid.path,
    model: { layers: 2, hiddenSize: 32, heads: 2 },
    resultDir: folder,
    numSteps: Number(argv[2] ?? 100),
    valCheckInterval: 50,
    maxSeqLength: 64,
    minSeqLength: 64,
    lr: 2e-3,
  });
  stdout.write(`variance of the labels ${variance.toFixed(4)}\n`);
  stdout.write(`squared error          ${metrics.val_loss.toFixed(4)}\n`);
} finally {
  rmSync(folder, { recursive: true });
}
