import type * as arrow from "apache-arrow";
import { InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import type { FeatureTables } from "./dataset-archive.ts";

/** A text column with at most this share of distinct values is kept as codes and categories. */
const MAX_DISTINCT_SHARE = 0.5;
/** Missing, in `codes`. */
export const MISSING_CODE = -1;

export type FeatureValue = number | bigint | boolean | string | null;
type NumericValues = Exclude<arrow.Vector["TArray"], unknown[]>;

/**
 * One obs (or var) column of a whole data set in memory, for lookups by row.
 *
 * Numbers are typed arrays with a mask of missing rows, text with few distinct values is codes
 * into categories, other text and everything else is a list.
 */
export abstract class FeatureColumn {
  readonly name: string;
  readonly length: number;

  protected constructor(name: string, length: number) {
    this.name = name;
    this.length = length;
  }

  /** The value of a row, null when missing. @throws InvalidArgumentError out of range. */
  abstract at(row: number): FeatureValue;

  /** Values of many rows in the order asked. */
  gather(rows: ArrayLike<number>): FeatureValue[] {
    const values: FeatureValue[] = new Array(rows.length);
    for (let i = 0; i < rows.length; i++) values[i] = this.at(rows[i] as number);
    return values;
  }

  protected assertRow(row: number): void {
    if (row >= 0 && row < this.length && row % 1 === 0) return;
    throw new InvalidArgumentError(
      "row",
      row,
      `row ${row} does not exist: expected an integer from 0 to ${this.length - 1} (${this.length} rows of column ${this.name})`,
    );
  }
}

export class NumericColumn extends FeatureColumn {
  readonly kind = "numeric";
  /** [length]; unspecified where missing. */
  readonly values: NumericValues;
  /** [length], 1 where missing; null when nothing is. */
  readonly missing: Uint8Array | null;

  constructor(name: string, values: NumericValues, missing: Uint8Array | null) {
    super(name, values.length);
    this.values = values;
    this.missing = missing;
  }

  at(row: number): number | bigint | null {
    this.assertRow(row);
    return this.missing?.[row] === 1 ? null : (this.values[row] as number | bigint);
  }

  /** The same as {@link gather}, into a typed array of the caller; missing rows get `missing`. */
  gatherInto(rows: ArrayLike<number>, target: Float64Array | Float32Array, missing = Number.NaN) {
    for (let i = 0; i < rows.length; i++) {
      const value = this.at(rows[i] as number);
      target[i] = value === null ? missing : Number(value);
    }
  }
}

export class CategoricalColumn extends FeatureColumn {
  readonly kind = "categorical";
  /** [length] positions in `categories`, {@link MISSING_CODE} where missing. */
  readonly codes: Int32Array;
  readonly categories: readonly string[];

  constructor(name: string, codes: Int32Array, categories: readonly string[]) {
    super(name, codes.length);
    this.codes = codes;
    this.categories = categories;
  }

  at(row: number): string | null {
    this.assertRow(row);
    const code = this.codes[row] as number;
    return code === MISSING_CODE ? null : (this.categories[code] as string);
  }

  /** Codes of many rows, e.g. as class labels. @throws InvalidArgumentError out of range. */
  gatherCodes(rows: ArrayLike<number>, target = new Int32Array(rows.length)): Int32Array {
    for (let i = 0; i < rows.length; i++) {
      const row = rows[i] as number;
      this.assertRow(row);
      target[i] = this.codes[row] as number;
    }
    return target;
  }
}

export class ListColumn extends FeatureColumn {
  readonly kind = "list";
  readonly values: readonly FeatureValue[];

  constructor(name: string, values: readonly FeatureValue[]) {
    super(name, values.length);
    this.values = values;
  }

  at(row: number): FeatureValue {
    this.assertRow(row);
    return this.values[row] as FeatureValue;
  }
}

/**
 * Reads one column of every block, in block order. A block that lacks it contributes missing
 * values.
 *
 * @throws NotFoundError "no-such-column" when no block has it, listing the columns there are.
 */
export async function loadColumn(
  tables: FeatureTables,
  name: string,
): Promise<NumericColumn | CategoricalColumn | ListColumn> {
  const vectors: (arrow.Vector | null)[] = [];
  const available = new Set<string>();
  for (let block = 0; block < tables.nBlocks; block++) {
    const schema = await tables.schema(block);
    for (const field of schema.fields) available.add(field.name);
    const present = schema.fields.some((field) => field.name === name);
    const table = present ? await tables.table(block, { columns: [name] }) : null;
    vectors.push(table?.getChild(name) ?? null);
  }
  if (!available.has(name)) {
    throw new NotFoundError("no-such-column", `there is no column ${JSON.stringify(name)}`, {
      what: name,
      available: [...available],
    });
  }
  const blockRows = Array.from({ length: tables.nBlocks }, (_, block) => {
    return (tables.cumulative[block + 1] ?? 0) - (tables.cumulative[block] ?? 0);
  });
  const length = blockRows.reduce((sum, rows) => sum + rows, 0);
  return numericColumn(name, vectors, blockRows, length) ?? textColumn(name, vectors, blockRows);
}

function numericColumn(
  name: string,
  vectors: readonly (arrow.Vector | null)[],
  blockRows: readonly number[],
  length: number,
): NumericColumn | null {
  const arrays: NumericValues[] = [];
  for (const vector of vectors) {
    if (vector === null) continue;
    const { type } = vector;
    // Bool, dates, decimals and nested types have no array of one number per row.
    if (!isPlainNumber(type)) return null;
    arrays.push(vector.toArray());
  }
  const first = arrays[0];
  if (first === undefined) return null;
  const mixed = arrays.some((array) => array.constructor !== first.constructor);
  if (mixed && arrays.some((array) => isBigIntArray(array))) return null;
  const values: NumericValues = mixed
    ? new Float64Array(length)
    : new (first.constructor as new (length: number) => NumericValues)(length);
  let missing: Uint8Array | null = null;
  let at = 0;
  for (const [block, vector] of vectors.entries()) {
    const rows = blockRows[block] as number;
    if (vector === null) {
      missing ??= new Uint8Array(length);
      missing.fill(1, at, at + rows);
    } else {
      // One class, or numbers into Float64Array: both are accepted by set().
      values.set(vector.toArray(), at);
      if (vector.nullCount > 0) {
        missing ??= new Uint8Array(length);
        for (let i = 0; i < rows; i++) if (!vector.isValid(i)) missing[at + i] = 1;
      }
    }
    at += rows;
  }
  return new NumericColumn(name, values, missing);
}

function isBigIntArray(array: NumericValues): boolean {
  return array instanceof BigInt64Array || array instanceof BigUint64Array;
}

/** Integers and floats of 32 or 64 bits, and small integers; float16 arrives as bit patterns. */
function isPlainNumber(type: arrow.DataType): boolean {
  const text = String(type);
  return /^(?:Uint|Int)(?:8|16|32|64)$|^Float(?:32|64)$/.test(text);
}

function textColumn(
  name: string,
  vectors: readonly (arrow.Vector | null)[],
  blockRows: readonly number[],
): CategoricalColumn | ListColumn {
  const values: FeatureValue[] = [];
  for (const [block, vector] of vectors.entries()) {
    const rows = blockRows[block] as number;
    for (let i = 0; i < rows; i++) values.push((vector?.get(i) ?? null) as FeatureValue);
  }
  return fromValues(name, values);
}

/** Codes and categories, in order of appearance, where that is worth it; else the list itself. */
function fromValues(name: string, values: FeatureValue[]): CategoricalColumn | ListColumn {
  const distinct = new Map<string, number>();
  for (const value of values) {
    if (typeof value === "string") {
      if (!distinct.has(value)) distinct.set(value, distinct.size);
    } else if (value !== null) return new ListColumn(name, values);
  }
  if (distinct.size > values.length * MAX_DISTINCT_SHARE) return new ListColumn(name, values);
  const codes = Int32Array.from(values, (value) =>
    value === null ? MISSING_CODE : (distinct.get(value as string) as number),
  );
  return new CategoricalColumn(name, codes, [...distinct.keys()]);
}

/** A member of a collection without the column: that many missing values. */
interface AbsentColumn {
  readonly length: number;
  readonly available: readonly { readonly name: string }[];
}

/**
 * Columns of several data sets after one another.
 * @throws NotFoundError "no-such-column" when no member has it.
 */
export function joinColumns(
  name: string,
  parts: readonly (NumericColumn | CategoricalColumn | ListColumn | AbsentColumn)[],
): NumericColumn | CategoricalColumn | ListColumn {
  const present = parts.filter((part) => part instanceof FeatureColumn);
  if (present.length === 0) {
    const names = parts.flatMap((part) => ("available" in part ? part.available : []));
    throw new NotFoundError("no-such-column", `there is no column ${JSON.stringify(name)}`, {
      what: name,
      available: [...new Set(names.map((column) => column.name))],
    });
  }
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  const numbers = present.filter((part) => part instanceof NumericColumn);
  if (numbers.length === present.length) {
    const first = numbers[0]?.values.constructor;
    if (numbers.every((part) => part.values.constructor === first)) {
      return joinNumbers(name, parts, length);
    }
  }
  return fromValues(
    name,
    parts.flatMap((part) => {
      const rows = Array.from({ length: part.length }, (_, row) => row);
      return part instanceof FeatureColumn ? part.gather(rows) : rows.map(() => null);
    }),
  );
}

function joinNumbers(
  name: string,
  parts: readonly (FeatureColumn | AbsentColumn)[],
  length: number,
): NumericColumn {
  const first = parts.find((part) => part instanceof NumericColumn) as NumericColumn;
  const values = new (first.values.constructor as new (length: number) => NumericValues)(length);
  let missing: Uint8Array | null = null;
  let at = 0;
  for (const part of parts) {
    if (part instanceof NumericColumn) {
      // All of one class, which the caller has compared.
      values.set(part.values as never, at);
      if (part.missing !== null) {
        missing ??= new Uint8Array(length);
        missing.set(part.missing, at);
      }
    } else {
      missing ??= new Uint8Array(length);
      missing.fill(1, at, at + part.length);
    }
    at += part.length;
  }
  return new NumericColumn(name, values, missing);
}
