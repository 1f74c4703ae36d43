/** Whole files that are small in every sound data set. */
import { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";

const LIMIT_BYTES = 256 << 20;

/** @throws FormatError "too-large" instead of filling the memory with a hostile file. */
export function readSmallFile(path: string): Uint8Array<ArrayBuffer> {
  using file = FileSource.open(path);
  if (file.byteLength > LIMIT_BYTES) {
    throw new FormatError(
      "too-large",
      `expected a small file of at most ${LIMIT_BYTES} bytes, found ${file.byteLength}`,
      { path },
    );
  }
  return file.read(0, file.byteLength);
}

export function readSmallText(path: string): string {
  return Buffer.from(readSmallFile(path)).toString("utf8");
}
