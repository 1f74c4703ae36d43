import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import { type InferEsm2Options, inferEsm2, predictTokens } from "../../../src/infer/index.ts";
import { type Esm2, openModel } from "../../../src/models/index.ts";
import { openExecutor } from "../../../src/tensor/index.ts";
import { RequestThread } from "../../../src/tensor/request-thread.ts";
import { parameterValues } from "../../../src/train/model-programs.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { fixture, readTensors, relativeError, weightsFor } from "../models/model-fixture.ts";
import { LateTorch } from "../tensor/late-torch.fixture.ts";
import { LIBTORCH, TORCH_DEVICES } from "../tensor/torch.fixture.ts";

const model = openModel(fixture("esm2")) as Esm2; // the fixture is one
const expected = readTensors("esm2/expected.safetensors");
const [ROWS, LENGTH, HIDDEN] = [4, 14, 16];

function sequences(): Int32Array[] {
  const ids = expected.get("input_ids") as Int32Array; // the script wrote these types
  return Array.from({ length: ROWS }, (_, row) => {
    const tokens = ids.slice(row * LENGTH, (row + 1) * LENGTH);
    return tokens.filter((id) => id !== 1);
  });
}

test("outputs of batches sorted by length are those of transformers, row by row", async () => {
  await using executor = await openExecutor("reference");
  await using state = await executor.createState(parameterValues(model), { inferenceOnly: true });
  await state.write("values", weightsFor(model, "esm2"));
  const outputs = ["embeddings", "hidden_states"];
  const options = { model, executor, state, outputs, padId: 1, batchSize: 3, lengthStep: 4 };
  const sizes: string[] = [];
  for await (const { rows, size, values, shapes } of predictTokens(sequences(), options)) {
    sizes.push(`${rows} ${size.batch}x${size.length}`);
    expect(Object.keys(values)).toEqual(outputs);
    expect(shapes["hidden_states"]).toEqual([size.batch, size.length, HIDDEN]);
    for (const [at, row] of rows.entries()) {
      const part = (name: string, width: number) =>
        values[name]?.subarray(at * width, at * width + HIDDEN) ?? [];
      const their = (name: string, width: number) =>
        expected.get(name)?.slice(row * width, row * width + HIDDEN);
      const embedding = part("embeddings", HIDDEN);
      expect(relativeError(embedding, their("embeddings", HIDDEN))).toBeLessThan(1e-5);
      const first = part("hidden_states", size.length * HIDDEN);
      expect(relativeError(first, their("hidden_states", LENGTH * HIDDEN))).toBeLessThan(1e-5);
    }
  }
  expect(sizes).toEqual(["1,3,0 3x16", "2 1x4"]);
});

test("inferEsm2 writes results in the order of the file, whatever runs together", async () => {
  const folder = temporaryDirectory();
  const dataPath = join(folder, "proteins.fasta");
  const proteins = [
    "MKTVRQERLKSIVRI",
    "MAV",
    "MRILERSKEPVSGAQLAEELSVSRQVIVQDIAYLRSLGYN",
    "MKV",
    "GG",
  ];
  writeFileSync(dataPath, proteins.map((residues, row) => `>p${row}\n${residues}\n`).join(""));
  const outputs = ["embeddings", "token_logits", "input_ids"] as const;
  const read = async (microBatchSize: number) => {
    const resultsPath = join(folder, `results-${microBatchSize}`);
    const options = { checkpointPath: fixture("esm2"), dataPath, resultsPath, outputs };
    const result = await inferEsm2({ ...options, microBatchSize, maxSeqLength: 20, threads: 1 });
    using file = SafetensorsFile.open(result.path);
    return {
      result,
      tensors: new Map(outputs.map((name) => [name, file.read(name).data])),
      options,
    };
  };
  const [one, four] = [await read(1), await read(4)];
  expect(four.result.shapes).toEqual({
    embeddings: [5, HIDDEN],
    token_logits: [5, 20, 33],
    input_ids: [5, 20],
    lengths: [5],
  });
  expect([...(four.tensors.get("input_ids") ?? [])].slice(20, 26)).toEqual([0, 20, 5, 7, 2, 1]);
  for (const name of ["embeddings", "token_logits"] as const) {
    const found = one.tensors.get(name) as Float32Array; // F32, as the shapes say
    const other = four.tensors.get(name) as Float32Array;
    expect(other.some((value) => value !== 0)).toBe(true);
    expect(relativeError(other, found)).toBeLessThan(1e-5);
  }
  expect(readFileSync(join(folder, "results-4", "ids.txt"), "utf8")).toBe("p0\np1\np2\np3\np4\n");
  await expect(inferEsm2(four.options)).rejects.toMatchObject({ code: "already-exists" });
});

test.each(TORCH_DEVICES.map((device) => (device === "cpu" ? "torch-cpu" : device)))(
  "inferEsm2 on %s gives the outputs of cpu, and runs in bfloat16",
  async (device) => {
    const folder = temporaryDirectory();
    const dataPath = join(folder, "proteins.fasta");
    writeFileSync(dataPath, ">a\nMKTVRQERLKSIVRI\n>b\nMAV\n>c\nGGSGGSRILER\n");
    const outputs = ["embeddings", "token_logits"] as const;
    const read = async (place: Pick<InferEsm2Options, "device" | "precision">, name: string) => {
      const resultsPath = join(folder, name);
      const options = { checkpointPath: fixture("esm2"), dataPath, resultsPath, outputs };
      const { path } = await inferEsm2({ ...options, ...place, microBatchSize: 2, threads: 1 });
      using file = SafetensorsFile.open(path);
      return outputs.map((output) => file.read(output).data as Float32Array); // F32, as all outputs
    };
    const expected = await read({}, "cpu");
    const found = await read({ device }, "float32");
    const low = await read({ device, precision: "bf16-mixed" }, "bfloat16");
    for (const [at, values] of expected.entries()) {
      expect(relativeError(found[at] ?? [], values)).toBeLessThan(1e-5);
      expect(low[at]).not.toEqual(found[at]);
      expect(relativeError(low[at] ?? [], values)).toBeLessThan(3e-2);
    }
    const kept = readFileSync(join(folder, "bfloat16", "predictions.yaml"), "utf8");
    expect(kept).toMatch(new RegExp(`precision: bf16-mixed\\n(.*\\n)*.*device: ${device}\\n`));
  },
);

test.skipIf(LIBTORCH === null)(
  "libtorch, values late: outputs are those of batches one by one, with the memory of one length",
  async () => {
    const outputs = async (stepsInFlight: number) => {
      await using executor = new LateTorch(stepsInFlight, "32", 1);
      await using state = await executor.createState(parameterValues(model), {
        inferenceOnly: true,
      });
      await state.write("values", weightsFor(model, "esm2"));
      const options = { model, executor, state, outputs: ["embeddings"], padId: 1 };
      const rows = [9, 40, 7, 25, 8, 60].map((length, row) => new Int32Array(length).fill(5 + row));
      const run = vi.spyOn(state, "run");
      const found: [readonly number[], number, number[]][] = [];
      for await (const { rows: own, values } of predictTokens(rows, { ...options, batchSize: 1 })) {
        found.push([own, run.mock.calls.length, [...(values["embeddings"] ?? [])]]);
      }
      return found;
    };
    const [plain, late] = [await outputs(1), await outputs(3)];
    expect(late.map(([rows, , values]) => [rows, values])).toEqual(
      plain.map(([rows, , values]) => [rows, values]),
    );
    expect(plain.map(([, asked]) => asked)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(late.map(([, asked]) => asked)).toEqual([3, 4, 5, 6, 6, 6]);
  },
);

test("an output that the model does not have is refused with those it has", async () => {
  await using executor = await openExecutor("reference");
  await using state = await executor.createState(parameterValues(model), { inferenceOnly: true });
  const options = { model, executor, state, outputs: ["attentions"], padId: 1 };
  const first = predictTokens(sequences(), options).next();
  await expect(first).rejects.toMatchObject({
    message: "esm2 has no output attentions",
    suggestions: ["choose of logits, hidden_states, embeddings"],
  });
});

test("the memory of a length is freed when sorted rows have passed it", async () => {
  const folder = temporaryDirectory();
  const dataPath = join(folder, "proteins.fasta");
  const lengths = [10, 25, 40, 9, 26];
  writeFileSync(dataPath, lengths.map((count, row) => `>p${row}\n${"M".repeat(count)}\n`).join(""));
  const send = vi.spyOn(RequestThread.prototype, "send");
  const asked = (kind: string) =>
    send.mock.calls.filter(([request]) => request.kind === kind).length;
  try {
    for (const [predictionInterval, unloaded] of [
      ["epoch", 2],
      ["batch", 0],
    ] as const) {
      send.mockClear();
      const resultsPath = join(folder, predictionInterval);
      const options = {
        checkpointPath: fixture("esm2"),
        dataPath,
        resultsPath,
        predictionInterval,
      };
      await inferEsm2({ ...options, microBatchSize: 1, threads: 1 });
      expect({ loaded: asked("load"), unloaded: asked("unload") }).toEqual({ loaded: 3, unloaded });
    }
  } finally {
    send.mockRestore();
  }
});
