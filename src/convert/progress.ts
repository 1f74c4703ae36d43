import type { ConvertProgress } from "./options.ts";

const INTERVAL_MS = 100;

/** Collects what was done and reports it at most ten times a second. */
export class ProgressMeter {
  readonly #report: ((progress: ConvertProgress) => void) | undefined;
  #lastMs = Number.NEGATIVE_INFINITY;
  #phase: ConvertProgress["phase"] = "planning";
  #file = "";
  #bytes = 0;
  #rows = 0;
  #totalRows = 0;
  #totalBytes = 0;

  constructor(report: ((progress: ConvertProgress) => void) | undefined) {
    this.#report = report;
  }

  begin(phase: ConvertProgress["phase"], file: string): void {
    const isNewPhase = phase !== this.#phase || this.#file === "";
    this.#phase = phase;
    this.#file = file;
    this.#emit(isNewPhase);
  }

  /** @param bytes 0 when not known in advance */
  expect(rows: number, bytes: number): void {
    this.#totalRows = rows;
    this.#totalBytes = bytes;
  }

  /** Rows of streamed matrices are counted; those of decoded ones follow from the bytes. */
  add(bytes: number, rows: number): void {
    this.#bytes += bytes;
    this.#rows += rows;
    this.#emit(false);
  }

  #emit(always: boolean): void {
    if (this.#report === undefined) return;
    const nowMs = performance.now();
    if (!always && nowMs - this.#lastMs < INTERVAL_MS) return;
    this.#lastMs = nowMs;
    const share = this.#totalBytes > 0 ? Math.min(1, this.#bytes / this.#totalBytes) : 0;
    this.#report({
      phase: this.#phase,
      file: this.#file,
      rows: this.#totalBytes > 0 ? Math.floor(this.#totalRows * share) : this.#rows,
      totalRows: this.#totalRows,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
    });
  }
}
