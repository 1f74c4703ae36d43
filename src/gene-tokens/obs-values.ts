import { type Data, type DataType, Field, type Vector, vectorFromArray } from "apache-arrow";
import { IncompatibleError } from "../../formats/common/errors.ts";
import { plainType } from "../../formats/parquet/columns.ts";
import type { CellSource } from "./cell-source.ts";

interface SourceColumns {
  readonly rowBegin: number;
  readonly rowEnd: number;
  readonly vectors: readonly (Vector | null)[];
}

/** Chosen obs columns of several data sets, whose rows are numbered on from one to the next. */
export class ObsValues {
  /** Columns with the types they are stored with. */
  readonly fields: readonly Field[];
  readonly #sources: readonly SourceColumns[];

  private constructor(fields: readonly Field[], sources: readonly SourceColumns[]) {
    this.fields = fields;
    this.#sources = sources;
  }

  /**
   * Reads the columns of every data set.
   * @throws NotFoundError "no-such-column"; IncompatibleError for a column whose types differ.
   */
  static async read(cells: readonly CellSource[], names: readonly string[]): Promise<ObsValues> {
    const types = new Map<string, DataType>();
    const sources: SourceColumns[] = [];
    let rowBegin = 0;
    for (const source of cells) {
      const rowEnd = rowBegin + source.nObs;
      const table = names.length === 0 ? null : await source.obs(names);
      for (const name of names) {
        const found = table?.schema.fields.find((field) => field.name === name);
        if (found === undefined) continue;
        const type = plainType(found.type, name);
        const before = types.get(name) ?? type;
        if (String(before) !== String(type)) {
          throw new IncompatibleError(
            "column-type",
            `${source.path}: obs column ${name} is ${type}, and ${before} in the data sets before`,
            { suggestions: ["leave the column out"] },
          );
        }
        types.set(name, type);
      }
      sources.push({
        rowBegin,
        rowEnd,
        vectors: names.map((name) => table?.getChild(name) ?? null),
      });
      rowBegin = rowEnd;
    }
    const fields = [...types].map(([name, type]) => new Field(name, type, true));
    return new ObsValues(fields, sources);
  }

  /** A column of the rows as Arrow. */
  column(number: number, rows: ArrayLike<number>): Data {
    // Every number is that of a field.
    const { type } = this.fields[number] as Field;
    const values = Array.from(rows, (row) => this.#at(row, number));
    const [data] = vectorFromArray(values, type).data;
    return data as Data;
  }

  /** The values of a row by column, as JSON holds them. */
  json(row: number): Record<string, string | number | boolean | null> {
    const entries = this.fields.map(({ name }, i) => [name, jsonOf(this.#at(row, i))] as const);
    return Object.fromEntries(entries);
  }

  #at(row: number, column: number): unknown {
    const source = this.#sources.find(({ rowEnd }) => row < rowEnd);
    return source?.vectors[column]?.get(row - source.rowBegin) ?? null;
  }
}

/** JSON has no integers beyond 2^53 that all readers keep, and no NaN. */
function jsonOf(value: unknown): string | number | boolean | null {
  if (typeof value === "bigint") {
    return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  }
  if (typeof value === "number") return Number.isFinite(value) ? value : null;
  return typeof value === "string" || typeof value === "boolean" ? value : null;
}
