import { expect, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import {
  aBoolean,
  aNumber,
  aText,
  checkOptions,
  either,
  nothing,
  oneOf,
  texts,
} from "../../../formats/common/options.ts";
import { BlockShuffledSampler } from "../../../src/sampling/block-shuffled-sampler.ts";
import { BatchSampler } from "../../../src/sampling/bucket-batch-sampler.ts";
import { classBalancedSampler } from "../../../src/sampling/class-balanced.ts";
import { PRNGResampleDataset } from "../../../src/sampling/prng-resample-dataset.ts";
import { ShuffledSampler } from "../../../src/sampling/shuffled-sampler.ts";
import { splitByFraction } from "../../../src/sampling/splits.ts";
import { WeightedSampler } from "../../../src/sampling/weighted-sampler.ts";
import { PickledDataWDS } from "../../../src/webdataset/pickled-data-wds.ts";
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { TarWriter } from "../../../src/webdataset/tar-writer.ts";
import { WebDataModule } from "../../../src/webdataset/web-data-module.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { WebLoader } from "../../../src/webdataset/web-loader.ts";

const KINDS = {
  count: aNumber,
  quick: aBoolean,
  names: texts,
  level: either(aNumber, nothing),
  mode: oneOf("fast", "slow"),
  path: aText,
};

test("options of the right kind pass, those left out and undefined too", () => {
  checkOptions("Thing", {}, KINDS);
  checkOptions("Thing", { count: undefined }, KINDS);
  checkOptions("Thing", { count: 1, quick: false, names: [], level: null, mode: "fast" }, KINDS);
  checkOptions<object>("Thing", { other: 1 }, KINDS, { ignored: ["other"] });
  checkOptions<object>("Thing", { other: 1 }, KINDS, { allowOthers: true });
});

test.each([
  [{ count: "1" }, 'Thing: count is "1", expected a number', []],
  [{ count: null }, "Thing: count is null, expected a number", []],
  [{ quick: 1 }, "Thing: quick is 1, expected true or false", []],
  [{ names: "x" }, 'Thing: names is "x", expected a list of texts', []],
  [{ names: [1] }, "Thing: names is a list of 1, expected a list of texts", []],
  [{ level: {} }, "Thing: level is an object, expected a number, or null", []],
  [{ path: new Map() }, "Thing: path is an object of Map, expected a text", []],
  [{ mode: "fats" }, 'Thing: mode is "fats", expected one of "fast", "slow"', []],
  [{ cuont: 1 }, "Thing has no option cuont", ["count, if that is what cuont should be"]],
  [
    { zzz: 1 },
    "Thing has no option zzz",
    ["leave it out; there is: count, quick, names, level, mode, path"],
  ],
  [null, "Thing: expected an object of options, found null", []],
  [7, "Thing: expected an object of options, found 7", []],
  [[1], "Thing: expected an object of options, found a list of 1", []],
])("%j is refused", (options, message, suggestions) => {
  const check = () => checkOptions("Thing", options as object, KINDS, { allowOthers: false });
  expect(check).toThrow(InvalidArgumentError);
  expect(check).toThrow(expect.objectContaining({ message, suggestions }));
});

test("every class that takes options checks them", () => {
  const wrong = { seeed: 1 } as object;
  const numbers = { length: 3, at: (i: number) => i };
  const data = { suffixKeysWds: "npy", dirsTarsWds: {}, dirPickles: ".", namesSubset: {} };
  for (const make of [
    () => new ShuffledSampler(3, wrong),
    () => new BlockShuffledSampler(3, wrong),
    () => new WeightedSampler([1, 2], wrong),
    () => classBalancedSampler({ length: 1, at: () => "a" } as never, wrong),
    () => splitByFraction(3, { a: 1 }, wrong),
    () => new PRNGResampleDataset(numbers, wrong),
    () => new BatchSampler([1], 1, wrong),
    () => new WebDataset("a.tar", wrong),
    () => new WebLoader(() => new WebDataset("a.tar"), wrong),
    () => new WebDataModule({ ...data, ...wrong }),
    () => new PickledDataWDS({ ...data, ...wrong }),
    () => ShardWriter.create("/nowhere/a-%06d.tar", wrong),
    () => TarWriter.create("/nowhere/a.tar", wrong),
  ]) {
    expect(make, String(make)).toThrow(InvalidArgumentError);
    expect(make, String(make)).toThrow(/has no option seeed$/);
  }
});

test("weights that are no numbers are named by their row", () => {
  const weights = [1, "2"] as unknown as number[];
  expect(() => new WeightedSampler(weights)).toThrow('got "2" for row 1');
});
