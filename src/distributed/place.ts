import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber } from "../../formats/common/options.ts";

import type { Communicator } from "./communicator.ts";

/** One of several that share the work. */
export interface PlaceOptions {
  readonly rank?: number | undefined;
  readonly worldSize?: number | undefined;
}

export const PLACE_KINDS = { rank: aNumber, worldSize: aNumber };

/** What `processPlace()` says besides: no option, but spread into options with the others. */
export const PLACE_EXTRAS: readonly string[] = ["localRank", "localWorldSize", "launcher"];

/** Rank and world size for a data module: both or none. */
export function placeAmong(communicator: Communicator | undefined): PlaceOptions {
  if (communicator === undefined) return {};
  return { rank: communicator.rank, worldSize: communicator.worldSize };
}

/**
 * Rank and world size of options, 0 of 1 without both.
 * @throws InvalidArgumentError for one without the other: every process would read what rank 0 does.
 */
export function placeOf({ rank, worldSize }: PlaceOptions): {
  readonly rank: number;
  readonly worldSize: number;
} {
  assertPair("rank", rank, "worldSize", worldSize, "both come from processPlace()");
  return { rank: rank ?? 0, worldSize: worldSize ?? 1 };
}

/** @throws InvalidArgumentError naming the one that is missing. */
export function assertPair(
  name: string,
  place: number | undefined,
  countName: string,
  count: number | undefined,
  suggestion: string,
): void {
  if ((place === undefined) === (count === undefined)) return;
  const [given, value, missing] =
    place === undefined ? [countName, count, name] : [name, place, countName];
  throw new InvalidArgumentError(
    missing,
    undefined,
    `${given} is ${value} and ${missing} is not given: give both or none`,
    { suggestions: [suggestion] },
  );
}
