import type { FileDigest } from "../../formats/common/output-file.ts";
import type { TokenRows } from "./token-rows.ts";

/** Files by name, with what is in them now. */
export type Digests = ReadonlyMap<string, FileDigest>;

/** Takes tokenised cells part by part: a part that has ended is on the disk for good. */
export interface TokenSink {
  /**
   * Adds cells [from, to) of `tokens`.
   * @param rowBase what to add to their rows, which count in one data set
   */
  add(tokens: TokenRows, from: number, to: number, rowBase: number): Promise<void> | void;
  /** Ends part `number`; returns the files that changed. */
  endPart(number: number): Promise<Digests>;
  /** Writes what stands for all parts together; returns the files that changed. */
  finish(): Promise<Digests>;
  /** Closes files. Does nothing after {@link finish}. */
  close(): Promise<void>;
}
