import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/** First 16 bytes and start of the sha256 of an array, as the scripts in fixtures/generate keep it. */
export type Kept = readonly [string, string];

export function kept(array: NodeJS.TypedArray): Kept {
  const bytes = Buffer.from(array.buffer, array.byteOffset, array.byteLength);
  const hash = createHash("sha256").update(bytes).digest("hex");
  return [bytes.subarray(0, 16).toString("hex"), hash.slice(0, 16)];
}

/** A fixture, e.g. "random/numpy"; its script fixes the shape, the tests fail on any other. */
export function readGolden<T>(name: string): T {
  const url = new URL(`../../../fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, "utf8")) as T;
}
