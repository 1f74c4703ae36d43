/** safetensors files in both directions against Python's safetensors, torch and huggingface_hub. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { floatTensor } from "../../formats/safetensors/float-values.ts";
import { SafetensorsFile } from "../../formats/safetensors/safetensors-file.ts";
import { SafetensorsCheckpoint, writeShards } from "../../formats/safetensors/shards.ts";
import type { StoredTensor } from "../../formats/safetensors/tensor.ts";
import { writeSafetensors } from "../../formats/safetensors/write-safetensors.ts";
import { defaultRng } from "../../src/random/numpy-generator.ts";
import { askOnce } from "./ask-once.ts";
import type { Tally } from "./tally.ts";

const DRIVER = fileURLToPath(new URL("./safetensors_original.py", import.meta.url));
const FILES = 12;
const CONVERTED = 50_000;

export async function checkSafetensors(
  tally: Tally,
  python: string,
  workspace: string,
): Promise<void> {
  mkdirSync(workspace, { recursive: true });
  const ask = (request: Readonly<Record<string, unknown>>) => askOnce(python, DRIVER, request);
  const theirs = Array.from({ length: FILES }, (_, i) =>
    join(workspace, `theirs-${i}.safetensors`),
  );
  const ours = theirs.map((path) => path.replace("theirs", "ours"));
  const seed = Number(new Date().toISOString().slice(0, 10).replaceAll("-", ""));

  await tally.check(
    `safetensors: ${FILES} random files of Python, read and written by us`,
    async () => {
      await ask({ op: "write", seed, paths: theirs });
      return theirs.flatMap((path, i) => {
        using file = SafetensorsFile.open(path);
        writeSafetensors(ours[i] ?? "", file.readAll(), { metadata: file.metadata });
        return differentFiles(path, ours[i] ?? "");
      });
    },
  );
  await tally.check("safetensors: our files, read and written by Python", async () => {
    const rewritten = ours.map((path) => path.replace("ours", "rewritten"));
    await ask({ op: "rewrite", paths: ours.map((path, i) => [path, rewritten[i]]) });
    return ours.flatMap((path, i) => differentFiles(path, rewritten[i] ?? ""));
  });
  await tally.check("safetensors: shards of huggingface_hub for the same tensors", async () => {
    const tensors = weights();
    const whole = join(workspace, "whole.safetensors");
    writeSafetensors(whole, tensors);
    const problems: string[] = [];
    for (const bytes of [500, 4000, 8000]) {
      const folders = ["theirs", "ours"].map((side) => join(workspace, `shards-${bytes}-${side}`));
      const [their = "", our = ""] = folders;
      for (const folder of folders) mkdirSync(folder);
      await ask({ op: "shards", path: whole, names: [...tensors.keys()], folder: their, bytes });
      writeShards(our, tensors, { maxShardBytes: bytes });
      const shards = readdirSync(their).filter((name) => name.endsWith(".safetensors"));
      if (shards.length < 2) problems.push(`${bytes}: ${shards.length} shards`);
      for (const name of shards)
        problems.push(...differentFiles(join(their, name), join(our, name)));
      using opened = SafetensorsCheckpoint.open(their);
      if (opened.names.length !== tensors.size) problems.push(`${bytes}: a tensor is missing`);
    }
    return problems;
  });
  await tally.check(`float32 to float16 and bfloat16: ${CONVERTED} random values`, async () => {
    const values = new Float32Array(randomBits(CONVERTED).buffer).map((value) =>
      Number.isNaN(value) ? 1 : value,
    );
    const hex = Buffer.from(values.buffer).toString("hex");
    const expected = await ask({ op: "narrow", hex });
    const found = (["F16", "BF16"] as const).map((dtype) => {
      const { data } = floatTensor(dtype, [values.length], values);
      return Buffer.from(data.buffer).toString("hex");
    });
    return JSON.stringify(expected) === JSON.stringify(found) ? [] : ["some bits differ"];
  });
}

function differentFiles(theirs: string, ours: string): string[] {
  return readFileSync(theirs).equals(readFileSync(ours)) ? [] : [`${ours} has other bytes`];
}

function randomBits(count: number): Uint32Array<ArrayBuffer> {
  const rng = defaultRng(20_260_501);
  return Uint32Array.from({ length: count }, () => rng.integer(0, 2 ** 32));
}

function weights(): Map<string, StoredTensor> {
  const rng = defaultRng(7);
  return new Map(
    Array.from({ length: 30 }, (_, i) => {
      const data = Float32Array.from({ length: rng.integer(1, 300) }, () => rng.integer(0, 1000));
      return [`encoder.${i}.weight`, { dtype: "F32", shape: [data.length], data } as const];
    }),
  );
}
