import { join } from "node:path";
import { expect, test } from "vitest";
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
