import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";

interface Stored<Hex> {
  readonly value: unknown;
  readonly hex: Hex;
}

/** fixtures/webdataset/values.json.gz: see fixtures/generate/webdataset_values.py. */
export interface StoredValues {
  readonly npy: Readonly<Record<string, Stored<string>>>;
  readonly npyVersions: readonly string[];
  readonly npyRefused: Readonly<Record<string, string>>;
  readonly msgpack: Readonly<Record<string, Stored<string>>>;
  /** By protocol, 0 to 5. */
  readonly pickle: Readonly<Record<string, Stored<readonly string[]>>>;
  readonly pickleRefused: Readonly<Record<string, readonly string[]>>;
}

export function loadStoredValues(): StoredValues {
  const file = new URL("../../fixtures/webdataset/values.json.gz", import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(file)).toString("utf8"));
}

/** Bytes in memory of their own, aligned. */
export function fromHex(hex: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(hex, "hex"));
}
