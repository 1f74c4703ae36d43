import path from "node:path";
import { FileSource } from "../bytes/file-source.ts";
import { UnsupportedFeatureError } from "../common/errors.ts";
import { PARQUET_MAGIC } from "../parquet/footer.ts";
import { DelimitedTable } from "./delimited-table.ts";
import { JsonLinesTable } from "./json-lines-table.ts";
import { ParquetTable } from "./parquet-table.ts";
import type { Table } from "./table.ts";

/** First bytes of files that are often given by mistake. */
const MAGICS = [
  ["HDF5", [0x89, 0x48, 0x44, 0x46], "write it as CSV or parquet"],
  ["a zip archive, such as an Excel sheet", [0x50, 0x4b, 3, 4], "save it as CSV"],
] as const;

/**
 * Opens a table: parquet by its first bytes, `.jsonl` and `.ndjson` as JSON lines, `.tsv` and `.tab`
 * with tabs, anything else as CSV; text may be compressed with gzip or zstd.
 * @throws NotFoundError, StorageError, FormatError, UnsupportedFeatureError
 */
export async function openTable(file: string): Promise<Table> {
  const first = firstBytes(file);
  if (startsWith(first, Buffer.from(PARQUET_MAGIC))) return ParquetTable.open(file);
  for (const [name, magic, advice] of MAGICS) {
    if (!startsWith(first, magic)) continue;
    throw new UnsupportedFeatureError("table", `${file}: this is ${name}, not a table of text`, {
      suggestions: [advice],
    });
  }
  switch (path.extname(file.replace(/\.(gz|zst)$/i, "")).toLowerCase()) {
    case ".jsonl":
    case ".ndjson":
      return JsonLinesTable.open(file);
    case ".tsv":
    case ".tab":
      return DelimitedTable.open(file, "\t");
    default:
      return DelimitedTable.open(file, ",");
  }
}

function firstBytes(file: string): Uint8Array {
  using source = FileSource.open(file);
  return source.read(0, Math.min(4, source.byteLength));
}

function startsWith(bytes: Uint8Array, magic: ArrayLike<number>): boolean {
  return Array.from(magic).every((byte, i) => bytes[i] === byte);
}
