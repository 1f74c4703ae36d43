import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { temporaryDirectory } from "../../helpers/bundle.ts";
import { REPOSITORY_ROOT, runProcess } from "../../helpers/run-process.ts";

test("docs/examples/own-model.mjs: each stage lowers its loss and goes on near the one before", async () => {
  const example = join(REPOSITORY_ROOT, "docs/examples/own-model.mjs");
  const { code, stdout, stderr } = await runProcess(process.execPath, [example, "60"]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const stages = [...stdout.matchAll(/^(\S+): loss (\S+) -> (\S+)$/gm)];
  expect(stages.map(([, name]) => name)).toEqual([
    "pretrain",
    "continue",
    "add-head",
    "drop-decoder",
  ]);
  const losses = stages.map(([, , first, last]) => [Number(first), Number(last)]);
  for (const [first = 0, last = 0] of losses) expect(last).toBeLessThan(0.97 * first);
  const [pretrained = [], continued = [], both = [], classified = []] = losses;
  expect(continued[0]).toBeLessThan(1.2 * (pretrained[1] ?? 0));
  expect(classified[0]).toBeLessThan((both[0] ?? 0) - 0.1);
  expect(stdout).toContain("8 of 10 parameters loaded");
  expect(stdout).toContain("not used, not in digits: linear3.bias, linear3.weight, linear4.bias");
});

test("the example takes the files of MNIST, and names one that is none", async () => {
  const folder = temporaryDirectory();
  const header = (...numbers: number[]) => Buffer.from(Uint32Array.from(numbers).buffer).swap32();
  const count = 64;
  const pixels = Buffer.from(Uint8Array.from({ length: count * 28 * 28 }, (_, at) => at % 251));
  const images = Buffer.concat([header(0x803, count, 28, 28), pixels]);
  writeFileSync(join(folder, "train-images-idx3-ubyte.gz"), gzipSync(images));
  const labels = join(folder, "train-labels-idx1-ubyte");
  writeFileSync(labels, Buffer.concat([header(0x801, count), Buffer.alloc(count, 3)]));
  const example = join(REPOSITORY_ROOT, "docs/examples/own-model.mjs");
  const run = () => runProcess(process.execPath, [example, "8", folder]);
  const { code, stdout } = await run();
  expect(code).toBe(0);
  // All are a three: the classifier comes nearer with every step.
  const [, first, last] = /^drop-decoder: loss (\S+) -> (\S+)$/m.exec(stdout) ?? [];
  expect(Number(last)).toBeLessThan(0.9 * Number(first));
  writeFileSync(labels, Buffer.concat([header(0x801, count), Buffer.alloc(count - 1)]));
  const cut = await run();
  expect(cut.code).toBe(1);
  expect(cut.stderr).toContain("train-labels-idx1-ubyte: expected [any], found [64]");
}, 120_000);
