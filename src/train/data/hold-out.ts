import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { defaultRng } from "../../random/numpy-generator.ts";

/** Keeps the rows that are held out apart from other uses of the seed. */
const HOLD_OUT = 0x5ca1;

/** @throws InvalidArgumentError unless it is 0 or more and less than 1 */
export function assertShare(validShare: number): void {
  if (validShare >= 0 && validShare < 1) return;
  const message = `validShare is ${validShare}, expected 0 or more and less than 1`;
  throw new InvalidArgumentError("validShare", validShare, message);
}

/**
 * Rows to train on and rows held out for validation, both ascending, drawn by the seed.
 * @throws InvalidArgumentError when a share of so few leaves nothing for one of them
 */
export function holdOut(
  rows: number,
  validShare: number,
  seed: number,
): readonly [train: Uint32Array, valid: Uint32Array] {
  assertShare(validShare);
  const count = Math.round(rows * validShare);
  if (count === 0 || count === rows) {
    const found = count === 0 ? "none" : "all";
    throw new InvalidArgumentError(
      "validShare",
      validShare,
      `a share of ${validShare} of ${rows} is ${found}: nothing is left to ${count === 0 ? "validate" : "train"} on`,
      { suggestions: ["change --valid-share", "give validation data: --valid-data"] },
    );
  }
  const order = defaultRng([HOLD_OUT, seed]).permutation(rows);
  return [order.slice(count).sort(), order.slice(0, count).sort()];
}
