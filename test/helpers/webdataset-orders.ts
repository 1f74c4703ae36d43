import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import {
  type Sample,
  WebDataset,
  type WebDatasetOptions,
} from "../../src/webdataset/web-dataset.ts";
import { temporaryDirectory } from "./bundle.ts";

export interface OrderCase {
  readonly options: WebDatasetOptions;
  readonly stages: readonly (readonly unknown[])[];
  /** How many of an endless iteration were taken. */
  readonly count: number | null;
  readonly environment: Readonly<Record<string, string>>;
  /** Per pass. */
  readonly keys: readonly (readonly string[])[];
}

/** fixtures/webdataset/orders.json.gz: see fixtures/generate/webdataset_orders.py. */
export interface Orders {
  readonly files: Readonly<Record<string, string>>;
  readonly samples: readonly Readonly<Record<string, unknown>>[];
  readonly cases: readonly OrderCase[];
  readonly mixed: Readonly<Record<string, readonly string[]>>;
  readonly braces: readonly (readonly [string, readonly string[] | null])[];
}

export function loadOrders(): Orders {
  const file = new URL("../../fixtures/webdataset/orders.json.gz", import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
}

/** Writes the shards and returns their names in brace notation. */
export function writeShards(orders: Orders): string {
  const folder = temporaryDirectory();
  for (const [name, base64] of Object.entries(orders.files)) {
    writeFileSync(join(folder, name), Buffer.from(base64, "base64"));
  }
  return join(folder, `w-{000000..00000${Object.keys(orders.files).length - 1}}.tar`);
}

/** The data set of a case. */
export function datasetOf(urls: string, { options, stages, environment }: OrderCase): WebDataset {
  const number = (name: string) => Number(environment[name]);
  const places = {
    ...("RANK" in environment ? { rank: number("RANK"), worldSize: number("WORLD_SIZE") } : {}),
    ...("WORKER" in environment
      ? { worker: number("WORKER"), numWorkers: number("NUM_WORKERS") }
      : {}),
  };
  let dataset = new WebDataset(urls, { ...options, ...places });
  for (const [name, ...args] of stages) {
    // The names are those of methods that return a data set.
    const method = Reflect.get(dataset, String(name)) as (...args: unknown[]) => WebDataset;
    dataset = method.apply(dataset, args);
  }
  return dataset;
}

export async function keysOf(
  samples: AsyncIterable<Sample>,
  count: number | null = null,
): Promise<string[]> {
  const keys: string[] = [];
  for await (const sample of samples) {
    keys.push(sample.__key__);
    if (keys.length === count) break;
  }
  return keys;
}
