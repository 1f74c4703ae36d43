/** What is known of cells besides their genes: obs, wherever the cells are stored. */
import { FormatError, NotFoundError } from "../../formats/common/errors.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import type { IndexedShards } from "../webdataset/indexed-shards.ts";

export type CellValue = string | number | bigint | boolean | readonly unknown[] | null;

/** One obs column by cell. */
export interface CellColumn {
  /** Whether all that is there are numbers. */
  readonly isNumeric: boolean;
  /** Null where it is missing. */
  at(row: number): CellValue;
  /** Where a value is, for errors. */
  place(row: number): string;
}

export function columnPlace(path: string, name: string, row: number): string {
  return `${path}, obs column ${JSON.stringify(name)}, row ${row}`;
}

/** @param available names of those there are */
export function noColumn(path: string, name: string, available: readonly string[]): NotFoundError {
  const message = `${path}: there is no obs column ${JSON.stringify(name)}`;
  return new NotFoundError("no-such-column", message, {
    what: name,
    available,
    suggestions:
      available.length > 0
        ? []
        : [
            "carry it along: scdl tokenize-cells --obs, scdl shards write --obs",
            "name the data set",
          ],
  });
}

/** A column of values in memory. */
export function columnOf(path: string, name: string, values: readonly CellValue[]): CellColumn {
  const isNumeric = values.every((value) => {
    return value === null || typeof value === "number" || typeof value === "bigint";
  });
  return {
    isNumeric,
    at: (row) => values[row] ?? null,
    place: (row) => columnPlace(path, name, row),
  };
}

/**
 * A field of `obs.json` in every sample; reads all of them.
 * @throws NotFoundError "no-such-column"; FormatError "bad-field" naming the sample
 */
export function shardColumn(shards: IndexedShards, path: string, name: string): CellColumn {
  const values = Array.from({ length: shards.length }, (_, row): CellValue => {
    const { key, fields } = shards.sample(row);
    const bytes = fields.get("obs.json");
    if (bytes === undefined) throw noColumn(path, name, []);
    const obs = parsed(bytes);
    if (obs === null) {
      const message = `sample ${JSON.stringify(key)}: expected obs.json as a JSON object`;
      throw new FormatError("bad-field", message, { path });
    }
    if (!Object.hasOwn(obs, name)) throw noColumn(path, name, Object.keys(obs));
    return plain(obs[name]);
  });
  return columnOf(path, name, values);
}

/** A column of parquet files that follow one another. @throws NotFoundError "no-such-column" */
export async function parquetColumn(
  paths: readonly string[],
  path: string,
  name: string,
): Promise<CellColumn> {
  const values: CellValue[] = [];
  for (const file of paths.map((one) => ParquetFile.open(one))) {
    if (!file.columns.includes(name)) throw noColumn(file.path, name, file.columns);
    const column = (await file.table({ columns: [name] })).getChildAt(0);
    for (let row = 0; row < file.rowCount; row++) values.push(plain(column?.get(row)));
  }
  return columnOf(path, name, values);
}

function plain(value: unknown): CellValue {
  switch (typeof value) {
    case "string":
    case "number":
    case "bigint":
    case "boolean":
      return value;
    default:
      return Array.isArray(value) ? value : null;
  }
}

function parsed(bytes: Uint8Array): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(Buffer.from(bytes).toString());
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    return isObject ? { ...value } : null;
  } catch {
    return null;
  }
}
