import fs from "node:fs";
import path from "node:path";
import type * as arrow from "apache-arrow";
import { crc32Combine } from "../../formats/common/crc32.ts";
import { itemBytes, type ScdlDType } from "../../formats/common/dtype.ts";
import type { FileSum, MatrixSum } from "./matrix-writer.ts";

/** Size and checksum of a file from those of its parts, in order. */
export function joined(parts: readonly FileSum[]): FileSum {
  let bytes = 0;
  let crc32 = 0;
  for (const part of parts) {
    crc32 = crc32Combine(crc32, part.crc32, part.bytes);
    bytes += part.bytes;
  }
  return { bytes, crc32 };
}

/** Values a matrix added, from the bytes it wrote. */
export function valuesIn(sum: MatrixSum | undefined, dtype: ScdlDType): number {
  return (sum?.data ?? []).reduce((total, { bytes }) => total + bytes, 0) / itemBytes(dtype);
}

/** Every column name once, in order of first appearance. */
export function namesOf(schemas: readonly arrow.Schema[]): string[] {
  return [...new Set(schemas.flatMap(({ fields }) => fields.map(({ name }) => name)))];
}

/** Bytes of all files of a directory tree. */
export function bytesUnder(directory: string): number {
  let bytes = 0;
  for (const entry of fs.readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (entry.isFile()) bytes += fs.statSync(path.join(entry.parentPath, entry.name)).size;
  }
  return bytes;
}
