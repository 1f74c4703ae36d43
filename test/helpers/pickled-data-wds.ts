import { join } from "node:path";
import { PickledDataWDS } from "../../src/webdataset/pickled-data-wds.ts";
import type { WebDatasetOptions } from "../../src/webdataset/web-dataset.ts";

/** Samples of each split. */
export type SplitNames = Readonly<Record<"train" | "val" | "test", readonly string[]>>;

/** Options of a case of fixtures/generate/web_data_module.py. */
export interface ModuleCase {
  readonly seed: number;
  readonly numWorkers: number;
  readonly batchSize: number | null;
  readonly nTarsWds: number;
  readonly nBatches: number;
  readonly shuffleWds: number;
  readonly shuffleWld: number;
  readonly batched: number;
  readonly shardShuffle: boolean | number;
}

function perSplit<V>(value: V): Record<"train" | "val" | "test", V> {
  return { train: value, val: value, test: value };
}

/** What `case` of that script makes: shards below `output`, all splits with the same steps. */
export function modulePickled(
  dirPickles: string,
  namesSubset: SplitNames,
  output: string,
  options: ModuleCase,
): PickledDataWDS {
  const { seed, shuffleWds, shuffleWld, batched } = options;
  const kwargs: WebDatasetOptions = { shardShuffle: options.shardShuffle, seed };
  return new PickledDataWDS({
    dirPickles,
    namesSubset,
    nTarsWds: options.nTarsWds,
    suffixKeysWds: "tensor.pyd",
    dirsTarsWds: {
      train: join(output, "train"),
      val: join(output, "val"),
      test: join(output, "test"),
    },
    prefixTarsWds: "shards",
    pipelineWds: perSplit([
      (dataset) => dataset.map(([value]: [number]) => value),
      (dataset) => dataset.shuffle(shuffleWds, { seed }),
    ]),
    pipelinePrebatchWld: perSplit((loader) => {
      const shuffled = loader.shuffle(shuffleWld, { seed: seed + 1 });
      return batched === 0 ? shuffled : shuffled.batched(batched, { collate: null });
    }),
    kwargsWds: perSplit(kwargs),
    kwargsWld: perSplit({ numWorkers: options.numWorkers, batchSize: options.batchSize }),
    invokeWld: perSplit(options.nBatches === 0 ? null : [["withEpoch", options.nBatches]]),
  });
}

export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}
