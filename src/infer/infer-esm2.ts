import { statSync } from "node:fs";
import { join } from "node:path";
import { writeAtomically } from "../../formats/common/atomic-file.ts";
import { fromFsError, IncompatibleError, StorageError } from "../../formats/common/errors.ts";
import { makeDirectories } from "../../formats/common/make-directories.ts";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import { Esm2, openModel } from "../models/index.ts";
import { LoadedProteins } from "../proteins/loaded-proteins.ts";
import type { ProteinSource } from "../proteins/protein-source.ts";
import { ProteinStore } from "../proteins/protein-store.ts";
import { openExecutor } from "../tensor/index.ts";
import { EsmTokenizer } from "../tokenize/esm-tokenizer.ts";
import { parameterValues } from "../train/model-programs.ts";
import { findWeights, startingWeights } from "../train/training-weights.ts";
import { predictTokens, type TokenPredictions } from "./predict-tokens.ts";

/** What is computed of a protein, in the original's names. */
export const ESM2_OUTPUTS = ["embeddings", "hidden_states", "token_logits", "input_ids"] as const;
export type Esm2Output = (typeof ESM2_OUTPUTS)[number];

export interface InferEsm2Options {
  /** A checkpoint, a run's folder, or what transformers wrote. */
  readonly checkpointPath: string;
  /** Proteins: a store (folder), FASTA, an SQLite data base, a parquet table. */
  readonly dataPath: string;
  /** Folder to write. */
  readonly resultsPath: string;
  /** Default: embeddings. */
  readonly outputs?: readonly Esm2Output[];
  /** Proteins run at a time. Default 8. */
  readonly microBatchSize?: number;
  /** Most tokens of a protein; what lies behind is left out. Default 1024. */
  readonly maxSeqLength?: number;
  readonly executor?: string;
  readonly threads?: number;
  /** Replace results that are there. Default false. */
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void;
}

export interface InferredEsm2 {
  readonly path: string;
  readonly proteins: number;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

const RESULTS = "predictions.safetensors";
const IDS = "ids.txt";
/** The model's name of an output that has another. */
const NAMES: Readonly<Record<string, string>> = { token_logits: "logits" };

/**
 * Runs ESM-2 over proteins and writes `predictions.safetensors` and `ids.txt`, in the order of the
 * input: `embeddings` [proteins, hidden], the mean over residues; `hidden_states` and `token_logits`
 * [proteins, longest, ...] with zeros behind the end of shorter ones; `input_ids` [proteins, longest];
 * `lengths` [proteins] in tokens. All of it is in memory until it is written.
 *
 * @throws StorageError when results are there, IncompatibleError for another model
 */
export async function inferEsm2(options: InferEsm2Options): Promise<InferredEsm2> {
  const { checkpointPath, dataPath, resultsPath, signal, onProgress } = options;
  const { outputs = ["embeddings"], maxSeqLength = 1024, microBatchSize = 8 } = options;
  const path = join(resultsPath, RESULTS);
  const overwrite = options.overwrite ?? false;
  prepareFolder(resultsPath, path, overwrite);
  const model = openModel(findWeights(checkpointPath));
  if (!(model instanceof Esm2)) {
    const message = `${checkpointPath}: expected an ESM-2, found ${model.name}`;
    throw new IncompatibleError("other-model", message);
  }
  const { ids, sequences } = await tokensOf(dataPath, maxSeqLength, signal);
  const results = new Results(outputs, sequences, model.settings.padId);
  await using executor = await openExecutor(options.executor, {
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  });
  await using state = await executor.createState(parameterValues(model), { inferenceOnly: true });
  await state.write("values", startingWeights(model, checkpointPath, 0).values);
  let done = 0;
  const predictions = predictTokens(sequences, {
    model,
    executor,
    state,
    outputs: outputs.filter((name) => name !== "input_ids").map((name) => NAMES[name] ?? name),
    padId: model.settings.padId,
    batchSize: microBatchSize,
    signal,
  });
  for await (const batch of predictions) {
    results.add(batch);
    done += batch.rows.length;
    onProgress?.({ done, total: sequences.length });
  }
  const tensors = results.tensors();
  const names = Buffer.from(ids.map((id) => `${id}\n`).join(""), "utf8");
  writeAtomically(join(resultsPath, IDS), (file) => file.write(names), { overwrite });
  writeSafetensors(path, tensors, { overwrite });
  const shapes = [...tensors].map(([name, { shape }]) => [name, shape] as const);
  return { path, proteins: sequences.length, shapes: Object.fromEntries(shapes) };
}

/** Results of all proteins in their order. */
class Results {
  readonly #outputs: readonly Esm2Output[];
  readonly #sequences: readonly Int32Array[];
  readonly #padId: number;
  readonly #longest: number;
  readonly #arrays = new Map<string, { readonly shape: readonly number[]; data: Float32Array }>();

  constructor(outputs: readonly Esm2Output[], sequences: readonly Int32Array[], padId: number) {
    this.#outputs = outputs;
    this.#sequences = sequences;
    this.#padId = padId;
    this.#longest = sequences.reduce((most, { length }) => Math.max(most, length), 0);
  }

  add({ rows, size, values, shapes }: TokenPredictions): void {
    for (const output of this.#outputs) {
      const name = NAMES[output] ?? output;
      const [, ...rest] = shapes[name] ?? [];
      const found = values[name];
      if (!(found instanceof Float32Array)) continue;
      const width = rest.at(-1) ?? 1;
      const isPerToken = rest.length === 2;
      const each = isPerToken ? this.#longest * width : width;
      const { data } = this.#array(output, isPerToken ? [this.#longest, width] : [width]);
      for (const [at, row] of rows.entries()) {
        const begin = at * (isPerToken ? size.length : 1) * width;
        const tokens = isPerToken ? (this.#sequences[row]?.length ?? 0) : 1;
        data.set(found.subarray(begin, begin + tokens * width), row * each);
      }
    }
  }

  tensors(): Map<string, StoredTensor> {
    const tensors = new Map<string, StoredTensor>();
    for (const [name, { shape, data }] of this.#arrays) {
      tensors.set(name, { dtype: "F32", shape: [this.#sequences.length, ...shape], data });
    }
    const count = this.#sequences.length;
    if (this.#outputs.includes("input_ids")) {
      const data = new Int32Array(count * this.#longest).fill(this.#padId);
      for (const [row, tokens] of this.#sequences.entries()) data.set(tokens, row * this.#longest);
      tensors.set("input_ids", { dtype: "I32", shape: [count, this.#longest], data });
    }
    const lengths = Int32Array.from(this.#sequences, ({ length }) => length);
    return tensors.set("lengths", { dtype: "I32", shape: [count], data: lengths });
  }

  #array(name: string, shape: readonly number[]) {
    const known = this.#arrays.get(name);
    if (known !== undefined) return known;
    const each = shape.reduce((a, b) => a * b, 1);
    const made = { shape, data: new Float32Array(this.#sequences.length * each) };
    this.#arrays.set(name, made);
    return made;
  }
}

async function tokensOf(path: string, maxLength: number, signal: AbortSignal | undefined) {
  const tokenizer = new EsmTokenizer();
  using store = isFolder(path) ? ProteinStore.open(path) : null;
  const proteins: ProteinSource = store ?? (await LoadedProteins.read(path, { signal }));
  const ids: string[] = [];
  const sequences: Int32Array[] = [];
  for (let row = 0; row < proteins.length; row++) {
    ids.push(proteins.id(row));
    sequences.push(tokenizer.encode(proteins.sequence(row)).slice(0, maxLength));
  }
  return { ids, sequences };
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw fromFsError(error, path);
  }
}

function prepareFolder(folder: string, path: string, overwrite: boolean): void {
  try {
    makeDirectories(folder);
    if (overwrite || statSync(path, { throwIfNoEntry: false }) === undefined) return;
  } catch (error) {
    throw fromFsError(error, folder);
  }
  throw new StorageError("already-exists", "is there already", {
    path,
    suggestions: ["--overwrite", "another --results-path"],
  });
}
