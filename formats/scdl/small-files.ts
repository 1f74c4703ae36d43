/** Whole files that are small in every sound data set. */
import { readFileSync, statSync } from "node:fs";
import { FormatError, fromFsError } from "../common/errors.ts";

const LIMIT_BYTES = 256 << 20;

/** @throws FormatError "too-large" instead of filling the memory with a hostile file. */
export function readSmallFile(path: string): Uint8Array {
  try {
    const { size } = statSync(path);
    if (size > LIMIT_BYTES) {
      throw new FormatError(
        "too-large",
        `expected a small file of at most ${LIMIT_BYTES} bytes, found ${size}`,
        { path },
      );
    }
    return readFileSync(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
}

export function readSmallText(path: string): string {
  return Buffer.from(readSmallFile(path)).toString("utf8");
}
