import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { fromFsError, InvalidArgumentError, NotFoundError } from "../../formats/common/errors.ts";
import {
  anObject,
  anything,
  aText,
  checkOptions,
  type OptionKinds,
  shown,
} from "../../formats/common/options.ts";
import { DataModule, type Stage } from "../data/data-module.ts";
import { WebDataset, type WebDatasetOptions } from "./web-dataset.ts";
import { WebLoader, type WebLoaderOptions } from "./web-loader.ts";

/** The parts of a data set that a data module knows; prediction uses the test part. */
export type Split = "train" | "val" | "test";

/**
 * Something for each split. Null is none; a split that is used and not named is an error, so that no
 * split goes without its batching unnoticed.
 */
export type PerSplit<V> = Readonly<Partial<Record<Split, V | null>>>;

/** A step, or several in turn, each from one data set or loader to the next. */
export type Steps<D> = ((from: D) => object) | readonly ((from: D) => object)[];

/** A data set and a loader of items of any type: a step knows what the one before it gives. */
// biome-ignore lint/suspicious/noExplicitAny: with unknown every step would need a cast of its own
type AnyDataset = WebDataset<any>;
// biome-ignore lint/suspicious/noExplicitAny: the same
type AnyLoader = WebLoader<any>;

/** Methods by name with their arguments, e.g. `[["withEpoch", 100]]`. */
export type Invocations = readonly (readonly [method: string, ...args: unknown[]])[];

/** The original's arguments, in camel case. */
export interface WebDataModuleOptions {
  /** Fields of a sample: each becomes a position of the tuple that the first step gets. */
  readonly suffixKeysWds: string | readonly string[];
  /** Folders of the shards `<prefixTarsWds>-*.tar`. */
  readonly dirsTarsWds: Readonly<Partial<Record<Split, string>>>;
  /** Default "wdshards". */
  readonly prefixTarsWds?: string;
  /** Steps on each worker's data set of tuples; most begin with `.map(([value]) => value)`. */
  readonly pipelineWds?: PerSplit<Steps<AnyDataset>>;
  /** Steps on what comes from all workers: shuffles, batches. */
  readonly pipelinePrebatchWld?: PerSplit<Steps<AnyLoader>>;
  /** Options of `WebDataset`: shard shuffle, seed, node splitter. */
  readonly kwargsWds?: PerSplit<WebDatasetOptions>;
  /** Options of `WebLoader`: worker count, batch size. */
  readonly kwargsWld?: PerSplit<WebLoaderOptions>;
  /** Called on the data set after its steps; each must return a data set. */
  readonly invokeWds?: PerSplit<Invocations>;
  /** Called on the loader after its steps; each must return a loader. */
  readonly invokeWld?: PerSplit<Invocations>;
}

export const WEB_DATA_MODULE_KINDS: OptionKinds<WebDataModuleOptions> = {
  suffixKeysWds: anything,
  dirsTarsWds: anObject,
  prefixTarsWds: aText,
  pipelineWds: anObject,
  pipelinePrebatchWld: anObject,
  kwargsWds: anObject,
  kwargsWld: anObject,
  invokeWds: anObject,
  invokeWld: anObject,
};

const STAGE_SPLITS: Readonly<Record<Stage, readonly Split[]>> = {
  fit: ["train", "val"],
  validate: ["val"],
  test: ["test"],
  predict: ["test"],
};

/**
 * Training, validation and test batches from tar shards: `WebDataModule` of bionemo-webdatamodule,
 * with its arguments, its stages and its orders for the same seeds and worker counts.
 *
 * Samples are decoded, the fields asked for become a tuple, then `pipelineWds` and `invokeWds` work
 * on each worker's data set, `pipelinePrebatchWld` and `invokeWld` on what comes from all of them.
 */
export class WebDataModule<B = unknown> extends DataModule<B> {
  protected readonly options: WebDataModuleOptions;

  /** @throws InvalidArgumentError without a field to read. */
  constructor(options: WebDataModuleOptions) {
    super();
    checkOptions("WebDataModule", options, WEB_DATA_MODULE_KINDS, {
      // One object serves both this class and the one that writes the shards.
      ignored: ["dirPickles", "namesSubset", "nTarsWds"],
      allowOthers: new.target !== WebDataModule,
    });
    const { suffixKeysWds } = options;
    const suffixes = typeof suffixKeysWds === "string" ? [suffixKeysWds] : suffixKeysWds;
    const isValid =
      Array.isArray(suffixes) &&
      suffixes.length > 0 &&
      suffixes.every((suffix) => typeof suffix === "string" && suffix !== "");
    if (!isValid) {
      throw new InvalidArgumentError(
        "suffixKeysWds",
        suffixKeysWds,
        "suffixKeysWds: expected a field, or a list of fields",
      );
    }
    this.options = options;
  }

  protected get prefix(): string {
    return this.options.prefixTarsWds ?? "wdshards";
  }

  /**
   * Finds the shards and makes the loaders of the stage: "fit" train and val, "validate" val, "test"
   * and "predict" test. A stage that was set up before keeps its loaders and where they stand.
   * @throws InvalidArgumentError for a split without folder or without entry in an argument that is
   *   given; NotFoundError "no-shards"; what the steps throw.
   */
  async setup(stage: Stage): Promise<void> {
    const splits = STAGE_SPLITS[stage];
    if (splits === undefined) {
      throw new InvalidArgumentError(
        "stage",
        stage,
        `Data setup with stage=${stage} is not implemented: expected ${Object.keys(STAGE_SPLITS).join(", ")}`,
      );
    }
    for (const split of splits) {
      const name = stage === "predict" ? "predict" : split;
      if (!this.has(name)) this.provide(name, await this.#load(split));
    }
  }

  /** The folder of a split's shards. @throws InvalidArgumentError when there is none. */
  protected directoryOf(split: Split): string {
    const directory = this.options.dirsTarsWds[split];
    if (directory !== undefined) return directory;
    throw new InvalidArgumentError(
      "dirsTarsWds",
      this.options.dirsTarsWds,
      `the ${split} split is used and has no folder of shards`,
      { suggestions: [`give dirsTarsWds.${split}`] },
    );
  }

  async #load(split: Split): Promise<WebLoader<B>> {
    const { options } = this;
    const urls = await listShards(this.directoryOf(split), this.prefix);
    const datasetOptions = entryOf("kwargsWds", options.kwargsWds, split) ?? {};
    const loaderOptions = entryOf("kwargsWld", options.kwargsWld, split) ?? {};
    const isShared = (loaderOptions.numWorkers ?? 0) > 0;
    const { suffixKeysWds } = options;
    const suffixes = typeof suffixKeysWds === "string" ? [suffixKeysWds] : suffixKeysWds;
    const makeDataset = (place: { readonly worker: number; readonly numWorkers: number }) => {
      const dataset = new WebDataset(urls, { ...datasetOptions, ...(isShared ? place : {}) })
        .decode()
        .extractKeys(...suffixes.map((suffix) => `*.${suffix}`));
      const steps = entryOf("pipelineWds", options.pipelineWds, split);
      const calls = entryOf("invokeWds", options.invokeWds, split);
      return invoked("invokeWds", composed<AnyDataset>("pipelineWds", dataset, steps), calls);
    };
    const loader = new WebLoader(makeDataset, loaderOptions);
    const steps = entryOf("pipelinePrebatchWld", options.pipelinePrebatchWld, split);
    const calls = entryOf("invokeWld", options.invokeWld, split);
    const whole = composed<AnyLoader>("pipelinePrebatchWld", loader, steps);
    // What the steps make of the samples is what the user says it is.
    return invoked("invokeWld", whole, calls);
  }
}

/** `<directory>/<prefix>-*.tar` by name. @throws NotFoundError "no-shards", StorageError. */
export async function listShards(directory: string, prefix: string): Promise<string[]> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw fromFsError(error, directory);
  }
  const shards = names
    .filter((name) => name.startsWith(`${prefix}-`) && name.endsWith(".tar"))
    .sort((a, b) => (a < b ? -1 : 1));
  if (shards.length > 0) return shards.map((name) => join(directory, name));
  throw new NotFoundError("no-shards", `${directory} has no shards ${prefix}-*.tar`, {
    what: `${prefix}-*.tar`,
    suggestions: ["call prepareData() if this module writes them", "check prefixTarsWds"],
  });
}

/** What an argument says for a split; null for nothing. */
function entryOf<V>(argument: string, map: PerSplit<V> | undefined, split: Split): V | null {
  if (map === undefined) return null;
  const entry = map[split];
  if (entry !== undefined) return entry;
  throw new InvalidArgumentError(argument, map, `${argument} says nothing for the ${split} split`, {
    suggestions: [`give ${argument}.${split}, null for none`],
  });
}

function composed<D extends object>(argument: string, from: D, steps: Steps<D> | null): D {
  const list = steps === null ? [] : typeof steps === "function" ? [steps] : steps;
  let current = from;
  for (const step of Array.isArray(list) ? list : [list]) {
    if (typeof step !== "function") {
      const message = `${argument}: expected a function, or a list of functions, found ${shown(step)}`;
      throw new InvalidArgumentError(argument, step, message);
    }
    current = returned(argument, step(current), from);
  }
  return current;
}

function invoked<D extends object>(argument: string, from: D, calls: Invocations | null): D {
  let current = from;
  for (const [name, ...args] of calls ?? []) {
    const method: unknown = Reflect.get(current, name);
    if (typeof method !== "function") {
      const message = `${argument}: ${from.constructor.name} has no method ${name}`;
      throw new InvalidArgumentError(argument, name, message);
    }
    current = returned(argument, method.apply(current, args), from);
  }
  return current;
}

function returned<D extends object>(argument: string, value: unknown, like: D): D {
  // An instance of the class of D.
  if (value instanceof like.constructor) return value as D;
  const message = `${argument}: a step must return a ${like.constructor.name}, found ${shown(value)}`;
  throw new InvalidArgumentError(argument, value, message);
}
