import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { SafetensorsFile } from "../../../../formats/safetensors/safetensors-file.ts";
import { trainEsm2 } from "../../../../src/train/runs/train-esm2.ts";
import { TORCH_DEVICES } from "../../tensor/torch.fixture.ts";

const folder = mkdtempSync(join(tmpdir(), "scdl-train-torch-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const data = join(folder, "proteins.fasta");
const letters = "LAGVSERTIDPKQNFYMHWC";
const protein = (at: number) =>
  Array.from({ length: 12 + at }, (_, i) => letters[(at * i + 3 * i) % 20]).join("");
writeFileSync(data, Array.from({ length: 12 }, (_, at) => `>p${at}\n${protein(at)}\n`).join(""));

const OPTIONS = {
  ...{ data, resultDir: folder, maxSeqLength: 24, numSteps: 8, lr: 1e-3, threads: 1 },
  ...{ model: { layers: 1, hiddenSize: 16, heads: 2, hiddenDropout: 0.1 }, microBatchSize: 4 },
  ...{ limitValBatches: 0, logEveryNSteps: 1, warmupSteps: 1 },
};

function weightsOf(checkpoint: string | null): Map<string, Float32Array> {
  using file = SafetensorsFile.open(join(checkpoint ?? "none", "model.safetensors"));
  return new Map(file.tensors.map(({ name }) => [name, file.readFloat32(name)]));
}

function expectNear(found: string | null, expected: string | null, tolerance: number): void {
  const wanted = weightsOf(expected);
  for (const [name, values] of weightsOf(found)) {
    const other = wanted.get(name) ?? new Float32Array(0);
    expect(values.length, name).toBe(other.length);
    const worst = values.reduce((top, v, at) => Math.max(top, Math.abs(v - (other[at] ?? 0))), 0);
    expect(worst, name).toBeLessThan(tolerance);
  }
}

describe.each(TORCH_DEVICES)("training with libtorch on %s", (name) => {
  const device = name === "cpu" ? "torch-cpu" : name;

  test("checkpoints go from one device to another, and a run goes on as if it had not stopped", async () => {
    const run = (experimentName: string, on: string, more = {}) =>
      trainEsm2({ ...OPTIONS, experimentName, device: on, ...more });
    const onnx = await run("onnx", "cpu");
    const torch = await run("torch", device);
    expectNear(torch.checkpoint, onnx.checkpoint, 1e-4);

    await run("parts", device, { earlyStopOnStep: 3 });
    const parts = await run("parts", device, { resumeIfExists: true });
    expect(parts.step).toBe(8);
    expectNear(parts.checkpoint, torch.checkpoint, name === "cpu" ? 1e-9 : 1e-4);

    await run("moved", "cpu", { earlyStopOnStep: 3 });
    const moved = await run("moved", device, { resumeIfExists: true, earlyStopOnStep: 5 });
    expect(moved.step).toBe(5);
    const back = await run("moved", "cpu", { resumeIfExists: true });
    expectNear(back.checkpoint, onnx.checkpoint, 1e-4);
    const config = readFileSync(join(folder, "torch", "config.yaml"), "utf8");
    expect(config).toContain(`device: ${device}`);
  });
});

test("a device and a precision that there are not are errors", async () => {
  const wrong = { ...OPTIONS, experimentName: "wrong" };
  await expect(trainEsm2({ ...wrong, device: "gpu" })).rejects.toThrow("device gpu: there is no");
  await expect(trainEsm2({ ...wrong, precision: "fp8" as "32" })).rejects.toThrow("precision");
});
