import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { FormatError, fromFsError, InvalidArgumentError } from "../../formats/common/errors.ts";
import {
  aBoolean,
  aFunction,
  aNumber,
  anything,
  aSignal,
  aText,
  checkOptions,
  type OptionKinds,
  texts,
} from "../../formats/common/options.ts";
import { ShardWriter, type WrittenShard } from "./shard-writer.ts";
import type { WritableSample } from "./tar-writer.ts";

export interface PicklesToTarsOptions {
  /** Folder of the files `<name>.<suffix>`. */
  readonly dirInput: string;
  /** Names of the samples, in the order they are written. */
  readonly inputPrefixSubset: readonly string[];
  /** One suffix or several, a field of the sample each. */
  readonly inputSuffix: string | readonly string[];
  readonly dirOutput: string;
  /** Shards are `<dirOutput>/<outputPrefix>-%06d.tar`. */
  readonly outputPrefix: string;
  /** Makes the sample. Default: the key, and the bytes of each file under its suffix. */
  readonly funcOutputData?: (
    key: string,
    files: Readonly<Record<string, Uint8Array>>,
  ) => WritableSample;
  /** At least so many shards. Default: a shard for every 100,000 samples. */
  readonly minNumShards?: number;
  readonly overwrite?: boolean;
  readonly signal?: AbortSignal;
}

const KINDS: OptionKinds<PicklesToTarsOptions> = {
  dirInput: aText,
  inputPrefixSubset: texts,
  inputSuffix: anything,
  dirOutput: aText,
  outputPrefix: aText,
  funcOutputData: aFunction,
  minNumShards: aNumber,
  overwrite: aBoolean,
  signal: aSignal,
};

const DEFAULT_SHARD_SAMPLES = 100_000;

/**
 * bionemo-webdatamodule's `pickles_to_tars`: files of one folder into shards. The bytes are copied
 * and never unpickled. A sample's key is its name with "-" for every ".".
 *
 * With fewer samples than `minNumShards` the original leaves an empty first shard; here every shard
 * has a sample.
 * @throws InvalidArgumentError; FormatError "failed-sample" that names the sample, with the cause.
 */
export async function picklesToTars(
  options: PicklesToTarsOptions,
): Promise<readonly WrittenShard[]> {
  checkOptions("picklesToTars", options, KINDS);
  const { dirInput, inputPrefixSubset: names, dirOutput, outputPrefix, minNumShards } = options;
  const { inputSuffix, funcOutputData = asIs } = options;
  const suffixes = typeof inputSuffix === "string" ? [inputSuffix] : inputSuffix;
  if (suffixes.length === 0 || suffixes.some((suffix) => typeof suffix !== "string")) {
    throw new InvalidArgumentError(
      "inputSuffix",
      inputSuffix,
      "inputSuffix: expected one or more suffixes",
    );
  }
  if (minNumShards !== undefined && !(Number.isSafeInteger(minNumShards) && minNumShards >= 1)) {
    const message = `minNumShards: expected 1 or more, found ${minNumShards}`;
    throw new InvalidArgumentError("minNumShards", minNumShards, message);
  }
  const maxCount =
    minNumShards === undefined
      ? DEFAULT_SHARD_SAMPLES
      : Math.max(1, Math.floor(names.length / minNumShards));
  await using writer = ShardWriter.create(
    join(dirOutput, `${outputPrefix.replaceAll("%", "%%")}-%06d.tar`),
    {
      maxCount,
      mode: 0o777,
      index: false,
      overwrite: options.overwrite ?? false,
    },
  );
  for (const name of names) {
    options.signal?.throwIfAborted();
    try {
      const files: Record<string, Uint8Array> = {};
      for (const suffix of suffixes)
        files[suffix] = await readInput(join(dirInput, `${name}.${suffix}`));
      await writer.write(funcOutputData(name.replaceAll(".", "-"), files));
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new FormatError("failed-sample", `sample "${name}" was not written: ${message}`, {
        path: dirInput,
        cause,
      });
    }
  }
  return await writer.close();
}

function asIs(key: string, files: Readonly<Record<string, Uint8Array>>): WritableSample {
  return { __key__: key, ...files };
}

async function readInput(path: string): Promise<Uint8Array> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fromFsError(error, path);
  }
}
