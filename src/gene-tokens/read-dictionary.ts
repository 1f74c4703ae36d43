import { readFileSync, statSync } from "node:fs";
import { extname } from "node:path";
import { FormatError, fromFsError } from "../../formats/common/errors.ts";
import { type OrderedJson, readPythonJson } from "../../formats/common/python-json-reader.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import { readPickle } from "../../formats/pickle/read-pickle.ts";

/** A dictionary of 64 MiB has a million genes: more is another file. */
const MAX_FILE_BYTES = 64 * 2 ** 20;

/** What a file of gene names and values holds, in the order of the file; values are not checked. */
export type RawDictionary = ReadonlyMap<string, unknown>;

/**
 * A dictionary of genes in a file: a Python pickle of a dict (`.pkl`, `.pickle`), a JSON object
 * (`.json`, `.vocab`), or a parquet table of two columns, names and values (`.parquet`).
 *
 * `member` names the object inside a JSON file that holds several, such as "vocab".
 * @throws NotFoundError, FormatError, UnsupportedFeatureError for a pickle that calls anything.
 */
export async function readDictionary(path: string, member?: string): Promise<RawDictionary> {
  if (extname(path) === ".parquet") return readTable(path);
  const bytes = readWhole(path);
  const isJson = /^\s*[{[]/.test(Buffer.from(bytes.subarray(0, 64)).toString("latin1"));
  const value = isJson
    ? selectMember(readPythonJson(bytes, path), member)
    : readPickle(bytes, path, { keepMaps: true });
  if (!(value instanceof Map)) throw notADictionary(path, describe(value));
  for (const key of value.keys()) {
    if (typeof key !== "string") throw notADictionary(path, `the key ${describe(key)}`);
  }
  return value;
}

/** The objects of a JSON file by name, as `geneformer.vocab` has two. */
export function readJsonObjects(path: string): ReadonlyMap<string, OrderedJson> {
  const value = readPythonJson(readWhole(path), path);
  if (value instanceof Map) return value;
  throw notADictionary(path, describe(value));
}

function selectMember(value: OrderedJson, member: string | undefined): unknown {
  if (member === undefined || !(value instanceof Map)) return value;
  const inner: unknown = value.get(member);
  return inner instanceof Map ? inner : value;
}

function readWhole(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > MAX_FILE_BYTES) {
      throw new FormatError(
        "too-large",
        `expected a dictionary of at most ${MAX_FILE_BYTES} bytes, found ${size}`,
        { path },
      );
    }
    return readFileSync(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
}

async function readTable(path: string): Promise<RawDictionary> {
  const file = ParquetFile.open(path);
  const [names, values] = file.columns;
  if (names === undefined || values === undefined || file.columns.length > 2) {
    const found = file.columns.length === 0 ? "none" : file.columns.join(", ");
    throw new FormatError(
      "not-a-dictionary",
      `expected a table of two columns, genes and values; the columns are ${found}`,
      { path },
    );
  }
  const entries = new Map<string, unknown>();
  for await (const batch of file.batches()) {
    const keys = batch.getChild(names);
    const items = batch.getChild(values);
    for (let i = 0; i < batch.numRows; i++) {
      const key: unknown = keys?.get(i);
      if (typeof key !== "string") throw notADictionary(path, `the key ${describe(key)}`);
      if (entries.has(key)) {
        throw new FormatError("duplicate-key", `${JSON.stringify(key)} is there twice`, { path });
      }
      const item: unknown = items?.get(i);
      entries.set(key, typeof item === "bigint" ? Number(item) : item);
    }
  }
  return entries;
}

function notADictionary(path: string, found: string): FormatError {
  return new FormatError(
    "not-a-dictionary",
    `expected a dictionary from gene names to values, found ${found}`,
    { path, suggestions: ["name a pickle of a dict, a JSON object, or a parquet of two columns"] },
  );
}

/** A value as an error shows it. */
export function describe(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 60));
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a dictionary of ${value.size}`;
  return typeof value === "object" && value !== null ? "an object" : String(value);
}
