import { closeSync, existsSync, openSync, readFileSync, writeSync } from "node:fs";
import { writeAtomically } from "../../../formats/common/atomic-file.ts";
import { fromFsError, ScdlError } from "../../../formats/common/errors.ts";

/** A text file of lines that grows at its end. Every line is with the system when `append` returns. */
export class LogFile {
  readonly path: string;
  #fd: number | null;

  /** Puts `lines` in place of what the file held, and opens it for more. */
  constructor(path: string, lines: readonly string[]) {
    this.path = path;
    this.#fd = this.#rewrite(lines);
  }

  append(line: string): void {
    this.#write(Buffer.from(`${line}\n`, "utf8"));
  }

  replace(lines: readonly string[]): void {
    this.close();
    this.#fd = this.#rewrite(lines);
  }

  close(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }

  #rewrite(lines: readonly string[]): number {
    const text = Buffer.from(lines.map((line) => `${line}\n`).join(""), "utf8");
    writeAtomically(this.path, (file) => file.write(text), { overwrite: true });
    try {
      return openSync(this.path, "a");
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }

  #write(bytes: Uint8Array): void {
    if (this.#fd === null) throw new ScdlError("closed", `${this.path}: log after close`);
    try {
      writeSync(this.#fd, bytes);
    } catch (error) {
      throw fromFsError(error, this.path);
    }
  }
}

/** Whole lines of a log of an earlier run; a last line that was cut off is not one. */
export function linesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  try {
    return readFileSync(path, "utf8").split("\n").slice(0, -1);
  } catch (error) {
    throw fromFsError(error, path);
  }
}
