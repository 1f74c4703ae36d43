/** Cluster tables of bionemo-esm2 as parquet, streamed by row groups. */
import { type Data, DataType, type RecordBatch } from "apache-arrow";
import { FormatError, isScdlError, NotFoundError } from "../../formats/common/errors.ts";
import { ParquetFile } from "../../formats/parquet/parquet-file.ts";
import type { ClusterBlock, TextColumn } from "./cluster-block.ts";

/** `train`: lists of UniRef90 names in `ur90_id`. `validation`: one UniRef50 name in `ur50_id`. */
export type ClusterSplit = "train" | "validation";

export const TRAIN_COLUMN = "ur90_id";
export const VALIDATION_COLUMN = "ur50_id";

/** Opens a cluster table. @throws NotFoundError no such file or column; FormatError */
export function openClusterParquet(path: string, split: ClusterSplit): ParquetFile {
  const file = openParquet(path);
  const column = split === "train" ? TRAIN_COLUMN : VALIDATION_COLUMN;
  if (file.columns.includes(column)) return file;
  const kind = split === "train" ? "Training" : "Validation";
  throw new NotFoundError(
    "no-such-column",
    `${path}: ${kind} cluster file must contain a '${column}' column`,
    {
      what: column,
      available: file.columns,
      suggestions: [
        file.columns.includes(TRAIN_COLUMN)
          ? 'it is a table of training clusters: split "train"'
          : file.columns.includes(VALIDATION_COLUMN)
            ? 'it is a table of validation clusters: split "validation"'
            : "write the names of the members as lists in a column ur90_id",
      ],
    },
  );
}

function openParquet(path: string): ParquetFile {
  try {
    return ParquetFile.open(path);
  } catch (error) {
    if (!isScdlError(error, "no-such-file")) throw error;
    throw new NotFoundError("no-such-file", `Cluster file ${path} not found.`, {
      what: path,
      cause: error,
      suggestions: ["check the path"],
    });
  }
}

/** The clusters of a table, a row group or less at a time, in order. */
export async function* clusterParquetBlocks(
  file: ParquetFile,
  split: ClusterSplit,
): AsyncGenerator<ClusterBlock> {
  const names = file.columns.includes(VALIDATION_COLUMN) ? [VALIDATION_COLUMN] : [];
  const columns = split === "train" ? [...names, TRAIN_COLUMN] : [VALIDATION_COLUMN];
  let row = 0;
  for await (const batch of file.batches({ columns })) {
    yield split === "train"
      ? trainBlock(batch, row, file.path)
      : validationBlock(batch, row, file.path);
    row += batch.numRows;
  }
}

function trainBlock(batch: RecordBatch, row: number, path: string): ClusterBlock {
  const names = batch.getChild(VALIDATION_COLUMN)?.data[0];
  const ids = names === undefined ? null : textColumn(names, VALIDATION_COLUMN, row, path);
  const data = batch.getChild(TRAIN_COLUMN)?.data[0];
  const texts = data?.children[0];
  if (
    data === undefined ||
    !DataType.isList(data.type) ||
    texts === undefined ||
    !DataType.isUtf8(texts.type)
  ) {
    throw wrongType(TRAIN_COLUMN, "lists of text", data, path);
  }
  refuseNulls(data, TRAIN_COLUMN, row, path);
  const offsets = Int32Array.from(data.valueOffsets.subarray(0, data.length + 1));
  // The members of a slice need not begin at the first text.
  const begin = offsets[0] ?? 0;
  const end = offsets[data.length] ?? begin;
  const used = begin === 0 && end === texts.length ? texts : texts.slice(begin, end - begin);
  if (used.nullCount > 0) {
    throw new FormatError(
      "null-value",
      `column ${TRAIN_COLUMN}: a null among the members of rows ${row} to ${row + data.length - 1}`,
      { path, suggestions: ["drop the nulls when the table is written"] },
    );
  }
  if (begin !== 0) for (let i = 0; i < offsets.length; i++) offsets[i] = (offsets[i] ?? 0) - begin;
  return { ids, offsets, members: plainText(used) };
}

function validationBlock(batch: RecordBatch, row: number, path: string): ClusterBlock {
  const data = batch.getChild(VALIDATION_COLUMN)?.data[0];
  if (data === undefined) throw wrongType(VALIDATION_COLUMN, "text", data, path);
  const members = textColumn(data, VALIDATION_COLUMN, row, path);
  return { ids: members, offsets: consecutive(data.length + 1), members };
}

function textColumn(data: Data, column: string, row: number, path: string): TextColumn {
  if (!DataType.isUtf8(data.type)) throw wrongType(column, "text", data, path);
  refuseNulls(data, column, row, path);
  return plainText(data);
}

function plainText(data: Data): TextColumn {
  const offsets: Int32Array = data.valueOffsets.subarray(0, data.length + 1);
  return { bytes: data.values, offsets };
}

function refuseNulls(data: Data, column: string, row: number, path: string): void {
  if (data.nullCount === 0) return;
  let i = 0;
  while (i < data.length && data.getValid(i)) i++;
  throw new FormatError("null-value", `column ${column}: row ${row + i} is null`, {
    path,
    suggestions: ["drop such rows when the table is written"],
  });
}

function wrongType(column: string, expected: string, data: Data | undefined, path: string) {
  const found = data === undefined ? "nothing" : String(data.type);
  return new FormatError(
    "wrong-column-type",
    `column ${column}: expected ${expected}, found ${found}`,
    { path, suggestions: ["write it as pandas writes lists of str"] },
  );
}

function consecutive(length: number): Int32Array {
  return Int32Array.from({ length }, (_, i) => i);
}
