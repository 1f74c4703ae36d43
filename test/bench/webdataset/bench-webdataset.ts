/** This package: read shards with .npy decoding, or write them. Prints samples per second. */
import { ShardWriter } from "../../../src/webdataset/shard-writer.ts";
import { WebDataset } from "../../../src/webdataset/web-dataset.ts";

const [what = "", pattern = "", samplesText = "", lengthText = ""] = process.argv.slice(2);
const [samples, length] = [Number(samplesText), Number(lengthText)];
const begin = performance.now();
if (what === "read") {
  let count = 0;
  for await (const sample of new WebDataset(pattern).decode()) {
    const array = sample["npy"];
    const isArray = typeof array === "object" && array !== null && "data" in array;
    if (isArray && array.data instanceof Float32Array && array.data.length === length) count++;
  }
  if (count !== samples) throw new Error(`read ${count} samples`);
} else {
  const values = Float32Array.from({ length }, (_, i) => i);
  await using writer = ShardWriter.create(pattern, { maxCount: 10_000 });
  for (let i = 0; i < samples; i++) {
    await writer.write({ __key__: String(i).padStart(9, "0"), npy: values });
  }
  await writer.close();
}
console.log((1000 * samples) / (performance.now() - begin));
