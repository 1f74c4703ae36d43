/**
 * Full training steps on a device: steps.ts MODEL BATCH LENGTH STEPS PRECISION DEVICE. The work of
 * gpu_steps.py, but that the head is computed at loss positions alone unless SCDL_ALL_LOGITS=1. A MODEL
 * that ends with "-lengths" has a row of BATCH * LENGTH tokens packed with proteins of the lengths in
 * lengths.json. Prints {"seconds": [...], "losses": [...], "tokens": those that are no padding}.
 */
import { readFileSync } from "node:fs";
import {
  Esm2,
  type Esm2Size,
  Geneformer,
  initialParameters,
  type MaskedBatch,
  type TrainableModel,
} from "../../../src/models/index.ts";
import { countTokens } from "../../../src/models/token-batch.ts";
import { openDevice, type Precision } from "../../../src/tensor/index.ts";
import type { MaskedTokens } from "../../../src/tokenize/bert-mask.ts";
import { packBatch } from "../../../src/tokenize/pack-batch.ts";
import {
  GRADIENT_SEED,
  ModelPrograms,
  parameterValues,
} from "../../../src/train/model-programs.ts";

const [given = "esm2-8M", ...rest] = process.argv.slice(2);
const name = given.replace("-lengths", "");
const [batch = 8, length = 128, steps = 8] = rest.slice(0, 3).map(Number);
const [precision = "32", device = "cpu"] = rest.slice(3);
const model = newModel(name);
const vocabulary = name.startsWith("esm2") ? 24 : 25_426;
let state = 1;

function newModel(name: string): TrainableModel<MaskedBatch> {
  if (name.startsWith("esm2-")) return new Esm2(name.slice(5) as Esm2Size); // proof: the bench's names
  const small = { layers: 6, hiddenSize: 256, intermediateSize: 512, heads: 4 };
  const large = { layers: 12, hiddenSize: 768, intermediateSize: 3072, heads: 12 };
  const size = name === "geneformer-10M" ? small : large;
  const dropout = { hiddenDropout: 0, attentionDropout: 0 };
  return new Geneformer({ layout: "bert", ...size, ...dropout, maxPositions: 2048 });
}

function random(): number {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
}

/** Proteins in the order of the file, until the next does not fit. */
function packed(room: number): MaskedBatch {
  const lengths: readonly number[] = JSON.parse(readFileSync("lengths.json", "utf8"));
  const items: MaskedTokens[] = [];
  for (let left = room, at = 0; left >= (lengths[at] ?? Number.POSITIVE_INFINITY); at++) {
    const text = Int32Array.from({ length: lengths[at] ?? 0 }, () => 4 + Math.floor(random() * 20));
    const lossMask = Uint8Array.from(text, () => (random() < 0.15 ? 1 : 0));
    items.push({ text, lossMask, labels: text });
    left -= text.length;
  }
  return packBatch(items);
}

const tokens = batch * length;
const text = Int32Array.from({ length: tokens }, () => 4 + Math.floor(random() * (vocabulary - 4)));
const lossMask = Uint8Array.from({ length: tokens }, () => (random() < 0.15 ? 1 : 0));
const attentionMask = new Uint8Array(tokens).fill(1);
const padded = { text, attentionMask, lossMask, labels: text, shape: [batch, length] as const };
const data: MaskedBatch = given === name ? padded : packed(tokens);
const size =
  process.env["SCDL_ALL_LOGITS"] === "1"
    ? { ...model.sizeOf(data), lossPositions: undefined }
    : model.sizeOf(data);
await using executor = await openDevice(device, { precision: precision as Precision }); // proof: the bench's names
await using weights = await executor.createState(parameterValues(model));
await weights.write("values", initialParameters(model.parameters, 0));
const executable = await executor.compile(new ModelPrograms(model).get(size, "train"));
const seed = Float32Array.of(1 / model.lossCount(data));
const inputs = { ...model.inputs(data, size, "train"), [GRADIENT_SEED]: seed };
const adam = { kind: "adamw", betas: [0.9, 0.98], weightDecay: 0.01 } as const;
const warm = 3;
const seconds: number[] = [];
const losses: number[] = [];
for (let step = 1; step <= steps + warm; step++) {
  const begin = performance.now();
  await weights.zeroGradients();
  const { loss } = await weights.run(executable, inputs, { step });
  await weights.update(adam, { step, learningRate: 4e-4, maxGradientNorm: 1 });
  losses.push((loss?.[0] ?? Number.NaN) * (seed[0] ?? 0));
  if (step > warm) seconds.push((performance.now() - begin) / 1000);
}
console.log(JSON.stringify({ seconds, losses, tokens: countTokens(data) }));
