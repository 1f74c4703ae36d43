import type { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";
import { Cursor } from "./cursor.ts";
import { notHdf5 } from "./not-hdf5.ts";

const SIGNATURE = "\x89HDF\r\n\x1a\n";

export interface Superblock {
  /** Where the signature lies: 0, or a power of two from 512 behind a user block. */
  readonly address: number;
  readonly version: number;
  readonly offsetBytes: number;
  readonly lengthBytes: number;
  /** Added to every address in the file. */
  readonly base: number;
}

/** @throws FormatError `bad-magic` when the file is not HDF5 */
export function readSuperblock(file: FileSource): Superblock {
  for (
    let address = 0;
    address + 24 <= file.byteLength;
    address = address === 0 ? 512 : address * 2
  ) {
    const cursor = new Cursor(
      file.read(address, Math.min(96, file.byteLength - address)),
      file.path,
      address,
    );
    if (cursor.text(8) !== SIGNATURE) continue;
    const version = cursor.u8();
    if (version > 3) throw cursor.fail("unsupported-version", `superblock version ${version}`);
    if (version < 2) {
      cursor.skip(4);
      const offsetBytes = cursor.u8();
      const lengthBytes = cursor.u8();
      cursor.skip(version === 1 ? 13 : 9);
      const base = readExtent(file, cursor, offsetBytes);
      return { address, version, offsetBytes, lengthBytes, base };
    }
    const offsetBytes = cursor.u8();
    const lengthBytes = cursor.u8();
    cursor.skip(1);
    const base = readExtent(file, cursor, offsetBytes);
    return { address, version, offsetBytes, lengthBytes, base };
  }
  throw notHdf5(file.path, file.read(0, Math.min(64, file.byteLength)));
}

/** Reads base address, one address of no interest and the file's end; notices a cut-off file. */
function readExtent(file: FileSource, cursor: Cursor, offsetBytes: number): number {
  if (![2, 4, 8].includes(offsetBytes)) {
    throw cursor.fail("bad-header", `file addresses of ${offsetBytes} bytes`);
  }
  const base = cursor.uint(offsetBytes);
  cursor.skip(offsetBytes);
  const end = cursor.uint(offsetBytes);
  if (end > file.byteLength) {
    throw new FormatError(
      "truncated",
      `the file has ${file.byteLength} bytes, its header says ${end}`,
      { path: file.path, suggestions: ["copy or download the file again"] },
    );
  }
  return base;
}
