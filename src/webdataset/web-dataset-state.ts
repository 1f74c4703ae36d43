import crypto from "node:crypto";
import { IncompatibleError, InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";
import type { EpochLimits } from "./epoch-limits.ts";
import { isShardPlace, type ShardPlace } from "./shard-identity.ts";

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
  /** The shard that was read then and how far; null at the start of a pass. */
  readonly place: ShardPlace | null;
  /** Items given since then. */
  readonly items: number;
  /** Items given in all by this iteration. */
  readonly given: number;
}

export function fingerprintOf(parts: unknown): string {
  return crypto.createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/**
 * @param limits passes of an iteration and items it gives, at most
 * @throws IncompatibleError for a state of something else, of another version, or past the end;
 *   InvalidArgumentError for what is no state.
 */
export function checkState(
  state: unknown,
  fingerprint: string,
  limits: EpochLimits,
): WebDatasetState {
  assertVersion(state, "webdataset", "WebDataset");
  if (!isState(state)) throw notAState(state, "WebDataset");
  if (state.fingerprint !== fingerprint) {
    throw new IncompatibleError(
      "state-mismatch",
      "the state is of another data set: shards, order, rank, worker or stages differ",
      {
        suggestions: ["make the data set as it was when the state was taken", "start a new epoch"],
      },
    );
  }
  const { pass, firstPass, given, items } = state;
  const isInside =
    pass >= firstPass &&
    pass - firstPass <= limits.passes &&
    given >= items &&
    given <= limits.maxItems;
  if (!isInside) throw pastTheEnd(`pass ${pass - firstPass}, ${given} items given`);
  return state;
}

/** The version of the states that are written and read. */
const VERSION = 1;

/** @throws IncompatibleError "state-version"; InvalidArgumentError for what is no state at all. */
export function assertVersion(state: unknown, kind: string, owner: string): void {
  const record: { readonly kind?: unknown; readonly version?: unknown } =
    typeof state === "object" && state !== null ? state : {};
  if (record.kind !== kind || typeof record.version !== "number") throw notAState(state, owner);
  if (record.version === VERSION) return;
  throw new IncompatibleError(
    "state-version",
    `the state has version ${record.version}, this package reads version ${VERSION}`,
    { suggestions: ["go on with the version of scdl that wrote the state", "start a new epoch"] },
  );
}

export function notAState(state: unknown, owner: string): InvalidArgumentError {
  const message = `expected a state of a ${owner}, found ${shown(state)}`;
  return new InvalidArgumentError("state", state, message, {
    suggestions: ["pass what state() returned, read back with JSON.parse", "start a new epoch"],
  });
}

/** A position that the data set does not reach. */
export function pastTheEnd(position: string): IncompatibleError {
  return new IncompatibleError("state-mismatch", `the state is past the end: ${position}`, {
    suggestions: ["use the shards that the state was taken with", "start a new epoch"],
  });
}

function isState(value: unknown): value is WebDatasetState {
  if (typeof value !== "object" || value === null) return false;
  const state = value as Partial<Record<keyof WebDatasetState, unknown>>;
  const counts = [state.firstPass, state.pass, state.samples, state.items, state.given];
  return (
    state.kind === "webdataset" &&
    state.version === 1 &&
    typeof state.fingerprint === "string" &&
    (state.place === null || isShardPlace(state.place)) &&
    counts.every((count) => Number.isSafeInteger(count) && Number(count) >= 0)
  );
}
