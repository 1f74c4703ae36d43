import { InvalidArgumentError } from "../../formats/common/errors.ts";
import { shown } from "../../formats/common/options.ts";

/** What a data module is set up for; "fit" needs training and validation data. */
export type Stage = "fit" | "validate" | "test" | "predict";

const SPLITS: readonly string[] = ["train", "val", "test", "predict"];

/** For callers without a type checker. */
export function noStage(stage: never): InvalidArgumentError {
  const message = `setup: there is no stage ${shown(stage)}, expected fit, validate, test or predict`;
  return new InvalidArgumentError("stage", stage, message, {
    suggestions: ['"fit" sets up training and validation'],
  });
}

/** Batches with a place to stop and go on at: a `Loader`, or a loader of your own. */
export interface ResumableBatches<B> extends AsyncIterable<B> {
  /** As JSON. */
  state(): unknown;
  loadState(state: unknown): void;
  close(): Promise<void>;
}

/**
 * Where the batches of a training run come from, stage by stage. A trainer calls `prepareData()` in
 * one process, then `setup(stage)` in every process, then asks for loaders.
 *
 * Write one for your own data by returning loaders; the base class keeps, names and closes them.
 */
export abstract class DataModule<B> {
  readonly #loaders = new Map<string, ResumableBatches<B>>();

  /** Downloads and converts, once on each machine. Default: nothing to do. */
  async prepareData(): Promise<void> {}

  /** Opens what a stage needs. Called again with another stage, it adds that one. */
  abstract setup(stage: Stage): Promise<void>;

  trainLoader(): ResumableBatches<B> {
    return this.#loader("train");
  }

  valLoader(): ResumableBatches<B> {
    return this.#loader("val");
  }

  testLoader(): ResumableBatches<B> {
    return this.#loader("test");
  }

  predictLoader(): ResumableBatches<B> {
    return this.#loader("predict");
  }

  /** Where training stands, for a checkpoint; null before setup("fit"). */
  state(): { readonly train: unknown } | null {
    const train = this.#loaders.get("train");
    return train === undefined ? null : { train: train.state() };
  }

  /** Training goes on there. Call it after setup("fit"). @throws as the loader does */
  loadState(state: unknown): void {
    if (typeof state !== "object" || state === null || !("train" in state)) {
      throw new InvalidArgumentError(
        "state",
        state,
        "expected the state of a data module: { train }",
      );
    }
    this.trainLoader().loadState(state.train);
  }

  /** Closes every loader. Override to close data sets too, and call this first. */
  async close(): Promise<void> {
    const loaders = [...this.#loaders.values()];
    this.#loaders.clear();
    await Promise.all(loaders.map((loader) => loader.close()));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** For setup(): the loader of a split. */
  protected provide(
    split: "train" | "val" | "test" | "predict",
    loader: ResumableBatches<B>,
  ): void {
    if (!SPLITS.includes(split)) {
      const message = `provide: ${shown(split)} is no split, expected ${SPLITS.join(", ")}`;
      throw new InvalidArgumentError("split", split, message);
    }
    const missing = [Symbol.asyncIterator, "state", "loadState", "close"] as const;
    if (missing.some((name) => typeof loader?.[name] !== "function")) {
      const message = `provide: expected a loader for ${split}, found ${shown(loader)}`;
      throw new InvalidArgumentError("loader", loader, message, {
        suggestions: [
          "pass a Loader, or an object with state(), loadState() and close() to iterate",
        ],
      });
    }
    this.#loaders.set(split, loader);
  }

  /** Whether setup() has made the loader of a split: validation is optional. */
  has(split: "train" | "val" | "test" | "predict"): boolean {
    return this.#loaders.has(split);
  }

  #loader(split: string): ResumableBatches<B> {
    const loader = this.#loaders.get(split);
    if (loader !== undefined) return loader;
    const stage = { train: "fit", val: "fit or validate" }[split] ?? split;
    throw new InvalidArgumentError("split", split, `there is no ${split} loader yet`, {
      suggestions: [`call setup() with ${stage} first, and give that data set`],
    });
  }
}
