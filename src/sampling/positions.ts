import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

/** Throws InvalidArgumentError unless `[begin, begin + count)` lies in an epoch of a sampler. */
export function assertPositions(length: number, epoch: number, begin: number, count: number): void {
  assertInteger("epoch", epoch, 0);
  if (Number.isSafeInteger(begin) && begin >= 0 && begin + count <= length) return;
  throw new InvalidArgumentError(
    "begin",
    begin,
    `positions ${begin} to ${begin + count} are not in an epoch of ${length} samples`,
  );
}

/** Throws InvalidArgumentError unless value is a safe integer of at least `least`. */
export function assertInteger(argument: string, value: number, least: number): void {
  if (Number.isSafeInteger(value) && value >= least) return;
  throw new InvalidArgumentError(
    argument,
    value,
    `${argument} is ${shown(value)}, expected an integer of at least ${least}`,
  );
}
