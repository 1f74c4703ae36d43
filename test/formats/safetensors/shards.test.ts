import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { FormatError, NotFoundError, StorageError } from "../../../formats/common/errors.ts";
import { floatTensor } from "../../../formats/safetensors/float-values.ts";
import { SafetensorsFile } from "../../../formats/safetensors/safetensors-file.ts";
import { SafetensorsCheckpoint, writeShards } from "../../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../../formats/safetensors/write-safetensors.ts";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { loadSafetensorsGolden } from "../../helpers/safetensors-files.ts";

const golden = loadSafetensorsGolden();
const one: StoredTensor = { dtype: "F32", shape: [2], data: Float32Array.of(1, 2) };

/** A checkpoint of transformers on the disk. */
function unpack(size: string): string {
  const directory = temporaryDirectory();
  for (const [name, hex] of Object.entries(golden.shards[size] ?? {})) {
    writeFileSync(join(directory, name), Buffer.from(hex, "hex"));
  }
  return directory;
}

function contents(directory: string): Record<string, string> {
  const names = readdirSync(directory).sort();
  return Object.fromEntries(
    names.map((name) => [name, readFileSync(join(directory, name)).toString("hex")]),
  );
}

describe("checkpoints of transformers", () => {
  test.each(Object.keys(golden.shards))(
    "shards of %s bytes: read, and written byte for byte",
    (size) => {
      using opened = SafetensorsCheckpoint.open(unpack(size));
      expect(new Set(opened.names)).toEqual(new Set(golden.order));
      const tensors = new Map(golden.order.map((name) => [name, opened.read(name)]));
      const directory = temporaryDirectory();
      const written = writeShards(directory, tensors, {
        maxShardBytes: Number(size),
        totalParameters: golden.parameters,
      });
      expect(contents(directory)).toEqual(golden.shards[size]);
      expect(new Set(written.map(({ name }) => name))).toEqual(new Set(readdirSync(directory)));
    },
  );

  test("may be opened by the index, and by the file", () => {
    const directory = unpack("3000");
    using byIndex = SafetensorsCheckpoint.open(join(directory, "model.safetensors.index.json"));
    using shard = SafetensorsCheckpoint.open(join(directory, "model-00001-of-00003.safetensors"));
    expect(byIndex.names.length).toBeGreaterThan(shard.names.length);
    expect(() => shard.fileOf("no such")).toThrow(NotFoundError);
  });

  test("written again in fewer shards leaves no old file", () => {
    const directory = unpack("1000");
    writeFileSync(join(directory, "config.json"), "{}");
    writeShards(directory, new Map([["a", one]]), { overwrite: true });
    expect(readdirSync(directory).sort()).toEqual(["config.json", "model.safetensors"]);
    expect(() => writeShards(directory, new Map([["a", one]]))).toThrow(StorageError);
  });
});

describe("a checkpoint that is not whole", () => {
  const index = (directory: string) => join(directory, "model.safetensors.index.json");
  const last = "model-00003-of-00003.safetensors";

  test("names the shard that is not there", () => {
    const directory = unpack("3000");
    rmSync(join(directory, last));
    expect(() => SafetensorsCheckpoint.open(directory)).toThrow(NotFoundError);
    expect(() => SafetensorsCheckpoint.open(directory)).toThrow(last);
  });

  test("names the tensor that a shard lacks, and the one that the index lacks", () => {
    const directory = unpack("3000");
    writeSafetensors(join(directory, last), new Map([["a", one]]), { overwrite: true });
    expect(() => SafetensorsCheckpoint.open(directory)).toThrow(`is not in ${last}`);
    const text = readFileSync(index(directory), "utf8");
    writeFileSync(
      index(directory),
      text.replace(/ {4}"lm_head.*\n/, "").replace(/ {4}"lm_head.*\n/, ""),
    );
    const other = unpack("3000");
    writeFileSync(
      index(other),
      readFileSync(index(other), "utf8").replace(/ {4}"lm_head.bias.*\n/, ""),
    );
    expect(() => SafetensorsCheckpoint.open(other)).toThrow('"lm_head.bias" is not in the index');
  });

  test.each([
    "",
    "[]",
    "{}",
    '{"weight_map": []}',
    '{"weight_map": {}}',
    '{"weight_map": {"a": 1}}',
    '{"weight_map": {"a": "../model.safetensors"}}',
    '{"weight_map": {"a": "/etc/passwd"}}',
  ])("an index of %j is refused", (text) => {
    const directory = temporaryDirectory();
    writeFileSync(index(directory), text);
    expect(() => SafetensorsCheckpoint.open(directory)).toThrow(FormatError);
  });

  test("an index cut at any byte is a typed error", () => {
    const directory = unpack("3000");
    const text = readFileSync(index(directory));
    for (let length = 0; length < text.length - 2; length += 7) {
      writeFileSync(index(directory), text.subarray(0, length));
      expect(() => SafetensorsCheckpoint.open(directory), `${length}`).toThrow(FormatError);
    }
  });

  test("an empty directory says what it lacks", () => {
    const directory = temporaryDirectory();
    writeFileSync(join(directory, "weights.safetensors"), "");
    expect(() => SafetensorsCheckpoint.open(directory)).toThrow("there is: weights.safetensors");
  });
});

test("a file is whole or absent: a failed write leaves the old one and nothing else", () => {
  const directory = temporaryDirectory();
  const path = join(directory, "a.safetensors");
  writeSafetensors(path, new Map([["a", one]]));
  expect(() => writeSafetensors(path, new Map([["a", one]]))).toThrow(StorageError);
  const detached = new Float32Array(2);
  detached.buffer.transfer();
  const broken = new Map<string, StoredTensor>([
    ["b", { dtype: "F32", shape: [2], data: detached }],
  ]);
  expect(() => writeSafetensors(path, broken, { overwrite: true })).toThrow("found 0");
  mkdirSync(join(directory, "taken.safetensors"));
  expect(() =>
    writeSafetensors(join(directory, "taken.safetensors"), new Map([["a", one]]), {
      overwrite: true,
    }),
  ).toThrow(StorageError);
  expect(readdirSync(directory).sort()).toEqual(["a.safetensors", "taken.safetensors"]);
  using opened = SafetensorsFile.open(path);
  expect(opened.read("a")).toEqual(one);
});

test.each(["read", "map"] as const)("single tensors of a file are read by %s", (access) => {
  const path = join(temporaryDirectory(), "a.safetensors");
  // More than one block of conversion.
  const bits = Uint16Array.from({ length: 300_000 }, (_, i) => i % 0x7c00);
  const tensors = new Map<string, StoredTensor>([
    ["many", { dtype: "F16", shape: [300, 1000], data: bits }],
    ["one", one],
  ]);
  writeSafetensors(path, tensors);
  using opened = SafetensorsFile.open(path, { access });
  expect(opened.read("one")).toEqual(one);
  const values = opened.readFloat32("many");
  const back = floatTensor("F16", [300, 1000], values);
  expect(Buffer.from(back.data.buffer).equals(Buffer.from(bits.buffer))).toBe(true);
});
