import * as arrow from "apache-arrow";
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import type { FrameReader } from "../../formats/h5ad/frame.ts";

export interface SelectionOptions {
  /** Name under which the index is kept, e.g. `obs_feature_id`. */
  readonly indexName: string;
  /** Columns to keep, in this order; undefined keeps all that can be read. */
  readonly columns: readonly string[] | undefined;
  /** Leave the index out of frames that have columns. */
  readonly dropIndex: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onWarning?: ((message: string) => void) | undefined;
}

/** What of one data frame is stored, and with which types. */
export interface FrameSelection {
  readonly frame: FrameReader;
  readonly columns: readonly string[];
  /** Stored columns; the kept index, if any, is the last. */
  readonly schema: arrow.Schema;
  readonly keepsIndex: boolean;
}

/**
 * Chooses columns and their stored types; reads integer columns that may lack values once.
 * @throws InvalidArgumentError for a column named twice.
 */
export async function selectColumns(
  frame: FrameReader,
  path: string,
  options: SelectionOptions,
): Promise<FrameSelection> {
  const columns = options.columns ?? readableColumns(frame, path, options.onWarning);
  const twice = columns.find((name, at) => columns.indexOf(name) !== at);
  if (twice !== undefined) {
    const name = JSON.stringify(twice);
    throw new InvalidArgumentError("columns", columns, `column ${name} is asked for twice`, {
      suggestions: ["name each column once"],
    });
  }
  // The range is empty: this reads the schema (and checks the names), no rows.
  const { schema } = await frame.table({ columns, begin: 0, end: 0 });
  const [index, ...fields] = schema.fields;
  const unsure = fields.filter(dependsOnMissing).map(({ name }) => name);
  const missing = await columnsWithMissing(frame, unsure, options.signal);
  const stored = fields.map(({ name, type }) =>
    nullable(name, storedType(type, missing.has(name))),
  );
  const isTaken = columns.includes(options.indexName);
  const keepsIndex = !isTaken && (columns.length === 0 || !options.dropIndex);
  if (isTaken && !options.dropIndex) {
    options.onWarning?.(
      `${path}: ${frame.path} has a column ${options.indexName}; the index is not stored`,
    );
  }
  if (keepsIndex && index !== undefined) {
    stored.push(nullable(options.indexName, storedType(index.type, false)));
  }
  return { frame, columns, schema: new arrow.Schema(stored), keepsIndex };
}

function nullable(name: string, type: arrow.DataType): arrow.Field {
  return new arrow.Field(name, type, true);
}

function readableColumns(
  frame: FrameReader,
  path: string,
  onWarning: SelectionOptions["onWarning"],
): string[] {
  return frame.columns.flatMap(({ name, unsupported }) => {
    if (unsupported === null) return [name];
    onWarning?.(`${path}: column ${name} of ${frame.path} is left out: ${unsupported}`);
    return [];
  });
}

async function columnsWithMissing(
  frame: FrameReader,
  columns: readonly string[],
  signal: AbortSignal | undefined,
): Promise<ReadonlySet<string>> {
  const found = new Set<string>();
  if (columns.length === 0) return found;
  for await (const batch of frame.batches({ columns, ...(signal ? { signal } : {}) })) {
    for (const [at, name] of columns.entries()) {
      if ((batch.getChildAt(at + 1)?.nullCount ?? 0) > 0) found.add(name);
    }
    if (found.size === columns.length) break;
  }
  return found;
}

/** The type a column is stored with: pandas turns integers with missing values into float64. */
function storedType(type: arrow.DataType, hasMissing: boolean): arrow.DataType {
  const values = valueType(type);
  return hasMissing && arrow.DataType.isInt(values) ? new arrow.Float64() : values;
}

function dependsOnMissing(field: arrow.Field): boolean {
  return field.nullable && arrow.DataType.isInt(valueType(field.type));
}

function valueType(type: arrow.DataType): arrow.DataType {
  return arrow.DataType.isDictionary(type) ? type.dictionary : type;
}

/** Rows of the selection under their stored names, in the types the file has. */
export async function* selectedBatches(
  selection: FrameSelection,
  signal?: AbortSignal,
): AsyncGenerator<arrow.RecordBatch> {
  const { frame, columns, keepsIndex, schema } = selection;
  for await (const batch of frame.batches({ columns, ...(signal ? { signal } : {}) })) {
    const fields: arrow.Field[] = [];
    const children: arrow.Data[] = [];
    for (const { name } of schema.fields) {
      const at = columns.indexOf(name);
      // The reader puts the index first; under its stored name it is not among the columns.
      const data = batch.data.children[at < 0 && keepsIndex ? 0 : at + 1];
      if (data === undefined) throw new RangeError(`no column ${name} in ${frame.path}`);
      fields.push(new arrow.Field(name, data.type, true));
      children.push(data);
    }
    const length = batch.numRows;
    const struct = arrow.makeData({ type: new arrow.Struct(fields), length, children });
    yield new arrow.RecordBatch(new arrow.Schema(fields), struct);
  }
}
