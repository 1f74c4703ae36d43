import {
  type Data,
  type DataType,
  Field,
  Float32,
  Int32,
  List,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  Utf8,
  vectorFromArray,
} from "apache-arrow";
import { ParquetWriter } from "../../formats/parquet/parquet-writer.ts";
import { INPUT_IDS, type OutputSpec } from "./outputs.ts";
import {
  elements,
  type PredictionSink,
  type RowOutputs,
  type SinkOptions,
} from "./prediction-sink.ts";

const PREDICTION = "prediction";

interface KeptRow {
  readonly row: number;
  readonly tokens: Int32Array;
  readonly values: Readonly<Record<string, Float32Array>>;
}

/**
 * One row for each input row, in their order: `id`, `length`, a list for each output (of lists where
 * every token has one), and `prediction`, the class, where classes have names. A window of rows is
 * kept until all of it has come.
 */
export class ParquetSink implements PredictionSink {
  readonly files: readonly string[];
  readonly #options: SinkOptions;
  readonly #schema: Schema;
  readonly #writer: ParquetWriter;
  #kept: KeptRow[] = [];

  /** @throws StorageError */
  constructor(options: SinkOptions) {
    this.#options = options;
    const { folder, name, specs } = options;
    this.files = [`${name}.parquet`];
    const field = (column: string, type: ConstructorParameters<typeof Field>[1]) =>
      new Field(column, type, true);
    this.#schema = new Schema([
      field("id", new Utf8()),
      field("length", new Int32()),
      ...specs.map((spec) => field(spec.name, typeOf(spec))),
      ...(this.#classes === null ? [] : [field(PREDICTION, new Utf8())]),
    ]);
    this.#writer = ParquetWriter.create(folder.file(`${name}.parquet`), this.#schema);
  }

  /** Rows that have come and are not written. */
  get waiting(): number {
    return this.#kept.length;
  }

  add({ row, tokens, values }: RowOutputs): void {
    const copies = Object.entries(values).map(([name, found]) => [name, found.slice()] as const);
    this.#kept.push({ row, tokens, values: Object.fromEntries(copies) });
  }

  async endWindow(): Promise<void> {
    const rows = this.#kept.sort((a, b) => a.row - b.row);
    this.#kept = [];
    if (rows.length === 0) return;
    const children = [
      textData(rows.map(({ row }) => this.#options.id(row))),
      intData(Int32Array.from(rows, ({ tokens }) => tokens.length)),
      ...this.#options.specs.map((spec) => listData(spec, rows)),
    ];
    const classes = this.#classes;
    if (classes !== null) {
      children.push(textData(rows.map(({ values }) => predicted(values[classes.name], classes))));
    }
    const type = new Struct(this.#schema.fields);
    const data = makeData({ type, length: rows.length, nullCount: 0, children });
    await this.#writer.write(new RecordBatch(this.#schema, data));
  }

  async finish(): Promise<void> {
    await this.#writer.finish();
  }

  close(): void {
    this.#writer.abort();
  }

  get #classes() {
    const { labels, specs } = this.#options;
    const spec = specs.find(({ name }) => name === "classification_output");
    return labels === null || spec === undefined ? null : { ...spec, labels };
  }
}

interface Classes extends OutputSpec {
  readonly labels: NonNullable<SinkOptions["labels"]>;
}

/** The class with the most of each token, one behind the other, or that of the row. */
function predicted(
  values: Float32Array | undefined,
  { shape, labels, perToken }: Classes,
): string | null {
  const width = elements(shape);
  if (values === undefined) return null;
  const names: string[] = [];
  for (let at = 0; at < values.length; at += width) {
    const logits = values.subarray(at, Math.min(at + width, at + labels.length));
    names.push(String(labels[logits.indexOf(Math.max(...logits))] ?? ""));
  }
  // The first and the last token are no residues.
  return perToken ? names.slice(1, -1).join(labels.every(isLetter) ? "" : " ") : (names[0] ?? null);
}

const isLetter = (label: string | number): boolean => [...String(label)].length === 1;

function typeOf({ name, perToken, shape }: OutputSpec) {
  if (name === INPUT_IDS) return new List(new Field("element", new Int32(), true));
  const list = new List(new Field("element", new Float32(), true));
  return perToken && shape.length > 0 ? new List(new Field("element", list, true)) : list;
}

function textData(texts: readonly (string | null)[]): Data {
  const [data] = vectorFromArray(texts, new Utf8()).data;
  return data ?? makeData({ type: new Utf8(), length: 0 });
}

function intData(data: Int32Array): Data<Int32> {
  return makeData({ type: new Int32(), length: data.length, nullCount: 0, data });
}

function listData(spec: OutputSpec, rows: readonly KeptRow[]): Data {
  if (spec.name === INPUT_IDS) {
    const parts = rows.map(({ tokens }) => tokens);
    return lists(intData(Int32Array.from(parts.flatMap((part) => [...part]))), parts);
  }
  const parts = rows.map(({ values }) => values[spec.name] ?? new Float32Array());
  const data = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    data.set(part, at);
    at += part.length;
  }
  const numbers = makeData({ type: new Float32(), length: data.length, nullCount: 0, data });
  if (!spec.perToken || spec.shape.length === 0) return lists(numbers, parts);
  const width = elements(spec.shape);
  const valueOffsets = Int32Array.from({ length: data.length / width + 1 }, (_, i) => i * width);
  const type = new List(new Field("element", new Float32(), true));
  const length = data.length / width;
  return lists(
    makeData({ type, length, nullCount: 0, valueOffsets, child: numbers }),
    parts,
    width,
  );
}

/** A list of each part's elements, which lie one behind the other in `child`, `width` numbers each. */
function lists<T extends DataType>(
  child: Data<T>,
  parts: readonly { readonly length: number }[],
  width = 1,
): Data<List<T>> {
  const valueOffsets = new Int32Array(parts.length + 1);
  let end = 0;
  for (const [i, { length }] of parts.entries()) {
    end += length / width;
    valueOffsets[i + 1] = end;
  }
  const type = new List(new Field("element", child.type, true));
  return makeData({ type, length: parts.length, nullCount: 0, valueOffsets, child });
}
