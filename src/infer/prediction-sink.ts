import type { Label } from "../proteins/label-map.ts";
import type { OutputSpec } from "./outputs.ts";
import type { ResultFolder } from "./result-folder.ts";

/** What was computed of a row. */
export interface RowOutputs {
  readonly row: number;
  readonly tokens: Int32Array;
  /** By name; of outputs for each token those of the row's tokens. Valid during the call. */
  readonly values: Readonly<Record<string, Float32Array>>;
}

/** Writes rows, which come in any order within a window, to their places. */
export interface PredictionSink {
  /** Names of the files. */
  readonly files: readonly string[];
  add(row: RowOutputs): void;
  /** All rows of a window have come. */
  endWindow(): Promise<void>;
  /** Flushes the files to the disk. */
  finish(): Promise<void>;
  /** Closes what is not finished. */
  close(): void;
}

/** What a sink writes. */
export interface SinkOptions {
  readonly folder: ResultFolder;
  /** Name of the files without what says their kind: "predictions". */
  readonly name: string;
  readonly specs: readonly OutputSpec[];
  /** Rows from `begin` to before `end`. */
  readonly begin: number;
  readonly end: number;
  /** Tokens of the longest of them. */
  readonly longest: number;
  readonly padId: number;
  /** The name of a row. */
  readonly id: (row: number) => string;
  /** Of the classes that the model tells apart. */
  readonly labels: readonly Label[] | null;
}

export function elements(shape: readonly number[]): number {
  return shape.reduce((product, side) => product * side, 1);
}
