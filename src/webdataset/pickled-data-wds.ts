import { IncompatibleError } from "../../formats/common/errors.ts";
import {
  aNumber,
  anObject,
  aText,
  checkOptions,
  type OptionKinds,
} from "../../formats/common/options.ts";
import { picklesToTars } from "./pickles-to-tars.ts";
import {
  listShards,
  type Split,
  WEB_DATA_MODULE_KINDS,
  WebDataModule,
  type WebDataModuleOptions,
} from "./web-data-module.ts";

/** The original's arguments, in camel case. */
export interface PickledDataWDSOptions extends WebDataModuleOptions {
  /** Folder of the files `<name>.<suffix>`, for every suffix of `suffixKeysWds`. */
  readonly dirPickles: string;
  /** Names of the samples of each split, in the order they are written. */
  readonly namesSubset: Readonly<Partial<Record<Split, readonly string[]>>>;
  /** At least so many shards a split. Default: one for every 100,000 samples. */
  readonly nTarsWds?: number;
}

const KINDS: OptionKinds<PickledDataWDSOptions> = {
  ...WEB_DATA_MODULE_KINDS,
  dirPickles: aText,
  namesSubset: anObject,
  nTarsWds: aNumber,
};

/**
 * A {@link WebDataModule} that writes its shards from files of one folder: `PickledDataWDS` of
 * bionemo-webdatamodule. The bytes are copied as they are; pickles are read as data only.
 */
export class PickledDataWDS<B = unknown> extends WebDataModule<B> {
  readonly #options: PickledDataWDSOptions;

  /** @throws InvalidArgumentError as the base class. */
  constructor(options: PickledDataWDSOptions) {
    super(options);
    checkOptions("PickledDataWDS", options, KINDS, { allowOthers: new.target !== PickledDataWDS });
    this.#options = options;
  }

  /**
   * Writes the shards of every split in `namesSubset`, over those of an earlier call.
   * @throws as `picklesToTars`; IncompatibleError "stale-shards" when the folder also holds shards of
   *   this prefix that were not written now, which setup() would read.
   */
  override async prepareData(): Promise<void> {
    const { dirPickles, namesSubset, nTarsWds, suffixKeysWds } = this.#options;
    for (const split of ["train", "val", "test"] as const) {
      const names = namesSubset[split];
      if (names === undefined) continue;
      const directory = this.directoryOf(split);
      const written = await picklesToTars({
        dirInput: dirPickles,
        inputPrefixSubset: names,
        inputSuffix: suffixKeysWds,
        dirOutput: directory,
        outputPrefix: this.prefix,
        overwrite: true,
        ...(nTarsWds === undefined ? {} : { minNumShards: nTarsWds }),
      });
      await assertOnly(
        directory,
        this.prefix,
        written.map(({ path }) => path),
      );
    }
  }
}

async function assertOnly(
  directory: string,
  prefix: string,
  written: readonly string[],
): Promise<void> {
  const own = new Set(written);
  const stale = (await listShards(directory, prefix)).filter((path) => !own.has(path));
  if (stale.length === 0) return;
  throw new IncompatibleError(
    "stale-shards",
    `${directory} also holds ${stale.length} shards that were not written now, e.g. ${stale[0]}`,
    { suggestions: ["delete them", "write into an empty folder"] },
  );
}
