import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { InvalidArgumentError } from "../../../formats/common/errors.ts";
import { DataModule } from "../../../src/data/data-module.ts";
import { alignGenes } from "../../../src/data/gene-alignment.ts";
import { inferNumSamples } from "../../../src/data/infer-samples.ts";
import { Loader } from "../../../src/data/loader.ts";
import { padTokenIds } from "../../../src/data/pad-token-ids.ts";
import { SingleCellDataModule } from "../../../src/data/single-cell-data-module.ts";
import { SingleCellDataset } from "../../../src/dataset/single-cell-dataset.ts";
import { defaultRng } from "../../../src/random/numpy-generator.ts";
import { TorchGenerator } from "../../../src/random/torch-generator.ts";
import { MixtureSampler } from "../../../src/sampling/mixture-sampler.ts";
import { permute } from "../../../src/sampling/permute.ts";
import { SequentialSampler } from "../../../src/sampling/sequential-sampler.ts";
import { ShuffledSampler } from "../../../src/sampling/shuffled-sampler.ts";
import { splitByGroup, splitByValue } from "../../../src/sampling/splits.ts";
import { WeightedSampler } from "../../../src/sampling/weighted-sampler.ts";
import { RandomMix, RoundRobin } from "../../../src/webdataset/mix.ts";
import { TarWriter } from "../../../src/webdataset/tar-writer.ts";
import { WebDataModule } from "../../../src/webdataset/web-data-module.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { writeSmallDataset } from "../../helpers/small-dataset.ts";

// biome-ignore lint/suspicious/noExplicitAny: what a caller without a type checker passes
const js = (value: unknown): any => value;
const nothing = js(undefined);
const wds = () => new WebDataset("a.tar");
const part = { sampler: new SequentialSampler(2), weight: 1 };
const labels = ["a", "b", "a"];

const MISTAKES: readonly (readonly [call: string, run: () => unknown, message: string])[] = [
  ["new WeightedSampler()", () => new WeightedSampler(nothing), "expected an array"],
  ["of a Set", () => new WeightedSampler(js(new Set([1]))), "found an object of Set"],
  ["new MixtureSampler()", () => new MixtureSampler(nothing), "expected a list of"],
  ["new MixtureSampler({})", () => new MixtureSampler(js({})), "expected a list of"],
  ["firstrow", () => new MixtureSampler([js({ ...part, firstrow: 3 })]), "no option firstrow"],
  ["no sampler", () => new MixtureSampler([js({ weight: 1 })]), "expected a sampler"],
  ["a text of values", () => splitByValue(labels, { x: js("ab") }), 'found "ab"'],
  ["map of a text", () => wds().map(js("x")), 'map: expected a function, found "x"'],
  ["filter()", () => wds().filter(nothing), "filter: expected a function"],
  ["mapDict", () => wds().mapDict({ a: js(1) }), "mapDict.a: expected a function"],
  ["mapTuple", () => wds().mapTuple([js(1)]), "mapTuple[0]: expected a function"],
  ["shuffle { sed }", () => wds().shuffle(5, js({ sed: 9 })), "shuffle has no option sed"],
  ["shuffle of a text", () => wds().shuffle(js("100")), 'found "100"'],
  ["batched { partail }", () => wds().batched(5, js({ partail: true })), "no option partail"],
  ["iterate { stat }", () => wds().iterate(js({ stat: 1 })), "iterate has no option stat"],
  ["map { handle }", () => wds().map((x) => x, js({ handle: 1 })), "map has no option handle"],
  ["decode of a text", () => wds().decode(js("rgb")), 'found "rgb"'],
  ["decode { decoder }", () => wds().decode(js({ decoder: {} })), "decode has no option decoder"],
  ["toTuple of a number", () => wds().toTuple("a", js(5), "b"), "expected names of fields"],
  ["toTuple { missing }", () => wds().toTuple("a", js({ missing: 1 })), "no option missing"],
  ["rename { kep }", () => wds().rename({ a: "b" }, js({ kep: 1 })), "rename has no option kep"],
  ["RandomMix { prob }", () => new RandomMix([wds()], js({ prob: [1] })), "no option prob"],
  ["RoundRobin of one", () => new RoundRobin(js(wds())), "expected a list of data sets"],
  ["paddingLen", () => padTokenIds([[1]], js({ paddingLen: 3 })), "no option paddingLen"],
  ["defaultRng()", () => defaultRng(nothing), "found undefined"],
  ["a seed of text", () => defaultRng(js("7")), 'found "7"'],
  ["choice", () => defaultRng(1).choice(5, 2, js({ replacement: false })), "no option replacement"],
  [
    "multinomial",
    () => TorchGenerator.fromSeed(1).multinomial(new Float32Array(3), 1, js({ replace: true })),
    "no option replace",
  ],
  ["rows as text", () => new ShuffledSampler(js("500")), 'nRows is "500", expected an integer'],
  ["permute of a text", () => permute(js("1"), 5, 1), 'got "1"'],
  ["two limits", () => inferNumSamples(js({ share: 1, batches: 2 }), 9, 2, "val"), "limit of val"],
  [
    "{ batch }",
    () => new SingleCellDataModule(js({ predictDatasetPath: "x", limitValBatches: { batch: 3 } })),
    "limitValBatches is an object, expected { share }",
  ],
];

test.each(MISTAKES)("%s is refused with what was expected", (_call, run, message) => {
  expect(run).toThrow(InvalidArgumentError);
  expect(run).toThrow(message);
});

describe("with a data set", () => {
  async function openSmall(options = {}): Promise<SingleCellDataset> {
    const directory = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
    const dataset = await SingleCellDataset.open(directory, options);
    onTestFinished(() => dataset.close());
    return dataset;
  }

  test.each([{ strategy: "weighted" }, { seed: "x" }, { sed: 9 }])(
    "neighbours %j are refused",
    async (neighbors) => {
      await expect(openSmall({ neighbors })).rejects.toThrow(InvalidArgumentError);
    },
  );

  test.each([undefined, {}, { genes: "union" }, { genes: "inner", duplicate: "sum" }])(
    "alignGenes with %j is refused",
    async (options) => {
      const dataset = await openSmall();
      await expect(alignGenes(dataset, js(options))).rejects.toThrow(InvalidArgumentError);
    },
  );

  test("options of a collate module that no thread can get are refused", async () => {
    const dataset = await openSmall();
    const module = new URL("./collate-module.fixture.ts", import.meta.url);
    for (const workers of [0, 1]) {
      await using loader = new Loader(dataset, new SequentialSampler(23), {
        batchSize: 2,
        workers,
        collate: { module, options: { scale: () => 2 } },
      });
      await expect(loader[Symbol.asyncIterator]().next()).rejects.toMatchObject({
        argument: "collate.options",
        suggestions: [expect.stringContaining("plain objects")],
      });
      expect(() => loader.seek(js("0"))).toThrow('epoch is "0"');
    }
  });

  test("stages and splits that do not exist are refused", async () => {
    const directory = await writeSmallDataset(join(temporaryDirectory(), "small.scdl"));
    await using module = new SingleCellDataModule({ predictDatasetPath: directory });
    await expect(module.setup(js("train"))).rejects.toThrow('there is no stage "train"');
    class Own extends DataModule<unknown> {
      async setup(stage: string): Promise<void> {
        this.provide(js(stage), js({}));
      }
    }
    await expect(new Own().setup("fit")).rejects.toThrow('"fit" is no split');
    await expect(new Own().setup("train")).rejects.toThrow("expected a loader for train");
  });
});

test("steps of a WebDataModule that are no functions are refused", async () => {
  const directory = temporaryDirectory();
  await using writer = TarWriter.create(join(directory, "wdshards-000000.tar"));
  await writer.write({ __key__: "a", txt: "x" });
  await writer.close();
  for (const steps of ["x", ["x"], { map: 1 }]) {
    const module = new WebDataModule({
      suffixKeysWds: "txt",
      dirsTarsWds: { test: directory },
      pipelineWds: { test: js(steps) },
    });
    await expect(module.setup("test")).rejects.toMatchObject({ argument: "pipelineWds" });
  }
});

test("wrong weights and groups come with advice", () => {
  for (const run of [
    () => new WeightedSampler([0, 0]),
    () => new WeightedSampler([Number.NaN]),
    () => splitByGroup(labels, { a: 1, b: 1, c: 1 }),
    () => splitByValue(labels, { a: ["z"] }),
  ]) {
    let thrown: unknown;
    try {
      run();
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toBeInstanceOf(InvalidArgumentError);
    expect((thrown as InvalidArgumentError).suggestions.length).toBeGreaterThan(0);
  }
});
