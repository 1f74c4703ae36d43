import { InvalidArgumentError } from "../../formats/common/errors.ts";

/** How long an epoch is, of a `WebDataset` and of a `WebLoader`. */
export interface EpochLimits {
  /** Passes over the shards that an iteration makes. */
  readonly passes: number;
  /** Items that it gives at most. */
  readonly maxItems: number;
}

export const ONE_PASS: EpochLimits = { passes: 1, maxItems: Number.POSITIVE_INFINITY };

/** `withEpoch`: passes are cut or repeated. @throws InvalidArgumentError */
export function epochOfItems(items: number): EpochLimits {
  if (Number.isSafeInteger(items) && items >= 1) {
    return { passes: Number.POSITIVE_INFINITY, maxItems: items };
  }
  const message = `withEpoch: expected items from 1, found ${items}`;
  throw new InvalidArgumentError("items", items, message);
}

/** `repeat`. @throws InvalidArgumentError */
export function epochOfPasses(passes: number): EpochLimits {
  if (passes >= 1) return { passes, maxItems: Number.POSITIVE_INFINITY };
  const message = `repeat: expected passes from 1, found ${passes}`;
  throw new InvalidArgumentError("passes", passes, message);
}

/** For a fingerprint: null for no limit. */
export function limitsAsJson({ passes, maxItems }: EpochLimits): readonly (number | null)[] {
  return [passes, maxItems].map((limit) => (Number.isFinite(limit) ? limit : null));
}
