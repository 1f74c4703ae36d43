import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { decodeNpyArray } from "../../../formats/npy/npy-array.ts";
import { ParquetFile } from "../../../formats/parquet/parquet-file.ts";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import { type InferEsm2Options, inferEsm2 } from "../../../src/infer/index.ts";
import { ParquetSink } from "../../../src/infer/parquet-sink.ts";
import { ResultFolder } from "../../../src/infer/result-folder.ts";
import { TensorSink } from "../../../src/infer/tensor-sink.ts";
import {
  initialParameters,
  openBackbone,
  SequenceModel,
  saveWeights,
  TokenModel,
} from "../../../src/models/index.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { fixture } from "../models/model-fixture.ts";

const PROTEINS = ["MKTVRQERLKSIVRI", "MAV", "MRILERSKEPVSGAQLAEELSVSR", "MKV", "GG"];
const OUTPUTS = ["embeddings", "hidden_states", "input_ids"] as const;

function fasta(folder: string, proteins: readonly string[] = PROTEINS): string {
  const path = join(folder, "proteins.fasta");
  writeFileSync(path, proteins.map((residues, row) => `>p${row}\n${residues}\n`).join(""));
  return path;
}

const listed = (folder: string) => readdirSync(folder).sort();

/** Rows of a parquet file as plain values. */
async function rowsOf(path: string): Promise<Record<string, unknown>[]> {
  const table = await ParquetFile.open(path).table();
  const plain = (value: unknown): unknown => {
    if (typeof value !== "object" || value === null) return value;
    return [...(value as Iterable<unknown>)].map(plain); // proof: a list
  };
  return Array.from(table, (row) => {
    return Object.fromEntries(Object.entries(row.toJSON()).map(([k, v]) => [k, plain(v)]));
  });
}

test("npy, parquet and safetensors hold the same rows, whole or batch by batch", async () => {
  const folder = temporaryDirectory();
  const options = { checkpointPath: fixture("esm2"), dataPath: fasta(folder), outputs: OUTPUTS };
  const infer = (name: string, more: Partial<InferEsm2Options>) =>
    inferEsm2({
      ...options,
      resultsPath: join(folder, name),
      microBatchSize: 2,
      threads: 1,
      ...more,
    });
  const whole = await infer("tensors", {});
  expect(whole.shapes).toMatchObject({ hidden_states: [5, 26, 16], lengths: [5] });
  using file = SafetensorsFile.open(whole.path);
  const hidden = file.readFloat32("hidden_states");
  const lengths = file.read("lengths").data;

  await infer("npy", { format: "npy" });
  expect(listed(join(folder, "npy"))).toEqual([
    "ids.txt",
    ...[...OUTPUTS, "lengths"].map((name) => `predictions.${name}.npy`),
    "predictions.yaml",
  ]);
  for (const name of OUTPUTS) {
    const path = join(folder, "npy", `predictions.${name}.npy`);
    const array = decodeNpyArray(new Uint8Array(readFileSync(path)), path);
    expect(array.shape).toEqual(whole.shapes[name]);
    expect(array.data).toEqual(file.read(name).data);
  }

  const { path } = await infer("parquet", { format: "parquet" });
  const rows = await rowsOf(path);
  expect(rows.map(({ id, length }) => [id, length])).toEqual(
    PROTEINS.map((protein, row) => [`p${row}`, protein.length + 2]),
  );
  for (const [row, { length, hidden_states }] of rows.entries()) {
    expect(length).toBe(lengths[row]);
    const begin = row * 26 * 16;
    expect((hidden_states as number[][]).flat()).toEqual([
      ...hidden.subarray(begin, begin + Number(length) * 16),
    ]);
  }
  expect(rows[1]?.["input_ids"]).toEqual([0, 20, 5, 7, 2]);

  const parts = { predictionInterval: "batch", format: "parquet" } as const;
  await infer("parts", parts);
  const names = [0, 1, 2].map((n) => `predictions__rank_0__dp_rank_0__batch_${n}.parquet`);
  expect(listed(join(folder, "parts"))).toEqual(["ids.txt", "predictions.yaml", ...names]);
  const again = await Promise.all(names.map((name) => rowsOf(join(folder, "parts", name))));
  expect(again.flat().map(({ id }) => id)).toEqual(rows.map(({ id }) => id));

  // Other files of the folder stay; earlier results go.
  writeFileSync(join(folder, "parts", "notes.txt"), "mine");
  await expect(infer("parts", { format: "npy" })).rejects.toMatchObject({ code: "already-exists" });
  await infer("parts", { overwrite: true, microBatchSize: 4 });
  expect(listed(join(folder, "parts"))).toEqual([
    "ids.txt",
    "notes.txt",
    "predictions.safetensors",
    "predictions.yaml",
  ]);
});

test("a run that is stopped leaves nothing", async () => {
  const folder = temporaryDirectory();
  const stop = new AbortController();
  const run = inferEsm2({
    checkpointPath: fixture("esm2"),
    dataPath: fasta(folder),
    resultsPath: join(folder, "out"),
    microBatchSize: 2,
    threads: 1,
    signal: stop.signal,
    onProgress: () => stop.abort(),
  });
  await expect(run).rejects.toMatchObject({ name: "AbortError" });
  expect(existsSync(join(folder, "out"))).toBe(false);
});

test("no more rows wait to be written as parquet than a window has", async () => {
  const folder = temporaryDirectory();
  const short = Array.from({ length: 1200 }, (_, row) => "ACDEFGHIK".slice(row % 5));
  const waiting: number[] = [];
  const { endWindow } = ParquetSink.prototype;
  vi.spyOn(ParquetSink.prototype, "endWindow").mockImplementation(function (this: ParquetSink) {
    waiting.push(this.waiting);
    return endWindow.call(this);
  });
  const { path } = await inferEsm2({
    checkpointPath: fixture("esm2"),
    dataPath: fasta(folder, [...short, "A".repeat(1000)]),
    resultsPath: join(folder, "out"),
    outputs: ["hidden_states"],
    format: "parquet",
    microBatchSize: 64,
    threads: 1,
  }).finally(() => vi.restoreAllMocks());
  // 32 MiB of rows of 1,002 tokens with 16 numbers, in whole batches.
  expect(waiting).toEqual([512, 512, 177]);
  expect((await rowsOf(path)).map(({ id }) => id)).toEqual(
    short.map((_, row) => `p${row}`).concat("p1200"),
  );
});

test("a row of tensors is in the file as soon as it is added: none are kept", async () => {
  const results = new ResultFolder(temporaryDirectory(), false);
  const spec = { name: "hidden_states", dtype: "float32", perToken: true, shape: [2] } as const;
  const common = { folder: results, name: "predictions", specs: [spec], padId: 1, labels: null };
  const sink = new TensorSink("npy", { ...common, begin: 10, end: 13, longest: 2, id: String });
  const values = { hidden_states: Float32Array.of(1, 2) };
  sink.add({ row: 12, tokens: Int32Array.of(7), values });
  const [name = ""] = sink.files;
  const read = () => decodeNpyArray(new Uint8Array(readFileSync(results.file(name))), name).data;
  expect([...read()]).toEqual([0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0]);
  values.hidden_states.fill(9);
  expect(read()[8]).toBe(1);
  sink.close();
  results.abort();
});

test("a fine-tuned head gives predictions with the names of its classes", async () => {
  const folder = temporaryDirectory();
  const backbone = openBackbone(fixture("esm2"));
  const labels = ["helix", "sheet", "coil"];
  const infer = async (model: SequenceModel | TokenModel, format: "parquet" | "safetensors") => {
    const checkpointPath = join(folder, model.name);
    saveWeights(model, initialParameters(model.parameters, 7), checkpointPath, { overwrite: true });
    const resultsPath = join(folder, `${model.name}-${format}`);
    const options = { checkpointPath, dataPath: fasta(folder), resultsPath, format, threads: 1 };
    return inferEsm2(options);
  };
  const sequence = new SequenceModel(backbone, { task: "classification", labels });
  const tensors = await infer(sequence, "safetensors");
  expect(tensors.shapes).toEqual({ classification_output: [5, 3], lengths: [5] });
  expect(
    JSON.parse(readFileSync(join(folder, `${sequence.name}-safetensors`, "labels.json"), "utf8")),
  ).toEqual(labels);
  using file = SafetensorsFile.open(tensors.path);
  const logits = file.readFloat32("classification_output");
  const rows = await rowsOf((await infer(sequence, "parquet")).path);
  for (const [row, { prediction, classification_output: found }] of rows.entries()) {
    const expected = [...logits.subarray(3 * row, 3 * row + 3)];
    expect(found).toEqual(expected);
    expect(prediction).toBe(labels[expected.indexOf(Math.max(...expected))]);
  }
  const token = new TokenModel(backbone, { labels: ["H", "E", "C"] });
  const perToken = await rowsOf((await infer(token, "parquet")).path);
  expect(perToken.map(({ prediction }) => String(prediction).length)).toEqual(
    PROTEINS.map(({ length }) => length),
  );
  expect(perToken.map(({ prediction }) => prediction).join("")).toMatch(/^[HEC]+$/);
  const regression = await infer(
    new SequenceModel(backbone, { task: "regression" }),
    "safetensors",
  );
  expect(regression.shapes).toEqual({ regression_output: [5, 1], lengths: [5] });
});

test("embeddings need no vocabulary head, and a head of transformers is named where it is in the way", async () => {
  const folder = temporaryDirectory();
  const backbone = openBackbone(fixture("esm2"));
  const checkpointPath = join(folder, "trunk");
  saveWeights(
    { ...backbone, parameters: backbone.trunkParameters },
    initialParameters(backbone.trunkParameters, 7),
    checkpointPath,
  );
  const options = { checkpointPath, dataPath: fasta(folder), threads: 1 };
  const { shapes } = await inferEsm2({ ...options, resultsPath: join(folder, "a") });
  expect(shapes).toEqual({ embeddings: [5, 16], lengths: [5] });
  const asked = (outputs: InferEsm2Options["outputs"] & {}) =>
    inferEsm2({ ...options, resultsPath: join(folder, "b"), outputs });
  await expect(asked(["token_logits"])).rejects.toMatchObject({ code: "weights-missing" });
  const theirs = join(folder, "theirs");
  const classifier = {
    name: "classifier.weight",
    shape: [2, 16],
    decay: true,
    trained: true,
  } as const;
  const parameters = [
    ...backbone.trunkParameters,
    { ...classifier, init: { kind: "zeros" } as const },
  ];
  saveWeights({ ...backbone, parameters }, initialParameters(parameters, 7), theirs);
  const logits = { checkpointPath: theirs, outputs: ["token_logits"] as const };
  await expect(
    inferEsm2({ ...options, ...logits, resultsPath: join(folder, "b") }),
  ).rejects.toMatchObject({
    code: "weights-missing",
    suggestions: [
      expect.stringContaining("(classifier.weight) is one of transformers"),
      ...Array(2).fill(expect.any(String)),
    ],
  });
  await expect(asked(["predictions"])).rejects.toThrow("esm2 has no head");
  await expect(asked(["regression_output"])).rejects.toThrow(
    "esm2 has no output regression_output",
  );
  expect(existsSync(join(folder, "b")) && listed(join(folder, "b")).length > 0).toBe(false);
});
