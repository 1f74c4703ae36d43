import { IncompatibleError } from "../../formats/common/errors.ts";
import type { EpochLimits } from "./epoch-limits.ts";
import { assertVersion, notAState, pastTheEnd, type WebDatasetState } from "./web-dataset-state.ts";

/** A worker that has not come to its end: which one, and where it stands (null: at its start). */
export interface WorkerPlace {
  readonly worker: number;
  readonly state: WebDatasetState | null;
}

/** Where a {@link WebLoader} stands; plain JSON. */
export interface WebLoaderState {
  readonly kind: "webloader";
  readonly version: 1;
  /** Hash of the workers' data sets and the loader's steps. */
  readonly fingerprint: string;
  readonly epoch: number;
  /** Passes of this epoch that are done, and the number of the pass the data sets are in. */
  readonly passesDone: number;
  readonly pass: number;
  /** Where the workers stood when the steps last held nothing; null at the start of a pass. */
  readonly workers: readonly WorkerPlace[] | null;
  /** Position in `workers` of the one that gave last, -1 for none. */
  readonly last: number;
  /** Items given since then, and in this epoch. */
  readonly items: number;
  readonly given: number;
}

/** The start of an epoch. */
export function beginning(fingerprint: string, epoch: number, pass: number): WebLoaderState {
  return {
    kind: "webloader",
    version: 1,
    fingerprint,
    epoch,
    passesDone: 0,
    pass,
    workers: null,
    last: -1,
    items: 0,
    given: 0,
  };
}

/**
 * @throws IncompatibleError for a state of something else, or of another version;
 *   InvalidArgumentError for what is no state.
 */
export function checkLoaderState(
  state: unknown,
  fingerprint: string,
  limits: EpochLimits & { readonly numWorkers: number },
): WebLoaderState {
  assertVersion(state, "webloader", "WebLoader");
  if (!isState(state, limits.numWorkers)) throw notAState(state, "WebLoader");
  if (state.fingerprint === fingerprint) {
    const { passesDone, items, given, last, workers } = state;
    const isInside =
      passesDone <= limits.passes &&
      given <= limits.maxItems &&
      given >= items &&
      last < (workers?.length ?? 0);
    if (isInside) return state;
    throw pastTheEnd(`pass ${passesDone}, ${given} items given, worker ${last}`);
  }
  throw new IncompatibleError(
    "state-mismatch",
    "the state is of another loader: shards, order, workers or steps differ",
    {
      suggestions: ["make the loader as it was when the state was taken", "start a new epoch"],
    },
  );
}

function isState(value: unknown, numWorkers: number): value is WebLoaderState {
  if (typeof value !== "object" || value === null) return false;
  const state = value as Partial<Record<keyof WebLoaderState, unknown>>;
  const counts = [state.epoch, state.passesDone, state.pass, state.items, state.given];
  return (
    state.kind === "webloader" &&
    state.version === 1 &&
    typeof state.fingerprint === "string" &&
    Number.isSafeInteger(state.last) &&
    Number(state.last) >= -1 &&
    counts.every((count) => Number.isSafeInteger(count) && Number(count) >= 0) &&
    (state.workers === null || isWorkers(state.workers, numWorkers))
  );
}

/** What a place holds is checked by the data set that goes on there. */
function isWorkers(value: unknown, numWorkers: number): boolean {
  return (
    Array.isArray(value) &&
    value.every(
      (place) =>
        Number.isSafeInteger(place?.worker) &&
        place.worker >= 0 &&
        place.worker < numWorkers &&
        place.state !== undefined,
    )
  );
}
