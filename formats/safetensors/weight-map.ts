import { basename } from "node:path";
import { FileSource } from "../bytes/file-source.ts";
import { FormatError } from "../common/errors.ts";

const LIMIT_BYTES = 100_000_000;

/**
 * Tensor name to shard of a `model.safetensors.index.json`.
 * @throws FormatError, also for a shard that is not a file name beside the index
 */
export function readWeightMap(path: string): ReadonlyMap<string, string> {
  using file = FileSource.open(path);
  if (file.byteLength > LIMIT_BYTES) {
    const message = `expected at most ${LIMIT_BYTES} bytes, found ${file.byteLength}`;
    throw new FormatError("too-large", message, { path });
  }
  let value: unknown;
  try {
    const bytes = file.read(0, file.byteLength);
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof TypeError)) throw error;
    throw bad(path, `expected JSON, found ${error.message.slice(0, 200)}`);
  }
  const map = typeof value === "object" && value !== null && "weight_map" in value;
  const entries = map ? (value as { weight_map: unknown }).weight_map : undefined;
  if (typeof entries !== "object" || entries === null || Array.isArray(entries)) {
    throw bad(path, "expected an object with weight_map, tensor name to file name");
  }
  const weightMap = new Map<string, string>();
  for (const [name, shard] of Object.entries(entries)) {
    if (typeof shard !== "string" || shard !== basename(shard) || !shard.endsWith(".safetensors")) {
      const found = JSON.stringify(shard)?.slice(0, 80);
      throw bad(path, `${JSON.stringify(name)}: expected a .safetensors file, found ${found}`);
    }
    weightMap.set(name, shard);
  }
  if (weightMap.size === 0) throw bad(path, "weight_map is empty");
  return weightMap;
}

function bad(path: string, message: string): FormatError {
  return new FormatError("bad-index", message, { path });
}
