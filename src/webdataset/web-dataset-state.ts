import crypto from "node:crypto";
import { IncompatibleError } from "../../formats/common/errors.ts";

/**
 * Where an iteration over a {@link WebDataset} is; plain JSON. It fits the same shards, options and
 * stages only.
 */
export interface WebDatasetState {
  readonly kind: "webdataset";
  readonly version: 1;
  /** Hash of shards, options and stages. */
  readonly fingerprint: string;
  /** Pass over the data that the iteration began with, and the one it is in. */
  readonly firstPass: number;
  readonly pass: number;
  /** Samples of the pass, after the leading shuffles, before which the stages held nothing. */
  readonly samples: number;
  /** Items given since then. */
  readonly items: number;
  /** Items given in all by this iteration. */
  readonly given: number;
}

export function fingerprintOf(parts: unknown): string {
  return crypto.createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/** @throws IncompatibleError for a state of something else, or of another version. */
export function checkState(state: unknown, fingerprint: string): WebDatasetState {
  if (!isState(state)) {
    throw new IncompatibleError("bad-state", "expected a state of a WebDataset, version 1", {
      suggestions: ["pass what state() returned", "start a new epoch"],
    });
  }
  if (state.fingerprint !== fingerprint) {
    throw new IncompatibleError(
      "state-mismatch",
      "the state is of another data set: shards, order, rank, worker or stages differ",
      {
        suggestions: ["make the data set as it was when the state was taken", "start a new epoch"],
      },
    );
  }
  return state;
}

function isState(value: unknown): value is WebDatasetState {
  if (typeof value !== "object" || value === null) return false;
  const state = value as Partial<Record<keyof WebDatasetState, unknown>>;
  const counts = [state.firstPass, state.pass, state.samples, state.items, state.given];
  return (
    state.kind === "webdataset" &&
    state.version === 1 &&
    typeof state.fingerprint === "string" &&
    counts.every((count) => Number.isSafeInteger(count) && Number(count) >= 0)
  );
}
