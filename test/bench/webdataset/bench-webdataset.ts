/** This package: read shards with .npy decoding, or write them. Prints seconds and a sum. */
import path from "node:path";
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";

const [what = "", ...rest] = process.argv.slice(2);
const [samples = 0, perShard = 0, length = 0] = rest.slice(0, 3).map(Number);
const folder = rest[3] ?? "";
let check = 0;
const begin = performance.now();
if (what === "read") {
  const last = String(Math.ceil(samples / perShard) - 1).padStart(6, "0");
  const dataset = new WebDataset(path.join(folder, `a-{000000..${last}}.tar`)).decode();
  for await (const sample of dataset) {
    const array = sample["npy"];
    const isArray = typeof array === "object" && array !== null && "data" in array;
    if (isArray && array.data instanceof Float32Array) check += array.data.at(-1) ?? 0;
  }
} else {
  const values = Float32Array.from({ length }, (_, i) => i);
  await using writer = ShardWriter.create(path.join(folder, "a-%06d.tar"), { maxCount: perShard });
  for (let i = 0; i < samples; i++) {
    check += await writer.write({ __key__: String(i).padStart(9, "0"), npy: values });
  }
  await writer.close();
}
const seconds = (performance.now() - begin) / 1000;
console.log(JSON.stringify({ seconds: [seconds], check }));
