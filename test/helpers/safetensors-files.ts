import { readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import { MemorySource } from "../../formats/bytes/memory-source.ts";
import { SafetensorsFile } from "../../formats/safetensors/safetensors-file.ts";
import { isStoredDType, type StoredTensor, tensorOver } from "../../formats/safetensors/tensor.ts";

type Described = Readonly<Record<string, readonly [dtype: string, shape: number[], hex: string]>>;

export interface WrittenFile {
  readonly tensors: Described;
  readonly metadata: Readonly<Record<string, string>> | null;
  readonly hex: string;
}

interface SafetensorsGolden {
  readonly files: Readonly<Record<string, WrittenFile>>;
  readonly unread: WrittenFile;
  readonly accepted: Readonly<Record<string, string>>;
  readonly refused: Readonly<Record<string, string>>;
  /** Names of the model's tensors in the order in which transformers fills shards. */
  readonly order: readonly string[];
  readonly parameters: number;
  /** Files by name, by the largest size of a shard. */
  readonly shards: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly conversions: Readonly<Record<"F32" | "F16" | "BF16", string>>;
}

/** What Python's safetensors and transformers wrote, fixtures/generate/safetensors_files.py. */
export function loadSafetensorsGolden(): SafetensorsGolden {
  const path = new URL("../../fixtures/safetensors/files.json.gz", import.meta.url);
  return JSON.parse(gunzipSync(readFileSync(path)).toString("utf8"));
}

export function bytesOf(hex: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

export function openBytes(bytes: Uint8Array): SafetensorsFile {
  return SafetensorsFile.fromSource(new MemorySource(bytes, "a.safetensors"));
}

export function tensorsOf(described: Described): Map<string, StoredTensor> {
  return new Map(
    Object.entries(described).map(([name, [dtype, shape, hex]]) => {
      if (!isStoredDType(dtype)) throw new Error(`${dtype} has no array`);
      return [name, tensorOver(dtype, shape, bytesOf(hex).buffer)];
    }),
  );
}
