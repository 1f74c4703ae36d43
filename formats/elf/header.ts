/** The header of an ELF file: 64 bit, little-endian. */
import type { FileSource } from "../bytes/file-source.ts";
import { FormatError, UnsupportedFeatureError } from "../common/errors.ts";

const HEADER_BYTES = 64;
const MAGIC = 0x464c_457f;
const MAGIC_BYTES = 4;
const CLASS_64 = 2;
const LITTLE_ENDIAN = 1;

/** @throws FormatError for a file of something else or a part of a header, UnsupportedFeatureError */
export function readElfHeader(file: FileSource): DataView {
  const { path } = file;
  const isLong = file.byteLength >= MAGIC_BYTES;
  if (!isLong || viewOf(file.read(0, MAGIC_BYTES)).getUint32(0, true) !== MAGIC) {
    const message = "expected a shared library (ELF), found other bytes";
    throw new FormatError("not-elf", message, { path, offset: 0 });
  }
  const header = viewOf(file.read(0, HEADER_BYTES));
  if (header.getUint8(4) !== CLASS_64 || header.getUint8(5) !== LITTLE_ENDIAN) {
    throw new UnsupportedFeatureError("elf", `${path}: expected a 64 bit, little-endian library`);
  }
  return header;
}

export function viewOf(bytes: Uint8Array<ArrayBuffer>): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
