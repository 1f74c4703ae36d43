import * as arrow from "apache-arrow";
import {
  FormatError,
  isScdlError,
  NotFoundError,
  UnsupportedFeatureError,
} from "../common/errors.ts";
import type { Hdf5Values } from "../hdf5/protocol.ts";
import {
  arrowData,
  arrowTypeOf,
  dictionaryData,
  recordBatch,
  validityOf,
} from "./arrow-columns.ts";
import { type ColumnPlan, type FramePlan, planFrame } from "./frame-plan.ts";
import { indexText } from "./index-text.ts";
import type { DatasetNode, GroupNode, Source } from "./source.ts";

export interface FrameColumn {
  readonly name: string;
  /** Null when the column cannot be read; {@link unsupported} says why. */
  readonly type: arrow.DataType | null;
  readonly unsupported: string | null;
}

export interface FrameRange {
  /** Default: all readable columns, in file order. The index always comes first. */
  readonly columns?: readonly string[];
  /** First row. Default 0. */
  readonly begin?: number;
  /** Row after the last. Default all. */
  readonly end?: number;
}

export interface FrameBatches {
  readonly columns?: readonly string[];
  /** Rows of a batch. Default 65,536. */
  readonly batchRows?: number;
  readonly signal?: AbortSignal;
}

const DEFAULT_BATCH_ROWS = 65_536;
const NOT_UTF8 = "not-utf8";

/** The dictionary of a categorical column, read once. */
interface Categories {
  readonly type: arrow.Dictionary;
  readonly values: arrow.Vector;
}

/**
 * A table of annotations (obs, var, a data frame in obsm), read lazily as Arrow.
 *
 * The index is the first column, as text as in anndata ({@link indexText}); the schema's metadata
 * key `index` holds its name.
 */
export class FrameReader {
  readonly path: string;
  readonly nRows: number;
  readonly indexName: string;
  /** In the order of the data frame, without the index. */
  readonly columns: readonly FrameColumn[];
  /** Members of uns that are categories of these columns (anndata below 0.7). */
  readonly categoryKeys: readonly string[];
  readonly #source: Source;
  readonly #index: ColumnPlan;
  readonly #plans: readonly ColumnPlan[];
  readonly #categories = new Map<ColumnPlan, Promise<Categories>>();

  private constructor(source: Source, path: string, plan: FramePlan) {
    this.#source = source;
    this.path = path;
    this.nRows = plan.nRows;
    this.indexName = plan.index.name;
    this.#index = plan.index;
    this.#plans = plan.columns;
    this.columns = plan.columns.map(describeColumn);
    this.categoryKeys = plan.categoryKeys ?? [];
  }

  /** @param uns where anndata below 0.7 kept categories, as `NAME_categories` */
  static async open(
    source: Source,
    node: GroupNode | DatasetNode,
    uns: GroupNode | null,
  ): Promise<FrameReader> {
    return new FrameReader(source, node.path, await planFrame(source, node, uns));
  }

  /** For tables that are no AnnData data frame (10x). */
  static fromPlan(source: Source, path: string, plan: FramePlan): FrameReader {
    return new FrameReader(source, path, plan);
  }

  /** Rows [begin, end) of the chosen columns as one table in memory. */
  async table(range: FrameRange = {}): Promise<arrow.Table> {
    const begin = Math.max(0, range.begin ?? 0);
    const end = Math.min(this.nRows, range.end ?? this.nRows);
    const plans = this.#choose(range.columns);
    const schema = await this.#schema(plans);
    const batches: arrow.RecordBatch[] = [];
    for (let at = begin; at < end; at += DEFAULT_BATCH_ROWS) {
      const stop = Math.min(end, at + DEFAULT_BATCH_ROWS);
      batches.push(await this.#batch(schema, plans, at, stop));
    }
    return new arrow.Table(schema, batches);
  }

  /** All rows in order, a bounded number at a time. */
  async *batches(options: FrameBatches = {}): AsyncGenerator<arrow.RecordBatch> {
    const rows = Math.max(1, options.batchRows ?? DEFAULT_BATCH_ROWS);
    const plans = this.#choose(options.columns);
    const schema = await this.#schema(plans);
    for (let at = 0; at < this.nRows; at += rows) {
      options.signal?.throwIfAborted();
      yield await this.#batch(schema, plans, at, Math.min(this.nRows, at + rows));
    }
  }

  /** The schema that {@link table} and {@link batches} give for these columns. */
  schema(columns?: readonly string[]): Promise<arrow.Schema> {
    return this.#schema(this.#choose(columns));
  }

  #choose(names: readonly string[] | undefined): ColumnPlan[] {
    if (names === undefined) {
      return this.#plans.filter((_, i) => this.columns[i]?.type !== null);
    }
    return names.map((name) => {
      const at = this.columns.findIndex((column) => column.name === name);
      const plan = this.#plans[at];
      const column = this.columns[at];
      if (plan === undefined || column === undefined) {
        throw new NotFoundError(
          "no-such-column",
          `${this.#source.path}: ${this.path} has no column ${JSON.stringify(name)}`,
          {
            what: name,
            available: this.columns.map((other) => other.name),
            suggestions: ["scdl inspect FILE lists the columns"],
          },
        );
      }
      if (column.unsupported !== null) {
        throw new UnsupportedFeatureError(
          "column",
          `${this.#source.path}: column ${name} of ${this.path}: ${column.unsupported}`,
        );
      }
      return plan;
    });
  }

  async #schema(plans: readonly ColumnPlan[]): Promise<arrow.Schema> {
    const fields: arrow.Field[] = [];
    for (const plan of [this.#index, ...plans]) {
      const type = (await this.#typeOf(plan)) ?? new arrow.Null();
      fields.push(new arrow.Field(plan.name, type, plan.kind !== "plain"));
    }
    return new arrow.Schema(fields, new Map([["index", this.indexName]]));
  }

  async #typeOf(plan: ColumnPlan): Promise<arrow.DataType | null> {
    if (plan.kind === "categorical") return (await this.#categoriesOf(plan)).type;
    const isNumbers = plan.type.kind === "number" || plan.type.kind === "boolean";
    return plan === this.#index && isNumbers ? new arrow.Utf8() : arrowTypeOf(plan.type);
  }

  async #batch(
    schema: arrow.Schema,
    plans: readonly ColumnPlan[],
    begin: number,
    end: number,
  ): Promise<arrow.RecordBatch> {
    // Members of one compound dataset are read together: each read passes over whole rows.
    const shared = new Map<string, Promise<Hdf5Values>>();
    const children: arrow.Data[] = [];
    const all = [this.#index, ...plans];
    const fieldsOf = (path: string): string[] =>
      all.flatMap((plan) => (plan.path === path && plan.field !== null ? [plan.field] : []));
    const read = async (plan: ColumnPlan): Promise<Hdf5Values> => {
      if (plan.field === null) return this.#source.hdf5.read(plan.path, [begin], [end]);
      let values = shared.get(plan.path);
      values ??= this.#source.hdf5.read(plan.path, [begin], [end], fieldsOf(plan.path));
      shared.set(plan.path, values);
      const compound = await values;
      const found =
        compound.kind === "compound"
          ? compound.fields.find(({ name }) => name === plan.field)
          : undefined;
      if (found === undefined) {
        throw this.#source.error("wrong-type", `${plan.path} has no member ${plan.field}`);
      }
      return found.values;
    };
    for (const plan of all) {
      try {
        children.push(await this.#columnData(plan, await read(plan), begin, end));
      } catch (error) {
        throw await this.#nameColumn(error, plan, begin, end);
      }
    }
    return recordBatch(schema, end - begin, children);
  }

  /** Says which column and row holds a text that is not UTF-8, and how to do without it. */
  async #nameColumn(
    error: unknown,
    plan: ColumnPlan,
    begin: number,
    end: number,
  ): Promise<unknown> {
    if (!isScdlError(error, NOT_UTF8)) return error;
    const isIndex = plan === this.#index;
    const row = plan.kind === "categorical" ? null : await this.#rowNotUtf8(plan, begin, end);
    const what = isIndex ? "the index" : `column ${JSON.stringify(plan.name)}`;
    const where = row === null ? "a category" : `a text in row ${row}`;
    return new FormatError(NOT_UTF8, `${what} of ${this.path} has ${where} that is not UTF-8`, {
      path: this.#source.path,
      cause: error,
      suggestions: isIndex ? ["write the names as UTF-8"] : howToDoWithout(this.path, plan.name),
    });
  }

  /** Halves the rows until one is left: the HDF5 thread says only that there is such a text. */
  async #rowNotUtf8(plan: ColumnPlan, begin: number, end: number): Promise<number> {
    const fields = plan.field === null ? undefined : [plan.field];
    let [low, high] = [begin, end];
    while (high - low > 1) {
      const middle = Math.floor((low + high) / 2);
      const isBad = await this.#source.hdf5.read(plan.path, [low], [middle], fields).then(
        () => false,
        (error: unknown) => isScdlError(error, NOT_UTF8),
      );
      if (isBad) high = middle;
      else low = middle;
    }
    return low;
  }

  async #columnData(
    plan: ColumnPlan,
    values: Hdf5Values,
    begin: number,
    end: number,
  ): Promise<arrow.Data> {
    if (plan.kind === "categorical") return this.#categoricalData(plan, values);
    let validity = null;
    if (plan.kind === "masked") {
      const mask = await this.#source.hdf5.read(plan.maskPath, [begin], [end]);
      if (mask.kind !== "boolean" && mask.kind !== "number") {
        throw this.#source.error("wrong-type", `${plan.maskPath} is not a mask`);
      }
      const missing = new Uint8Array(mask.values.length);
      for (let i = 0; i < missing.length; i++) missing[i] = Number(mask.values[i]) === 0 ? 0 : 1;
      validity = validityOf(missing);
    }
    const data = arrowData(plan === this.#index ? indexText(values) : values, validity);
    if (data === null) throw this.#source.error("wrong-type", `${plan.path} is not a column`);
    return data;
  }

  async #categoricalData(
    plan: ColumnPlan & { kind: "categorical" },
    values: Hdf5Values,
  ): Promise<arrow.Data> {
    const { type, values: dictionary } = await this.#categoriesOf(plan);
    if (values.kind !== "number") {
      throw this.#source.error("wrong-type", `the codes of ${plan.path} are not numbers`);
    }
    const codes = new Int32Array(values.values.length);
    const missing = new Uint8Array(codes.length);
    for (let i = 0; i < codes.length; i++) {
      const code = Number(values.values[i]);
      if (code === -1) missing[i] = 1;
      else if (code >= 0 && code < dictionary.length && Number.isInteger(code)) codes[i] = code;
      else {
        throw this.#source.error(
          "bad-code",
          `${plan.path} has code ${code}, expected -1 to ${dictionary.length - 1}`,
        );
      }
    }
    return dictionaryData(type, codes, dictionary, validityOf(missing));
  }

  #categoriesOf(plan: ColumnPlan & { kind: "categorical" }): Promise<Categories> {
    let categories = this.#categories.get(plan);
    if (categories === undefined) {
      categories = this.#readCategories(plan);
      this.#categories.set(plan, categories);
    }
    return categories;
  }

  async #readCategories(plan: ColumnPlan & { kind: "categorical" }): Promise<Categories> {
    const values = await plan.categories();
    const data = arrowData(values, null);
    if (data === null) {
      throw this.#source.error("wrong-type", `the categories of ${plan.path} are not values`);
    }
    // Ids distinguish the dictionaries of one schema; arrow counts them up by itself.
    const type = new arrow.Dictionary(data.type, new arrow.Int32(), null, plan.ordered);
    return { type, values: new arrow.Vector([data]) };
  }
}

function howToDoWithout(path: string, column: string): string[] {
  const flag = { "/obs": "--obs-columns", "/var": "--var-columns" }[path];
  const others = flag === undefined ? "read the other columns" : `name the others with ${flag}`;
  return [others, `write column ${JSON.stringify(column)} as UTF-8`];
}

function describeColumn(plan: ColumnPlan): FrameColumn {
  if (plan.unsupported !== null) {
    return { name: plan.name, type: null, unsupported: plan.unsupported };
  }
  if (plan.kind === "categorical") {
    const type = new arrow.Dictionary(
      arrowTypeOf(plan.categoryType) ?? new arrow.Utf8(),
      new arrow.Int32(),
      null,
      plan.ordered,
    );
    return { name: plan.name, type, unsupported: null };
  }
  const type = arrowTypeOf(plan.type);
  const unsupported = type === null ? `values of kind ${plan.type.kind} are not a column` : null;
  return { name: plan.name, type, unsupported };
}
