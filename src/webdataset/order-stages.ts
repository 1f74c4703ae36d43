/** Stages on which items come when: shuffles and slices; webdataset's names in camel case. */
import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { aNumber, checkOptions, shown } from "../../formats/common/options.ts";
import { ShuffleBuffer } from "./shuffle-buffer.ts";
import type { Stage, StageFactory } from "./stage.ts";

export interface ShuffleOptions {
  /** Buffered before the first sample is given. Default 100, at most the size. */
  readonly initial?: number;
  readonly seed?: number;
}

/** @param perPass another order in every pass: the seed is `seed + pass`. */
export function shuffleStage(
  size: number,
  options: ShuffleOptions,
  perPass: boolean,
): StageFactory {
  checkOptions("shuffle", options, { initial: aNumber, seed: aNumber });
  const { initial = 100, seed = 0 } = options;
  for (const [name, value, least] of [
    ["size", size, 1],
    ["initial", initial, 0],
    ["seed", seed, Number.MIN_SAFE_INTEGER],
  ] as const) {
    if (!(Number.isSafeInteger(value) && value >= least)) {
      throw new InvalidArgumentError(
        name,
        value,
        `${name}: expected an integer from ${least}, found ${shown(value)}`,
      );
    }
  }
  return {
    signature: `shuffle(${size},${initial},${seed},${perPass})`,
    create: (pass) => new ShuffleStage(size, initial, perPass ? seed + pass : seed),
  };
}

export class ShuffleStage extends ShuffleBuffer<unknown> implements Stage {
  readonly isDone = false;
}

/** At most `count` items of each pass. */
export function sliceStage(count: number): StageFactory {
  if (!(Number.isSafeInteger(count) && count >= 0)) {
    throw new InvalidArgumentError(
      "count",
      count,
      `expected a count from 0, found ${shown(count)}`,
    );
  }
  return {
    signature: `slice(${count})`,
    create: () => {
      let given = 0;
      return {
        push(item, out) {
          if (given++ < count) out.push(item);
        },
        flush() {},
        get isEmpty() {
          return given === 0;
        },
        get isDone() {
          return given >= count;
        },
      };
    },
  };
}
