/** A model's weights in one file or several, as transformers names and indexes them. */
import { readdirSync, rmSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { FileAccess } from "../bytes/open-source.ts";
import { writeAtomically } from "../common/atomic-file.ts";
import { FormatError, InvalidArgumentError, NotFoundError } from "../common/errors.ts";
import type { FileDigest } from "../common/output-file.ts";
import { type JsonValue, pythonJson } from "../common/python-json.ts";
import { SafetensorsFile } from "./safetensors-file.ts";
import type { StoredTensor } from "./tensor.ts";
import { readWeightMap } from "./weight-map.ts";
import { type WriteSafetensorsOptions, writeSafetensors } from "./write-safetensors.ts";

export const WEIGHTS_FILE = "model.safetensors";
export const WEIGHTS_INDEX_FILE = "model.safetensors.index.json";
const SHARD_NAME = /^model-\d{5}-of-\d{5}\.safetensors$/;
/** transformers' own default. */
const MAX_SHARD_BYTES = 50e9;

/** Tensors of one or several files under one set of names. */
export class SafetensorsCheckpoint implements Disposable {
  readonly #fileOf: ReadonlyMap<string, SafetensorsFile>;
  readonly #files: readonly SafetensorsFile[];
  /** The file, or the index of several. */
  readonly path: string;

  private constructor(path: string, files: readonly SafetensorsFile[]) {
    this.path = path;
    this.#files = files;
    this.#fileOf = new Map(
      files.flatMap((file) => file.tensors.map(({ name }) => [name, file] as const)),
    );
  }

  /**
   * Opens a `.safetensors` file, a `.safetensors.index.json`, or a directory with
   * `model.safetensors` or its index. Every shard must be there and hold what the index says.
   *
   * @throws NotFoundError, FormatError, StorageError
   */
  static open(path: string, options: { readonly access?: FileAccess } = {}): SafetensorsCheckpoint {
    const file = locate(path);
    if (!file.endsWith(".json")) {
      return new SafetensorsCheckpoint(file, [SafetensorsFile.open(file, options)]);
    }
    const weightMap = readWeightMap(file);
    const files: SafetensorsFile[] = [];
    try {
      for (const shard of new Set(weightMap.values())) {
        files.push(SafetensorsFile.open(join(dirname(file), shard), options));
      }
      assertComplete(file, weightMap, files);
    } catch (error) {
      for (const opened of files) opened.close();
      throw error;
    }
    return new SafetensorsCheckpoint(file, files);
  }

  /** Sorted. */
  get names(): readonly string[] {
    return [...this.#fileOf.keys()].sort((a, b) => (a < b ? -1 : 1));
  }

  has(name: string): boolean {
    return this.#fileOf.has(name);
  }

  /** The file that holds a tensor, to read it from. @throws NotFoundError */
  fileOf(name: string): SafetensorsFile {
    const file = this.#fileOf.get(name);
    if (file !== undefined) return file;
    throw new NotFoundError("no-such-tensor", `${this.path}: no tensor ${JSON.stringify(name)}`, {
      what: name,
      available: this.names,
    });
  }

  read(name: string): StoredTensor {
    return this.fileOf(name).read(name);
  }

  /** See {@link SafetensorsFile.readFloat32}. */
  readFloat32(name: string, target?: Float32Array): Float32Array {
    return this.fileOf(name).readFloat32(name, target);
  }

  close(): void {
    for (const file of this.#files) file.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function locate(path: string): string {
  let names: readonly string[];
  try {
    names = readdirSync(path);
  } catch {
    return path; // not a directory: opening it says what is wrong
  }
  const found = [WEIGHTS_FILE, WEIGHTS_INDEX_FILE].find((name) => names.includes(name));
  if (found !== undefined) return join(path, found);
  throw new NotFoundError(
    "no-weights",
    `${path}: no ${WEIGHTS_FILE} and no ${WEIGHTS_INDEX_FILE}`,
    {
      what: path,
      available: names.filter((name) => name.endsWith(".safetensors")),
      suggestions: ["name the .safetensors file itself"],
    },
  );
}

function assertComplete(
  index: string,
  weightMap: ReadonlyMap<string, string>,
  files: readonly SafetensorsFile[],
): void {
  const shards = new Map(files.map((file) => [basename(file.path), file]));
  for (const [name, shard] of weightMap) {
    if (shards.get(shard)?.has(name) === true) continue;
    throw new FormatError("bad-index", `${JSON.stringify(name)} is not in ${shard}`, {
      path: index,
      suggestions: ["copy the index and its shards from one checkpoint"],
    });
  }
  for (const file of files) {
    const other = file.tensors.find(({ name }) => weightMap.get(name) !== basename(file.path));
    if (other === undefined) continue;
    throw new FormatError("bad-index", `${JSON.stringify(other.name)} is not in the index`, {
      path: file.path,
      suggestions: [`copy ${basename(index)} and its shards from one checkpoint`],
    });
  }
}

export interface WrittenFile extends FileDigest {
  readonly name: string;
}

export interface WriteShardsOptions extends WriteSafetensorsOptions {
  /** Bytes of tensors in one file. Default 50e9, as in transformers 5. A larger tensor gets its own. */
  readonly maxShardBytes?: number;
  /** The number of parameters in the index. Default the number of elements of all tensors. */
  readonly totalParameters?: number;
}

/**
 * Writes `model.safetensors`, or `model-00001-of-0000N.safetensors` and their index, with the
 * bytes of transformers' `save_pretrained`. Shards are filled in the order of the map. With
 * `overwrite`, files of an earlier checkpoint that are not part of this one are removed at the end.
 *
 * @returns the files written, with their lengths and CRC-32
 */
export function writeShards(
  directory: string,
  tensors: ReadonlyMap<string, StoredTensor>,
  options: WriteShardsOptions = {},
): readonly WrittenFile[] {
  const shards = splitIntoShards(tensors, options.maxShardBytes ?? MAX_SHARD_BYTES);
  const written: WrittenFile[] = [];
  if (shards.length <= 1) {
    const digest = writeSafetensors(join(directory, WEIGHTS_FILE), tensors, options);
    written.push({ name: WEIGHTS_FILE, ...digest });
  } else {
    const weightMap: [string, string][] = [];
    shards.forEach((shard, i) => {
      const name = shardName(i + 1, shards.length);
      for (const key of shard.keys()) weightMap.push([key, name]);
      written.push({ name, ...writeSafetensors(join(directory, name), shard, options) });
    });
    const text = indexText(tensors, weightMap, options.totalParameters);
    const file = join(directory, WEIGHTS_INDEX_FILE);
    const digest = writeAtomically(file, (output) => output.write(Buffer.from(text)), options);
    written.push({ name: WEIGHTS_INDEX_FILE, ...digest });
  }
  if (options.overwrite === true) removeOthers(directory, new Set(written.map(({ name }) => name)));
  return written;
}

/** Groups of at most `maxShardBytes`, in the order of the map; larger tensors alone. */
export function splitIntoShards(
  tensors: ReadonlyMap<string, StoredTensor>,
  maxShardBytes: number,
): ReadonlyMap<string, StoredTensor>[] {
  if (!(maxShardBytes > 0)) {
    const message = `maxShardBytes is ${maxShardBytes}, expected more than 0`;
    throw new InvalidArgumentError("maxShardBytes", maxShardBytes, message);
  }
  const shards: Map<string, StoredTensor>[] = [];
  let current = new Map<string, StoredTensor>();
  let bytes = 0;
  for (const [name, tensor] of tensors) {
    const more = tensor.data.byteLength;
    if (more > maxShardBytes) {
      shards.push(new Map([[name, tensor]]));
      continue;
    }
    if (bytes + more > maxShardBytes) {
      shards.push(current);
      current = new Map();
      bytes = 0;
    }
    current.set(name, tensor);
    bytes += more;
  }
  if (current.size > 0) shards.push(current);
  return shards;
}

function shardName(number: number, count: number): string {
  const digits = (value: number): string => String(value).padStart(5, "0");
  return `model-${digits(number)}-of-${digits(count)}.safetensors`;
}

/** `json.dumps(index, indent=2, sort_keys=True)` and a line end. */
function indexText(
  tensors: ReadonlyMap<string, StoredTensor>,
  weightMap: readonly (readonly [string, string])[],
  totalParameters: number | undefined,
): string {
  let bytes = 0;
  let elements = 0;
  for (const { data } of tensors.values()) {
    bytes += data.byteLength;
    elements += data.length;
  }
  const metadata = [
    ["total_parameters", totalParameters ?? elements],
    ["total_size", bytes],
  ] as const;
  const sorted = weightMap
    .map(([name, shard]) => ({ name, shard, order: Buffer.from(name) }))
    .sort((a, b) => Buffer.compare(a.order, b.order));
  const members = (pairs: readonly (readonly [string, JsonValue])[]): string =>
    pairs.map(([key, value]) => `    ${pythonJson(key)}: ${pythonJson(value)}`).join(",\n");
  const pairs = sorted.map(({ name, shard }) => [name, shard] as const);
  return `{\n  "metadata": {\n${members(metadata)}\n  },\n  "weight_map": {\n${members(pairs)}\n  }\n}\n`;
}

function removeOthers(directory: string, written: ReadonlySet<string>): void {
  for (const name of readdirSync(directory)) {
    const isOurs = name === WEIGHTS_FILE || name === WEIGHTS_INDEX_FILE || SHARD_NAME.test(name);
    if (isOurs && !written.has(name)) rmSync(join(directory, name), { force: true });
  }
}
