/**
 * Compares what H5adFile reads with what Python's anndata reads, value by value.
 *
 * `anndata_dump.py FILE OUTPUT.json` makes the expected form; {@link compareWithPython} does it for a
 * file, {@link dumpH5ad} makes the same form from H5adFile. As a program:
 *
 *     node test/conformance/anndata.ts PYTHON FILE...
 */
import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import type * as arrow from "apache-arrow";
import type { NumericArray } from "../../formats/common/dtype.ts";
import {
  type AxisEntry,
  type Element,
  FrameReader,
  H5adFile,
  MatrixReader,
  type NumberTensor,
  type TextTensor,
} from "../../formats/h5ad/index.ts";

export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [k: string]: Json };

/** The differences between H5adFile and the Python of `python`; empty when all values are equal. */
export async function compareWithPython(python: string, file: string): Promise<string[]> {
  const script = fileURLToPath(new URL("./anndata_dump.py", import.meta.url));
  const expected = execFileSync(python, [script, file], { maxBuffer: 2 ** 30, encoding: "utf8" });
  return differences(JSON.parse(expected), await dumpH5ad(file));
}

/** Everything in a file, in the form of anndata_dump.py. */
export async function dumpH5ad(path: string): Promise<Json> {
  await using file = await H5adFile.open(path);
  const { raw } = file;
  return {
    shape: [...file.shape],
    X: await matrix(file.X),
    raw:
      raw === null
        ? null
        : { X: await matrix(raw.X), var: await frame(raw.varFrame), varm: await axis(raw.varm) },
    layers: await members(file.layers, matrix),
    obs: await frame(file.obsFrame),
    var: await frame(file.varFrame),
    obsm: await axis(file.obsm),
    varm: await axis(file.varm),
    obsp: await members(file.obsp, matrix),
    varp: await members(file.varp, matrix),
    uns: await element(await file.uns()),
  };
}

/** Up to 20 places where two dumps differ. */
export function differences(expected: Json, found: Json): string[] {
  const list: string[] = [];
  compare(expected, found, "", list);
  return list;
}

function compare(expected: Json, found: Json, path: string, list: string[]): void {
  if (list.length >= 20 || Object.is(expected, found)) return;
  if (Array.isArray(expected) && Array.isArray(found)) {
    if (expected.length !== found.length) {
      list.push(`${path}: ${expected.length} values expected, found ${found.length}`);
      return;
    }
    for (let i = 0; i < expected.length; i++) compare(expected[i], found[i], `${path}[${i}]`, list);
    return;
  }
  if (isObject(expected) && isObject(found)) {
    for (const key of new Set([...Object.keys(expected), ...Object.keys(found)])) {
      compare(expected[key] ?? null, found[key] ?? null, `${path}.${key}`, list);
    }
    return;
  }
  list.push(`${path}: expected ${brief(expected)}, found ${brief(found)}`);
}

function isObject(value: Json): value is { readonly [k: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function brief(value: Json): string {
  return JSON.stringify(value).slice(0, 80);
}

function number(value: unknown): Json {
  if (typeof value === "bigint") {
    const isExact = value <= 2n ** 53n && value >= -(2n ** 53n);
    return isExact ? Number(value) : value.toString();
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  return value === null || value === undefined ? null : Boolean(value);
}

function numbers(values: ArrayLike<number | bigint>, isBoolean = false): Json[] {
  return Array.from(values, (value) => (isBoolean ? Number(value) !== 0 : number(value)));
}

function tensor(value: NumberTensor | TextTensor): { readonly [k: string]: Json } {
  const shape = [...value.shape];
  if (value.kind === "texts") return { kind: "texts", shape, values: [...value.values] };
  const values = numbers(value.values as NumericArray, value.dtype === "bool");
  return { kind: "numbers", dtype: value.dtype, shape, values };
}

async function matrix(reader: MatrixReader | null): Promise<Json> {
  if (reader === null) return null;
  const indptr: number[] = [0];
  const indices: number[] = [];
  const values: Json[] = [];
  for await (const block of reader.rowBlocks({ blockBytes: 4096 })) {
    const base = indices.length;
    for (let i = 1; i < block.indptr.length; i++) indptr.push(base + (block.indptr[i] ?? 0));
    for (const index of block.indices) indices.push(index);
    for (const value of block.data) values.push(number(value));
  }
  const shape = [...reader.shape];
  return { kind: "matrix", shape, dtype: reader.dtype, indptr, indices, values };
}

async function frame(reader: FrameReader): Promise<Json> {
  const table = await reader.table();
  const index = table.getChildAt(0);
  const columns = table.schema.fields
    .slice(1)
    .map((field, at) => ({ name: field.name, ...column(table.getChildAt(at + 1), field) }));
  return {
    kind: "frame",
    index: Array.from(index ?? [], (value) => String(value)),
    indexName: reader.indexName === "_index" ? null : reader.indexName,
    columns,
  };
}

function column(vector: arrow.Vector | null, field: arrow.Field): { readonly [k: string]: Json } {
  if (vector === null) return { kind: "none" };
  const type = String(field.type);
  if (type.startsWith("Dictionary")) {
    const dictionary = vector.data[0]?.dictionary;
    const codes = vector.data.flatMap((data) =>
      Array.from({ length: data.length }, (_, i) =>
        data.getValid(i) ? Number(data.values[i]) : -1,
      ),
    );
    const inner = dictionary === undefined ? { kind: "none" } : plain(dictionary);
    return { kind: "categorical", codes, categories: inner, ordered: field.type.isOrdered };
  }
  if (field.nullable) return { kind: "nullable", values: Array.from(vector, scalar) };
  return plain(vector);
}

function scalar(value: unknown): Json {
  return typeof value === "string" ? value : number(value);
}

function plain(vector: arrow.Vector): { readonly [k: string]: Json } {
  const type = String(vector.type);
  const shape = [vector.length];
  const values = Array.from(vector, scalar);
  if (type === "Utf8") return { kind: "texts", shape, values };
  return { kind: "numbers", dtype: type.toLowerCase(), shape, values };
}

async function members<T>(
  map: ReadonlyMap<string, T>,
  convert: (value: T) => Promise<Json>,
): Promise<Json> {
  const out: Record<string, Json> = {};
  for (const [name, value] of map) out[name] = await convert(value);
  return out;
}

function axis(entries: ReadonlyMap<string, AxisEntry>): Promise<Json> {
  return members(entries, async (entry) => element(await entry.read()));
}

async function element(value: Element): Promise<Json> {
  if (value === null || typeof value !== "object") {
    return { kind: "scalar", value: typeof value === "string" ? value : number(value) };
  }
  if (value instanceof MatrixReader) return matrix(value);
  if (value instanceof FrameReader) return frame(value);
  if (value instanceof Map) return { kind: "dict", members: await members(value, element) };
  if (!("kind" in value)) return { kind: "unknown" };
  switch (value.kind) {
    case "numbers":
    case "texts":
      return tensor(value);
    case "records": {
      const fields = Object.fromEntries([...value.fields].map(([name, f]) => [name, tensor(f)]));
      return { kind: "records", fields };
    }
    case "categorical":
      return {
        kind: "categorical",
        codes: numbers(value.codes),
        categories: tensor(value.categories),
        ordered: value.ordered,
      };
    case "nullable": {
      const { values } = tensor(value.values);
      const list = Array.isArray(values) ? values : [];
      return {
        kind: "nullable",
        values: list.map((item: Json, i: number) => (Number(value.missing[i]) === 0 ? item : null)),
      };
    }
    case "unread":
      return { kind: "unread", reason: value.reason };
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [python = "python3", ...files] = process.argv.slice(2);
  for (const file of files) {
    const found = await compareWithPython(python, file);
    process.stdout.write(`${found.length === 0 ? "ok" : "DIFFERS"} ${file}\n`);
    for (const line of found) process.stdout.write(`  ${line}\n`);
    if (found.length > 0) process.exitCode = 1;
  }
}
