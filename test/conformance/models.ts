/**
 * ESM-2 and Geneformer against transformers: random models of the real architectures, their weights
 * read and written, logits within 2e-5, also of exports in onnxruntime, loss and gradients within 1e-4.
 * Other models in every run.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SafetensorsFile } from "../../formats/safetensors/safetensors-file.ts";
import { exportOnnx } from "../../src/infer/index.ts";
import {
  Esm2,
  Geneformer,
  initialParameter,
  initialParameters,
  loadWeights,
  openBackbone,
  saveWeights,
} from "../../src/models/index.ts";
import {
  addGradients,
  type Executor,
  openExecutor,
  ProgramBuilder,
} from "../../src/tensor/index.ts";
import { askOnce } from "./ask-once.ts";
import { type CheckpointAnswer, checkCheckpoints, trainedCheckpoints } from "./checkpoints.ts";
import { testedExecutors } from "./executors.ts";
import { seedOfRun } from "./orders.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./models_original.py", import.meta.url));
const KINDS = ["esm", "bert"] as const;
const MODELS = 4;
const IDS = [0, 5, 6, 7, 11, 4, 2];

export async function checkModels(tally: Tally, python: string, workspace: string): Promise<void> {
  const theirs = KINDS.flatMap((kind) =>
    Array.from({ length: MODELS }, (_, i) => {
      const folder = join(workspace, `${kind}-${i}`);
      mkdirSync(folder, { recursive: true });
      return { kind, seed: seedOfRun() + i, folder };
    }),
  );
  const ours = KINDS.map((kind) => saved(kind, join(workspace, `${kind}-ours`)));
  const load = ours.map(({ kind, folder, exported }) => ({ kind, folder, exported, ids: [IDS] }));
  // Importing torch takes longer than all else: everything is asked at once.
  const trained = await trainedCheckpoints(workspace);
  const checkpoints = trained.map(({ folder, base, weights }) => ({ folder, base, weights }));
  const answer = (await askOnce(python, DRIVER, { make: theirs, load, checkpoints })) as Answer;
  await checkCheckpoints(tally, trained, answer.checkpoints);
  for (const { name, open } of testedExecutors(python)) {
    for (const kind of KINDS) {
      const what = `models: logits, loss, gradients of ${MODELS} random ${kind}, ${name}`;
      await tally.check(what, async () => {
        await using opened = await open();
        const problems: string[] = [];
        for (const [i, { folder, kind: its }] of theirs.entries()) {
          if (its !== kind) continue;
          problems.push(...(await differences(folder, answer.shapes[i] ?? [0, 0], opened)));
        }
        return problems;
      });
    }
  }
  for (const [i, { kind, model, values }] of ours.entries()) {
    await tally.check(`models: our weights of ${kind} in from_pretrained`, async () => {
      const { info = {}, logits = [] } = answer.loaded[i] ?? {};
      const problems = Object.entries(info)
        .filter(([, names]) => names.length > 0)
        .map(([what, names]) => `${what}: ${names.join(", ")}`);
      const text = Int32Array.from(IDS);
      const flat = { labels: text, lossMask: new Uint8Array(7) };
      const attentionMask = new Uint8Array(7).fill(1);
      const batch = { ...flat, text, attentionMask, shape: [1, 7] as const };
      await using executor = await openExecutor("onnx", { threads: 1 });
      const { outputs } = await run(model, values, batch, "predict", executor);
      return [...problems, ...apart("logits", outputs["logits"], logits, 2e-5, 1)];
    });
    await tally.check(`models: our export of ${kind} in Python's onnxruntime`, async () => {
      const { logits = [], exported = [] } = answer.loaded[i] ?? {};
      return apart("logits", exported, logits, 2e-5, 1);
    });
  }
}

/** The form in which the script answers. */
interface Answer {
  readonly checkpoints: readonly CheckpointAnswer[];
  readonly shapes: readonly (readonly [number, number])[];
  readonly loaded: readonly {
    /** Names of tensors that were missing, unexpected, of other shapes. */
    readonly info: Readonly<Record<string, readonly string[]>>;
    readonly logits: readonly number[];
    /** The same of the file of ONNX. */
    readonly exported: readonly number[];
  }[];
}

function saved(kind: (typeof KINDS)[number], folder: string) {
  const model = newModel(kind);
  const values = initialParameters(model.parameters, seedOfRun());
  saveWeights(model, values, folder, { maxShardBytes: 30_000 });
  const exported = join(folder, "model.onnx");
  exportOnnx({ checkpointPath: folder, output: exported, batchSize: 2, length: 16 });
  return { kind, model, values, folder, exported };
}

function newModel(kind: (typeof KINDS)[number]): Esm2 | Geneformer {
  const size = { layers: 2, hiddenSize: 48, heads: 4, initialStd: 0.2 };
  return kind === "esm"
    ? new Esm2(size)
    : new Geneformer({ ...size, layout: "bert", vocabSize: 50, maxPositions: 20 });
}

async function differences(
  folder: string,
  shape: readonly [number, number],
  executor: Executor,
): Promise<string[]> {
  const model = openBackbone(folder);
  const { values } = loadWeights(model, folder, (spec) => initialParameter(spec, 0));
  using expected = SafetensorsFile.open(join(folder, "expected.safetensors"));
  // The script wrote these types.
  const labels = expected.read("labels").data as Int32Array;
  const text = expected.read("input_ids").data as Int32Array;
  const attentionMask = expected.read("attention_mask").data as Uint8Array;
  const lossMask = Uint8Array.from(labels, (label) => (label === -100 ? 0 : 1));
  const batch = { text, labels, attentionMask, lossMask, shape };
  const predicted = await run(model, values, batch, "predict", executor);
  const trained = await run(model, values, batch, "train", executor);
  const count = model.lossCount(batch);
  const loss = [(trained.outputs["loss"]?.[0] ?? Number.NaN) / count];
  const problems = [
    ...apart("logits", predicted.outputs["logits"], expected.readFloat32("logits"), 2e-5, 1),
    ...apart("loss", loss, expected.readFloat32("loss"), 1e-4, 1),
  ];
  const names = model.parameters.map(({ name }) => name);
  const wanted = names.map((name) => expected.readFloat32(`gradient.${name}`));
  const largest = Math.max(...wanted.map((gradient) => Math.max(...gradient.map(Math.abs))));
  for (const [i, name] of names.entries()) {
    const gradient = trained.gradients.get(name)?.map((value) => value / count);
    problems.push(...apart(name, gradient, wanted[i] ?? [], 1e-4, largest));
  }
  return problems.map((problem) => `${folder}: ${problem}`);
}

type Batch = Parameters<Esm2["inputs"]>[0];

async function run(
  model: Esm2 | Geneformer,
  values: ReadonlyMap<string, Float32Array>,
  batch: Batch,
  mode: "train" | "predict",
  executor: Executor,
) {
  const size = model.sizeOf(batch);
  const builder = new ProgramBuilder();
  const { loss, outputs } = model.build(builder, size, mode);
  for (const [name, value] of Object.entries(outputs)) builder.output(name, value);
  if (loss !== null) {
    builder.output("loss", loss);
    addGradients(builder, loss);
  }
  const program = builder.build();
  await using state = await executor.createState(program.parameters);
  const used = new Set(program.parameters.map(({ name }) => name));
  await state.write("values", new Map([...values].filter(([name]) => used.has(name))));
  const executable = await executor.compile(program);
  const results = await state.run(executable, model.inputs(batch, size, mode));
  return { outputs: results, gradients: await state.read("gradients") };
}

/** Says where two arrays are further apart than `limit` times the larger of `scale` and the value. */
function apart(
  what: string,
  found: ArrayLike<number> = [],
  wanted: ArrayLike<number>,
  limit: number,
  scale: number,
): string[] {
  if (found.length !== wanted.length)
    return [`${what}: ${found.length} for ${wanted.length} values`];
  for (let i = 0; i < wanted.length; i++) {
    const [a, b] = [found[i] as number, wanted[i] as number];
    if (Math.abs(a - b) <= limit * Math.max(scale, Math.abs(b))) continue;
    return [`${what}: ${a} at ${i}, transformers has ${b}`];
  }
  return [];
}
